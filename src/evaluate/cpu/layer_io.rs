//! What a layer reads and writes of a block of samples.

/// A layer's inputs and outputs over a block of samples, `[neuron][sample]`.
///
/// Kernels ask of who makes one that the inputs are there and that there is room for the layer's neurons, and one more,
/// both aligned to vectors, finite and apart from each other.
pub struct LayerIo<'a> {
    pub input: *const f32,
    /// `[chunk]`: inputs that are not zero for some sample; the others need not be written.
    pub present: &'a [u64],
    pub output: *mut f32,
    /// `[chunk]`: where outputs that are not zero for some sample are marked; none is at first.
    pub above: &'a mut [u64],
    /// Samples of the block, padding excluded.
    pub samples: usize,
}
