//! Values that start on a cache line.

use crate::evaluate::vector::{Line, MOST_LANES};
use bytemuck::Zeroable;

/// Zeroed f32 values that start on a cache line.
#[derive(Default)]
pub struct AlignedValues {
    lines: Vec<Line>,
}

impl AlignedValues {
    /// At least `length` zeros.
    pub fn zeroed(length: usize) -> Self {
        Self { lines: vec![Line::zeroed(); length.div_ceil(MOST_LANES)] }
    }

    /// Becomes at least `length` zeros.
    pub fn reset(&mut self, length: usize) {
        self.lines.clear();
        self.lines.resize(length.div_ceil(MOST_LANES), Line::zeroed());
    }

    /// Has room for at least `length` values, which are what they were, or zeros.
    pub fn grow(&mut self, length: usize) {
        if self.lines.len() < length.div_ceil(MOST_LANES) {
            self.lines.resize(length.div_ceil(MOST_LANES), Line::zeroed());
        }
    }

    pub fn as_slice(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }
}
