//! The IDX format of MNIST: two zero bytes, the element type, the number of axes, the size of each axis as
//! a big-endian u32, then the elements, big-endian, last axis contiguous
//! (<http://yann.lecun.com/exdb/mnist/>).

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::array::{Array, ByteOrder, Element, table};
use super::file_samples::FileSamples;
use super::{DatasetError, IdxConfig, source};

/// The training table and, if there is one, the test table.
pub(super) fn read(config: &IdxConfig) -> Result<(FileSamples, Option<FileSamples>), DatasetError> {
    let (train, test) = match config {
        IdxConfig { folder: Some(folder), .. } => {
            let [images, labels, test_images, test_labels] = in_folder(folder)?;
            ([images, labels], Some([test_images, test_labels]))
        }
        IdxConfig { train_images: Some(images), train_labels: Some(labels), .. } => {
            let test = config.test_images.clone().zip(config.test_labels.clone());
            ([images.clone(), labels.clone()], test.map(|(images, labels)| [images, labels]))
        }
        _ => return Err(DatasetError::setting("train_images", &config.train_images, "a file")),
    };
    let read = |[images, labels]: [PathBuf; 2]| table(open(&images)?, open(&labels)?);
    let mut samples = read(train)?;
    if let Some(asked) = config.folder.as_ref().filter(|folder| !folder.exists())
        && let Ok(found) = or_of_package(asked)
    {
        samples.notes.push(format!("{} is taken, as there is no {}", found.display(), asked.display()));
    }
    Ok((samples, test.map(read).transpose()?))
}

/// The parts of a set of images, and how MNIST names them. EMNIST says `test` for `t10k`, and puts the set's
/// name before: `emnist-letters-test-images-idx3-ubyte`.
const PARTS: [(&[&str], &str); 4] = [
    (&["train-images-idx3-ubyte"], "train-images-idx3-ubyte"),
    (&["train-labels-idx1-ubyte"], "train-labels-idx1-ubyte"),
    (&["t10k-images-idx3-ubyte", "test-images-idx3-ubyte"], "t10k-images-idx3-ubyte"),
    (&["t10k-labels-idx1-ubyte", "test-labels-idx1-ubyte"], "t10k-labels-idx1-ubyte"),
];

/// Where Debian's packages of data sets have theirs, by name (`dataset-fashion-mnist`).
const PACKAGES: &str = "/usr/share/datasets";

/// The folder, or the one of a package of its name where it is not there.
fn or_of_package(folder: &Path) -> Result<PathBuf, DatasetError> {
    let of_package = folder.file_name().map(|name| Path::new(PACKAGES).join(name));
    match of_package {
        Some(package) if !folder.exists() => match package.exists() {
            true => Ok(package),
            false => Err(DatasetError::NoFolder { path: folder.to_owned(), package }),
        },
        _ => Ok(folder.to_owned()),
    }
}

/// The files of the one set of images in a folder, in the order of [`PARTS`].
fn in_folder(folder: &Path) -> Result<[PathBuf; 4], DatasetError> {
    let folder = &or_of_package(folder)?;
    let fail = |source| DatasetError::Open { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        names.extend(entry.map_err(fail)?.file_name().into_string().ok());
    }
    // An uncompressed file goes before a compressed one, a name with a hyphen before one with a dot.
    names.sort_by_key(|name| (name.ends_with(".gz"), name.contains(".idx"), name.clone()));
    let mut sets: BTreeMap<&str, [Option<PathBuf>; 4]> = BTreeMap::new();
    for name in &names {
        if let Some((set, part)) = set_and_part(name)
            && let Some(file) = file_called(folder, name)
        {
            sets.entry(set).or_default()[part].get_or_insert(file);
        }
    }
    let complete: Vec<(&str, [PathBuf; 4])> = sets
        .iter()
        .filter_map(|(&set, files)| {
            let [Some(a), Some(b), Some(c), Some(d)] = files.clone() else { return None };
            Some((set, [a, b, c, d]))
        })
        .collect();
    match <[_; 1]>::try_from(complete) {
        Ok([(_, files)]) => Ok(files),
        Err(complete) => Err(DatasetError::content(folder, not_one_set(&complete, &sets))),
    }
}

/// What the name before the part is (empty for MNIST's own files), and which part it is.
fn set_and_part(name: &str) -> Option<(&str, usize)> {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let hyphenated = plain.replace(".idx", "-idx");
    let ending =
        |names: &[&str]| names.iter().find(|name| hyphenated.ends_with(**name)).map(|name| name.len());
    PARTS
        .iter()
        .enumerate()
        .find_map(|(part, (names, _))| ending(names).map(|length| (&name[..plain.len() - length], part)))
}

/// A file, or the file inside the folder of its own name that some programs unpack it into.
fn file_called(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let path = folder.join(name);
    let inside = [path.join(name), path.join(plain)];
    std::iter::once(path).chain(inside).find(|path| path.is_file())
}

/// Why a folder does not tell which files to take.
fn not_one_set(complete: &[(&str, [PathBuf; 4])], sets: &BTreeMap<&str, [Option<PathBuf>; 4]>) -> String {
    if complete.len() > 1 {
        let of = |set: &str| format!("{set}{}", PARTS[0].1);
        let first = complete.iter().map(|(set, _)| of(set)).collect::<Vec<_>>().join(", ");
        return format!(
            "the folder has several sets of images ({first}); leave `folder` out and name the files of one: \
             `train_images`, `train_labels`, `test_images`, `test_labels`"
        );
    }
    let found = sets.iter().max_by_key(|(_, files)| files.iter().flatten().count());
    let (set, files) = found.map_or(("", &[const { None }; 4]), |(set, files)| (*set, files));
    let missing = PARTS.iter().zip(files).find(|(_, file)| file.is_none());
    let name = missing.map_or(PARTS[0].1, |((_, name), _)| name);
    format!("the folder has neither {set}{name} nor {set}{name}.gz")
}

fn open(path: &Path) -> Result<Array<Box<dyn Read>>, DatasetError> {
    parse(path, source::open(path)?)
}

/// Reads the header of an IDX file.
pub(super) fn parse<R: Read>(path: &Path, mut bytes: R) -> Result<Array<R>, DatasetError> {
    let damaged = |source| DatasetError::Read { path: path.to_owned(), source };
    let mut magic = [0u8; 4];
    bytes.read_exact(&mut magic).map_err(damaged)?;
    let [0, 0, element, axes] = magic else {
        let problem = match magic {
            [1..=4, 0x08..=0x0e, 0, 0] => {
                "an IDX file in the other byte order; its numbers must be big-endian, as in MNIST's files"
            }
            _ => "not an IDX file (it does not begin with two zero bytes)",
        };
        return Err(DatasetError::content(path, problem));
    };
    let element = match element {
        0x08 => Element::Unsigned(1),
        0x09 => Element::Signed(1),
        0x0b => Element::Signed(2),
        0x0c => Element::Signed(4),
        0x0d => Element::Float(4),
        0x0e => Element::Float(8),
        _ => {
            let problem = format!("not an IDX file (there is no element type {element:#04x})");
            return Err(DatasetError::content(path, problem));
        }
    };
    let mut shape = Vec::with_capacity(usize::from(axes));
    for _ in 0..axes {
        let mut size = [0u8; 4];
        bytes.read_exact(&mut size).map_err(damaged)?;
        shape.push(u64::from(u32::from_be_bytes(size)));
    }
    let path = path.to_owned();
    Ok(Array { path, shape, element, byte_order: ByteOrder::Big, fortran_order: false, bytes })
}
