//! What is measured once and remembered of an adapter: JSON files in the user's cache folder.
//!
//! A file that cannot be read or written costs a new measurement, nothing else.

use crate::evaluate::AdapterInfo;
use crate::files;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The file called `name`, where the system has a folder for it.
pub fn file(name: &str) -> Option<PathBuf> {
    dirs::cache_dir().map(|folder| folder.join("supermask").join(name))
}

/// What a measurement of `what` on this adapter goes by, the program's version included.
pub fn key(info: &AdapterInfo, what: &str) -> String {
    format!("{} | {} | {} | {what} | {}", info.name, info.backend, info.driver, env!("CARGO_PKG_VERSION"))
}

/// What `file` remembers under `key`.
pub fn recall<T: DeserializeOwned>(file: &Path, key: &str) -> Option<T> {
    serde_json::from_value(read(file).remove(key)?).ok()
}

/// Writes `value` under `key`. What others have written since is kept.
///
/// # Errors
/// Where the file cannot be written.
pub fn remember<T: Serialize>(file: &Path, key: String, value: &T) -> io::Result<()> {
    let mut entries = read(file);
    entries.insert(key, serde_json::to_value(value)?);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    files::write(file, &serde_json::to_vec_pretty(&entries)?)
}

fn read(file: &Path) -> BTreeMap<String, Value> {
    std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_back_as_written_and_rubbish_as_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("new").join("values.json");
        assert_eq!(recall::<u32>(&file, "a GPU"), None);
        remember(&file, "a GPU".to_owned(), &7u32).expect("written");
        remember(&file, "another".to_owned(), &"text").expect("written");
        assert_eq!(recall(&file, "a GPU"), Some(7u32));
        assert_eq!(recall::<u32>(&file, "another"), None);
        std::fs::write(&file, b"{\"a GPU\": ").expect("written");
        assert_eq!(recall::<u32>(&file, "a GPU"), None);
    }
}
