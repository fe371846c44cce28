//! What the outputs of tiles cost: wrong samples, or steps of the margin loss.

use super::kept::KeptChunk;
use super::tiles::{BLOCK_SAMPLES, BLOCKS, Chunk, Valid};
use crate::evaluate::vector::{Lanes, Line, add_steps};
use crate::objective::margin::Margin;

/// Writes to `costs` (`[tile]`) what the outputs that are kept cost.
///
/// # Safety
/// The processor has `V`'s instructions, and what is kept fits the landscape and the chunk.
#[inline(always)]
pub unsafe fn of_chunk<V: Lanes>(at: KeptChunk<'_>, margin: Option<Margin>, costs: &mut [u64]) {
    let KeptChunk { landscape, chunk, kept } = at;
    let outputs = kept.layers[landscape.layers().len() - 1].as_ptr();
    for (tile, cost) in costs.iter_mut().enumerate() {
        // SAFETY: by this function's contract, there is a row of outputs for each class.
        unsafe {
            let row = |class: usize| outputs.add(class * chunk.lines() + tile * BLOCKS);
            *cost = of_tile::<V>(chunk, tile, landscape.outputs(), margin, row);
        }
    }
}

/// Where the outputs of a tile come from. No closures: they are not always made part of what calls them, and are compiled
/// without its instructions then.
pub trait Outputs<V: Lanes>: Copy {
    /// The outputs of this class in a block.
    ///
    /// # Safety
    /// The processor has `V`'s instructions; there is such a block, and such a class.
    unsafe fn of(self, block: usize, class: usize) -> V;
}

/// Outputs in memory; says where those of a class begin.
#[derive(Clone, Copy)]
struct Stored<F>(F);

impl<V: Lanes, F: Fn(usize) -> *const Line + Copy> Outputs<V> for Stored<F> {
    #[inline(always)]
    unsafe fn of(self, block: usize, class: usize) -> V {
        // SAFETY: by the trait's contract, and by that of `of_tile`.
        unsafe { V::load((self.0)(class).add(block).cast()) }
    }
}

/// What a tile costs whose outputs of each of the `classes` begin where `row` says.
///
/// # Safety
/// As [`of_chunk`]; a tile's lines lie there.
#[inline(always)]
pub unsafe fn of_tile<V: Lanes>(
    chunk: &Chunk,
    tile: usize,
    classes: usize,
    margin: Option<Margin>,
    row: impl Fn(usize) -> *const Line + Copy,
) -> u64 {
    // SAFETY: by this function's contract.
    unsafe {
        match margin {
            Some(margin) => by_margin::<V>(chunk, tile, classes, margin, Stored(row)),
            None => u64::from(wrong::<V>(chunk, tile, classes, Stored(row))),
        }
    }
}

/// The blocks of a tile: index, right class, and which lanes are samples.
#[inline(always)]
fn blocks(chunk: &Chunk, tile: usize) -> impl Iterator<Item = (usize, usize, &Valid)> {
    let classes = chunk.classes[tile * BLOCKS..][..BLOCKS].iter();
    let valid = &chunk.valid[tile * BLOCKS..][..BLOCKS];
    classes.zip(valid).enumerate().map(|(block, (&class, valid))| (block, class as usize, valid))
}

/// Steps of the margin loss of a tile with these `outputs`.
///
/// # Safety
/// The processor has `V`'s instructions; the outputs are of so many `classes`, those of the chunk among them.
#[inline(always)]
pub unsafe fn by_margin<V: Lanes>(
    chunk: &Chunk,
    tile: usize,
    classes: usize,
    margin: Margin,
    outputs: impl Outputs<V>,
) -> u64 {
    // SAFETY: by this function's contract; a block's lanes are as many as `V`'s, in one cache line.
    unsafe {
        let (tau, scale) = (V::splat(margin.tau()), V::splat(margin.scale()));
        let mut sum = V::nothing();
        for (block, right, valid) in blocks(chunk, tile) {
            let least = V::subtract(outputs.of(block, right), tau);
            let mut loss = V::splat(0.0);
            for n in 0..classes - 1 {
                let hinge = V::subtract(outputs.of(block, wrong_class(n, right)), least).relu();
                loss = V::multiply_add(hinge, hinge, loss);
            }
            sum = add_steps(sum, loss.and(V::load(valid.0.as_ptr().cast())), scale);
        }
        V::total(sum)
    }
}

/// Wrong samples of a tile with these `outputs`.
///
/// # Safety
/// As [`by_margin`].
#[inline(always)]
unsafe fn wrong<V: Lanes>(chunk: &Chunk, tile: usize, classes: usize, outputs: impl Outputs<V>) -> u32 {
    let mut wrong = 0;
    for (block, right, valid) in blocks(chunk, tile) {
        // SAFETY: by this function's contract.
        let value = unsafe { outputs.of(block, right) };
        let mut beaten = 0;
        for n in 0..classes - 1 {
            // Ties go to the lower class.
            let ties = u64::from(n < right).wrapping_neg();
            // SAFETY: as above.
            beaten |= unsafe {
                let other = outputs.of(block, wrong_class(n, right));
                other.greater(value) | (other.greater_or_equal(value) & ties)
            };
        }
        wrong += (beaten & lanes_of(valid)).count_ones();
    }
    wrong
}

/// The `n`-th class but the `right` one, in ascending order. Loops over it have the same length for every
/// block: two loops around the right class end where no processor foresees it.
#[inline(always)]
fn wrong_class(n: usize, right: usize) -> usize {
    n + usize::from(n >= right)
}

/// One bit per valid lane: valid lanes come first.
#[inline(always)]
fn lanes_of(valid: &Valid) -> u64 {
    if valid.0[BLOCK_SAMPLES - 1] != 0 {
        return (1 << BLOCK_SAMPLES) - 1;
    }
    (0..BLOCK_SAMPLES).fold(0, |bits, n| bits | u64::from(valid.0[n] & 1) << n)
}
