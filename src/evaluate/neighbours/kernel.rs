//! Tiles of samples through what changes, and through whole masked networks; compiled once per instruction
//! set.

use super::Objective;
use super::landscape::Landscape;
use super::lanes::{LANES, Lanes, portable::Portable};
use super::plan::{Plan, Source};
use super::program::Program;
use super::tiles::{BLOCKS, Line, Valid};
use crate::evaluate::Arithmetic;
use crate::evaluate::cpu::instructions::Instructions;

#[cfg(target_arch = "x86_64")]
use super::lanes::{avx2::Avx2, avx512::Avx512};

/// What a tile's work writes to.
#[derive(Clone, Debug, Default)]
pub struct Space {
    /// `[change][block]`: pre-activations as they become.
    pub after: Vec<Line>,
    /// `[change][block]`: differences of the activations of hidden neurons.
    pub difference: Vec<Line>,
    /// `[class]`: where the outputs of the tile are read from, by line: in the tile's own outputs, or,
    /// counted from [`CHANGED`] on, in `after`.
    pub rows: Vec<u32>,
}

/// Rows from here on lie in [`Space::after`].
const CHANGED: u32 = 1 << 31;

/// Kernels of one instruction set and arithmetic.
#[derive(Clone, Copy)]
pub struct Kernel {
    screen: unsafe fn(&Landscape, &[Vec<Line>], &Plan, &mut Space, usize) -> u64,
    forward: unsafe fn(&Landscape, &Program, &mut [Vec<Line>], usize, usize),
    cost: unsafe fn(&Landscape, &[Line], Objective, usize) -> u64,
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
                kept: &[Vec<Line>],
                plan: &Plan,
                space: &mut Space,
                tile: usize,
            ) -> u64 {
                unsafe { super::screen::<$lanes<FUSED>>(landscape, kept, plan, space, tile) }
            }

            /// # Safety
            /// As [`super::forward`].
            $(#[target_feature(enable = $features)])?
            pub unsafe fn forward<const FUSED: bool>(
                landscape: &Landscape,
                program: &Program,
                kept: &mut [Vec<Line>],
                from: usize,
                to: usize,
            ) {
                unsafe { super::forward::<$lanes<FUSED>>(landscape, program, kept, from, to) }
            }

            /// # Safety
            /// As [`super::cost`].
            $(#[target_feature(enable = $features)])?
            pub unsafe fn cost<const FUSED: bool>(
                landscape: &Landscape,
                outputs: &[Line],
                objective: Objective,
                tile: usize,
            ) -> u64 {
                unsafe { super::cost_of_outputs::<$lanes<FUSED>>(landscape, outputs, objective, tile) }
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
    ($name:ident, $arithmetic:expr) => {
        match $arithmetic {
            Arithmetic::Fused => Kernel {
                screen: $name::screen::<true>,
                forward: $name::forward::<true>,
                cost: $name::cost::<true>,
            },
            Arithmetic::Separate => Kernel {
                screen: $name::screen::<false>,
                forward: $name::forward::<false>,
                cost: $name::cost::<false>,
            },
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

    /// The cost of `tile` after the changes of `plan`, made on the pre-activations `kept`
    /// (`[layer]`, `[tile][neuron][block]`); leaves the changed pre-activations in `space`.
    pub fn screen(
        &self,
        landscape: &Landscape,
        kept: &[Vec<Line>],
        plan: &Plan,
        space: &mut Space,
        tile: usize,
    ) -> u64 {
        assert!(tile < landscape.tiles().count() && landscape.is_shape_of(kept));
        space.after.resize(plan.changes.len() * BLOCKS, Line([0.0; LANES]));
        space.difference.resize(plan.changes.len() * BLOCKS, Line([0.0; LANES]));
        // SAFETY: `new` found the instructions on this processor; the kept pre-activations have the
        // landscape's shape, and plans name neurons and inputs of its layers alone.
        unsafe { (self.screen)(landscape, kept, plan, space, tile) }
    }

    /// Computes all pre-activations of the tile `from` exactly, and keeps them as the tile `to`.
    pub fn forward(
        &self,
        landscape: &Landscape,
        program: &Program,
        kept: &mut [Vec<Line>],
        from: usize,
        to: usize,
    ) {
        assert!(from < landscape.tiles().count());
        for (layer, kept) in landscape.layers().iter().zip(&*kept) {
            assert!(kept.len() >= (to + 1) * layer.outputs * BLOCKS);
        }
        // SAFETY: as for `screen`; programs are compiled from masks of the landscape's architecture.
        unsafe { (self.forward)(landscape, program, kept, from, to) }
    }

    /// The cost of `outputs` (`[class][block]`) for the samples of `tile`.
    pub fn cost(&self, landscape: &Landscape, outputs: &[Line], objective: Objective, tile: usize) -> u64 {
        assert!(tile < landscape.tiles().count());
        assert_eq!(outputs.len(), landscape.outputs() * BLOCKS);
        // SAFETY: as for `screen`.
        unsafe { (self.cost)(landscape, outputs, objective, tile) }
    }
}

/// # Safety
/// The processor has `V`'s instructions; `kept`, `plan` and `space` fit the landscape; `tile` exists.
#[inline(always)]
unsafe fn screen<V: Lanes>(
    landscape: &Landscape,
    kept: &[Vec<Line>],
    plan: &Plan,
    space: &mut Space,
    tile: usize,
) -> u64 {
    let after = space.after.as_mut_ptr();
    let difference = space.difference.as_mut_ptr();
    let last = landscape.layers().len() - 1;
    let mut term = 0;
    for (depth, layer) in landscape.layers().iter().enumerate() {
        // SAFETY: the caller's; every pointer below stays in its tile.
        unsafe {
            let own = kept[depth].as_ptr().add(tile * layer.outputs * BLOCKS);
            let below = match depth {
                0 => landscape.tiles().features.as_ptr(),
                _ => kept[depth - 1].as_ptr(),
            };
            let below = below.add(tile * layer.inputs * BLOCKS);
            for slot in plan.layer_starts[depth]..plan.layer_starts[depth + 1] {
                let change = plan.changes.get_unchecked(slot);
                let row = own.add(change.neuron as usize * BLOCKS);
                let mut acc = load::<V>(row);
                while term < change.terms_end as usize {
                    let product = plan.terms.get_unchecked(term);
                    let weight = V::splat(product.weight);
                    let values = match product.source {
                        Source::Before(input) => {
                            let values = load::<V>(below.add(input as usize * BLOCKS));
                            if depth == 0 { values } else { relu(values) }
                        }
                        Source::After(slot) => relu(load::<V>(after.add(slot as usize * BLOCKS))),
                        Source::Difference(slot) => load::<V>(difference.add(slot as usize * BLOCKS)),
                    };
                    for b in 0..BLOCKS {
                        acc[b] = V::multiply_add(weight, values[b], acc[b]);
                    }
                    term += 1;
                }
                store(acc, after.add(slot * BLOCKS));
                if depth < last {
                    let (new, old) = (relu(acc), relu(load::<V>(row)));
                    let mut moved = new;
                    for b in 0..BLOCKS {
                        moved[b] = V::subtract(new[b], old[b]);
                    }
                    store(moved, difference.add(slot * BLOCKS));
                }
            }
        }
    }
    let classes = landscape.outputs();
    space.rows.clear();
    space.rows.extend((0..classes).map(|class| (class * BLOCKS) as u32));
    for slot in plan.layer_starts[last]..plan.layer_starts[last + 1] {
        space.rows[plan.changes[slot].neuron as usize] = CHANGED | (slot * BLOCKS) as u32;
    }
    // SAFETY: the caller's.
    unsafe {
        let own = kept[last].as_ptr().add(tile * classes * BLOCKS);
        let rows = space.rows.as_ptr();
        let row = |class: usize| {
            let row = *rows.add(class);
            if row & CHANGED == 0 { own.add(row as usize) } else { after.add((row ^ CHANGED) as usize) }
        };
        cost::<V>(landscape, row, landscape.objective(), tile)
    }
}

/// # Safety
/// As [`screen`].
#[inline(always)]
unsafe fn cost_of_outputs<V: Lanes>(
    landscape: &Landscape,
    outputs: &[Line],
    objective: Objective,
    tile: usize,
) -> u64 {
    let outputs = outputs.as_ptr();
    // SAFETY: the caller's.
    unsafe { cost::<V>(landscape, |class| outputs.add(class * BLOCKS).cast_mut(), objective, tile) }
}

/// # Safety
/// As [`screen`]; `row` gives the outputs of each class.
#[inline(always)]
unsafe fn cost<V: Lanes>(
    landscape: &Landscape,
    row: impl Fn(usize) -> *const Line,
    objective: Objective,
    tile: usize,
) -> u64 {
    let classes = landscape.outputs();
    let tiles = landscape.tiles();
    // SAFETY: the caller's.
    unsafe {
        let valid = tiles.valid.as_ptr().add(tile * BLOCKS);
        let right = &tiles.classes[tile * BLOCKS..][..BLOCKS];
        match objective {
            Objective::Margin(margin) => {
                let (tau, scale) = (V::splat(margin.tau()), V::splat(margin.scale()));
                let mut sum = V::no_steps();
                for (b, &right) in right.iter().enumerate() {
                    let right = right as usize;
                    let least = V::subtract(V::load(row(right).add(b).cast()), tau);
                    let mut loss = V::splat(0.0);
                    for class in (0..right).chain(right + 1..classes) {
                        let hinge = V::subtract(V::load(row(class).add(b).cast()), least).relu();
                        loss = V::multiply_add(hinge, hinge, loss);
                    }
                    sum = V::add_steps(sum, loss, scale, valid.add(b).cast());
                }
                V::total(sum)
            }
            Objective::Accuracy => {
                let mut wrong = 0;
                for (b, &right) in right.iter().enumerate() {
                    let right = right as usize;
                    let value = V::load(row(right).add(b).cast());
                    let mut beaten = 0;
                    for class in 0..right {
                        beaten |= V::greater_or_equal(V::load(row(class).add(b).cast()), value);
                    }
                    for class in right + 1..classes {
                        beaten |= V::greater(V::load(row(class).add(b).cast()), value);
                    }
                    wrong += (beaten & lanes_of(&*valid.add(b))).count_ones();
                }
                u64::from(wrong)
            }
        }
    }
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
/// As [`screen`]; `kept` has room for the tile `to`.
#[inline(always)]
unsafe fn forward<V: Lanes>(
    landscape: &Landscape,
    program: &Program,
    kept: &mut [Vec<Line>],
    from: usize,
    to: usize,
) {
    for (depth, layer) in landscape.layers().iter().enumerate() {
        // SAFETY: the caller's; the layer below is read and this one written.
        unsafe {
            let below = match depth {
                0 => landscape.tiles().features.as_ptr().add(from * layer.inputs * BLOCKS),
                _ => kept[depth - 1].as_ptr().add(to * layer.inputs * BLOCKS),
            };
            let own = kept[depth].as_mut_ptr().add(to * layer.outputs * BLOCKS);
            for neuron in 0..layer.outputs {
                let (bias, products) = program.neuron(layer.first_bias + neuron);
                let mut acc = [V::splat(bias); BLOCKS];
                for &(input, weight) in products {
                    let weight = V::splat(weight);
                    let values = load::<V>(below.add(input as usize * BLOCKS));
                    let values = if depth == 0 { values } else { relu(values) };
                    for b in 0..BLOCKS {
                        acc[b] = V::multiply_add(weight, values[b], acc[b]);
                    }
                }
                store(acc, own.add(neuron * BLOCKS));
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
