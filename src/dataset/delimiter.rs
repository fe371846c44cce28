//! What stands between the columns of a text file.

use crate::flaw::Flaw;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// What stands between columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", inline)]
pub enum Delimiter {
    /// An ASCII character, neither a quote nor the end of a line.
    Character(u8),
    /// Any number of spaces and tabs; those at the ends of a line separate nothing.
    Whitespace,
}

impl Default for Delimiter {
    fn default() -> Self {
        Self::Character(b',')
    }
}

/// One ASCII character; `\t` or `tab` for a tab; `whitespace` for any number of spaces and tabs. A space is
/// that, too: no cell may be empty, so that two spaces can be no two delimiters.
impl FromStr for Delimiter {
    type Err = Flaw;

    fn from_str(text: &str) -> Result<Self, Flaw> {
        match (text, text.as_bytes()) {
            ("whitespace" | " ", _) => Ok(Self::Whitespace),
            ("tab" | "\\t", _) => Ok(Self::Character(b'\t')),
            (_, &[byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => {
                Ok(Self::Character(byte))
            }
            _ => Err(format!(
                "{text:?} is no delimiter; give one ASCII character that is neither a quote nor the end of a line, \
                 \"tab\" or \"whitespace\""
            )
            .into()),
        }
    }
}

impl Display for Delimiter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whitespace => f.write_str("whitespace"),
            Self::Character(b'\t') => f.write_str("tab"),
            Self::Character(byte) => write!(f, "{}", char::from(*byte)),
        }
    }
}

impl Serialize for Delimiter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Delimiter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_characters_or_words_and_are_read_back_as_they_are_written() {
        for (text, delimiter) in [
            (",", Delimiter::Character(b',')),
            ("\t", Delimiter::Character(b'\t')),
            ("\\t", Delimiter::Character(b'\t')),
            ("tab", Delimiter::Character(b'\t')),
            ("|", Delimiter::Character(b'|')),
            (" ", Delimiter::Whitespace),
            ("whitespace", Delimiter::Whitespace),
        ] {
            assert_eq!(text.parse(), Ok(delimiter), "{text:?}");
            assert_eq!(delimiter.to_string().parse(), Ok(delimiter), "{text:?}");
        }
        for text in ["", "é", "\"", "\n", ";;", "\\", "space"] {
            let refused = text.parse::<Delimiter>();
            assert!(refused.is_err() || text == "\\", "{text:?}");
        }
    }
}
