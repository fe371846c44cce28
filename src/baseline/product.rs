//! Products of a layer's weights with a minibatch, vectorised over samples.
//!
//! A minibatch is stored neuron by neuron: `[neurons, stride]`, where `stride` is the number of samples
//! rounded up to [`LANES`]. Every sum over neurons is a chain of fused multiply-adds in ascending order, as
//! in [`crate::evaluate`], and every sum over samples is kept in [`LANES`] parts that are added as a fixed
//! tree: the numbers do not depend on the processor's vector width.

use pulp::{Arch, Simd, WithSimd};

/// Samples handled side by side: one AVX-512 register, two of AVX2, four of NEON.
pub const LANES: usize = 16;

/// `outputs[r] = start[r] + sum over c of weights[r, c] * inputs[c]`, for every sample; negative results
/// become 0 if `relu`.
pub struct Product<'a> {
    /// `[rows, columns]`.
    pub weights: &'a [f32],
    /// `[rows]`.
    pub start: &'a [f32],
    /// `[columns, stride]`.
    pub inputs: &'a [f32],
    /// `[rows, stride]`.
    pub outputs: &'a mut [f32],
    pub stride: usize,
    pub relu: bool,
}

impl Product<'_> {
    pub fn compute(self) {
        Arch::new().dispatch(self);
    }

    /// `R` rows from `row` on. Four rows share the load of an input and hide the multiply-add's latency.
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(&mut self, simd: S, row: usize) {
        let columns = self.inputs.len() / self.stride;
        let blocks = self.stride / S::F32_LANES;
        let weights: [&[f32]; R] = std::array::from_fn(|r| &self.weights[(row + r) * columns..][..columns]);
        let start: [f32; R] = std::array::from_fn(|r| self.start[row + r]);
        let inputs = &S::as_simd_f32s(self.inputs).0[..columns * blocks];
        let outputs = S::as_mut_simd_f32s(self.outputs).0;
        let zero = simd.splat_f32s(0.0);
        for block in 0..blocks {
            let mut acc: [S::f32s; R] = start.map(|start| simd.splat_f32s(start));
            for column in 0..columns {
                let input = inputs[column * blocks + block];
                for r in 0..R {
                    acc[r] = simd.mul_add_f32s(simd.splat_f32s(weights[r][column]), input, acc[r]);
                }
            }
            for r in 0..R {
                let value = if self.relu { simd.max_f32s(acc[r], zero) } else { acc[r] };
                outputs[(row + r) * blocks + block] = value;
            }
        }
    }
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let rows = self.start.len();
        for row in (0..rows).step_by(4) {
            match rows - row {
                1 => self.rows::<S, 1>(simd, row),
                2 => self.rows::<S, 2>(simd, row),
                3 => self.rows::<S, 3>(simd, row),
                _ => self.rows::<S, 4>(simd, row),
            }
        }
    }
}

/// `gradients[o, i] = sum over samples of deltas[o] * inputs[i]`, and
/// `bias_gradients[o] = sum over samples of deltas[o]`.
pub struct Gradients<'a> {
    /// `[outputs, stride]`.
    pub deltas: &'a [f32],
    /// `[inputs, stride]`.
    pub inputs: &'a [f32],
    /// `[outputs, inputs]`.
    pub gradients: &'a mut [f32],
    /// `[outputs]`.
    pub bias_gradients: &'a mut [f32],
    pub stride: usize,
}

impl Gradients<'_> {
    pub fn compute(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Gradients<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let columns = self.inputs.len() / self.stride;
        let rows = self.bias_gradients.len();
        let blocks = self.stride / S::F32_LANES;
        let input = |column: usize| &S::as_simd_f32s(self.inputs).0[column * blocks..][..blocks];
        let delta = |row: usize| &S::as_simd_f32s(self.deltas).0[row * blocks..][..blocks];
        let whole = columns - columns % 4;
        for row in 0..rows {
            for column in (0..whole).step_by(4) {
                let inputs = [input(column), input(column + 1), input(column + 2), input(column + 3)];
                let dots = dots(simd, delta(row), inputs);
                self.gradients[row * columns + column..][..4].copy_from_slice(&dots);
            }
        }
        // What is left of the columns, as of a layer with two inputs, goes four rows at a time.
        for column in whole..columns {
            for row in (0..rows - rows % 4).step_by(4) {
                let deltas = [delta(row), delta(row + 1), delta(row + 2), delta(row + 3)];
                for (r, dot) in dots(simd, input(column), deltas).into_iter().enumerate() {
                    self.gradients[(row + r) * columns + column] = dot;
                }
            }
            for row in rows - rows % 4..rows {
                [self.gradients[row * columns + column]] = dots(simd, input(column), [delta(row)]);
            }
        }
        for (row, gradient) in self.bias_gradients.iter_mut().enumerate() {
            let parts = LANES / S::F32_LANES;
            let mut acc = [simd.splat_f32s(0.0); LANES];
            for delta in delta(row).chunks_exact(parts) {
                for part in 0..parts {
                    acc[part] = simd.add_f32s(acc[part], delta[part]);
                }
            }
            *gradient = sum(simd, acc);
        }
    }
}

/// The products of one row with each of `C` others, summed over samples.
#[inline(always)]
fn dots<S: Simd, const C: usize>(simd: S, row: &[S::f32s], others: [&[S::f32s]; C]) -> [f32; C] {
    // Registers that hold LANES samples. The arrays have room for registers of a single lane.
    let parts = LANES / S::F32_LANES;
    let others: [&[S::f32s]; C] = std::array::from_fn(|c| &others[c][..row.len()]);
    let mut acc = [[simd.splat_f32s(0.0); LANES]; C];
    let mut block = 0;
    while block + parts <= row.len() {
        for part in 0..parts {
            for c in 0..C {
                acc[c][part] = simd.mul_add_f32s(row[block + part], others[c][block + part], acc[c][part]);
            }
        }
        block += parts;
    }
    std::array::from_fn(|c| sum(simd, acc[c]))
}

/// The sum of `LANES` lanes, lying in as many of the registers as they fill, as a tree.
#[inline(always)]
fn sum<S: Simd>(simd: S, mut registers: [S::f32s; LANES]) -> f32 {
    let mut half = LANES / S::F32_LANES / 2;
    while half > 0 {
        for part in 0..half {
            registers[part] = simd.add_f32s(registers[part], registers[part + half]);
        }
        half /= 2;
    }
    let mut lanes = [0.0; LANES];
    lanes[..S::F32_LANES].copy_from_slice(bytemuck::cast_slice(&registers[..1]));
    let mut half = S::F32_LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Clears the deltas of neurons whose activation is zero: the derivative of ReLU (0 at 0).
pub fn clear_inactive(deltas: &mut [f32], activations: &[f32]) {
    Arch::new().dispatch(|| {
        for (delta, &activation) in deltas.iter_mut().zip(activations) {
            *delta = if activation > 0.0 { *delta } else { 0.0 };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Concern, normal, stream};

    /// What both operations give on the processor's own registers and on two emulated widths: rows,
    /// gradients and bias gradients, one after the other.
    fn on_every_width(rows: usize, columns: usize, stride: usize) -> Vec<Vec<u32>> {
        let rng = &mut stream(0, Concern::Network);
        let mut normals = |n: usize| -> Vec<f32> { (0..n).map(|_| normal(rng) as f32).collect() };
        let (weights, start) = (normals(rows * columns), normals(rows));
        let (inputs, deltas) = (normals(columns * stride), normals(rows * stride));
        let run = |width: usize| {
            let mut outputs = vec![f32::NAN; rows * stride];
            let mut gradients = vec![f32::NAN; rows * columns];
            let mut bias_gradients = vec![f32::NAN; rows];
            let product = Product {
                weights: &weights,
                start: &start,
                inputs: &inputs,
                outputs: &mut outputs,
                stride,
                relu: true,
            };
            let slopes = Gradients {
                deltas: &deltas,
                inputs: &inputs,
                gradients: &mut gradients,
                bias_gradients: &mut bias_gradients,
                stride,
            };
            match width {
                1 => (pulp::Scalar::new().vectorize(product), pulp::Scalar::new().vectorize(slopes)),
                4 => (pulp::Scalar128b.vectorize(product), pulp::Scalar128b.vectorize(slopes)),
                _ => (product.compute(), slopes.compute()),
            };
            let values = outputs.into_iter().chain(gradients).chain(bias_gradients);
            values.map(f32::to_bits).collect()
        };
        vec![run(0), run(1), run(4)]
    }

    #[test]
    fn every_register_width_gives_the_same_bits() {
        for (rows, columns, stride) in [(1, 7, 16), (2, 2, 64), (7, 5, 48), (9, 12, 112), (3, 1, 32)] {
            let results = on_every_width(rows, columns, stride);
            assert!(results[0].iter().all(|&bits| f32::from_bits(bits).is_finite()));
            assert_eq!(results[0], results[1], "{rows} {columns} {stride}");
            assert_eq!(results[0], results[2], "{rows} {columns} {stride}");
        }
    }
}
