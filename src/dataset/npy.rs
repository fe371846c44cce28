//! NumPy's `.npy` and `.npz` files (NEP 1).
//!
//! The header is parsed here: a file's claims must be checked before anything is multiplied or allocated,
//! which the `npyz` crate (used for writing, and for the archive) does not do.

use std::io::Read;
use std::path::Path;

use npyz::npz::NpzArchive;

use super::array::{Array, ByteOrder, Element, table};
use super::table::Table;
use super::{DatasetError, NpyConfig, NpzConfig, source};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// NumPy itself refuses longer headers.
const MAX_HEADER: usize = 10_000;

/// The training table and, if there is one, the test table.
pub(super) fn read(config: &NpyConfig) -> Result<(Table, Option<Table>), DatasetError> {
    let open = |path: &Path| parse(path, source::open(path)?);
    let train = table(open(&config.train_features)?, open(&config.train_labels)?)?;
    let test = match (&config.test_features, &config.test_labels) {
        (Some(features), Some(labels)) => Some(table(open(features)?, open(labels)?)?),
        _ => None,
    };
    Ok((train, test))
}

/// The training table and, if there is one, the test table.
pub(super) fn read_npz(config: &NpzConfig) -> Result<(Table, Option<Table>), DatasetError> {
    let path = &config.file;
    let file =
        std::fs::File::open(path).map_err(|source| DatasetError::Open { path: path.to_owned(), source })?;
    let mut archive = NpzArchive::new(std::io::BufReader::new(file))
        .map_err(|source| DatasetError::content(path, format!("not an .npz archive: {source}")))?;
    let train = archived_table(&mut archive, path, &config.train_features, &config.train_labels)?;
    let test = match (&config.test_features, &config.test_labels) {
        (Some(features), Some(labels)) => Some(archived_table(&mut archive, path, features, labels)?),
        _ => None,
    };
    Ok((train, test))
}

fn archived_table<R: Read + std::io::Seek>(
    archive: &mut NpzArchive<R>,
    path: &Path,
    features: &str,
    labels: &str,
) -> Result<Table, DatasetError> {
    // An archive hands out one entry at a time, so the labels, the lesser part, are held in memory.
    let labels = archived(archive, path, labels)?.in_memory()?;
    table(archived(archive, path, features)?, labels)
}

fn archived<'a, R: Read + std::io::Seek>(
    archive: &'a mut NpzArchive<R>,
    path: &Path,
    name: &str,
) -> Result<Array<impl Read + 'a>, DatasetError> {
    let mut names: Vec<String> = archive.array_names().map(str::to_owned).collect();
    names.sort();
    if !names.iter().any(|found| found == name) {
        let problem = format!("the archive has no array {name:?}; its arrays: {}", names.join(", "));
        return Err(DatasetError::content(path, problem));
    }
    let entry = archive
        .zip_archive()
        .by_name(&npyz::npz::file_name_from_array_name(name))
        .map_err(|error| DatasetError::content(path, format!("array {name:?} cannot be read: {error}")))?;
    parse(&path.join(name), entry)
}

/// Reads the header of an `.npy` file.
pub(super) fn parse<R: Read>(path: &Path, mut bytes: R) -> Result<Array<R>, DatasetError> {
    let damaged = |source| DatasetError::Read { path: path.to_owned(), source };
    let mut start = [0u8; 8];
    bytes.read_exact(&mut start).map_err(damaged)?;
    if !start.starts_with(MAGIC) {
        return Err(DatasetError::content(path, "not a NumPy .npy file"));
    }
    let length = match start[6] {
        1 => {
            let mut length = [0u8; 2];
            bytes.read_exact(&mut length).map_err(damaged)?;
            usize::from(u16::from_le_bytes(length))
        }
        2 | 3 => {
            let mut length = [0u8; 4];
            bytes.read_exact(&mut length).map_err(damaged)?;
            u32::from_le_bytes(length) as usize
        }
        version => {
            let problem = format!("there is no version {version} of the .npy format");
            return Err(DatasetError::content(path, problem));
        }
    };
    if length > MAX_HEADER {
        let problem = format!("a header of {length} bytes; NumPy's have at most {MAX_HEADER}");
        return Err(DatasetError::content(path, problem));
    }
    let mut header = vec![0u8; length];
    bytes.read_exact(&mut header).map_err(damaged)?;
    let header = Header::parse(&String::from_utf8_lossy(&header))
        .map_err(|problem| DatasetError::content(path, problem))?;
    let Header { shape, element, byte_order, fortran_order } = header;
    Ok(Array { path: path.to_owned(), shape, element, byte_order, fortran_order, bytes })
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }`
struct Header {
    shape: Vec<u64>,
    element: Element,
    byte_order: ByteOrder,
    fortran_order: bool,
}

impl Header {
    fn parse(text: &str) -> Result<Self, String> {
        let value = |key: &str| {
            let (_, after) = text.split_once(&format!("'{key}':"))?;
            Some(after.trim_start())
        };
        let missing = |key: &str| format!("the header lacks {key}: {}", text.trim_end());
        let descr = value("descr").ok_or_else(|| missing("descr"))?;
        let descr = descr
            .strip_prefix('\'')
            .and_then(|descr| descr.split('\'').next())
            .ok_or_else(|| "an array of records; save features and labels as plain arrays".to_owned())?;
        let (byte_order, element) = element(descr)?;
        let fortran_order = value("fortran_order").ok_or_else(|| missing("fortran_order"))?;
        let fortran_order = match fortran_order {
            order if order.starts_with("True") => true,
            order if order.starts_with("False") => false,
            _ => return Err(missing("fortran_order")),
        };
        let shape = value("shape")
            .and_then(|shape| shape.strip_prefix('('))
            .and_then(|shape| shape.split_once(')'))
            .ok_or_else(|| missing("shape"))?;
        let shape = shape
            .0
            .split(',')
            .map(str::trim)
            .filter(|size| !size.is_empty())
            .map(|size| size.parse::<u64>().map_err(|_| format!("{size:?} is no size of an axis")))
            .collect::<Result<Vec<u64>, String>>()?;
        Ok(Self { shape, element, byte_order, fortran_order })
    }
}

/// Byte order and type of a dtype such as `<f4`.
fn element(descr: &str) -> Result<(ByteOrder, Element), String> {
    let refused = || {
        format!("dtype {descr:?}; supported are bool, int8 to int64, uint8 to uint64, float32 and float64")
    };
    let (order, rest) = descr.split_at_checked(1).ok_or_else(refused)?;
    let byte_order = match order {
        "<" | "|" => ByteOrder::Little,
        ">" => ByteOrder::Big,
        "=" if cfg!(target_endian = "little") => ByteOrder::Little,
        "=" => ByteOrder::Big,
        _ => return Err(refused()),
    };
    let element = match rest {
        "b1" => Element::Bool,
        "i1" => Element::Signed(1),
        "i2" => Element::Signed(2),
        "i4" => Element::Signed(4),
        "i8" => Element::Signed(8),
        "u1" => Element::Unsigned(1),
        "u2" => Element::Unsigned(2),
        "u4" => Element::Unsigned(4),
        "u8" => Element::Unsigned(8),
        "f4" => Element::Float(4),
        "f8" => Element::Float(8),
        _ => return Err(refused()),
    };
    Ok((byte_order, element))
}
