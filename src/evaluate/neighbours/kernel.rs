//! Chunks of samples through what changes, and through whole masked networks; compiled once per instruction
//! set.

use super::landscape::Landscape;
use super::lanes::{LANES, Lanes, portable::Portable};
use super::plan::{FanOut, Plan, Source};
use super::program::{Program, SLICE};
use super::tiles::{BLOCKS, Chunk, Line, Valid};
use crate::evaluate::Arithmetic;
use crate::evaluate::cpu::instructions::Instructions;
use crate::objective::margin::Margin;

#[cfg(target_arch = "x86_64")]
use super::lanes::{avx2::Avx2, avx512::Avx512};

/// What is kept of a mask on a chunk of samples.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// `[layer]`, `[neuron][tile][block]`: pre-activations.
    pub layers: Vec<Vec<Line>>,
    /// `[tile]`
    pub costs: Vec<u64>,
}

impl Kept {
    /// Gives this the shape of `chunk` in `landscape`.
    pub fn fit(&mut self, landscape: &Landscape, chunk: &Chunk) {
        self.layers.resize(landscape.layers().len(), Vec::new());
        for (kept, layer) in self.layers.iter_mut().zip(landscape.layers()) {
            kept.resize(layer.outputs * chunk.lines(), Line([0.0; LANES]));
        }
        self.costs.resize(chunk.tiles(), 0);
    }

    fn fits(&self, landscape: &Landscape, chunk: &Chunk) -> bool {
        let mut layers = self.layers.iter().zip(landscape.layers());
        self.layers.len() == landscape.layers().len()
            && layers.all(|(kept, layer)| kept.len() == layer.outputs * chunk.lines())
    }
}

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
    fn fit(&mut self, plan: &Plan) {
        self.after.resize(plan.changes.len() * BLOCKS, Line([0.0; LANES]));
        self.difference.resize(plan.changes.len() * BLOCKS, Line([0.0; LANES]));
    }
}

/// Rows from here on lie in [`Space::after`].
const CHANGED: u32 = 1 << 31;

/// Kernels of one instruction set and arithmetic.
#[derive(Clone, Copy)]
pub struct Kernel {
    screen: unsafe fn(&Landscape, &Chunk, &Kept, &Plan, &mut Space, &mut [u64]),
    apply: unsafe fn(&Landscape, &Chunk, &mut Kept, &Plan, &mut Space),
    forward: unsafe fn(&Landscape, &Chunk, &Program, &mut Kept),
    cost: unsafe fn(&Landscape, &Chunk, &Kept, Option<Margin>, &mut [u64]),
}

macro_rules! compiled {
    ($name:ident, $lanes:ident $(, $features:literal)?) => {
        mod $name {
            use super::*;

            /// # Safety
            /// As [`super::screen`].
            $(#[target_feature(enable = $features)])?
            pub unsafe fn screen<const FUSED: bool>(
                landscape: &Landscape,
                chunk: &Chunk,
                kept: &Kept,
                plan: &Plan,
                space: &mut Space,
                costs: &mut [u64],
            ) {
                unsafe { super::screen::<$lanes<FUSED>>(landscape, chunk, kept, plan, space, costs) }
            }

            /// # Safety
            /// As [`super::apply`].
            $(#[target_feature(enable = $features)])?
            pub unsafe fn apply<const FUSED: bool>(
                landscape: &Landscape,
                chunk: &Chunk,
                kept: &mut Kept,
                plan: &Plan,
                space: &mut Space,
            ) {
                unsafe { super::apply::<$lanes<FUSED>>(landscape, chunk, kept, plan, space) }
            }

            /// # Safety
            /// As [`super::forward`].
            $(#[target_feature(enable = $features)])?
            pub unsafe fn forward<const FUSED: bool>(
                landscape: &Landscape,
                chunk: &Chunk,
                program: &Program,
                kept: &mut Kept,
            ) {
                unsafe { super::forward::<$lanes<FUSED>>(landscape, chunk, program, kept) }
            }

            /// # Safety
            /// As [`super::costs_of_outputs`].
            $(#[target_feature(enable = $features)])?
            pub unsafe fn cost<const FUSED: bool>(
                landscape: &Landscape,
                chunk: &Chunk,
                kept: &Kept,
                margin: Option<Margin>,
                costs: &mut [u64],
            ) {
                unsafe { super::costs_of_outputs::<$lanes<FUSED>>(landscape, chunk, kept, margin, costs) }
            }
        }
    };
}

compiled!(portable, Portable);
#[cfg(target_arch = "x86_64")]
compiled!(avx2, Avx2, "avx2,fma,popcnt");
#[cfg(target_arch = "x86_64")]
compiled!(avx512, Avx512, "avx512f,avx2,fma,popcnt,bmi1,bmi2");

macro_rules! kernel {
    ($name:ident, $fused:literal) => {
        Kernel {
            screen: $name::screen::<$fused>,
            apply: $name::apply::<$fused>,
            forward: $name::forward::<$fused>,
            cost: $name::cost::<$fused>,
        }
    };
    ($name:ident, $arithmetic:expr) => {
        match $arithmetic {
            Arithmetic::Fused => kernel!($name, true),
            Arithmetic::Separate => kernel!($name, false),
        }
    };
}

impl Kernel {
    /// The kernels for `instructions`, if the processor has them.
    pub fn new(instructions: Instructions, arithmetic: Arithmetic) -> Option<Self> {
        if !Instructions::available().contains(&instructions) {
            return None;
        }
        Some(match instructions {
            Instructions::Portable => kernel!(portable, arithmetic),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => kernel!(avx2, arithmetic),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => kernel!(avx512, arithmetic),
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::Avx2 | Instructions::Avx512 => return None,
        })
    }

    /// Writes to `costs` (`[tile]`) what the tiles of `chunk` cost after the changes of `plan`, made on what
    /// is `kept`.
    pub fn screen(
        &self,
        landscape: &Landscape,
        chunk: &Chunk,
        kept: &Kept,
        plan: &Plan,
        space: &mut Space,
        costs: &mut [u64],
    ) {
        assert!(kept.fits(landscape, chunk) && costs.len() == chunk.tiles());
        space.fit(plan);
        // SAFETY: `new` found the instructions on this processor; what is kept has the chunk's shape, and
        // plans name neurons and inputs of the landscape's layers alone.
        unsafe { (self.screen)(landscape, chunk, kept, plan, space, costs) }
    }

    /// Makes the changes of `plan` on the pre-activations that are `kept`; leaves the costs.
    pub fn apply(
        &self,
        landscape: &Landscape,
        chunk: &Chunk,
        kept: &mut Kept,
        plan: &Plan,
        space: &mut Space,
    ) {
        assert!(kept.fits(landscape, chunk));
        space.fit(plan);
        // SAFETY: as for `screen`.
        unsafe { (self.apply)(landscape, chunk, kept, plan, space) }
    }

    /// Computes all pre-activations of `chunk` exactly, and keeps them.
    pub fn forward(&self, landscape: &Landscape, chunk: &Chunk, program: &Program, kept: &mut Kept) {
        assert!(kept.fits(landscape, chunk));
        // SAFETY: as for `screen`; programs are compiled from masks of the landscape's architecture.
        unsafe { (self.forward)(landscape, chunk, program, kept) }
    }

    /// Writes to `costs` (`[tile]`) what the outputs that are `kept` cost.
    pub fn cost(
        &self,
        landscape: &Landscape,
        chunk: &Chunk,
        kept: &Kept,
        margin: Option<Margin>,
        costs: &mut [u64],
    ) {
        assert!(kept.fits(landscape, chunk) && costs.len() == chunk.tiles());
        // SAFETY: as for `screen`.
        unsafe { (self.cost)(landscape, chunk, kept, margin, costs) }
    }
}

/// # Safety
/// The processor has `V`'s instructions; `kept`, `plan`, `space` and `costs` fit the landscape and the chunk.
#[inline(always)]
unsafe fn screen<V: Lanes>(
    landscape: &Landscape,
    chunk: &Chunk,
    kept: &Kept,
    plan: &Plan,
    space: &mut Space,
    costs: &mut [u64],
) {
    for (tile, cost) in costs.iter_mut().enumerate() {
        // SAFETY: the caller's.
        *cost = unsafe {
            match (&plan.fan_out, landscape.margin()) {
                (Some(fan_out), Some(margin)) => {
                    screen_fan_out::<V>(landscape, chunk, kept, plan, fan_out, margin, tile)
                }
                _ => screen_any::<V>(landscape, chunk, kept, plan, space, tile),
            }
        };
    }
}

/// The cost of a tile when one hidden neuron changes, directly below the outputs: nothing is stored.
///
/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn screen_fan_out<V: Lanes>(
    landscape: &Landscape,
    chunk: &Chunk,
    kept: &Kept,
    plan: &Plan,
    fan_out: &FanOut,
    margin: Margin,
    tile: usize,
) -> u64 {
    let lines = chunk.lines();
    let classes = landscape.outputs();
    let weights = fan_out.weights.as_ptr();
    // SAFETY: the caller's.
    unsafe {
        let (_, moved) = hidden_change::<V>(chunk, kept, plan, fan_out, tile);
        let outputs = kept.layers[fan_out.depth + 1].as_ptr().add(tile * BLOCKS);
        let valid = chunk.valid.as_ptr().add(tile * BLOCKS);
        let right = chunk.classes.as_ptr().add(tile * BLOCKS);
        let (tau, scale) = (V::splat(margin.tau()), V::splat(margin.scale()));
        let mut sum = V::no_steps();
        for (b, &moved) in moved.iter().enumerate() {
            let right = *right.add(b) as usize;
            // A weight that is masked out is zero here: its product adds nothing to a finite sum.
            let output = |class: usize| {
                let before = V::load(outputs.add(class * lines + b).cast());
                V::multiply_add(V::splat(*weights.add(class)), moved, before)
            };
            let least = V::subtract(output(right), tau);
            let mut loss = V::splat(0.0);
            for n in 0..classes - 1 {
                let hinge = V::subtract(output(wrong_class(n, right)), least).relu();
                loss = V::multiply_add(hinge, hinge, loss);
            }
            sum = V::add_steps(sum, loss, scale, valid.add(b).cast());
        }
        V::total(sum)
    }
}

/// The pre-activation of the one hidden neuron that changes, as it becomes, and the difference of its
/// activations.
///
/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn hidden_change<V: Lanes>(
    chunk: &Chunk,
    kept: &Kept,
    plan: &Plan,
    fan_out: &FanOut,
    tile: usize,
) -> ([V; BLOCKS], [V; BLOCKS]) {
    let lines = chunk.lines();
    let depth = fan_out.depth;
    let change = plan.changes[0];
    // SAFETY: the caller's.
    unsafe {
        let below = if depth == 0 { chunk.features.as_ptr() } else { kept.layers[depth - 1].as_ptr() };
        let below = below.add(tile * BLOCKS);
        let old = load::<V>(kept.layers[depth].as_ptr().add(change.neuron as usize * lines + tile * BLOCKS));
        let mut new = old;
        for term in &plan.terms[..change.terms_end as usize] {
            let Source::Before(input) = term.source else { unreachable!("nothing below changes") };
            let values = load::<V>(below.add(input as usize * lines));
            let values = if depth == 0 { values } else { relu(values) };
            multiply_add(&mut new, V::splat(term.weight), values);
        }
        (new, subtract(relu(new), relu(old)))
    }
}

/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn screen_any<V: Lanes>(
    landscape: &Landscape,
    chunk: &Chunk,
    kept: &Kept,
    plan: &Plan,
    space: &mut Space,
    tile: usize,
) -> u64 {
    let lines = chunk.lines();
    let last = landscape.layers().len() - 1;
    // SAFETY: the caller's.
    unsafe {
        changes::<V>(landscape, chunk, kept, plan, space, tile);
        space.rows.clear();
        space.rows.extend((0..landscape.outputs()).map(|class| (class * lines + tile * BLOCKS) as u32));
        for slot in plan.layer_starts[last]..plan.layer_starts[last + 1] {
            space.rows[plan.changes[slot].neuron as usize] = CHANGED | (slot * BLOCKS) as u32;
        }
        let own = kept.layers[last].as_ptr();
        let after = space.after.as_ptr();
        let rows = space.rows.as_ptr();
        let row = |class: usize| {
            let row = *rows.add(class);
            if row & CHANGED == 0 { own.add(row as usize) } else { after.add((row ^ CHANGED) as usize) }
        };
        cost::<V>(landscape, chunk, row, landscape.margin(), tile)
    }
}

/// Leaves the pre-activations of a tile that change in `space`, as they become.
///
/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn changes<V: Lanes>(
    landscape: &Landscape,
    chunk: &Chunk,
    kept: &Kept,
    plan: &Plan,
    space: &mut Space,
    tile: usize,
) {
    let lines = chunk.lines();
    let after = space.after.as_mut_ptr();
    let difference = space.difference.as_mut_ptr();
    let last = landscape.layers().len() - 1;
    let mut term = 0;
    for depth in 0..=last {
        // SAFETY: the caller's; every pointer below stays in its tile.
        unsafe {
            let own = kept.layers[depth].as_ptr().add(tile * BLOCKS);
            let below = if depth == 0 { chunk.features.as_ptr() } else { kept.layers[depth - 1].as_ptr() };
            let below = below.add(tile * BLOCKS);
            for slot in plan.layer_starts[depth]..plan.layer_starts[depth + 1] {
                let change = plan.changes.get_unchecked(slot);
                let row = own.add(change.neuron as usize * lines);
                let mut acc = load::<V>(row);
                while term < change.terms_end as usize {
                    let product = plan.terms.get_unchecked(term);
                    let values = match product.source {
                        Source::Before(input) => {
                            let values = load::<V>(below.add(input as usize * lines));
                            if depth == 0 { values } else { relu(values) }
                        }
                        Source::After(slot) => relu(load::<V>(after.add(slot as usize * BLOCKS))),
                        Source::Difference(slot) => load::<V>(difference.add(slot as usize * BLOCKS)),
                    };
                    multiply_add(&mut acc, V::splat(product.weight), values);
                    term += 1;
                }
                store(acc, after.add(slot * BLOCKS));
                if depth < last {
                    let moved = subtract(relu(acc), relu(load::<V>(row)));
                    store(moved, difference.add(slot * BLOCKS));
                }
            }
        }
    }
}

/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn apply<V: Lanes>(
    landscape: &Landscape,
    chunk: &Chunk,
    kept: &mut Kept,
    plan: &Plan,
    space: &mut Space,
) {
    let lines = chunk.lines();
    for tile in 0..chunk.tiles() {
        // SAFETY: the caller's.
        unsafe {
            if let Some(fan_out) = &plan.fan_out {
                let (new, moved) = hidden_change::<V>(chunk, kept, plan, fan_out, tile);
                let row = plan.changes[0].neuron as usize * lines + tile * BLOCKS;
                store(new, kept.layers[fan_out.depth].as_mut_ptr().add(row));
                let outputs = kept.layers[fan_out.depth + 1].as_mut_ptr().add(tile * BLOCKS);
                for change in &plan.changes[1..] {
                    let row = outputs.add(change.neuron as usize * lines);
                    let weight = V::splat(fan_out.weights[change.neuron as usize]);
                    let mut acc = load::<V>(row);
                    multiply_add(&mut acc, weight, moved);
                    store(acc, row);
                }
                continue;
            }
            changes::<V>(landscape, chunk, kept, plan, space, tile);
            for (depth, kept) in kept.layers.iter_mut().enumerate() {
                for slot in plan.layer_starts[depth]..plan.layer_starts[depth + 1] {
                    let row = plan.changes[slot].neuron as usize * lines + tile * BLOCKS;
                    kept[row..][..BLOCKS].copy_from_slice(&space.after[slot * BLOCKS..][..BLOCKS]);
                }
            }
        }
    }
}

/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn costs_of_outputs<V: Lanes>(
    landscape: &Landscape,
    chunk: &Chunk,
    kept: &Kept,
    margin: Option<Margin>,
    costs: &mut [u64],
) {
    let outputs = kept.layers[landscape.layers().len() - 1].as_ptr();
    for (tile, tile_cost) in costs.iter_mut().enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let row = |class: usize| outputs.add(class * chunk.lines() + tile * BLOCKS);
            *tile_cost = cost::<V>(landscape, chunk, row, margin, tile);
        }
    }
}

/// # Safety
/// As [`screen`]; `row` gives the outputs of each class.
#[inline(always)]
unsafe fn cost<V: Lanes>(
    landscape: &Landscape,
    chunk: &Chunk,
    row: impl Fn(usize) -> *const Line,
    margin: Option<Margin>,
    tile: usize,
) -> u64 {
    let classes = landscape.outputs();
    // SAFETY: the caller's.
    unsafe {
        let valid = chunk.valid.as_ptr().add(tile * BLOCKS);
        let right = &chunk.classes[tile * BLOCKS..][..BLOCKS];
        match margin {
            Some(margin) => {
                let (tau, scale) = (V::splat(margin.tau()), V::splat(margin.scale()));
                let mut sum = V::no_steps();
                for (b, &right) in right.iter().enumerate() {
                    let right = right as usize;
                    let least = V::subtract(V::load(row(right).add(b).cast()), tau);
                    let mut loss = V::splat(0.0);
                    for n in 0..classes - 1 {
                        let class = wrong_class(n, right);
                        let hinge = V::subtract(V::load(row(class).add(b).cast()), least).relu();
                        loss = V::multiply_add(hinge, hinge, loss);
                    }
                    sum = V::add_steps(sum, loss, scale, valid.add(b).cast());
                }
                V::total(sum)
            }
            None => {
                let mut wrong = 0;
                for (b, &right) in right.iter().enumerate() {
                    let right = right as usize;
                    let value = V::load(row(right).add(b).cast());
                    let mut beaten = 0;
                    for n in 0..classes - 1 {
                        let other = V::load(row(wrong_class(n, right)).add(b).cast());
                        // Ties go to the lower class.
                        let ties = u32::from(n < right).wrapping_neg();
                        beaten |= V::greater(other, value) | (V::greater_or_equal(other, value) & ties);
                    }
                    wrong += (beaten & lanes_of(&*valid.add(b))).count_ones();
                }
                u64::from(wrong)
            }
        }
    }
}

/// The `n`-th class but the `right` one, in ascending order. Loops over it have the same length for every
/// block: two loops around the right class end where no processor foresees it.
#[inline(always)]
fn wrong_class(n: usize, right: usize) -> usize {
    n + usize::from(n >= right)
}

/// One bit per valid lane: valid lanes come first.
#[inline(always)]
fn lanes_of(valid: &Valid) -> u32 {
    if valid.0[LANES - 1] != 0 {
        return (1 << LANES) - 1;
    }
    (0..LANES).fold(0, |bits, n| bits | (valid.0[n] & 1) << n)
}

/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn forward<V: Lanes>(landscape: &Landscape, chunk: &Chunk, program: &Program, kept: &mut Kept) {
    let lines = chunk.lines();
    let mut slice = [Line([0.0; LANES]); SLICE * BLOCKS];
    for tile in 0..chunk.tiles() {
        let mut part = 0;
        for (depth, layer) in landscape.layers().iter().enumerate() {
            // SAFETY: the caller's; the layer below is read and this one written, and inputs lie in their slice.
            unsafe {
                let below =
                    if depth == 0 { chunk.features.as_ptr() } else { kept.layers[depth - 1].as_ptr() };
                let below = below.add(tile * BLOCKS);
                let own = kept.layers[depth].as_mut_ptr().add(tile * BLOCKS);
                for first in (0..layer.inputs).step_by(SLICE) {
                    for input in first..layer.inputs.min(first + SLICE) {
                        let values = load::<V>(below.add(input * lines));
                        let values = if depth == 0 { values } else { relu(values) };
                        store(values, slice.as_mut_ptr().add((input - first) * BLOCKS));
                    }
                    let values = slice.as_ptr();
                    for neuron in 0..layer.outputs {
                        let row = own.add(neuron * lines);
                        let bias = V::splat(program.bias(layer.first_bias + neuron));
                        let mut acc = if first == 0 { [bias; BLOCKS] } else { load::<V>(row) };
                        for &(input, weight) in program.part(part) {
                            let values = load::<V>(values.add(input as usize * BLOCKS));
                            multiply_add(&mut acc, V::splat(weight), values);
                        }
                        store(acc, row);
                        part += 1;
                    }
                }
            }
        }
    }
}

/// # Safety
/// As [`Lanes::load`], for a tile's blocks.
#[inline(always)]
unsafe fn load<V: Lanes>(from: *const Line) -> [V; BLOCKS] {
    // SAFETY: the caller's.
    unsafe {
        let mut values = [V::load(from.cast()); BLOCKS];
        for (b, value) in values.iter_mut().enumerate().skip(1) {
            *value = V::load(from.add(b).cast());
        }
        values
    }
}

/// # Safety
/// As [`Lanes::store`], for a tile's blocks.
#[inline(always)]
unsafe fn store<V: Lanes>(values: [V; BLOCKS], to: *mut Line) {
    for (b, value) in values.into_iter().enumerate() {
        // SAFETY: the caller's.
        unsafe { value.store(to.add(b).cast()) }
    }
}

/// `acc += weight * values`
///
/// # Safety
/// The processor has `V`'s instructions.
#[inline(always)]
unsafe fn multiply_add<V: Lanes>(acc: &mut [V; BLOCKS], weight: V, values: [V; BLOCKS]) {
    for (acc, value) in acc.iter_mut().zip(values) {
        // SAFETY: the caller's.
        *acc = unsafe { V::multiply_add(weight, value, *acc) };
    }
}

/// # Safety
/// The processor has `V`'s instructions.
#[inline(always)]
unsafe fn subtract<V: Lanes>(mut a: [V; BLOCKS], b: [V; BLOCKS]) -> [V; BLOCKS] {
    for (a, b) in a.iter_mut().zip(b) {
        // SAFETY: the caller's.
        *a = unsafe { V::subtract(*a, b) };
    }
    a
}

/// # Safety
/// The processor has `V`'s instructions.
#[inline(always)]
unsafe fn relu<V: Lanes>(mut values: [V; BLOCKS]) -> [V; BLOCKS] {
    for value in &mut values {
        // SAFETY: the caller's.
        *value = unsafe { value.relu() };
    }
    values
}
