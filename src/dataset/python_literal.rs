//! The part of Python's literals that headers of `.npy` files are made of: dictionaries of texts, numbers,
//! truth values, tuples and lists, as `ast.literal_eval` reads them.
//!
//! The `py_literal` crate reads all of Python's, but parses the last element of every list twice, so that a
//! header of nested lists keeps it busy for ever.

use crate::flaw::Flaw;

/// A literal.
#[derive(Debug, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Whole(i128),
    Truth(bool),
    None,
    Tuple(Vec<Literal>),
    List(Vec<Literal>),
    /// In the order written; keys are texts.
    Dict(Vec<(String, Literal)>),
}

/// Nesting at most: types of records nest a few levels deep.
const MAX_DEPTH: usize = 16;

/// Reads one literal, which must be all there is.
///
/// # Errors
/// What is wrong, and at which byte.
pub(super) fn parse(text: &str) -> Result<Literal, Flaw> {
    let mut parser = Parser { text, at: 0 };
    let literal = parser.literal(0)?;
    match parser.peek() {
        None => Ok(literal),
        Some(_) => Err(parser.expected("the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    /// The next character that is no white space.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    /// Takes the next character if it is this one.
    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    fn expected(&self, what: &str) -> Flaw {
        format!("expected {what} at byte {}", self.at).into()
    }

    fn literal(&mut self, depth: usize) -> Result<Literal, Flaw> {
        if depth > MAX_DEPTH {
            return Err(format!("nested more than {MAX_DEPTH} levels deep").into());
        }
        match self.peek() {
            Some('{') => self.dict(depth),
            Some('(') => {
                let (mut items, comma) = self.items('(', ')', depth)?;
                // Parentheses around one literal are no tuple.
                if comma || items.len() != 1 { Ok(Literal::Tuple(items)) } else { Ok(items.remove(0)) }
            }
            Some('[') => Ok(Literal::List(self.items('[', ']', depth)?.0)),
            Some('\'' | '"') => self.string().map(Literal::Text),
            Some('0'..='9' | '-' | '+') => self.whole(),
            Some(_) => self.word(),
            None => Err(self.expected("a value")),
        }
    }

    /// Items between brackets, and whether there is a comma.
    fn items(&mut self, open: char, close: char, depth: usize) -> Result<(Vec<Literal>, bool), Flaw> {
        let mut items = Vec::new();
        let mut comma = false;
        self.take(open);
        while !self.take(close) {
            items.push(self.literal(depth + 1)?);
            if self.take(',') {
                comma = true;
            } else if self.peek() != Some(close) {
                return Err(self.expected("a comma or the closing bracket"));
            }
        }
        Ok((items, comma))
    }

    fn dict(&mut self, depth: usize) -> Result<Literal, Flaw> {
        let mut entries = Vec::new();
        self.take('{');
        while !self.take('}') {
            let Literal::Text(key) = self.literal(depth + 1)? else {
                return Err(self.expected("a key between quotes before"));
            };
            if !self.take(':') {
                return Err(self.expected("a colon"));
            }
            entries.push((key, self.literal(depth + 1)?));
            if !self.take(',') && self.peek() != Some('}') {
                return Err(self.expected("a comma or the closing bracket"));
            }
        }
        Ok(Literal::Dict(entries))
    }

    /// A text between single or double quotes. A backslash stands for the character behind it, which is all
    /// that names of types need.
    fn string(&mut self) -> Result<String, Flaw> {
        let mut characters = self.text[self.at..].char_indices();
        let quote = characters.next().map(|(_, quote)| quote);
        let mut string = String::new();
        while let Some((at, c)) = characters.next() {
            match c {
                c if Some(c) == quote => {
                    self.at += at + c.len_utf8();
                    return Ok(string);
                }
                '\\' => string.extend(characters.next().map(|(_, escaped)| escaped)),
                c => string.push(c),
            }
        }
        Err(self.expected("the end of a text that begins"))
    }

    /// A decimal number; Python 2 wrote an L behind long ones.
    fn whole(&mut self) -> Result<Literal, Flaw> {
        let rest = &self.text[self.at..];
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '-' || c == '+')).unwrap_or(rest.len());
        let number = rest[..digits].parse().map_err(|_| self.expected("a whole number"))?;
        self.at += digits;
        if self.text[self.at..].starts_with(['L', 'l']) {
            self.at += 1;
        }
        Ok(Literal::Whole(number))
    }

    /// `True`, `False`, `None`, or a text with a prefix, as in `u'descr'`.
    fn word(&mut self) -> Result<Literal, Flaw> {
        let rest = &self.text[self.at..];
        if rest.starts_with(['u', 'U', 'b', 'B']) && rest[1..].starts_with(['\'', '"']) {
            self.at += 1;
            return self.string().map(Literal::Text);
        }
        let words =
            [("True", Literal::Truth(true)), ("False", Literal::Truth(false)), ("None", Literal::None)];
        for (word, literal) in words {
            if let Some(behind) = rest.strip_prefix(word)
                && !behind.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            {
                self.at += word.len();
                return Ok(literal);
            }
        }
        Err(self.expected("a value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_a_literal_is_read() {
        let text = |text: &str| Literal::Text(text.into());
        let whole = Literal::Whole;
        for (written, read) in [
            ("'a'", text("a")),
            (" \"a\\\"b\" ", text("a\"b")),
            ("u'é'", text("é")),
            ("( 6L , 2L )", Literal::Tuple(vec![whole(6), whole(2)])),
            ("(6,)", Literal::Tuple(vec![whole(6)])),
            ("(6)", whole(6)),
            ("()", Literal::Tuple(vec![])),
            ("[('', '<f8')]", Literal::List(vec![Literal::Tuple(vec![text(""), text("<f8")])])),
            (
                "{'a':True,\"b\" : None ,}",
                Literal::Dict(vec![("a".into(), Literal::Truth(true)), ("b".into(), Literal::None)]),
            ),
        ] {
            assert_eq!(parse(written).as_ref(), Ok(&read), "{written}");
        }
    }

    #[test]
    fn what_is_no_literal_is_refused_with_its_place() {
        for (written, problem) in [
            ("", "a value at byte 0"),
            ("'a", "the end of a text that begins at byte 0"),
            ("(1 2)", "a comma or the closing bracket at byte 3"),
            ("(1", "a comma or the closing bracket at byte 2"),
            ("{1: 2}", "a key between quotes"),
            ("{'a' 2}", "a colon at byte 5"),
            ("1.5", "the end at byte 1"),
            ("Trueish", "a value at byte 0"),
            ("--1", "a whole number at byte 0"),
            (&"[".repeat(9000), "nested more than 16 levels deep"),
        ] {
            let error = parse(written).expect_err(written).to_string();
            assert!(error.contains(problem), "{written}: {error}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_no_panic(text in r#"[\[\](){}'":,0-9LTrueé\\ -]{0,60}"#) {
            let _ = parse(&text);
        }
    }
}
