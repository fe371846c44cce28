//! Arrays of numbers in binary files: what NumPy's and the IDX format have in common.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use super::DatasetError;
use super::table::{Labels, Table};

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Bool,
    Signed(usize),
    Unsigned(usize),
    Float(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

/// An array that has been announced by its header, and the bytes that follow.
pub(super) struct Array<R> {
    /// The file, and the array in it if there are more.
    pub path: PathBuf,
    /// Sizes of the axes.
    pub shape: Vec<u64>,
    pub element: Element,
    pub byte_order: ByteOrder,
    /// The first axis is contiguous, not the last.
    pub fortran_order: bool,
    pub bytes: R,
}

#[derive(Clone, Copy)]
enum Number {
    Integer(i128),
    Real(f64),
}

impl Element {
    /// Bytes of one element.
    fn size(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Signed(size) | Self::Unsigned(size) | Self::Float(size) => size,
        }
    }

    /// `bytes`: little-endian, 8 of them, zero beyond the element's size.
    fn number(self, bytes: [u8; 8]) -> Number {
        let bits = u64::from_le_bytes(bytes);
        match self {
            Self::Bool => Number::Integer(i128::from(bits != 0)),
            Self::Unsigned(_) => Number::Integer(i128::from(bits)),
            Self::Signed(size) => {
                let unused = 64 - 8 * size as u32;
                Number::Integer(i128::from((bits << unused) as i64 >> unused))
            }
            Self::Float(4) => Number::Real(f64::from(f32::from_bits(bits as u32))),
            Self::Float(_) => Number::Real(f64::from_bits(bits)),
        }
    }
}

/// Memory that is set aside on a header's word alone; beyond it, data must come first.
const TRUSTED_CAPACITY: usize = 1 << 20;

/// Bytes that [`Array::in_memory`] reads at most: 2^29 labels of i64.
const MAX_HELD: u64 = 1 << 32;

/// Elements decoded at a time.
const BLOCK: usize = 8192;

impl<R: Read> Array<R> {
    fn error(&self, problem: impl Into<String>) -> DatasetError {
        DatasetError::content(&self.path, problem)
    }

    /// The same array with its bytes read into memory.
    pub fn in_memory(self) -> Result<Array<Cursor<Vec<u8>>>, DatasetError> {
        let Self { path, shape, element, byte_order, fortran_order, bytes } = self;
        let mut held = Vec::new();
        bytes
            .take(MAX_HELD + 1)
            .read_to_end(&mut held)
            .map_err(|source| DatasetError::Read { path: path.clone(), source })?;
        if held.len() as u64 > MAX_HELD {
            return Err(DatasetError::content(&path, format!("the labels take more than {MAX_HELD} bytes")));
        }
        Ok(Array { path, shape, element, byte_order, fortran_order, bytes: Cursor::new(held) })
    }

    /// Samples, and numbers in each.
    fn extent(&self) -> Result<(usize, usize), DatasetError> {
        let size = |axes: &[u64]| {
            axes.iter().try_fold(1usize, |size, &axis| size.checked_mul(usize::try_from(axis).ok()?))
        };
        let too_large = || self.error(format!("an array of shape {:?} does not fit into memory", self.shape));
        let Some((samples, axes)) = self.shape.split_first() else {
            return Err(self.error("the array has no axes; the first must be the samples"));
        };
        size(&self.shape)
            .and_then(|count| count.checked_mul(self.element.size()))
            .filter(|&bytes| isize::try_from(bytes).is_ok())
            .ok_or_else(too_large)?;
        Ok((usize::try_from(*samples).map_err(|_| too_large())?, size(axes).ok_or_else(too_large)?))
    }

    /// Reads `count` elements, and makes sure that they are all there is.
    fn for_each(
        &mut self,
        count: usize,
        mut take: impl FnMut(usize, Number) -> Result<(), DatasetError>,
    ) -> Result<(), DatasetError> {
        let size = self.element.size();
        let mut block = vec![0u8; BLOCK * size];
        let mut done = 0;
        while done < count {
            let block = &mut block[..BLOCK.min(count - done) * size];
            self.bytes
                .read_exact(block)
                .map_err(|source| DatasetError::Read { path: self.path.clone(), source })?;
            for bytes in block.chunks_exact(size) {
                let mut padded = [0u8; 8];
                padded[..size].copy_from_slice(bytes);
                if self.byte_order == ByteOrder::Big {
                    padded[..size].reverse();
                }
                take(done, self.element.number(padded))?;
                done += 1;
            }
        }
        match self.bytes.read(&mut [0u8]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.error("the file has more data than its header announces")),
            Err(source) => Err(DatasetError::Read { path: self.path.clone(), source }),
        }
    }

    /// Features `[samples, width]`, row-major, and the width.
    fn features(mut self) -> Result<(Vec<f32>, usize, usize), DatasetError> {
        let (samples, width) = self.extent()?;
        let count = samples * width;
        if self.fortran_order && self.shape.len() > 2 {
            return Err(self.error(format!(
                "a Fortran-ordered array of shape {:?}; save it with numpy.ascontiguousarray",
                self.shape
            )));
        }
        if samples > 0 && width == 0 {
            return Err(self.error(format!("an array of shape {:?} has no features", self.shape)));
        }
        let transposed = self.fortran_order && width > 1;
        let path = self.path.clone();
        let mut features = Vec::with_capacity(count.min(TRUSTED_CAPACITY));
        self.for_each(count, |i, number| {
            let value = match number {
                Number::Integer(value) => value as f32,
                Number::Real(value) => value as f32,
            };
            if !value.is_finite() {
                let (row, column) =
                    if transposed { (i % samples, i / samples) } else { (i / width, i % width) };
                return Err(DatasetError::cell(&path, row + 1, column + 1, not_finite(number)));
            }
            features.push(value);
            Ok(())
        })?;
        if transposed {
            features = (0..count).map(|i| features[i % width * samples + i / width]).collect();
        }
        Ok((features, samples, width))
    }

    fn labels(mut self) -> Result<Labels, DatasetError> {
        let (samples, width) = self.extent()?;
        if width != 1 {
            let problem = format!("labels must have shape [samples], found {:?}", self.shape);
            return Err(self.error(problem));
        }
        if matches!(self.element, Element::Float(_)) {
            return Err(self.error("labels must be integers, found floating-point numbers"));
        }
        let mut labels = Labels::default();
        self.for_each(samples, |_, number| {
            if let Number::Integer(label) = number {
                labels.push(&label.to_string());
            }
            Ok(())
        })?;
        Ok(labels)
    }
}

fn not_finite(number: Number) -> String {
    match number {
        Number::Real(value) if !value.is_finite() => format!("found {value}; features must be finite"),
        Number::Real(value) => format!("{value} is too large for single precision"),
        Number::Integer(value) => format!("{value} is too large for single precision"),
    }
}

/// The samples of two arrays.
pub(super) fn table(features: Array<impl Read>, labels: Array<impl Read>) -> Result<Table, DatasetError> {
    let (features_path, labels_path) = (features.path.clone(), labels.path.clone());
    let (features, samples, width) = features.features()?;
    let labels = labels.labels()?;
    if labels.len() != samples {
        return Err(DatasetError::content(
            &labels_path,
            format!("{} labels for the {samples} samples of {}", labels.len(), features_path.display()),
        ));
    }
    Ok(Table { place: shown(&features_path), features, width, labels })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
