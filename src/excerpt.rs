//! What was found somewhere, as messages show it: on one line, and no longer than a reader takes in.

use crate::printable;

/// Characters of a found text that a message repeats.
const SHOWN: usize = 60;

/// Characters of a whole message: some four lines of a terminal, so that lists of keys stay whole.
const MESSAGE: usize = 1000;

/// The text between double quotes. Control characters are escaped; a long text is cut, and its length told.
pub(crate) fn quoted(text: &str) -> String {
    match beginning(text) {
        None => format!("{text:?}"),
        Some(start) => format!("{:?}… ({} bytes)", start, text.len()),
    }
}

/// The same without the quotes, for numbers, names and lists.
pub(crate) fn shown(text: &str) -> String {
    match beginning(text) {
        None => printable::line(text).into_owned(),
        Some(start) => format!("{}… ({} bytes)", printable::line(start), text.len()),
    }
}

/// A message of which a part may be of any length: its beginning and its end.
pub(crate) fn message(text: &str) -> String {
    let half = MESSAGE / 2;
    let from = text.char_indices().nth(half).map_or(text.len(), |(from, _)| from);
    let to = text.char_indices().rev().nth(half - 1).map_or(0, |(to, _)| to);
    if to <= from {
        return text.to_owned();
    }
    format!("{} … {}", text[..from].trim_end(), text[to..].trim_start())
}

/// The part of a long text that is shown.
fn beginning(text: &str) -> Option<&str> {
    text.char_indices().nth(SHOWN).map(|(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_repeated_and_long_ones_cut() {
        assert_eq!(quoted("much"), "\"much\"");
        assert_eq!(shown("1.5e"), "1.5e");
        let cell = "é".repeat(1_500_000);
        assert_eq!(quoted(&cell), format!("\"{}\"… (3000000 bytes)", "é".repeat(60)));
        assert_eq!(shown(&cell), format!("{}… (3000000 bytes)", "é".repeat(60)));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(quoted("a\u{1b}[31m\n"), "\"a\\u{1b}[31m\\n\"");
        assert_eq!(shown("a\u{1b}[31m\r"), "a\\u001b[31m\\u000d");
    }

    #[test]
    fn a_long_message_keeps_its_beginning_and_its_end() {
        let long = format!("file.json: {} is no number", "é".repeat(100_000));
        let cut = message(&long);
        assert!(cut.starts_with("file.json: é") && cut.ends_with("é is no number"), "{cut}");
        assert_eq!(cut.chars().count(), MESSAGE + 3);
        let short = "é".repeat(MESSAGE);
        assert_eq!(message(&short), short);
    }
}
