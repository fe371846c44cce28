//! NumPy's `.npz` archives: zip files of `.npy` files.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use npyz::npz::{NpzArchive, array_name_from_file_name};

use super::array::{Array, table};
use super::file_samples::FileSamples;
use super::npy::parse;
use super::numbers::Numbers;
use super::{DatasetError, NpzConfig, source};

/// The training table and, if there is one, the test table.
pub(super) fn read(config: &NpzConfig) -> Result<(FileSamples, Option<FileSamples>), DatasetError> {
    let mut archive = NpzFile::open(&config.file)?;
    let train = archive.table(&config.train_features, &config.train_labels)?;
    let test = match (&config.test_features, &config.test_labels) {
        (Some(features), Some(labels)) => Some(archive.table(features, labels)?),
        _ => None,
    };
    Ok((train, test))
}

/// Whether a file begins as an archive does. What is no regular file is not looked into: a pipe gives its bytes
/// once only, and an archive cannot be read from one.
pub(super) fn is_archive(path: &Path) -> bool {
    let mut start = [0; 2];
    path.is_file()
        && File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && &start == b"PK"
}

/// The features of the one array in an archive whose samples have so many.
pub(super) fn features(path: &Path, width: usize) -> Result<Numbers, DatasetError> {
    let mut archive = NpzFile::open(path)?;
    let names: Vec<String> = archive.entries.iter().map(|entry| array_name(entry).to_owned()).collect();
    let mut fitting = Vec::new();
    for name in &names {
        if archive.array(name)?.extent().is_ok_and(|(_, found)| found == width) {
            fitting.push(name.as_str());
        }
    }
    match fitting[..] {
        [name] => Ok(archive.array(name)?.features()?.0),
        _ => {
            let count = fitting.len();
            let problem = format!(
                "{count} of its arrays ({}) have {width} features a sample, as the network reads; give one alone",
                names.join(", ")
            );
            Err(DatasetError::content(path, problem))
        }
    }
}

struct NpzFile<'a> {
    path: &'a Path,
    zip: NpzArchive<BufReader<File>>,
    /// The names of all entries, in the archive's order.
    entries: Vec<String>,
}

impl<'a> NpzFile<'a> {
    fn open(path: &'a Path) -> Result<Self, DatasetError> {
        let fail = |source| DatasetError::Open { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(fail)?);
        if let Some(problem) = source::no_archive(&mut file).map_err(fail)? {
            return Err(DatasetError::content(path, problem));
        }
        let damaged = |problem: String| {
            let problem = format!("not a readable .npz archive: {problem}; it is damaged or cut short");
            DatasetError::content(path, problem)
        };
        file.rewind().map_err(fail)?;
        let mut zip = NpzArchive::new(file).map_err(|error| damaged(error.to_string()))?;
        let inner = zip.zip_archive();
        let entries = (0..inner.len())
            .map(|index| Ok(inner.by_index_raw(index).map_err(|e| damaged(e.to_string()))?.name().to_owned()))
            .collect::<Result<_, DatasetError>>()?;
        Ok(Self { path, zip, entries })
    }

    fn table(&mut self, features: &str, labels: &str) -> Result<FileSamples, DatasetError> {
        // An archive hands out one entry at a time, so the labels, the lesser part, are held in memory.
        let labels = self.array(labels)?.in_memory()?;
        table(self.array(features)?, labels)
    }

    /// The array of a name, whose entry may be called so with or without `.npy`.
    fn array(&mut self, name: &str) -> Result<Array<impl Read + '_>, DatasetError> {
        let fail = |problem: String| DatasetError::content(self.path, problem);
        let named: Vec<usize> =
            (0..self.entries.len()).filter(|&index| array_name(&self.entries[index]) == name).collect();
        let index = match named[..] {
            [index] => index,
            [] => {
                let mut names: Vec<&str> = self.entries.iter().map(|entry| array_name(entry)).collect();
                names.sort_unstable();
                let arrays = if names.is_empty() { "it holds none".to_owned() } else { names.join(", ") };
                return Err(fail(format!("the archive has no array {name:?}; its arrays: {arrays}")));
            }
            [..] => {
                let count = named.len();
                return Err(fail(format!(
                    "the archive has {count} arrays called {name:?}; keep one of them"
                )));
            }
        };
        let archive = self.zip.zip_archive();
        let method =
            archive.by_index_raw(index).map_or(String::new(), |entry| entry.compression().to_string());
        let entry = archive.by_index(index).map_err(|error| {
            let problem = match method.as_str() {
                "Unsupported(14)" => "it is compressed by LZMA".to_owned(),
                "Unsupported(95)" => "it is compressed by xz".to_owned(),
                _ => error.to_string(),
            };
            let advice = "write the archive anew with numpy.savez or numpy.savez_compressed";
            DatasetError::content(self.path, format!("array {name:?} cannot be read: {problem}; {advice}"))
        })?;
        parse(&self.path.join(name), entry)
    }
}

/// NumPy's name for an entry; one without `.npy` goes by its own.
fn array_name(entry: &str) -> &str {
    array_name_from_file_name(entry).unwrap_or(entry)
}
