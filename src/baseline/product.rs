//! Products of a layer's weights with a minibatch, vectorised over samples.
//!
//! A minibatch is stored neuron by neuron: `[neurons, stride]`, where `stride` is the number of samples
//! rounded up to [`LANES`]. Every sum over neurons is a chain of fused multiply-adds in ascending order, as
//! in [`crate::evaluate`], and every sum over samples is kept in [`LANES`] parts that are added as a fixed
//! tree: the numbers do not depend on the processor's vector width.

use multiversion::multiversion;

/// Samples handled side by side: one AVX-512 register, two of AVX2, four of NEON.
pub const LANES: usize = 16;

type Lanes = [f32; LANES];

const ZERO: Lanes = [0.0; LANES];

/// `outputs[r] = start[r] + sum over c of weights[r, c] * inputs[c]`, for every sample; negative results
/// become 0 if `relu`.
///
/// Shapes: weights `[start.len(), columns]`, inputs `[columns, stride]`, outputs `[start.len(), stride]`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn product(
    weights: &[f32],
    start: &[f32],
    inputs: &[f32],
    outputs: &mut [f32],
    stride: usize,
    relu: bool,
) {
    let columns = inputs.len() / stride;
    let mut row = 0;
    while row < start.len() {
        let rest = start.len() - row;
        let taken = rest.min(4);
        let weights = &weights[row * columns..][..taken * columns];
        let start = &start[row..][..taken];
        let outputs = &mut outputs[row * stride..][..taken * stride];
        // Four accumulators of LANES samples each hide the latency of the multiply-add.
        match taken {
            4 => rows::<4, 1>(weights, start, inputs, outputs, stride, relu),
            3 => rows::<3, 1>(weights, start, inputs, outputs, stride, relu),
            2 => rows::<2, 2>(weights, start, inputs, outputs, stride, relu),
            _ => rows::<1, 4>(weights, start, inputs, outputs, stride, relu),
        }
        row += taken;
    }
}

#[inline(always)]
fn rows<const R: usize, const S: usize>(
    weights: &[f32],
    start: &[f32],
    inputs: &[f32],
    outputs: &mut [f32],
    stride: usize,
    relu: bool,
) {
    let mut sample = 0;
    while sample + S * LANES <= stride {
        tile::<R, S>(weights, start, inputs, outputs, stride, sample, relu);
        sample += S * LANES;
    }
    while sample < stride {
        tile::<R, 1>(weights, start, inputs, outputs, stride, sample, relu);
        sample += LANES;
    }
}

/// `R` rows by `S * LANES` samples from `sample` on.
#[inline(always)]
fn tile<const R: usize, const S: usize>(
    weights: &[f32],
    start: &[f32],
    inputs: &[f32],
    outputs: &mut [f32],
    stride: usize,
    sample: usize,
    relu: bool,
) {
    let columns = inputs.len() / stride;
    let weights: [&[f32]; R] = std::array::from_fn(|r| &weights[r * columns..][..columns]);
    let mut acc: [[Lanes; S]; R] = std::array::from_fn(|r| [[start[r]; LANES]; S]);
    for (column, input) in inputs.chunks_exact(stride).enumerate() {
        let input = &input[sample..][..S * LANES];
        for r in 0..R {
            let weight = weights[r][column];
            for s in 0..S {
                for lane in 0..LANES {
                    acc[r][s][lane] = weight.mul_add(input[s * LANES + lane], acc[r][s][lane]);
                }
            }
        }
    }
    for r in 0..R {
        let output = &mut outputs[r * stride + sample..][..S * LANES];
        for s in 0..S {
            for lane in 0..LANES {
                let value = acc[r][s][lane];
                output[s * LANES + lane] = if relu { value.max(0.0) } else { value };
            }
        }
    }
}

/// `gradients[o, i] = sum over samples of deltas[o] * inputs[i]` and
/// `bias_gradients[o] = sum over samples of deltas[o]`.
///
/// Shapes: deltas `[outputs, stride]`, inputs `[inputs, stride]`, gradients `[outputs, inputs]`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn gradients(
    deltas: &[f32],
    inputs: &[f32],
    gradients: &mut [f32],
    bias_gradients: &mut [f32],
    stride: usize,
) {
    let columns = inputs.len() / stride;
    let mut row = 0;
    while row < bias_gradients.len() {
        if row + 2 <= bias_gradients.len() {
            let gradients = &mut gradients[row * columns..][..2 * columns];
            gradient_rows::<2, 2>(&deltas[row * stride..][..2 * stride], inputs, gradients, stride);
            row += 2;
        } else {
            let gradients = &mut gradients[row * columns..][..columns];
            gradient_rows::<1, 4>(&deltas[row * stride..][..stride], inputs, gradients, stride);
            row += 1;
        }
    }
    for (delta, gradient) in deltas.chunks_exact(stride).zip(bias_gradients) {
        let mut acc = ZERO;
        for delta in delta.chunks_exact(LANES) {
            for lane in 0..LANES {
                acc[lane] += delta[lane];
            }
        }
        *gradient = sum(acc);
    }
}

#[inline(always)]
fn gradient_rows<const R: usize, const C: usize>(
    deltas: &[f32],
    inputs: &[f32],
    gradients: &mut [f32],
    stride: usize,
) {
    let columns = inputs.len() / stride;
    let mut column = 0;
    while column + C <= columns {
        let inputs = &inputs[column * stride..][..C * stride];
        gradient_tile::<R, C>(deltas, inputs, gradients, stride, columns, column);
        column += C;
    }
    while column < columns {
        let inputs = &inputs[column * stride..][..stride];
        gradient_tile::<R, 1>(deltas, inputs, gradients, stride, columns, column);
        column += 1;
    }
}

#[inline(always)]
fn gradient_tile<const R: usize, const C: usize>(
    deltas: &[f32],
    inputs: &[f32],
    gradients: &mut [f32],
    stride: usize,
    columns: usize,
    column: usize,
) {
    let deltas: [&[f32]; R] = std::array::from_fn(|r| &deltas[r * stride..][..stride]);
    let inputs: [&[f32]; C] = std::array::from_fn(|c| &inputs[c * stride..][..stride]);
    let mut acc = [[ZERO; C]; R];
    for start in (0..stride).step_by(LANES) {
        for r in 0..R {
            let delta = &deltas[r][start..][..LANES];
            for c in 0..C {
                let input = &inputs[c][start..][..LANES];
                for lane in 0..LANES {
                    acc[r][c][lane] = delta[lane].mul_add(input[lane], acc[r][c][lane]);
                }
            }
        }
    }
    for r in 0..R {
        for c in 0..C {
            gradients[r * columns + column + c] = sum(acc[r][c]);
        }
    }
}

/// The sum of all lanes, as a tree.
#[inline(always)]
fn sum(mut lanes: Lanes) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Clears the deltas of neurons whose activation is zero: the derivative of ReLU (0 at 0).
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn clear_inactive(deltas: &mut [f32], activations: &[f32]) {
    for (delta, &activation) in deltas.iter_mut().zip(activations) {
        *delta = if activation > 0.0 { *delta } else { 0.0 };
    }
}
