//! Text from elsewhere (labels, names of files, messages of other programs), made fit to be shown: what would drive a
//! terminal, turn the direction of reading, or be no XML is written as JSON escapes it, `\u001b`.

use std::borrow::Cow;

/// Is the character an order rather than a sign? Control characters, the marks that change the direction of what
/// follows (Unicode's Bidi_Control), separators of lines and paragraphs, and what XML has no place for.
fn is_order(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    c.is_control() || turns || separates || matches!(c, '\u{fffe}' | '\u{ffff}')
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_escaped(c) {
            escaped += &format!("\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// A label on one line.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_order)
}

/// A text whose lines and tabs are its own.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_order(c) && c != '\n' && c != '\t')
}

/// Has the text a character that is not shown as it is?
pub(crate) fn is_unprintable(text: &str) -> bool {
    text.contains(is_order)
}

/// Would a spreadsheet take a cell of this text for a formula? Signs of full width count as signs; numbers are none.
pub(crate) fn is_formula(cell: &str) -> bool {
    const BEGINNINGS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    cell.trim_start().starts_with(BEGINNINGS) && cell.parse::<f64>().is_err()
}

/// `1 record`, `2 records`, `3 copies`, `4 classes`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    match what.strip_suffix('y') {
        _ if number == 1 => format!("1 {what}"),
        Some(stem) => format!("{number} {stem}ies"),
        None if what.ends_with('s') => format!("{number} {what}es"),
        None => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_more_are_several() {
        assert_eq!(
            [(1, "run"), (0, "run"), (2, "copy"), (3, "class")].map(|(n, what)| counted(n, what)),
            ["1 run", "0 runs", "2 copies", "3 classes"]
        );
    }

    #[test]
    fn orders_are_escaped_and_signs_stay() {
        assert_eq!(
            line("a\u{1b}[31mb\nc\u{202e}d\u{7f}\u{ffff}"),
            "a\\u001b[31mb\\u000ac\\u202ed\\u007f\\uffff"
        );
        assert_eq!(lines("a\tb\nc\r\u{9b}"), "a\tb\nc\\u000d\\u009b");
        assert!(matches!(line("größe ± 1 × 𝔸 \u{200d}"), Cow::Borrowed(_)));
    }
}
