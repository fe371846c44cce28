//! What is measured once and remembered of an adapter: JSON files in the user's cache folder.
//!
//! A file that cannot be read or written costs a new measurement, nothing else.

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

/// What a measurement goes by: what was measured and where, in `parts`, and the program's version.
pub fn key(parts: &[&str]) -> String {
    [parts, &[env!("CARGO_PKG_VERSION")]].concat().join(" | ")
}

/// What `file` remembers under `key`.
pub fn recall<T: DeserializeOwned>(file: &Path, key: &str) -> Option<T> {
    serde_json::from_value(read(file).remove(key)?).ok()
}

/// Writes `value` under `key`. What other threads and processes write is kept: a lock beside the file lets one at a time
/// read the entries and write them with its own.
///
/// # Errors
/// Where the file cannot be written.
pub fn remember<T: Serialize>(file: &Path, key: String, value: &T) -> io::Result<()> {
    let value = serde_json::to_value(value)?;
    let lock = files::appending(&file.with_added_extension("lock"))?;
    match lock.lock() {
        // Where the file system knows no locks, an entry may be lost, and is measured again.
        Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
        _ => {}
    }
    let mut entries = read(file);
    entries.insert(key, value);
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

    #[test]
    fn none_of_those_who_write_at_the_same_time_loses_an_entry() {
        const ENTRIES: usize = 50;
        let folder = tempfile::tempdir().expect("a folder");
        let file = &folder.path().join("values.json");
        std::thread::scope(|scope| {
            for writer in ["one", "other"] {
                scope.spawn(move || {
                    for n in 0..ENTRIES {
                        remember(file, format!("{writer} {n}"), &n).expect("written");
                    }
                });
            }
        });
        assert_eq!(read(file).len(), 2 * ENTRIES);
    }
}
