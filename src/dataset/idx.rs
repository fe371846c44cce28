//! The IDX format of MNIST: two zero bytes, the element type, the number of axes, the size of each axis as
//! a big-endian u32, then the elements, big-endian, last axis contiguous
//! (<http://yann.lecun.com/exdb/mnist/>).

use std::io::Read;
use std::path::{Path, PathBuf};

use super::array::{Array, ByteOrder, Element, table};
use super::table::Table;
use super::{DatasetError, IdxConfig, source};

/// The usual names of images and labels.
const TRAIN: [&str; 2] = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"];
const TEST: [&str; 2] = ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// The training table and, if there is one, the test table.
pub(super) fn read(config: &IdxConfig) -> Result<(Table, Option<Table>), DatasetError> {
    let (train, test) = match config {
        IdxConfig { folder: Some(folder), .. } => {
            let of = |names: [&str; 2]| -> Result<[PathBuf; 2], DatasetError> {
                Ok([in_folder(folder, names[0])?, in_folder(folder, names[1])?])
            };
            (of(TRAIN)?, Some(of(TEST)?))
        }
        IdxConfig { train_images: Some(images), train_labels: Some(labels), .. } => {
            let test = config.test_images.clone().zip(config.test_labels.clone());
            ([images.clone(), labels.clone()], test.map(|(images, labels)| [images, labels]))
        }
        _ => return Err(DatasetError::setting("train_images", &config.train_images, "a file")),
    };
    let read = |[images, labels]: [PathBuf; 2]| table(open(&images)?, open(&labels)?);
    Ok((read(train)?, test.map(read).transpose()?))
}

/// The file `name` or `name.gz`.
fn in_folder(folder: &Path, name: &str) -> Result<PathBuf, DatasetError> {
    let compressed = format!("{name}.gz");
    [name, &compressed].into_iter().map(|name| folder.join(name)).find(|path| path.is_file()).ok_or_else(
        || DatasetError::content(folder, format!("the folder has neither {name} nor {compressed}")),
    )
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
        return Err(DatasetError::content(path, "not an IDX file (it does not begin with two zero bytes)"));
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
