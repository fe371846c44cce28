//! Arrays of numbers in binary files: what NumPy's and the IDX format have in common.

use std::io::{Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::DatasetError;
use super::file_samples::FileSamples;
use super::labels::Labels;
use super::numbers::Numbers;
use crate::excerpt;
use crate::flaw::Flaw;

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Bool,
    /// Of so many bytes, like the next two.
    Signed(usize),
    Unsigned(usize),
    Float(usize),
    /// Texts of so many characters of 4 bytes, with zeros behind the shorter ones.
    Unicode(usize),
    /// Texts of so many bytes, with zeros behind the shorter ones.
    Bytes(usize),
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
            Self::Signed(size) | Self::Unsigned(size) | Self::Float(size) | Self::Bytes(size) => size,
            Self::Unicode(characters) => 4 * characters,
        }
    }

    fn is_text(self) -> bool {
        matches!(self, Self::Unicode(_) | Self::Bytes(_))
    }

    /// The number in the bytes of an element that is no text.
    fn number(self, bytes: &[u8], byte_order: ByteOrder) -> Number {
        let mut padded = [0u8; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        if byte_order == ByteOrder::Big {
            padded[..bytes.len()].reverse();
        }
        let bits = u64::from_le_bytes(padded);
        match self {
            Self::Bool => Number::Integer(i128::from(bits != 0)),
            Self::Signed(size) => {
                let unused = 64 - 8 * size as u32;
                Number::Integer(i128::from((bits << unused) as i64 >> unused))
            }
            Self::Float(2) => Number::Real(half::f16::from_bits(bits as u16).to_f64()),
            Self::Float(4) => Number::Real(f64::from(f32::from_bits(bits as u32))),
            Self::Float(_) => Number::Real(f64::from_bits(bits)),
            Self::Unsigned(_) | Self::Unicode(_) | Self::Bytes(_) => Number::Integer(i128::from(bits)),
        }
    }

    /// The text in the bytes of an element that is one; none where they are no text.
    fn text(self, bytes: &[u8], byte_order: ByteOrder) -> Option<String> {
        let text = match self {
            Self::Unicode(_) => bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|&unit| match byte_order {
                    ByteOrder::Little => char::from_u32(u32::from_le_bytes(unit)),
                    ByteOrder::Big => char::from_u32(u32::from_be_bytes(unit)),
                })
                .collect::<Option<String>>()?,
            _ => String::from_utf8(bytes.to_vec()).ok()?,
        };
        Some(text.trim_end_matches('\0').to_owned())
    }
}

/// Memory that is set aside on a header's word alone; beyond it, data must come first.
const TRUSTED_CAPACITY: usize = 1 << 20;

/// Bytes decoded at a time, about.
const BLOCK: usize = 1 << 16;

impl<R: Read> Array<R> {
    fn error(&self, problem: impl Into<String>) -> DatasetError {
        DatasetError::content(&self.path, problem)
    }

    /// The same array with its bytes read into memory: as many as its header announces, and one more if there
    /// is one.
    pub fn in_memory(self) -> Result<Array<Cursor<Vec<u8>>>, DatasetError> {
        let announced = (self.count()? * self.element.size()) as u64;
        let Self { path, shape, element, byte_order, fortran_order, bytes } = self;
        let mut held = Vec::new();
        bytes
            .take(announced.saturating_add(1))
            .read_to_end(&mut held)
            .map_err(|source| DatasetError::Read { path: path.clone(), source })?;
        Ok(Array { path, shape, element, byte_order, fortran_order, bytes: Cursor::new(held) })
    }

    /// The number of elements, whose bytes a `usize` can count.
    fn count(&self) -> Result<usize, DatasetError> {
        // Axes of no length count as one here, so that no product of the others wraps.
        let mut sizes =
            self.shape.iter().copied().chain([self.element.size() as u64]).map(|size| size.max(1));
        let bytes = sizes.try_fold(1u64, u64::checked_mul);
        if bytes.is_none_or(|bytes| bytes > isize::MAX as u64) {
            let shape = self.shown_shape();
            return Err(self.error(format!("an array of shape {shape} does not fit into memory")));
        }
        Ok(self.shape.iter().map(|&axis| axis as usize).product())
    }

    fn shown_shape(&self) -> String {
        excerpt::shown(&format!("{:?}", self.shape))
    }

    /// Samples, and elements in each.
    pub(super) fn extent(&self) -> Result<(usize, usize), DatasetError> {
        let Some((&samples, axes)) = self.shape.split_first() else {
            return Err(self.error("the array has no axes; the first must be the samples"));
        };
        self.count()?;
        Ok((samples as usize, axes.iter().map(|&axis| axis as usize).product()))
    }

    /// Reads `count` elements, and makes sure that they are all there is.
    fn for_each(
        &mut self,
        count: usize,
        mut take: impl FnMut(usize, &[u8]) -> Result<(), DatasetError>,
    ) -> Result<(), DatasetError> {
        let size = self.element.size();
        let at_once = (BLOCK / size).max(1);
        let mut block = vec![0u8; at_once * size];
        let mut done = 0;
        while done < count {
            let block = &mut block[..at_once.min(count - done) * size];
            self.bytes.read_exact(block).map_err(|source| match source.kind() {
                ErrorKind::UnexpectedEof => {
                    let shape = self.shown_shape();
                    self.error(format!(
                        "the file is cut short: its header announces an array of shape {shape}"
                    ))
                }
                _ => DatasetError::Read { path: self.path.clone(), source },
            })?;
            for element in block.chunks_exact(size) {
                take(done, element)?;
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
    pub(super) fn features(mut self) -> Result<(Numbers, usize, usize), DatasetError> {
        let (samples, width) = self.extent()?;
        if self.element.is_text() {
            return Err(self.error(format!("features must be numbers, found {}", self.element)));
        }
        if samples > 0 && width == 0 {
            return Err(self.error(format!("an array of shape {} has no features", self.shown_shape())));
        }
        let (count, element, byte_order) = (samples * width, self.element, self.byte_order);
        let fortran_axes = self.fortran_axes(width);
        let path = self.path.clone();
        let mut features = Numbers::with_capacity(count.min(TRUSTED_CAPACITY));
        self.for_each(count, |i, bytes| {
            let number = element.number(bytes, byte_order);
            let value = match number {
                Number::Integer(value) => value as f64,
                Number::Real(value) => value,
            };
            if !value.is_finite() {
                let (row, column) = match &fortran_axes {
                    Some(axes) => (i % samples, place_in_sample(axes, i / samples)),
                    None => (i / width, i % width),
                };
                let problem = format!("found {value}; features must be finite");
                return Err(DatasetError::cell(&path, row + 1, column + 1, problem));
            }
            features.push(value);
            Ok(())
        })?;
        if let Some(axes) = fortran_axes {
            let mut index_of = vec![0; width];
            (0..width).for_each(|index| index_of[place_in_sample(&axes, index)] = index);
            features = features.select((0..count).map(|i| index_of[i % width] * samples + i / width));
        }
        Ok((features, samples, width))
    }

    /// The axes of a sample of an array of which the first axis is contiguous; none where that is the same order.
    fn fortran_axes(&self, width: usize) -> Option<Vec<usize>> {
        let differs = self.fortran_order && width > 1;
        differs.then(|| self.shape[1..].iter().map(|&axis| axis as usize).collect())
    }

    fn labels(mut self) -> Result<Labels, DatasetError> {
        self.extent()?;
        if self.shape.iter().filter(|&&axis| axis != 1).count() > 1 {
            let hint = if self.shape.len() == 2 {
                "; of one-hot labels take numpy.argmax(labels, axis=1)"
            } else {
                ""
            };
            let problem = format!("labels must have shape [samples], found {}{hint}", self.shown_shape());
            return Err(self.error(problem));
        }
        let (count, element, byte_order) = (self.count()?, self.element, self.byte_order);
        if element.size() == 0 {
            return Err(self.error("the labels are empty texts"));
        }
        let path = self.path.clone();
        let mut labels = Labels::default();
        self.for_each(count, |i, bytes| {
            let label = if element.is_text() {
                label_of_text(element.text(bytes, byte_order))
            } else {
                label_of_number(element.number(bytes, byte_order))
            };
            labels.push(&label.map_err(|problem| DatasetError::cell(&path, i + 1, 1, problem))?);
            Ok(())
        })?;
        Ok(labels)
    }
}

/// Where the element with this index, the first of `axes` varying fastest, belongs when the last varies fastest.
fn place_in_sample(axes: &[usize], mut index: usize) -> usize {
    let mut stride: usize = axes.iter().product();
    axes.iter().fold(0, |place, &axis| {
        stride /= axis;
        let along = index % axis;
        index /= axis;
        place + along * stride
    })
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool => write!(f, "truth values"),
            Self::Signed(_) | Self::Unsigned(_) => write!(f, "whole numbers"),
            Self::Float(_) => write!(f, "floating-point numbers"),
            Self::Unicode(length) => write!(f, "texts (dtype U{length})"),
            Self::Bytes(length) => write!(f, "texts (dtype S{length})"),
        }
    }
}

/// The class of a number: also a floating-point number may be whole.
fn label_of_number(number: Number) -> Result<String, Flaw> {
    match number {
        Number::Integer(label) => Ok(label.to_string()),
        Number::Real(label) if label.fract() == 0.0 && label.abs() <= MAX_WHOLE => {
            Ok((label as i64).to_string())
        }
        Number::Real(label) => Err(format!("labels must be whole numbers or texts, found {label}").into()),
    }
}

/// Beyond it, f64 does not hold every whole number.
const MAX_WHOLE: f64 = (1u64 << f64::MANTISSA_DIGITS) as f64;

fn label_of_text(text: Option<String>) -> Result<String, Flaw> {
    match text {
        None => Err("the label is no text; save labels as str (dtype U) or as bytes in UTF-8".into()),
        Some(text) if text.trim().is_empty() => Err("the label is empty".into()),
        Some(text) => Ok(text.trim().to_owned()),
    }
}

/// The samples of two arrays.
pub(super) fn table(
    features: Array<impl Read>,
    labels: Array<impl Read>,
) -> Result<FileSamples, DatasetError> {
    let (features_path, labels_path) = (features.path.clone(), labels.path.clone());
    let (features, samples, width) = features.features()?;
    let labels = labels.labels()?;
    if labels.len() != samples {
        return Err(DatasetError::content(
            &labels_path,
            format!("{} labels for the {samples} samples of {}", labels.len(), features_path.display()),
        ));
    }
    Ok(FileSamples { place: shown(&features_path), features, width, labels, ..FileSamples::default() })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
