//! Chunks of samples through what flips change, and nothing else.

use super::cost::{self, Outputs};
use super::kept::{Kept, KeptChunk};
use super::landscape::Landscape;
use super::plan::{ChangePlan, FanOut, TermSource};
use super::tiles::{BLOCKS, Chunk, TileRow};
use crate::evaluate::vector::{Lanes, Line, MOST_LANES, add_product};
use crate::objective::margin::Margin;

/// What a tile's work writes to.
#[derive(Clone, Debug, Default)]
pub struct Space {
    /// `[change][block]`: pre-activations as they become.
    after: Vec<Line>,
    /// `[change][block]`: differences of the activations of hidden neurons.
    difference: Vec<Line>,
    /// `[class]`: where the outputs of the tile are read from, by line: in the chunk's own outputs, or,
    /// counted from [`CHANGED`] on, in `after`.
    rows: Vec<u32>,
}

impl Space {
    /// Makes room for the changes of `plan`.
    pub fn fit(&mut self, plan: &ChangePlan) {
        self.after.resize(plan.changes.len() * BLOCKS, Line([0.0; MOST_LANES]));
        self.difference.resize(plan.changes.len() * BLOCKS, Line([0.0; MOST_LANES]));
    }
}

/// Rows from here on lie in [`Space::after`].
const CHANGED: u32 = 1 << 31;

/// Writes to `costs` (`[tile]`) what the tiles cost after the changes of `plan`.
///
/// # Safety
/// The processor has `V`'s instructions; what is kept fits the landscape and the chunk; `plan` was made of the
/// landscape's layers, and `space` has room for its changes.
#[inline(always)]
pub unsafe fn screen<V: Lanes>(at: KeptChunk<'_>, plan: &ChangePlan, space: &mut Space, costs: &mut [u64]) {
    for (tile, cost) in costs.iter_mut().enumerate() {
        // SAFETY: by this function's contract.
        *cost = unsafe {
            match (&plan.fan_out, at.landscape.margin()) {
                (Some(fan_out), Some(margin)) => screen_fan_out::<V>(at, plan, fan_out, margin, tile),
                _ => screen_any::<V>(at, plan, space, tile),
            }
        };
    }
}

/// Outputs that one hidden neuron moves.
#[derive(Clone, Copy)]
struct MovedOutputs<'a, V> {
    /// `[class]`: weights to the outputs.
    weights: &'a [f32],
    /// The difference of the neuron's activations.
    moved: TileRow<V>,
    /// Where the first output of the tile begins, as it was, and the lines from one to the next.
    before: *const Line,
    lines: usize,
}

impl<V: Lanes> Outputs<V> for MovedOutputs<'_, V> {
    #[inline(always)]
    unsafe fn of(self, block: usize, class: usize) -> V {
        // SAFETY: by the trait's contract; there is a weight for each class.
        unsafe {
            let before = V::load(self.before.add(class * self.lines + block).cast());
            // A weight that is masked out is zero here: its product adds nothing to a finite sum.
            let weight = V::splat(*self.weights.get_unchecked(class));
            V::multiply_add(weight, self.moved[block], before)
        }
    }
}

/// The cost of a tile when one hidden neuron changes, directly below the outputs: nothing is stored.
///
/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn screen_fan_out<V: Lanes>(
    at: KeptChunk<'_>,
    plan: &ChangePlan,
    fan_out: &FanOut,
    margin: Margin,
    tile: usize,
) -> u64 {
    let KeptChunk { landscape, chunk, kept } = at;
    // SAFETY: by `screen`'s contract.
    unsafe {
        let (_, moved) = hidden_change::<V>(at, plan, fan_out, tile);
        let before = kept.layers[fan_out.depth + 1].as_ptr().add(tile * BLOCKS);
        let outputs = MovedOutputs { weights: &fan_out.weights, moved, before, lines: chunk.lines() };
        cost::by_margin(chunk, tile, landscape.outputs(), margin, outputs)
    }
}

/// The pre-activation of the one hidden neuron that changes, as it becomes, and the difference of its
/// activations.
///
/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn hidden_change<V: Lanes>(
    at: KeptChunk<'_>,
    plan: &ChangePlan,
    fan_out: &FanOut,
    tile: usize,
) -> (TileRow<V>, TileRow<V>) {
    let lines = at.chunk.lines();
    let depth = fan_out.depth;
    let change = plan.changes[0];
    // SAFETY: by `screen`'s contract, the plan names rows that there are, of which a tile's lines are read.
    unsafe {
        let below = at.below(depth).as_ptr().add(tile * BLOCKS);
        let row = change.neuron as usize * lines + tile * BLOCKS;
        let old = TileRow::<V>::load(at.kept.layers[depth].as_ptr().add(row).cast());
        let mut new = old;
        for term in &plan.terms[..change.terms_end as usize] {
            let TermSource::Before(input) = term.source else { unreachable!("nothing below changes") };
            let values = TileRow::<V>::load(below.add(input as usize * lines).cast());
            let values = if depth == 0 { values } else { values.relu() };
            add_product(&mut new, V::splat(term.weight), values);
        }
        (new, TileRow::<V>::subtract(new.relu(), old.relu()))
    }
}

/// The cost of a tile, whatever changes.
///
/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn screen_any<V: Lanes>(at: KeptChunk<'_>, plan: &ChangePlan, space: &mut Space, tile: usize) -> u64 {
    let KeptChunk { landscape, chunk, kept } = at;
    let lines = chunk.lines();
    let last = landscape.layers().len() - 1;
    // SAFETY: by `screen`'s contract.
    unsafe { changes::<V>(at, plan, space, tile) };
    space.rows.clear();
    space.rows.extend((0..landscape.outputs()).map(|class| (class * lines + tile * BLOCKS) as u32));
    for slot in plan.layer_starts[last]..plan.layer_starts[last + 1] {
        space.rows[plan.changes[slot].neuron as usize] = CHANGED | (slot * BLOCKS) as u32;
    }
    let own = kept.layers[last].as_ptr();
    let after = space.after.as_ptr();
    let rows = space.rows.as_ptr();
    // SAFETY: there is a row for each class, in what is kept or in what became of it.
    unsafe {
        let row = |class: usize| {
            let row = *rows.add(class);
            if row & CHANGED == 0 { own.add(row as usize) } else { after.add((row ^ CHANGED) as usize) }
        };
        cost::of_tile::<V>(chunk, tile, landscape.outputs(), landscape.margin(), row)
    }
}

/// Leaves the pre-activations of a tile that change in `space`, as they become.
///
/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn changes<V: Lanes>(at: KeptChunk<'_>, plan: &ChangePlan, space: &mut Space, tile: usize) {
    let lines = at.chunk.lines();
    let after = space.after.as_mut_ptr();
    let difference = space.difference.as_mut_ptr();
    let last = at.landscape.layers().len() - 1;
    let mut term = 0;
    for depth in 0..=last {
        // SAFETY: by `screen`'s contract, the plan names rows that there are, of which a tile's lines are read, and
        // changes that `space` has room for.
        unsafe {
            let own = at.kept.layers[depth].as_ptr().add(tile * BLOCKS);
            let below = at.below(depth).as_ptr().add(tile * BLOCKS);
            for slot in plan.layer_starts[depth]..plan.layer_starts[depth + 1] {
                let change = plan.changes.get_unchecked(slot);
                let row = own.add(change.neuron as usize * lines);
                let mut acc = TileRow::<V>::load(row.cast());
                while term < change.terms_end as usize {
                    let product = plan.terms.get_unchecked(term);
                    let values = match product.source {
                        TermSource::Before(input) => {
                            let values = TileRow::<V>::load(below.add(input as usize * lines).cast());
                            if depth == 0 { values } else { values.relu() }
                        }
                        TermSource::After(slot) => {
                            TileRow::<V>::load(after.add(slot as usize * BLOCKS).cast()).relu()
                        }
                        TermSource::Difference(slot) => {
                            TileRow::<V>::load(difference.add(slot as usize * BLOCKS).cast())
                        }
                    };
                    add_product(&mut acc, V::splat(product.weight), values);
                    term += 1;
                }
                acc.store(after.add(slot * BLOCKS).cast());
                if depth < last {
                    let old = TileRow::<V>::load(row.cast());
                    let moved = TileRow::<V>::subtract(acc.relu(), old.relu());
                    moved.store(difference.add(slot * BLOCKS).cast());
                }
            }
        }
    }
}

/// Makes the changes of `plan` on the pre-activations that are `kept`.
///
/// # Safety
/// As [`screen`].
#[inline(always)]
pub unsafe fn apply<V: Lanes>(
    landscape: &Landscape,
    chunk: &Chunk,
    kept: &mut Kept,
    plan: &ChangePlan,
    space: &mut Space,
) {
    let lines = chunk.lines();
    for tile in 0..chunk.tiles() {
        if let Some(fan_out) = &plan.fan_out {
            // SAFETY: by `screen`'s contract.
            unsafe { apply_fan_out::<V>(landscape, chunk, kept, plan, fan_out, tile) };
            continue;
        }
        // SAFETY: as above.
        unsafe { changes::<V>(KeptChunk { landscape, chunk, kept }, plan, space, tile) };
        for (depth, kept) in kept.layers.iter_mut().enumerate() {
            for slot in plan.layer_starts[depth]..plan.layer_starts[depth + 1] {
                let row = plan.changes[slot].neuron as usize * lines + tile * BLOCKS;
                kept[row..][..BLOCKS].copy_from_slice(&space.after[slot * BLOCKS..][..BLOCKS]);
            }
        }
    }
}

/// Makes the changes of a tile when one hidden neuron changes, directly below the outputs.
///
/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn apply_fan_out<V: Lanes>(
    landscape: &Landscape,
    chunk: &Chunk,
    kept: &mut Kept,
    plan: &ChangePlan,
    fan_out: &FanOut,
    tile: usize,
) {
    let lines = chunk.lines();
    // SAFETY: by `screen`'s contract, the plan names rows that there are, of which a tile's lines are written.
    unsafe {
        let (new, moved) = hidden_change::<V>(KeptChunk { landscape, chunk, kept }, plan, fan_out, tile);
        let row = plan.changes[0].neuron as usize * lines + tile * BLOCKS;
        new.store(kept.layers[fan_out.depth].as_mut_ptr().add(row).cast());
        let outputs = kept.layers[fan_out.depth + 1].as_mut_ptr().add(tile * BLOCKS);
        for change in &plan.changes[1..] {
            let row: *mut f32 = outputs.add(change.neuron as usize * lines).cast();
            let mut acc = TileRow::<V>::load(row);
            add_product(&mut acc, V::splat(fan_out.weights[change.neuron as usize]), moved);
            acc.store(row);
        }
    }
}
