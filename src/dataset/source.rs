//! Opening files, compressed or not.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::DatasetError;

/// The first two bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The contents of a file, decompressed if it is a gzip file, whatever its name.
///
/// # Errors
/// If the file cannot be opened or is empty.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, DatasetError> {
    let open = |source| DatasetError::Open { path: path.to_owned(), source };
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(open)?);
    let start = file.fill_buf().map_err(open)?;
    if start.is_empty() {
        return Err(DatasetError::content(path, "the file is empty"));
    }
    if start.starts_with(&GZIP) { Ok(Box::new(MultiGzDecoder::new(file))) } else { Ok(Box::new(file)) }
}
