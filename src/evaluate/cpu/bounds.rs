//! Interval bounds: which neurons are silent for a whole block of samples, known before they are computed.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::aligned::AlignedValues;
use super::bits::{self, CHUNK};
use super::row_tiles::{self, TILE};
use crate::evaluate::vector::{MOST_LANES, Vector, add_product, add_samples};

/// Upper bounds of a layer's neurons over a block of samples, from the ranges of its inputs: of features, or of the
/// neurons of a first hidden layer that has bounds itself.
///
/// Rounding is monotone: the same sum of the greatest terms, in the same order and arithmetic, is at least
/// every sample's. So a row whose bound is not above zero is zero after ReLU in the whole block, exactly.
#[derive(Default)]
pub struct Bounds {
    /// `[row]`, padded to whole vectors by rows that are never above zero.
    biases: AlignedValues,
    /// `[input][row]`, padded likewise: weights, zero where masked.
    weights: AlignedValues,
    /// Rows, the padding included.
    rows: usize,
}

impl Bounds {
    /// Becomes `rows` that are never above zero, and so many inputs without weights.
    fn reset(&mut self, rows: usize, inputs: usize) {
        self.rows = rows.next_multiple_of(MOST_LANES);
        self.biases.reset(self.rows);
        self.weights.reset(self.rows * inputs);
        self.biases.as_mut_slice().fill(-1.0);
    }

    /// Of `rows` over so many features: each row's neuron, bias and active inputs. `weight` is that of a neuron and an
    /// input.
    pub fn set(
        &mut self,
        features: usize,
        weight: impl Fn(usize, usize) -> f32,
        rows: impl ExactSizeIterator<Item = (usize, f32, u64)>,
    ) {
        self.reset(rows.len(), features);
        for (row, (neuron, bias, active)) in rows.enumerate() {
            self.biases.as_mut_slice()[row] = bias;
            for i in bits::ones(active) {
                self.weights.as_mut_slice()[i * self.rows + row] = weight(neuron, i);
            }
        }
    }

    /// Of `rows` behind a layer whose rows compute the neurons `below`, and are the inputs here: each row's neuron,
    /// bias, and active inputs by chunk.
    pub fn set_behind<'a>(
        &mut self,
        below: &[u32],
        weight: impl Fn(usize, usize) -> f32,
        rows: impl ExactSizeIterator<Item = (usize, f32, impl Fn(usize) -> u64 + 'a)>,
    ) {
        self.reset(rows.len(), below.len());
        let weights = self.weights.as_mut_slice();
        for (row, (neuron, bias, active)) in rows.enumerate() {
            self.biases.as_mut_slice()[row] = bias;
            for (input, &i) in below.iter().enumerate() {
                let i = i as usize;
                weights[input * self.rows + row] =
                    bits::masked(weight(neuron, i), active(i / CHUNK), i % CHUNK);
            }
        }
    }
}

/// Which rows of a block are audible: those that can be above zero for some sample.
pub struct Outlook {
    /// `[chunk]`: audible rows of the first and of the second hidden layer.
    rows: [Vec<u64>; 2],
    /// `[row]` of the first hidden layer: the least and the greatest value that the block can have.
    lows: AlignedValues,
    highs: AlignedValues,
}

impl Outlook {
    /// For layers of up to `widest` neurons.
    pub fn new(widest: usize) -> Self {
        let rows = || vec![0; widest.next_multiple_of(MOST_LANES).div_ceil(CHUNK)];
        let values = || AlignedValues::zeroed(widest.next_multiple_of(MOST_LANES));
        Self { rows: [rows(), rows()], lows: values(), highs: values() }
    }

    /// Finds the audible rows of a first hidden layer in a block whose features lie in `ranges`.
    ///
    /// # Safety
    /// The processor has `V`'s instructions, and the bounds are of as many features.
    #[inline(always)]
    pub unsafe fn first<V: Vector>(&mut self, bounds: &Bounds, ranges: &[[f32; 2]]) -> &[u64] {
        // SAFETY: by this function's contract.
        unsafe { audible::<V>(bounds, &all(ranges), |i| ranges[i], &mut self.rows[0]) };
        &self.rows[0]
    }

    /// As [`first`](Self::first), and finds the least and the greatest value, after ReLU, of each row, for
    /// [`second`](Self::second).
    ///
    /// # Safety
    /// As [`first`](Self::first).
    #[inline(always)]
    pub unsafe fn first_with_ranges<V: Vector>(&mut self, bounds: &Bounds, ranges: &[[f32; 2]]) -> &[u64] {
        let (lows, highs) = (self.lows.as_mut_slice(), self.highs.as_mut_slice());
        let rows = &mut self.rows[0];
        rows.fill(0);
        for first in (0..bounds.rows).step_by(V::LANES) {
            let lows = lows[first..first + V::LANES].as_mut_ptr();
            let highs = highs[first..first + V::LANES].as_mut_ptr();
            let inputs = all(ranges);
            // SAFETY: by this function's contract; a vector of values lies at both places.
            unsafe {
                let turned = |i: usize| [ranges[i][1], ranges[i][0]];
                let [low] = bound::<V, 1>(bounds, first, &inputs, turned);
                let [high] = bound::<V, 1>(bounds, first, &inputs, |i| ranges[i]);
                low.relu().store(lows);
                high.relu().store(highs);
                rows[first / CHUNK] |= high.greater(V::splat(0.0)) << (first % CHUNK);
            }
        }
        rows
    }

    /// Finds the audible rows of a second hidden layer, behind the layer of the last
    /// [`first_with_ranges`](Self::first_with_ranges).
    ///
    /// # Safety
    /// The processor has `V`'s instructions, and the bounds' inputs are the rows of that layer.
    #[inline(always)]
    pub unsafe fn second<V: Vector>(&mut self, bounds: &Bounds) -> &[u64] {
        let (lows, highs) = (self.lows.as_slice(), self.highs.as_slice());
        let [rows, behind] = &mut self.rows;
        // SAFETY: by this function's contract.
        unsafe { audible::<V>(bounds, rows, |i| [lows[i], highs[i]], behind) };
        behind
    }
}

/// The set of a few features that lie in `ranges`.
fn all(ranges: &[[f32; 2]]) -> [u64; 1] {
    [!bits::from(ranges.len())]
}

/// Sets in `rows` those that can be above zero in a block whose `inputs`, a set, lie in `range`; the other inputs are
/// zero.
///
/// # Safety
/// The processor has `V`'s instructions, and the bounds have these inputs.
#[inline(always)]
unsafe fn audible<V: Vector>(
    bounds: &Bounds,
    inputs: &[u64],
    range: impl Fn(usize) -> [f32; 2],
    rows: &mut [u64],
) {
    rows.fill(0);
    // Several vectors at a time hide the time that a multiply-add takes.
    for (first, width) in row_tiles::tiles(bounds.rows / V::LANES) {
        let first = first * V::LANES;
        // SAFETY: by this function's contract; `width` is at most `TILE`.
        unsafe {
            match width {
                1 => mark::<V, 1>(bounds, first, inputs, &range, rows),
                2 => mark::<V, 2>(bounds, first, inputs, &range, rows),
                3 => mark::<V, 3>(bounds, first, inputs, &range, rows),
                4 => mark::<V, 4>(bounds, first, inputs, &range, rows),
                5 => mark::<V, 5>(bounds, first, inputs, &range, rows),
                _ => mark::<V, TILE>(bounds, first, inputs, &range, rows),
            }
        }
    }
}

/// [`audible`] for `WIDTH` vectors of rows.
///
/// # Safety
/// As [`bound`].
#[inline(always)]
unsafe fn mark<V: Vector, const WIDTH: usize>(
    bounds: &Bounds,
    first: usize,
    inputs: &[u64],
    range: impl Fn(usize) -> [f32; 2],
    rows: &mut [u64],
) {
    // SAFETY: by this function's contract.
    unsafe {
        let bound = bound::<V, WIDTH>(bounds, first, inputs, range);
        for n in 0..WIDTH {
            let row = first + n * V::LANES;
            rows[row / CHUNK] |= bound[n].greater(V::splat(0.0)) << (row % CHUNK);
        }
    }
}

/// The greatest sums of the rows from `first` on of inputs that lie in `range`; the least where ranges are turned round.
///
/// # Safety
/// As [`audible`]; there are `WIDTH` vectors of rows from `first` on, where a vector begins.
#[inline(always)]
unsafe fn bound<V: Vector, const WIDTH: usize>(
    bounds: &Bounds,
    first: usize,
    inputs: &[u64],
    range: impl Fn(usize) -> [f32; 2],
) -> [V; WIDTH] {
    let (biases, weights) = (bounds.biases.as_slice().as_ptr(), bounds.weights.as_slice().as_ptr());
    // SAFETY: by this function's contract; each input has a weight for each row.
    unsafe {
        let zero = V::splat(0.0);
        let mut bound = [zero; WIDTH];
        for n in 0..WIDTH {
            bound[n] = V::load(biases.add(first + n * V::LANES));
        }
        for (c, &chunk) in inputs.iter().enumerate() {
            for i in bits::ones(chunk) {
                let i = c * CHUNK + i;
                let [low, high] = range(i);
                let (low, high) = (V::splat(low), V::splat(high));
                for n in 0..WIDTH {
                    let weight = V::load(weights.add(i * bounds.rows + first + n * V::LANES));
                    let value = V::select_greater(weight, zero, high, low);
                    bound[n] = V::multiply_add(weight, value, bound[n]);
                }
            }
        }
        bound
    }
}

/// The value of a bounded row, before ReLU: all of its few inputs, the masked ones times zero. Which rows are
/// audible changes from block to block: what they take must not, or branches would be mispredicted.
///
/// # Safety
/// The processor has `V`'s instructions; the bounds have this row and `inputs` features, of which `input` holds `N` vectors
/// each, `PART` of which are read; `held` are those of the first `HELD` features.
#[inline(always)]
pub unsafe fn bounded_row<V: Vector, const N: usize, const PART: usize, const HELD: usize>(
    bounds: &Bounds,
    inputs: usize,
    row: usize,
    input: *const f32,
    held: &[[V; PART]; HELD],
) -> [V; PART] {
    // SAFETY: by this function's contract.
    unsafe {
        let weight = |i: usize| *bounds.weights.as_slice().get_unchecked(i * bounds.rows + row);
        let mut acc = [V::splat(*bounds.biases.as_slice().get_unchecked(row)); PART];
        for i in 0..HELD {
            add_product(&mut acc, V::splat(weight(i)), held[i]);
        }
        for i in HELD..inputs {
            add_samples(&mut acc, V::splat(weight(i)), input.add(i * N * V::LANES));
        }
        acc
    }
}
