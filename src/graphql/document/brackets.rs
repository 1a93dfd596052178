//! How deep brackets are nested, told by one look at each byte: the parser's own count comes with an error for each
//! level that is left open, which takes it ten times as long.

use async_graphql::Pos;

/// Where braces or square brackets are nested deeper than so many levels; those in strings and comments do not count.
pub(super) fn deeper_than(text: &str, most: usize) -> Option<Pos> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'{' | b'[' if depth == most => return Some(position(&text[..at])),
            b'{' | b'[' => {
                depth += 1;
                1
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                1
            }
            b'#' => bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(text.len()),
            b'"' => string(&bytes[at..]),
            _ => 1,
        };
    }
    None
}

/// How long the string is that begins here. One that is left open ends with its line, a block with the text.
fn string(text: &[u8]) -> usize {
    let block = text.starts_with(b"\"\"\"");
    let mut at = if block { 3 } else { 1 };
    while let Some(byte) = text.get(at) {
        at += match (byte, block) {
            (b'\\', true) if text[at..].starts_with(b"\\\"\"\"") => 4,
            (b'"', true) if text[at..].starts_with(b"\"\"\"") => return at + 3,
            (b'\\', false) => 2,
            (b'"' | b'\n' | b'\r', false) => return at + 1,
            _ => 1,
        };
    }
    at
}

fn position(before: &str) -> Pos {
    let line = before.rsplit('\n').next().unwrap_or_default();
    Pos { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_where_they_are_brackets() {
        let deep = |text: &str| deeper_than(text, 3).map(|at| (at.line, at.column));
        assert_eq!(deep("{ a { b { c } } }"), None);
        assert_eq!(deep("{ a { b {\n  c { d } } } }"), Some((2, 5)));
        assert_eq!(deep("{ a(x: [[[1]]]) }"), Some((1, 10)));
        assert_eq!(deep("{ a {b} a {b} a {b} a {b} }"), None);
        assert_eq!(deep("}}}} { { {"), None);
        for quoted in [
            r#""{{{{""#,
            r#""\"{{{{""#,
            r#""\\" "{{{{""#,
            "\"\"\"{{{{\n\"{{\"\"\"",
            "\"\"\"\\\"\"\"{{{{\"\"\"",
            "# {{{{\n",
            "\"é\" # \"\n",
        ] {
            assert_eq!(deep(&format!("{{ a(x: {quoted}) {{ b {{ c }} }} }}")), None, "{quoted}");
            assert!(deep(&format!("{{ a(x: {quoted}) {{ b {{ c {{ d }} }} }} }}")).is_some(), "{quoted}");
        }
        for open in ["\"", "\"\\", "\"\"\"", "\"\"\"\\", "#", "\"\"", "\"\n{{{{"] {
            deep(open);
        }
    }
}
