//! Who may import whom, read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Frameworks and services with the only rooms that may name them.
const OWNERS: &[(&str, &[&str])] = &[
    ("apollo_compiler", &["graphql"]),
    ("async_graphql", &["graphql", "http"]),
    ("async_graphql_axum", &["http"]),
    ("async_graphql_value", &["graphql"]),
    ("axum", &["http"]),
    ("clap", &["config", "main"]),
    ("csv", &["import"]),
    ("diesel", &["store"]),
    ("diesel_async", &["store"]),
    ("diesel_migrations", &["store"]),
    ("hyper", &["access", "http", "webhook"]),
    ("hyper_rustls", &["access"]),
    ("hyper_util", &["access", "http", "webhook"]),
    ("indicatif", &["main", "sample"]),
    ("jsonwebtoken", &["access"]),
    ("lettre", &["mail"]),
    ("prometheus_client", &["metrics"]),
    ("rust_embed", &["http"]),
    (
        "tokio",
        &[
            "access", "breach", "graphql", "http", "import", "mail", "main", "postgres", "sample", "store",
            "webhook",
        ],
    ),
    ("tokio_postgres", &["sample", "store"]),
    ("tower_http", &["http"]),
    ("tracing_subscriber", &["config", "main"]),
    ("std::env", &["config"]),
    ("std::net", &["config", "http", "main", "postgres", "store", "webhook"]),
    ("std::process::Command", &["postgres"]),
];

/// Every room with the rooms it may name, as the table of the crate's documentation has them. The binary puts them all
/// together and has no line there.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let documentation =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let mut rooms = BTreeMap::new();
    for line in documentation.lines().filter_map(|line| line.strip_prefix("//! | [")) {
        let cells: Vec<&str> = line.split('|').collect();
        let [in_it, _, imports, _] = cells[..] else { panic!("no row of three cells: {line}") };
        assert_eq!(names(imports).is_empty(), imports.trim() == "nothing", "{line}");
        rooms.extend(names(in_it).into_iter().map(|room| (room, names(imports))));
    }
    rooms
}

#[test]
fn rooms_import_what_their_documentation_says_and_nothing_else() {
    let rooms = rooms();
    assert!(rooms.len() > 10, "{rooms:?}");
    let mut faults = BTreeSet::new();
    let mut unused: BTreeSet<(&str, &str)> = rooms
        .iter()
        .flat_map(|(room, allowed)| allowed.iter().map(move |name| (room.as_str(), name.as_str())))
        .collect();
    for (room, file, path) in paths().into_iter().filter(|(room, ..)| room != "main" && room != "lib") {
        let Some((room, allowed)) = rooms.get_key_value(&room) else {
            faults.insert(format!("{file}: the room {room} has no line in the table of src/lib.rs"));
            continue;
        };
        let Some(inner) = path.strip_prefix("crate::") else { continue };
        let target = inner.split("::").next().unwrap();
        if target == *room || !rooms.contains_key(target) {
            continue;
        }
        match allowed.iter().find(|name| inner == *name || inner.starts_with(&format!("{name}::"))) {
            Some(name) => _ = unused.remove(&(room.as_str(), name.as_str())),
            None => _ = faults.insert(format!("{file}: {room} must not name {path}")),
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(unused.is_empty(), "what a room may name and does not: {unused:?}");
}

#[test]
fn frameworks_and_the_environment_are_named_only_by_the_rooms_that_own_them() {
    let mut faults = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (room, file, path) in paths() {
        for (owned, owners) in OWNERS {
            if path == *owned || path.starts_with(&format!("{owned}::")) {
                seen.insert(*owned);
                if !owners.contains(&room.as_str()) {
                    faults.insert(format!("{file}: {room} must not name {path}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    // The reader of paths reads: what every build needs was seen.
    for framework in ["async_graphql", "axum", "clap", "diesel", "diesel_async", "tokio_postgres"] {
        assert!(seen.contains(framework), "{framework} is named nowhere");
    }
}

#[test]
fn no_module_is_declared_by_a_macro_where_rustfmt_does_not_find_it() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    for file in files {
        let tokens = tokens(&std::fs::read_to_string(&file).unwrap());
        let hidden = tokens.windows(2).any(|pair| pair[0] == "mod" && pair[1] == "$");
        assert!(!hidden, "{} declares modules by a macro: write each on a line", file.display());
    }
}

/// What is declared and in no list would be missing without a word.
#[test]
fn every_query_and_mutation_that_is_declared_is_a_part_of_the_schema() {
    let lists = std::fs::read_to_string("src/graphql.rs").unwrap();
    let mut files = Vec::new();
    collect(Path::new("src/graphql"), &mut files);
    let part_of = |name: &String, kind: &str| name.strip_suffix(kind).is_some_and(|noun| !noun.is_empty());
    let parts: BTreeSet<String> = files
        .iter()
        .flat_map(|file| tokens(&std::fs::read_to_string(file).unwrap()))
        .filter(|name| part_of(name, "Query") || part_of(name, "Mutation"))
        .collect();
    assert!(parts.len() > 40, "{parts:?}");
    for part in parts {
        assert!(lists.contains(&format!("{part},")), "name {part} in Query or Mutation of src/graphql.rs");
    }
}

/// Every path named in a source outside its tests: (room, file, path from `crate` or the name of a crate on).
fn paths() -> Vec<(String, String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    assert!(files.len() > 50, "{files:?}");
    let mut paths = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&source).unwrap();
        let module: Vec<String> =
            relative.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        let tokens = tokens(&std::fs::read_to_string(&file).unwrap());
        for path in named(&tokens) {
            let name = relative.display().to_string();
            paths.extend(resolved(&module, &path).map(|path| (module[0].clone(), name, path)));
        }
    }
    paths
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => collect(&path, files),
            Some(extension) if extension == "rs" => files.push(path),
            _ => {}
        }
    }
}

/// A path as seen from the crate's root; none when it begins with a name that is no crate's.
fn resolved(module: &[String], path: &[String]) -> Option<String> {
    let mut base: Vec<&str> = module.iter().map(String::as_str).collect();
    let mut rest = path;
    let from_here = match path.first()?.as_str() {
        "crate" | "sla_gateway" => {
            base.clear();
            rest = &path[1..];
            true
        }
        "self" => {
            rest = &path[1..];
            true
        }
        "super" => {
            while let [first, more @ ..] = rest
                && first == "super"
            {
                base.pop();
                rest = more;
            }
            true
        }
        _ => false,
    };
    let rest = rest.iter().map(String::as_str);
    Some(match from_here {
        true => ["crate"].into_iter().chain(base).chain(rest).collect::<Vec<_>>().join("::"),
        false => rest.collect::<Vec<_>>().join("::"),
    })
}

/// The identifiers, `::`, and other characters of a source without its comments, literals and test modules.
fn tokens(source: &str) -> Vec<String> {
    let text: Vec<char> = source.chars().collect();
    let mut tokens: Vec<String> = Vec::new();
    let mut at = 0;
    let starts = |at: usize, word: &str| text[at..].iter().take(word.len()).copied().eq(word.chars());
    while at < text.len() {
        match text[at] {
            '/' if starts(at, "//") => {
                while at < text.len() && text[at] != '\n' {
                    at += 1;
                }
            }
            '"' => {
                let raw =
                    at > 0 && matches!(text[at - 1], 'r' | '#') && tokens.last().is_some_and(|t| t == "r");
                let hashes = if raw { text[..at].iter().rev().take_while(|c| **c == '#').count() } else { 0 };
                let end: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                at += 1;
                while !starts(at, &end) {
                    at += if !raw && text[at] == '\\' { 2 } else { 1 };
                }
                at += end.len();
            }
            '\'' if text.get(at + 1) == Some(&'\\') => {
                at += 3;
                while text[at] != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if text.get(at + 2) == Some(&'\'') => at += 3,
            '\'' => at += 1,
            '#' if tokens.last().is_some_and(|t| t == "r") && matches!(text.get(at + 1), Some('"' | '#')) => {
                at += 1
            }
            ':' if starts(at, "::") => {
                tokens.push("::".into());
                at += 2;
            }
            c if c.is_alphanumeric() || c == '_' => {
                let start = at;
                while at < text.len() && (text[at].is_alphanumeric() || text[at] == '_') {
                    at += 1;
                }
                tokens.push(text[start..at].iter().collect());
            }
            c if c.is_whitespace() => at += 1,
            c => {
                tokens.push(c.to_string());
                at += 1;
            }
        }
    }
    without_tests(tokens)
}

fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().map(String::as_str).take(TEST.len()).eq(TEST) {
            let mut depth = 0;
            loop {
                match tokens[at].as_str() {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 && matches!(tokens[at - 1].as_str(), "}" | ";") {
                    break;
                }
            }
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// All paths of two names or more, with the groups of `use` taken apart.
fn named(tokens: &[String]) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = is_name(&tokens[at]) && (at == 0 || tokens[at - 1] != "::");
        if begins && tokens.get(at + 1).is_some_and(|next| next == "::") {
            at = tree(tokens, at, &[], &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

/// Reads one path, or the paths of a group, that follow `prefix`; gives the place after them.
fn tree(tokens: &[String], mut at: usize, prefix: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => {
                at += 1;
                while tokens[at] != "}" {
                    let next = tree(tokens, at, &path, paths);
                    at = next.max(at + 1);
                    while !matches!(tokens[at].as_str(), "," | "}") {
                        at += 1;
                    }
                    if tokens[at] == "," {
                        at += 1;
                    }
                }
                return at + 1;
            }
            name if is_name(name) => {
                if name != "self" || path.is_empty() {
                    path.push(name.to_owned());
                }
                at += 1;
                if tokens.get(at).is_none_or(|next| next != "::") {
                    break;
                }
                at += 1;
            }
            _ => break,
        }
    }
    paths.push(path);
    at
}

#[test]
fn the_reader_of_paths_reads_what_rust_allows() {
    let source = r##"
        use crate::{error::Error, store::{self, noun::Noun}};
        //! use crate::comment;
        use super::page as p; // use crate::end_of_line;
        fn f<'a>(c: &'a str) -> diesel::QueryResult<()> { let _ = "crate::text"; let _ = r#"crate::"raw""#; g('"'); $crate::graphql::x!() }
        #[cfg(test)]
        mod tests { use crate::tests; fn f() {} }
        use std::env;
    "##;
    let module = ["store".to_owned(), "sla".to_owned()];
    let tokens = tokens(source);
    let found: Vec<String> = named(&tokens).iter().filter_map(|path| resolved(&module, path)).collect();
    assert_eq!(
        found,
        [
            "crate::error::Error",
            "crate::store",
            "crate::store::noun::Noun",
            "crate::store::page",
            "diesel::QueryResult",
            "crate::graphql::x",
            "std::env",
        ]
    );
}

/// Whether a word is the number of a rule.
fn is_rule(word: &str) -> bool {
    let digits = word.strip_prefix(['X', 'S', 'O', 'C', 'L', 'B', 'P']);
    digits.is_some_and(|digits| (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The files below a folder of the project.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn every_rule_that_is_cited_is_among_the_rules_and_every_rule_is_cited() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = std::fs::read_to_string(root.join("src/rules.md")).unwrap();
    let known: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.strip_prefix("- **")?.split("**").next()).collect();
    let mut cited = BTreeSet::new();
    for path in ["src", "migrations", "tests"].iter().flat_map(|folder| files(&root.join(folder))) {
        if path.extension().is_none_or(|kind| kind != "rs" && kind != "sql") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let comments = text.lines().filter(|line| line.trim_start().starts_with(['/', '-']));
        let words = comments.flat_map(|line| line.split(|c: char| !c.is_alphanumeric()));
        let mut found: BTreeSet<String> = words.filter(|word| is_rule(word)).map(str::to_owned).collect();
        let names = text.lines().filter_map(|line| line.trim_start_matches("async ").strip_prefix("fn "));
        found.extend(names.flat_map(|name| {
            name.split('_').map(str::to_ascii_uppercase).take_while(|word| is_rule(word)).collect::<Vec<_>>()
        }));
        for rule in found {
            assert!(known.contains(rule.as_str()), "{}: {rule} is not in src/rules.md", path.display());
            cited.insert(rule);
        }
    }
    let idle: Vec<_> = known.iter().filter(|rule| !cited.contains(**rule)).collect();
    assert!(idle.is_empty(), "{idle:?}");
}
