//! The written forms of the schema equal the real ones. `UPDATE=1 cargo test --test gateway schema_rs` rewrites
//! `src/store/schema.rs` from the migrations.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use sla_gateway::store::migrations;
use tokio_postgres::Client;

use crate::database::{Database, migrate, revert};

#[tokio::test(flavor = "multi_thread")]
async fn schema_rs_equals_the_migrated_database() {
    let database = Database::new().await;
    let generated = tables(&database.client().await).await;
    equals_file("src/store/schema.rs", &generated, "UPDATE=1 cargo test --test gateway schema_rs");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_run_up_down_and_up_again_and_leave_nothing_behind() {
    let database = Database::unmigrated().await;
    let client = database.client().await;
    let untouched = everything(&client).await;
    let directories = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap().count();
    // The binary carries a copy, which a new directory alone does not renew.
    assert_eq!(migrations::missing(&database.url).await.unwrap().len(), directories);
    migrate(&database.url).await;
    assert!(migrations::missing(&database.url).await.unwrap().is_empty());
    let first = everything(&client).await;
    assert_ne!(first, untouched);
    revert(&database.url).await;
    let reverted = everything(&client).await;
    // Diesel's own table of migrations stays, empty.
    let rest: Vec<_> = reverted.iter().filter(|line| !line.contains("__diesel")).collect();
    assert_eq!(rest, untouched.iter().collect::<Vec<_>>());
    migrate(&database.url).await;
    assert_eq!(everything(&client).await, first);
}

/// Compares a generated text with the file that records it; with `UPDATE=1` it rewrites the file instead.
pub(crate) fn equals_file(path: &str, generated: &str, command: &str) {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::vars().any(|(name, value)| name == "UPDATE" && value == "1") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, generated).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = written.lines().zip(generated.lines()).position(|(one, other)| one != other);
    if written != generated {
        let line = differs.unwrap_or_else(|| written.lines().count().min(generated.lines().count()));
        panic!(
            "{path} is out of date from line {}:\n  file: {}\n  real: {}\nRewrite it: {command}",
            line + 1,
            written.lines().nth(line).unwrap_or("(end)"),
            generated.lines().nth(line).unwrap_or("(end)"),
        );
    }
}

/// The `diesel::table!` blocks of all tables; partitions are storage of their parents. Nothing lets the tables appear
/// in one query of diesel's: that takes a trait implementation for every two of them, and joins are written as SQL.
async fn tables(client: &Client) -> String {
    let mut text = String::from(
        "// @generated from the migrated database; `UPDATE=1 cargo test --test gateway schema_rs` rewrites it.\n",
    );
    let tables = client
        .query(
            "SELECT c.oid, c.relname::text, coalesce(
                 (SELECT array_agg(a.attname::text ORDER BY k.nth)
                  FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, nth)
                  JOIN pg_attribute a ON a.attnum = k.attnum
                  WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid), '{}')
             FROM pg_class c
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
               AND c.relname <> '__diesel_schema_migrations'
             ORDER BY c.relname COLLATE \"C\"",
            &[],
        )
        .await
        .unwrap();
    for table in tables {
        let (oid, name, key): (u32, String, Vec<String>) = (table.get(0), table.get(1), table.get(2));
        assert!(!key.is_empty(), "the table {name} has no primary key; diesel needs one");
        let key: Vec<_> = key.iter().map(|column| identifier(column)).collect();
        write!(text, "\ndiesel::table! {{\n    {name} ({}) {{\n", key.join(", ")).unwrap();
        for column in columns(client, oid).await {
            text.push_str(&column);
        }
        text.push_str("    }\n}\n");
    }
    text
}

async fn columns(client: &Client, table: u32) -> Vec<String> {
    let columns = client
        .query(
            // A domain is to diesel the type it is made of.
            "SELECT a.attname::text, a.attnotnull, t.typname::text, coalesce(e.typname::text, '')
             FROM pg_attribute a
             JOIN pg_type d ON d.oid = a.atttypid
             JOIN pg_type t ON t.oid = CASE d.typtype WHEN 'd' THEN d.typbasetype ELSE d.oid END
             LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
             WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY a.attnum",
            &[&table],
        )
        .await
        .unwrap();
    columns
        .iter()
        .map(|column| {
            let (name, required, of, element): (String, bool, String, String) =
                (column.get(0), column.get(1), column.get(2), column.get(3));
            let plain = match element.as_str() {
                "" => sql_type(&of).to_owned(),
                element => format!("Array<{}>", sql_type(element)),
            };
            let full = if required { plain } else { format!("Nullable<{plain}>") };
            match identifier(&name) {
                same if same == name => format!("        {name} -> {full},\n"),
                other => format!("        #[sql_name = \"{name}\"]\n        {other} -> {full},\n"),
            }
        })
        .collect()
}

fn sql_type(postgres: &str) -> &'static str {
    match postgres {
        "bool" => "Bool",
        "bytea" => "Bytea",
        "date" => "Date",
        "daterange" => "Daterange",
        "float4" => "Float4",
        "float8" => "Float8",
        "int2" => "Int2",
        "int4" => "Int4",
        "int8" => "Int8",
        "interval" => "Interval",
        "json" => "Json",
        "jsonb" => "Jsonb",
        "numeric" => "Numeric",
        "text" => "Text",
        "time" => "Time",
        "timestamp" => "Timestamp",
        "timestamptz" => "Timestamptz",
        "tstzrange" => "Tstzrange",
        "uuid" => "Uuid",
        "varchar" => "Varchar",
        other => panic!("the type {other} has no diesel type here: add it to tests/gateway/schema.rs"),
    }
}

/// The column's name, with an underscore when Rust or diesel uses the word itself.
fn identifier(column: &str) -> String {
    const TAKEN: &[&str] = &[
        "abstract",
        "all_columns",
        "as",
        "async",
        "await",
        "become",
        "box",
        "break",
        "columns",
        "const",
        "continue",
        "crate",
        "do",
        "dsl",
        "dyn",
        "else",
        "enum",
        "extern",
        "false",
        "final",
        "fn",
        "for",
        "gen",
        "if",
        "impl",
        "in",
        "let",
        "loop",
        "macro",
        "match",
        "mod",
        "move",
        "mut",
        "override",
        "priv",
        "pub",
        "ref",
        "return",
        "self",
        "static",
        "star",
        "struct",
        "super",
        "table",
        "trait",
        "true",
        "try",
        "type",
        "typeof",
        "unsafe",
        "unsized",
        "use",
        "virtual",
        "where",
        "while",
        "yield",
    ];
    if TAKEN.contains(&column) { format!("{column}_") } else { column.to_owned() }
}

/// Everything the migrations can make, one line each: relations with columns, constraints, indexes, functions, types,
/// triggers.
async fn everything(client: &Client) -> Vec<String> {
    client
        .query(
            "SELECT line FROM (
               SELECT format('%s %s', c.relkind, c.relname) AS line
               FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
               UNION ALL
               SELECT format('column %s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                             a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
               WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
               UNION ALL
               SELECT format('constraint %s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(oid))
               FROM pg_constraint WHERE connamespace = 'public'::regnamespace
               UNION ALL
               SELECT format('index: %s', indexdef) FROM pg_indexes WHERE schemaname = 'public'
               UNION ALL
               SELECT format('function %s: %s', oid::regprocedure, prosrc)
               FROM pg_proc WHERE pronamespace = 'public'::regnamespace
               UNION ALL
               SELECT format('type %s %s', typtype, typname)
               FROM pg_type WHERE typnamespace = 'public'::regnamespace
               UNION ALL
               SELECT format('trigger: %s', pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
               UNION ALL
               SELECT format('extension %s', extname) FROM pg_extension
             ) lines ORDER BY line COLLATE \"C\"",
            &[],
        )
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}
