//! NumPy's `.npy` files (NEP 1).
//!
//! The header is parsed here: a file's claims must be checked before anything is multiplied or allocated,
//! which the `npyz` crate (used for writing, and for the archive) does not do.

use std::io::Read;
use std::path::Path;

use super::array::{Array, ByteOrder, Element, table};
use super::file_samples::FileSamples;
use super::python_literal::{self, Literal};
use super::{DatasetError, NpyConfig, source};
use crate::excerpt;
use crate::flaw::Flaw;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// NumPy itself refuses longer headers.
const MAX_HEADER: usize = 10_000;

/// The training table and, if there is one, the test table.
pub(super) fn read(config: &NpyConfig) -> Result<(FileSamples, Option<FileSamples>), DatasetError> {
    let open = |path: &Path| parse(path, source::open(path)?);
    let train = table(open(&config.train_features)?, open(&config.train_labels)?)?;
    let test = match (&config.test_features, &config.test_labels) {
        (Some(features), Some(labels)) => Some(table(open(features)?, open(labels)?)?),
        _ => None,
    };
    Ok((train, test))
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
    let header = NpyHeader::parse(&String::from_utf8_lossy(&header))
        .map_err(|problem| DatasetError::content(path, problem))?;
    let NpyHeader { shape, element, byte_order, fortran_order } = header;
    Ok(Array { path: path.to_owned(), shape, element, byte_order, fortran_order, bytes })
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }`: a Python dictionary in any spelling.
struct NpyHeader {
    shape: Vec<u64>,
    element: Element,
    byte_order: ByteOrder,
    fortran_order: bool,
}

impl NpyHeader {
    fn parse(text: &str) -> Result<Self, Flaw> {
        let shown = || excerpt::shown(text.trim_end());
        let entries = match python_literal::parse(text) {
            Ok(Literal::Dict(entries)) => entries,
            Ok(_) => return Err(format!("the header is no dictionary: {}", shown()).into()),
            Err(problem) => {
                return Err(format!("the header cannot be read ({problem}): {}", shown()).into());
            }
        };
        let value = |key: &str| -> Result<&Literal, Flaw> {
            let mut values = entries.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
            let value = values.next().ok_or_else(|| format!("the header lacks {key}: {}", shown()))?;
            if values.next().is_some() {
                return Err(format!("the header gives {key} twice: {}", shown()).into());
            }
            Ok(value)
        };
        let (byte_order, element) = match value("descr")? {
            Literal::Text(descr) => element(descr)?,
            _ => {
                return Err("an array of records; save features and labels as plain arrays (such as by \
                            numpy.lib.recfunctions.structured_to_unstructured)"
                    .into());
            }
        };
        let &Literal::Truth(fortran_order) = value("fortran_order")? else {
            return Err(format!("fortran_order is neither True nor False: {}", shown()).into());
        };
        let Literal::Tuple(sizes) = value("shape")? else {
            return Err(format!("the shape is no tuple: {}", shown()).into());
        };
        let size = |literal: &Literal| -> Result<u64, Flaw> {
            let &Literal::Whole(size) = literal else {
                return Err(format!("the shape has sizes that are no whole numbers: {}", shown()).into());
            };
            u64::try_from(size).map_err(|_| format!("{size} is no size of an axis").into())
        };
        let shape = sizes.iter().map(size).collect::<Result<Vec<u64>, Flaw>>()?;
        Ok(Self { shape, element, byte_order, fortran_order })
    }
}

/// NumPy's own names and one-letter codes of element types, beside those of a kind and a number of bytes.
const NAMED: [(&[&str], Element); 14] = [
    (&["b1", "?", "bool", "bool_"], Element::Bool),
    (&["i1", "b", "int8", "byte"], Element::Signed(1)),
    (&["i2", "h", "int16", "short"], Element::Signed(2)),
    (&["i4", "i", "int32", "intc"], Element::Signed(4)),
    (&["i8", "l", "q", "int64", "int", "long", "longlong"], Element::Signed(8)),
    (&["u1", "B", "uint8", "ubyte"], Element::Unsigned(1)),
    (&["u2", "H", "uint16", "ushort"], Element::Unsigned(2)),
    (&["u4", "I", "uint32", "uintc"], Element::Unsigned(4)),
    (&["u8", "L", "Q", "uint64", "uint", "ulong", "ulonglong"], Element::Unsigned(8)),
    (&["f2", "e", "float16", "half"], Element::Float(2)),
    (&["f4", "f", "float32", "single"], Element::Float(4)),
    (&["f8", "d", "float64", "double", "float"], Element::Float(8)),
    (&["U0", "U", "str"], Element::Unicode(0)),
    (&["S0", "a0", "S", "a", "bytes"], Element::Bytes(0)),
];

/// Byte order and type of a dtype such as `<f4`; without an order, it is the machine's.
fn element(descr: &str) -> Result<(ByteOrder, Element), Flaw> {
    let native = if cfg!(target_endian = "little") { ByteOrder::Little } else { ByteOrder::Big };
    let (byte_order, name) = match descr.split_at_checked(1) {
        Some(("<", name)) => (ByteOrder::Little, name),
        Some((">" | "!", name)) => (ByteOrder::Big, name),
        Some(("=" | "|", name)) => (native, name),
        _ => (native, descr),
    };
    if let Some((_, element)) = NAMED.iter().find(|(names, _)| names.contains(&name)) {
        return Ok((byte_order, *element));
    }
    let length = |letters: &[char]| name.strip_prefix(letters)?.parse::<usize>().ok();
    if let Some(characters) = length(&['U']).filter(|&length| length <= MAX_TEXT) {
        return Ok((byte_order, Element::Unicode(characters)));
    }
    if let Some(bytes) = length(&['S', 'a']).filter(|&length| length <= MAX_TEXT) {
        return Ok((byte_order, Element::Bytes(bytes)));
    }
    let advice = match name.chars().next() {
        Some('O') => "these are pickled Python objects; convert them with .astype(float) or .astype(str)",
        Some('f' | 'g') => "convert it with .astype('float64')",
        _ => {
            "supported are bool, int8 to int64, uint8 to uint64, float16, float32 and float64, and str for labels"
        }
    };
    Err(format!("dtype {}; {advice}", excerpt::quoted(descr)).into())
}

/// Characters of a label at most.
const MAX_TEXT: usize = 1 << 12;
