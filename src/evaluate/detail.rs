//! What a judge may need of a mask beside its count and loss: predictions, outputs, confusion counts.

use super::{Arithmetic, EvaluateError, plain};
use crate::dataset::Samples;
use crate::network::{Architecture, Network};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// Classes that a predicted one is told apart from in a byte.
const CLASSES_OF_A_BYTE: usize = 256;

/// What is wanted of each mask of a batch, and where it goes: slices of exactly that many values, samples being in the
/// data's order.
#[derive(Debug)]
pub enum Detail<'a> {
    /// `[masks, samples]`: the predicted class, of networks with at most 256 outputs.
    Predictions(&'a mut [u8]),
    /// `[masks, samples, outputs]`: the last layer's values; a zero has no sign, which evaluators need not agree on.
    Outputs(&'a mut [f32]),
    /// `[masks, classes, classes]`: how many samples of the row's class the column's is predicted for.
    Confusion(&'a mut [u32]),
}

impl<'a> Detail<'a> {
    /// Is there room for what is wanted of so many `masks` of `architecture` on so many `samples`?
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] where there is not, where classes do not fit a byte, and where a sample of a
    /// confusion matrix is of a class without an output, which `labels` says.
    pub(super) fn check(
        &self,
        masks: usize,
        samples: usize,
        architecture: &Architecture,
        labels: impl FnOnce() -> Result<(), EvaluateError>,
    ) -> Result<(), EvaluateError> {
        let classes = architecture.outputs();
        let (what, found, of_mask) = match self {
            Self::Predictions(to) => ("predictions", to.len(), samples),
            Self::Outputs(to) => ("outputs", to.len(), samples * classes),
            Self::Confusion(to) => ("confusion counts", to.len(), classes * classes),
        };
        if found != masks * of_mask {
            return Err(EvaluateError::Unsupported(format!(
                "{masks} masks give {} {what}, but there is room for {found}",
                masks * of_mask
            )));
        }
        match self {
            Self::Predictions(_) if classes > CLASSES_OF_A_BYTE => Err(EvaluateError::Unsupported(format!(
                "predictions are bytes, but {architecture} has {classes} classes; ask for outputs"
            ))),
            Self::Confusion(_) => labels(),
            Self::Predictions(_) | Self::Outputs(_) => Ok(()),
        }
    }

    /// The places of each of so many `masks`, for threads to write to.
    pub(super) fn into_places(self, masks: usize) -> Vec<Places<'a>> {
        match self {
            Self::Predictions(to) => of_each(shared_bytes(to), masks).map(Places::Predictions).collect(),
            Self::Outputs(to) => {
                of_each(shared_words(bytemuck::cast_slice_mut(to)), masks).map(Places::Outputs).collect()
            }
            Self::Confusion(to) => {
                to.fill(0);
                of_each(shared_words(to), masks).map(Places::Confusion).collect()
            }
        }
    }
}

/// Bytes that threads write to together.
fn shared_bytes(bytes: &mut [u8]) -> &[AtomicU8] {
    // SAFETY: an atomic byte has the size, the alignment and the values of a plain one, and the slice is reached in no
    // other way as long as it is borrowed.
    unsafe { std::slice::from_raw_parts(bytes.as_mut_ptr().cast(), bytes.len()) }
}

/// Words that threads write to together.
fn shared_words(words: &mut [u32]) -> &[AtomicU32] {
    const { assert!(align_of::<AtomicU32>() == align_of::<u32>()) };
    // SAFETY: as above, the alignments being equal.
    unsafe { std::slice::from_raw_parts(words.as_mut_ptr().cast(), words.len()) }
}

/// The equal parts of so many `masks`.
fn of_each<T>(all: &[T], masks: usize) -> impl Iterator<Item = &[T]> {
    let of_mask = all.len() / masks.max(1);
    (0..masks).map(move |mask| &all[mask * of_mask..][..of_mask])
}

/// The places of one mask, which threads that work on it share.
#[derive(Clone, Copy, Debug)]
pub(super) enum Places<'a> {
    /// `[sample]`
    Predictions(&'a [AtomicU8]),
    /// `[sample, output]`, the bits of a float.
    Outputs(&'a [AtomicU32]),
    /// `[class, class]`
    Confusion(&'a [AtomicU32]),
}

impl Places<'_> {
    /// Notes what is wanted of all `samples`, by the plain form.
    pub fn note_plainly(&self, network: &Network, mask: &[u32], samples: &Samples, arithmetic: Arithmetic) {
        for (n, sample) in samples.features.chunks_exact(samples.width).enumerate() {
            let outputs = plain::outputs(network, mask, sample, arithmetic);
            match self {
                Self::Predictions(to) => to[n].store(plain::largest(&outputs) as u8, Ordering::Relaxed),
                Self::Outputs(to) => {
                    for (to, value) in to[n * outputs.len()..].iter().zip(&outputs) {
                        to.store((value + 0.0).to_bits(), Ordering::Relaxed);
                    }
                }
                Self::Confusion(to) => {
                    let cell = samples.labels[n] as usize * outputs.len() + plain::largest(&outputs) as usize;
                    to[cell].fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}
