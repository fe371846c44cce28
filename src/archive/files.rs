//! Which files of a folder are records.

use super::{ArchiveError, Below, LeftOutFile};
use crate::files::HALF_WRITTEN;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The ending of files about runs that failed.
pub(super) const FAILED: &str = ".failed.json";

/// The ending of files about throughput.
pub(super) const BENCH: &str = ".bench.json";

/// How the names of files begin that macOS puts beside others on foreign disks.
const APPLE_DOUBLE: &str = "._";

/// Folders inside folders are looked at this deep, to say where records are.
const DEPTH: usize = 3;

/// Folders that are looked at to say where records are.
const MAX_FOLDERS: usize = 1000;

/// Files of a folder that are opened to see whether it has records.
const TRIED: usize = 3;

/// A file that may be a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// How the file is called to the user.
    pub name: String,
    pub path: PathBuf,
    /// Hidden files are read where they are records; what else they are is nobody's concern.
    pub is_hidden: bool,
}

/// What is at the places asked for.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// By name.
    pub entries: Vec<Entry>,
    pub problems: Vec<LeftOutFile>,
    pub below: Vec<Below>,
}

/// Lists the records of folders (`*.json` in each, not in folders inside), and files that are named themselves.
///
/// # Errors
/// If a place is not there or cannot be read.
pub(super) fn list(places: &[PathBuf]) -> Result<Listing, ArchiveError> {
    let mut listing = Listing::default();
    let mut seen = HashSet::new();
    let mut folders = Vec::new();
    for place in places {
        let fail = |source| ArchiveError::Read { path: place.clone(), source };
        if !seen.insert(fs::canonicalize(place).map_err(fail)?) {
            continue;
        }
        if place.is_dir() {
            folders.push(place);
        } else {
            listing.add(place.display().to_string(), place.clone());
        }
    }
    for folder in &folders {
        let fail = |source| ArchiveError::Read { path: (*folder).clone(), source };
        for entry in fs::read_dir(folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let file = entry.file_name().to_string_lossy().into_owned();
            let is_known = || fs::canonicalize(entry.path()).is_ok_and(|path| seen.contains(&path));
            if is_record_name(&file) && (places.len() == 1 || !is_known()) {
                let name = if places.len() == 1 { file } else { folder.join(file).display().to_string() };
                listing.add(name, entry.path());
            }
        }
        let mut left = MAX_FOLDERS;
        look_below(folder, DEPTH, &seen, &mut left, &mut listing.below);
    }
    listing.entries.sort();
    listing.problems.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(listing)
}

/// Could a file of this name be a record, or about a run? Half-written files and what macOS adds are not.
fn is_record_name(name: &str) -> bool {
    let ends = Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    ends && !name.starts_with(HALF_WRITTEN) && !name.starts_with(APPLE_DOUBLE)
}

impl Listing {
    /// Takes up a file; what is no regular file must not be opened, as a pipe would never end.
    fn add(&mut self, name: String, path: PathBuf) {
        let is_hidden = path.file_name().is_some_and(|file| file.to_string_lossy().starts_with('.'));
        let what = match fs::metadata(&path) {
            Ok(facts) if facts.is_file() => return self.entries.push(Entry { name, path, is_hidden }),
            _ if is_hidden => return,
            Ok(facts) if facts.is_dir() => "a folder, not a file".to_owned(),
            Ok(_) => "not a regular file".to_owned(),
            Err(error) if path.is_symlink() => format!("a link that leads nowhere: {error}"),
            Err(error) => format!("cannot be read: {error}"),
        };
        self.problems.push(LeftOutFile { file: name, what });
    }
}

/// Adds the folders inside `folder` that have records. Links are not followed.
fn look_below(
    folder: &Path,
    depth: usize,
    seen: &HashSet<PathBuf>,
    left: &mut usize,
    found: &mut Vec<Below>,
) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    for inner in folders {
        if *left == 0 {
            return;
        }
        *left -= 1;
        if fs::canonicalize(&inner).is_ok_and(|path| seen.contains(&path)) {
            continue;
        }
        let records = count_records(&inner);
        if records > 0 {
            found.push(Below { folder: inner.display().to_string(), records });
        }
        if depth > 1 {
            look_below(&inner, depth - 1, seen, left, found);
        }
    }
}

/// The files of a folder that are named like records; none where the first of them are no records, as the states of
/// unfinished runs are not.
fn count_records(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let is_record = |entry: &fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_other = name.ends_with(FAILED) || name.ends_with(BENCH) || name.starts_with('.');
        is_record_name(&name) && !is_other && entry.file_type().is_ok_and(|kind| kind.is_file())
    };
    let mut files: Vec<PathBuf> =
        entries.filter_map(Result::ok).filter(is_record).map(|entry| entry.path()).collect();
    files.sort();
    let holds_record = |path: &PathBuf| {
        let json = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        json.is_some_and(|json| json["schema_version"].is_u64() && json["result"].is_object())
    };
    if files.iter().take(TRIED).any(holds_record) { files.len() } else { 0 }
}
