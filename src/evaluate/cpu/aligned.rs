//! Values that start on a cache line.

use bytemuck::{Pod, Zeroable};

/// One cache line: keeps every vector load within a line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Line([f32; 16]);

/// Zeroed f32 values that start on a cache line.
#[derive(Default)]
pub struct AlignedValues {
    lines: Vec<Line>,
}

impl AlignedValues {
    /// At least `length` zeros.
    pub fn zeroed(length: usize) -> Self {
        Self { lines: vec![Line::zeroed(); length.div_ceil(16)] }
    }

    /// Becomes at least `length` zeros.
    pub fn reset(&mut self, length: usize) {
        self.lines.clear();
        self.lines.resize(length.div_ceil(16), Line::zeroed());
    }

    /// Has room for at least `length` values, which are what they were, or zeros.
    pub fn grow(&mut self, length: usize) {
        if self.lines.len() < length.div_ceil(16) {
            self.lines.resize(length.div_ceil(16), Line::zeroed());
        }
    }

    pub fn as_slice(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }
}
