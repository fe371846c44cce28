//! Files that commands write: whole or not at all, and never in place of what is no regular file.

mod stream;
#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Cursor, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How the names of temporary files begin.
pub const HALF_WRITTEN: &str = ".writing-";

/// Links that are followed one after another at most, as on Linux.
const MOST_LINKS: usize = 40;

/// What is found where a document is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `-`, or our own descriptor under a name such as `/dev/stdout`.
    StandardOutput,
    /// A device, a pipe, a socket or an open descriptor, which is written to and stays what it is.
    Stream(PathBuf),
    /// A regular file, or nothing yet; links have been followed.
    File(PathBuf),
}

/// What some formats need: zip archives go back to fill in what they skipped.
pub trait WriteSeek: Write + Seek {}
impl<T: Write + Seek> WriteSeek for T {}

/// Bytes of what is read whole, at most: a device that never ends has more.
const MOST_BYTES: u64 = 1 << 30;

/// All bytes of a file, or without a path of standard input.
///
/// # Errors
/// When it cannot be read, or is larger than 1 GiB.
pub fn read(path: Option<&Path>) -> io::Result<Vec<u8>> {
    let source: Box<dyn Read> = match path {
        Some(path) => Box::new(File::open(path)?),
        None => Box::new(io::stdin()),
    };
    let mut bytes = Vec::new();
    source.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other("larger than 1 GiB"));
    }
    Ok(bytes)
}

/// SHA-256 of a file's bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes `bytes` to what is at `path`: see [`Place::write_with`].
///
/// # Errors
/// Where the place cannot be written; a regular file is then as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    Place::find(path)?.write(bytes)
}

impl Place {
    /// Follows `path` to where a document would go. A link to nothing yet leads to the file it names.
    ///
    /// # Errors
    /// Where a folder is there, or links lead in a circle.
    pub fn find(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::StandardOutput);
        }
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            if let Some(place) = Self::descriptor(&path) {
                return Ok(place);
            }
            path = match fs::symlink_metadata(&path) {
                Ok(there) if there.is_symlink() => folder_of(&path).join(fs::read_link(&path)?),
                Ok(there) if there.is_dir() => return Err(is_a_folder()),
                Ok(there) if there.is_file() => return Ok(Self::File(path)),
                Ok(_) => return Ok(Self::Stream(path)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Self::not_yet_there(path),
                Err(error) => return Err(error),
            };
        }
        Err(io::Error::other("its links lead in a circle"))
    }

    /// A name of an open descriptor. Such names look like links, and would be followed to the file that somebody
    /// else has opened, and may have written to already.
    fn descriptor(path: &Path) -> Option<Self> {
        let folder = fs::canonicalize(folder_of(path)).ok()?;
        let listed = folder.starts_with("/proc") && folder.ends_with("fd");
        if !listed && folder != Path::new("/dev/fd") {
            return None;
        }
        let ours = !listed || fs::canonicalize("/proc/self/fd").is_ok_and(|own| own == folder);
        let first = path.file_name().is_some_and(|name| name == "1");
        Some(if ours && first { Self::StandardOutput } else { Self::Stream(path.to_owned()) })
    }

    fn not_yet_there(path: PathBuf) -> io::Result<Self> {
        let ends_with_separator = path
            .as_os_str()
            .as_encoded_bytes()
            .last()
            .is_some_and(|end| std::path::is_separator(char::from(*end)));
        match path.file_name() {
            Some(_) if !ends_with_separator => Ok(Self::File(path)),
            _ => Err(io::Error::new(ErrorKind::InvalidInput, "it does not end in the name of a file")),
        }
    }

    /// Could a document be written here, after its folder was made where it is not there? Changes nothing.
    ///
    /// # Errors
    /// Says what stands against it.
    pub fn check(&self) -> io::Result<()> {
        match self {
            Self::StandardOutput => Ok(()),
            Self::Stream(path) => stream::may_write(path),
            Self::File(path) if !folder_of(path).exists() => check_folder(folder_of(path)),
            Self::File(path) => beside(path).map(drop),
        }
    }

    /// Opens it, to be added to.
    ///
    /// # Errors
    /// Where it cannot be opened, or nobody reads a pipe.
    pub fn append(&self) -> io::Result<Box<dyn Write + Send>> {
        match self {
            Self::StandardOutput => Ok(Box::new(io::stdout())),
            Self::Stream(path) => stream::open(path),
            Self::File(path) => Ok(Box::new(appending(path)?)),
        }
    }

    /// Writes `bytes` here: see [`Place::write_with`].
    ///
    /// # Errors
    /// Where that fails; a regular file is then as it was.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::StandardOutput => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Self::Stream(path) => stream::open(path)?.write_all(bytes),
            Self::File(_) => self.write_with(|file| file.write_all(bytes)),
        }
    }

    /// Writes what `fill` writes, and makes the folder where it is not there. A regular file is replaced by a new one,
    /// which was written beside it, so that it is there whole or not at all; it keeps its permissions. Where its folder takes no new files, it is written in
    /// place, as is everything that is no regular file.
    ///
    /// # Errors
    /// Where that fails; a regular file that could be replaced is then as it was.
    pub fn write_with(&self, fill: impl FnOnce(&mut dyn WriteSeek) -> io::Result<()>) -> io::Result<()> {
        let Self::File(path) = self else {
            let mut whole = Cursor::new(Vec::new());
            fill(&mut whole)?;
            return self.write(whole.get_ref());
        };
        fs::create_dir_all(folder_of(path))?;
        let Some(mut file) = beside(path)? else {
            let mut whole = Cursor::new(Vec::new());
            fill(&mut whole)?;
            return write_in_place(path, &mut whole.get_ref().as_slice());
        };
        fill(file.as_file_mut())?;
        file.as_file().sync_all()?;
        match file.persist(path) {
            // A file that is mounted alone cannot be replaced.
            Err(failed) if failed.error.kind() == ErrorKind::ResourceBusy => {
                write_in_place(path, &mut failed.file.reopen()?)
            }
            persisted => persisted.map(drop).map_err(|failed| failed.error),
        }
    }
}

/// An empty file beside `path` that can take its place; none where the folder takes no new files, but the file that
/// is there can be written.
///
/// # Errors
/// Where neither can be had, or the file is protected from writing.
fn beside(path: &Path) -> io::Result<Option<NamedTempFile>> {
    let existing = match File::options().append(true).open(path) {
        Ok(file) => Some(file.metadata()?),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(HALF_WRITTEN);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = match builder.tempfile_in(folder_of(path)) {
        Ok(file) => file,
        Err(error) => {
            let no_new_files =
                matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem);
            return if existing.is_some() && no_new_files {
                Ok(None)
            } else {
                Err(no_file_in(folder_of(path), &error))
            };
        }
    };
    if let Some(existing) = existing {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, fchown};
            // Only root may give a file to its former owner; others have to keep it.
            let _ = fchown(file.as_file(), Some(existing.uid()), Some(existing.gid()));
        }
        file.as_file().set_permissions(existing.permissions())?;
    }
    Ok(Some(file))
}

fn write_in_place(path: &Path, bytes: &mut dyn io::Read) -> io::Result<()> {
    let mut file = File::options().write(true).truncate(true).open(path)?;
    io::copy(bytes, &mut file)?;
    file.sync_all()
}

/// A file that is added to; it is made where it is not there, with its folder.
///
/// # Errors
/// Where it cannot be opened.
pub fn appending(path: &Path) -> io::Result<File> {
    fs::create_dir_all(folder_of(path))?;
    File::options().create(true).append(true).open(path)
}

/// Could files be written to this folder, after it was made where it is not there? Changes nothing.
///
/// # Errors
/// Says what stands against it.
pub fn check_folder(folder: &Path) -> io::Result<()> {
    let nearest = folder.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok());
    let nearest = nearest.filter(|ancestor| !ancestor.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !fs::metadata(nearest)?.is_dir() {
        let what = if nearest == folder { "it is".to_owned() } else { format!("{} is", nearest.display()) };
        return Err(io::Error::new(ErrorKind::NotADirectory, format!("{what} a file, not a folder")));
    }
    let file = tempfile::Builder::new().prefix(HALF_WRITTEN).tempfile_in(nearest);
    file.map(drop).map_err(|error| no_file_in(nearest, &error))
}

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Why no file can be made in `folder`, without the name of the temporary one.
fn no_file_in(folder: &Path, error: &io::Error) -> io::Error {
    let kind = error.kind();
    io::Error::new(kind, format!("no file can be made in {}: {kind}", folder.display()))
}

fn is_a_folder() -> io::Error {
    io::Error::new(ErrorKind::IsADirectory, "it is a folder, not a file")
}
