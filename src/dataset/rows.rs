//! Rows of delimited text.
//!
//! As RFC 4180 has it, and strict where a lenient reader swallows rows: a quote that is never closed, and text
//! behind a closing quote, are errors. (The `csv` crate takes both for text.) Blanks around cells are no part of
//! them; lines may end in `\n`, `\r\n` or `\r`; empty lines are passed over.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{DatasetError, Delimiter};

/// How the text is to be read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dialect {
    pub delimiter: Delimiter,
    /// Lines that begin with it are passed over.
    pub comment: Option<u8>,
    /// Lines at the beginning that are passed over.
    pub skip_rows: usize,
}

/// Bytes of a row at most: some hundred times the widest table that makes sense.
const MAX_ROW: usize = 1 << 26;

/// Bytes read at a time.
const BUFFER: usize = 1 << 16;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The rows of a text, one after the other.
pub(super) struct TextRows<R> {
    path: PathBuf,
    dialect: Dialect,
    source: R,
    buffer: Vec<u8>,
    /// Next byte of `buffer`.
    at: usize,
    /// Line of the next byte, from 1.
    line: usize,
    row: TextRow,
}

/// A row, with its cells' quotes resolved.
#[derive(Clone, Debug, Default)]
pub(super) struct TextRow {
    /// From 1; the first row is that after the lines passed over, and may be a header.
    pub number: usize,
    /// The line on which it begins, from 1.
    line: usize,
    bytes: Vec<u8>,
    text: String,
    /// Where each cell ends in `text`.
    ends: Vec<usize>,
}

impl TextRow {
    /// Number of cells.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn cell(&self, column: usize) -> &str {
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text[start..self.ends[column]].trim()
    }

    pub fn cells(&self) -> impl Iterator<Item = &str> + Clone {
        (0..self.len()).map(|column| self.cell(column))
    }

    /// An error in a cell; `column` counts from 0.
    pub fn error(&self, path: &Path, column: usize, problem: impl Into<String>) -> DatasetError {
        let mut problem = problem.into();
        if self.line != self.number {
            problem.push_str(&format!(" (line {} of the file)", self.line));
        }
        DatasetError::cell(path, self.number, column + 1, problem)
    }
}

impl<R: Read> TextRows<R> {
    /// # Errors
    /// If the text cannot be read.
    pub fn new(path: &Path, dialect: Dialect, source: R) -> Result<Self, DatasetError> {
        let mut rows = Self {
            path: path.to_owned(),
            dialect,
            source,
            buffer: Vec::new(),
            at: 0,
            line: 1,
            row: TextRow::default(),
        };
        if rows.peek()? == Some(BYTE_ORDER_MARK[0]) && rows.buffer.starts_with(BYTE_ORDER_MARK) {
            rows.at = BYTE_ORDER_MARK.len();
        }
        for _ in 0..dialect.skip_rows {
            rows.pass_line()?;
        }
        Ok(rows)
    }

    /// The next row, if there is one.
    ///
    /// # Errors
    /// Names the row, and the column where a quote is at fault.
    pub fn next(&mut self) -> Result<Option<&TextRow>, DatasetError> {
        loop {
            let Some(byte) = self.peek()? else { return Ok(None) };
            if matches!(byte, b'\n' | b'\r') {
                self.end_line()?;
            } else if self.read_row()? {
                return Ok(Some(&self.row));
            }
        }
    }

    /// Reads a line that is not empty: whether it is a row, not blanks or a comment.
    fn read_row(&mut self) -> Result<bool, DatasetError> {
        self.row.bytes.clear();
        self.row.ends.clear();
        self.row.line = self.line;
        self.pass_blanks()?;
        match self.peek()? {
            None => return Ok(false),
            Some(b'\n' | b'\r') => return Ok(false),
            byte if byte == self.dialect.comment => {
                self.pass_line()?;
                return Ok(false);
            }
            Some(_) => {}
        }
        self.row.number += 1;
        loop {
            self.pass_blanks()?;
            if self.peek()? == Some(b'"') {
                self.quoted()?
            } else {
                self.unquoted()?
            }
            self.row.ends.push(self.row.bytes.len());
            if !self.pass_delimiter()? {
                break;
            }
        }
        if self.peek()?.is_some() {
            self.end_line()?;
        }
        self.decode()?;
        Ok(true)
    }

    /// A cell in quotes, and the blanks behind it.
    fn quoted(&mut self) -> Result<(), DatasetError> {
        let opened = self.line;
        self.at += 1;
        loop {
            let long = self.row.bytes.len() > MAX_ROW;
            match self.peek()? {
                Some(byte) if byte != b'"' && !long => {
                    self.row.bytes.push(byte);
                    self.at += 1;
                    self.line += usize::from(byte == b'\n');
                    continue;
                }
                Some(b'"') => self.at += 1,
                _ => {
                    let problem = format!(
                        "the quote that opens here, on line {opened}, is not closed; close it, or write a quote that \
                         is part of the text twice, in a cell between quotes"
                    );
                    return Err(self.row.error(&self.path, self.row.len(), problem));
                }
            }
            if self.peek()? != Some(b'"') {
                break;
            }
            self.row.bytes.push(b'"');
            self.at += 1;
        }
        let blanks = self.pass_blanks()?;
        let ends = match self.peek()? {
            None | Some(b'\n' | b'\r') => true,
            Some(byte) => match self.dialect.delimiter {
                Delimiter::Character(delimiter) => byte == delimiter,
                Delimiter::Whitespace => blanks,
            },
        };
        if ends {
            return Ok(());
        }
        let lines = match self.line - opened {
            0 => String::new(),
            more => format!(", {more} lines further down,"),
        };
        let problem = format!(
            "text stands behind the quote that closes this cell{lines}; is a quote missing or one too many?"
        );
        Err(self.row.error(&self.path, self.row.len(), problem))
    }

    fn unquoted(&mut self) -> Result<(), DatasetError> {
        while let Some(byte) = self.peek()? {
            let ends = match self.dialect.delimiter {
                Delimiter::Character(delimiter) => byte == delimiter,
                Delimiter::Whitespace => matches!(byte, b' ' | b'\t'),
            };
            if ends || matches!(byte, b'\n' | b'\r') {
                break;
            }
            self.row.bytes.push(byte);
            self.at += 1;
            if self.row.bytes.len() > MAX_ROW {
                let problem =
                    format!("row {} is longer than {MAX_ROW} bytes; is this a text file?", self.row.number);
                return Err(DatasetError::content(&self.path, problem));
            }
        }
        Ok(())
    }

    /// Whether a delimiter stands here and another cell behind it.
    fn pass_delimiter(&mut self) -> Result<bool, DatasetError> {
        match self.dialect.delimiter {
            Delimiter::Character(delimiter) => {
                let is_there = self.peek()? == Some(delimiter);
                self.at += usize::from(is_there);
                Ok(is_there)
            }
            Delimiter::Whitespace => {
                self.pass_blanks()?;
                Ok(!matches!(self.peek()?, None | Some(b'\n' | b'\r')))
            }
        }
    }

    /// Goes past spaces and tabs that are no delimiters: whether there were any.
    fn pass_blanks(&mut self) -> Result<bool, DatasetError> {
        let mut any = false;
        while let Some(byte @ (b' ' | b'\t')) = self.peek()? {
            if self.dialect.delimiter == Delimiter::Character(byte) {
                break;
            }
            self.at += 1;
            any = true;
        }
        Ok(any)
    }

    /// Goes past the rest of the line.
    fn pass_line(&mut self) -> Result<(), DatasetError> {
        while let Some(byte) = self.peek()? {
            if matches!(byte, b'\n' | b'\r') {
                return self.end_line();
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Goes past the end of a line, at which the text stands.
    fn end_line(&mut self) -> Result<(), DatasetError> {
        let first = self.peek()?;
        self.at += 1;
        if first == Some(b'\r') && self.peek()? == Some(b'\n') {
            self.at += 1;
        }
        self.line += 1;
        Ok(())
    }

    fn peek(&mut self) -> Result<Option<u8>, DatasetError> {
        if self.at == self.buffer.len() {
            self.buffer.resize(BUFFER, 0);
            let read = loop {
                match self.source.read(&mut self.buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    read => break read,
                }
            };
            let read = read.map_err(|source| DatasetError::Read { path: self.path.clone(), source })?;
            self.buffer.truncate(read);
            self.at = 0;
        }
        Ok(self.buffer.get(self.at).copied())
    }

    fn decode(&mut self) -> Result<(), DatasetError> {
        let number = self.row.number;
        if self.row.bytes.contains(&0) {
            let problem =
                format!("row {number} holds a byte of value 0; the file is damaged, or no text in UTF-8");
            return Err(DatasetError::content(&self.path, problem));
        }
        let Ok(text) = std::str::from_utf8(&self.row.bytes) else {
            let problem = format!("row {number} is not UTF-8 text; save the file as UTF-8");
            return Err(DatasetError::content(&self.path, problem));
        };
        self.row.text.clear();
        self.row.text.push_str(text);
        // A character of several bytes may not be cut by the end of a cell.
        if self.row.ends.iter().all(|&end| self.row.text.is_char_boundary(end)) {
            return Ok(());
        }
        let problem = format!("row {number} is not UTF-8 text; save the file as UTF-8");
        Err(DatasetError::content(&self.path, problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dialect: Dialect, text: &str) -> Result<Vec<Vec<String>>, String> {
        let mut rows = TextRows::new(Path::new("file"), dialect, text.as_bytes()).expect("text in memory");
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(|error| error.to_string())? {
            all.push(row.cells().map(str::to_owned).collect());
        }
        Ok(all)
    }

    fn comma(text: &str) -> Result<Vec<Vec<String>>, String> {
        read(Dialect::default(), text)
    }

    fn by(delimiter: &str) -> Dialect {
        Dialect { delimiter: delimiter.parse().expect("a delimiter"), ..Dialect::default() }
    }

    #[test]
    fn cells_are_trimmed_and_lines_may_end_in_three_ways() {
        let rows = [["a", "b"], ["1", "2"], ["3", ""]];
        for text in [
            "a,b\n1,2\n3,",
            "\u{feff}a , b\r\n\r\n 1,\t2\r\n3,\r\n",
            "a,b\r1,2\r\r3,",
            "  \n\"a\", \"b\" \n1,2\n3, ",
        ] {
            assert_eq!(comma(text).expect(text), rows, "{text:?}");
        }
    }

    #[test]
    fn quotes_hold_delimiters_quotes_and_lines_and_are_text_within_a_cell() {
        assert_eq!(comma("\"a,\"\"b\"\"\n c\",5\" pipe\n").expect("rows"), [["a,\"b\"\n c", "5\" pipe"]]);
        assert_eq!(comma("\"\",x").expect("rows"), [["", "x"]]);
    }

    #[test]
    fn a_quote_that_is_not_closed_or_closed_too_early_is_an_error_that_names_its_place() {
        let open = comma("a,b\n\n1,\"2\n3,4\n5,6\n").expect_err("an open quote");
        assert!(open.starts_with("file, row 2, column 2: the quote that opens here, on line 3,"), "{open}");
        assert!(!open.contains("5,6"), "{open}");
        let swallowed = comma("a,b\n1,\"2\n3,4\n5,\"6\n").expect_err("two open quotes");
        assert!(swallowed.contains("row 2, column 2: text stands behind"), "{swallowed}");
        assert!(swallowed.contains("2 lines further down"), "{swallowed}");
        assert!(read(by("whitespace"), "\"a\"b c\n").is_err());
    }

    #[test]
    fn white_space_of_any_length_separates_columns_and_its_ends_do_not() {
        let rows = [["1", "2", "c"], ["3", "4", "d e"]];
        for dialect in [by("whitespace"), by(" ")] {
            assert_eq!(read(dialect, "  1 2\t \tc  \n3 4 \"d e\"\n \t\n").expect("rows"), rows);
        }
        assert_eq!(read(by("tab"), "1\t\t c d\n").expect("rows"), [["1", "", "c d"]]);
    }

    #[test]
    fn comments_and_leading_lines_are_passed_over_and_errors_name_the_line() {
        let dialect = Dialect { comment: Some(b'#'), skip_rows: 2, ..Dialect::default() };
        let text = "made by\n\"hand, \n# x\n1,2\n  # y\n3,#4\n";
        assert_eq!(read(dialect, text).expect("rows"), [["1", "2"], ["3", "#4"]]);
        let mut rows = TextRows::new(Path::new("file"), dialect, text.as_bytes()).expect("text");
        rows.next().expect("a row");
        let row = rows.next().expect("a row").expect("a row");
        assert_eq!(
            row.error(Path::new("f"), 1, "no").to_string(),
            "f, row 2, column 2: no (line 6 of the file)"
        );
        assert!(read(Dialect { skip_rows: 9, ..dialect }, text).expect("nothing").is_empty());
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_by_row() {
        let mut rows = TextRows::new(Path::new("f"), Dialect::default(), &b"a\n\xff,b\n"[..]).expect("bytes");
        rows.next().expect("text");
        assert!(rows.next().expect_err("no text").to_string().contains("row 2 is not UTF-8 text"));
        assert!(comma("a\0,b").expect_err("a zero").contains("row 1 holds a byte of value 0"));
    }

    #[test]
    fn a_row_may_cross_the_ends_of_buffers() {
        let long = "7".repeat(BUFFER - 3);
        let rows = comma(&format!("{long},12345,é\n1,2,3\n")).expect("rows");
        assert_eq!(rows[0], [long.as_str(), "12345", "é"]);
        assert_eq!(rows[1], ["1", "2", "3"]);
    }
}
