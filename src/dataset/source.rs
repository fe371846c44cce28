//! Opening files, compressed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::DatasetError;
use crate::foreign;

/// The first two bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Bytes read at a time.
const BUFFER: usize = 1 << 16;

/// Stands for standard input.
const STANDARD_INPUT: &str = "-";

/// The contents of a file, decompressed if it is a gzip file, whatever its name; `-` is standard input.
///
/// # Errors
/// If the file cannot be opened, is empty, or is of a kind that is never data (see [`foreign::kind`]).
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, DatasetError> {
    let fail = |source| DatasetError::Open { path: path.to_owned(), source };
    let source: Box<dyn Read> = match path.as_os_str() == STANDARD_INPUT {
        true => Box::new(std::io::stdin()),
        false => Box::new(File::open(path).map_err(fail)?),
    };
    let mut file = BufReader::with_capacity(BUFFER, source);
    let start = file.fill_buf().map_err(fail)?;
    if start.is_empty() {
        return Err(DatasetError::content(path, "the file is empty"));
    }
    if !start.starts_with(&GZIP) {
        return match foreign::kind(start) {
            Some(kind) => Err(DatasetError::content(path, format!("this is {kind}"))),
            None => Ok(Box::new(file)),
        };
    }
    let damaged = |source| DatasetError::Read { path: path.to_owned(), source };
    let mut inside = BufReader::with_capacity(BUFFER, Gzip::Member(GzDecoder::new(file)));
    let start = inside.fill_buf().map_err(damaged)?;
    if start.is_empty() {
        return Err(DatasetError::content(path, "the file is empty, apart from its compression"));
    }
    match foreign::kind(start) {
        Some(kind) => {
            Err(DatasetError::content(path, format!("inside its gzip compression, this is {kind}")))
        }
        None => Ok(Box::new(inside)),
    }
}

/// Bytes that are looked at for a file's first row.
const LONGEST_BEGINNING: u64 = 1 << 20;

/// The first lines of a text file that are not empty, up to the first that begins with none of `comments`, as far as
/// they are text.
///
/// # Errors
/// Those of [`open`], and when the file cannot be read.
pub(crate) fn first_lines(path: &Path, comments: &[char]) -> Result<Vec<String>, DatasetError> {
    let mut file = BufReader::new(open(path)?.take(LONGEST_BEGINNING));
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = file.read_until(b'\n', &mut line);
        let length = read.map_err(|source| DatasetError::Read { path: path.to_owned(), source })?;
        let text = String::from_utf8_lossy(&line).trim_matches(['\u{feff}', '\r', '\n']).to_owned();
        let is_last = length == 0 || !text.trim().is_empty() && !text.starts_with(comments);
        if !text.trim().is_empty() {
            lines.push(text);
        }
        if is_last {
            return Ok(lines);
        }
    }
}

/// Why a file that begins so is no zip archive, where another kind is known.
pub(super) fn no_archive(file: &mut impl BufRead) -> io::Result<Option<String>> {
    let start = file.fill_buf()?;
    Ok(if start.is_empty() {
        Some("the file is empty".to_owned())
    } else if start.starts_with(&GZIP) {
        Some("this is compressed by gzip; decompress it (gunzip)".to_owned())
    } else if start.starts_with(b"\x93NUMPY") {
        Some("this is one array (.npy), not an archive; give it with \"kind\": \"npy\"".to_owned())
    } else if start.starts_with(b"PK") {
        None
    } else {
        foreign::kind(start).map(|kind| format!("this is {kind}"))
    })
}

/// The members of a gzip file, one after the other. Zeros behind them are padding, as of tapes and disk images,
/// which gzip and Python pass over.
enum Gzip<R: BufRead> {
    Member(GzDecoder<R>),
    Ended,
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Self::Member(member) = self else { return Ok(0) };
            let read = member.read(into).map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => {
                    io::Error::new(error.kind(), "the file ends before its gzip compression does")
                }
                _ => error,
            })?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let Self::Member(member) = std::mem::replace(self, Self::Ended) else { return Ok(0) };
            let mut file = member.into_inner();
            if past_zeros(&mut file)? {
                *self = Self::Member(GzDecoder::new(file));
            }
        }
    }
}

/// Goes to what follows the zeros: whether it is another member of a gzip file, or the end.
fn past_zeros(file: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let rest = file.fill_buf()?;
        let Some(&first) = rest.first() else { return Ok(false) };
        match rest.iter().take_while(|&&byte| byte == 0).count() {
            0 if first == GZIP[0] => return Ok(true),
            0 => {
                let problem = "behind the end of its gzip compression stand bytes that are none";
                return Err(io::Error::new(ErrorKind::InvalidData, problem));
            }
            zeros => file.consume(zeros),
        }
    }
}
