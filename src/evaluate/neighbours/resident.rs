//! A mask whose pre-activations are kept, so that its neighbours are cheap.

use super::landscape::{Landscape, Scratch};
use super::tiles::{BLOCKS, Line, TILE};
use crate::mask;

/// A parent: its mask, its pre-activations over all samples, and its cost.
///
/// Kept pre-activations follow accepted flips by differences and so drift from the exact sums by rounding;
/// [`refresh`](Self::refresh) computes them anew. A cost is *exact* directly after a refresh and *screened*
/// in between.
pub struct Resident<'a> {
    landscape: &'a Landscape,
    mask: Vec<u32>,
    /// `[layer]`, `[tile][neuron][block]`.
    kept: Vec<Vec<Line>>,
    /// `[tile]`
    costs: Vec<u64>,
    cost: u64,
    since_refresh: usize,
}

/// When to give up a proposal before all samples are seen.
///
/// Once [`MIN_TILES`](Race::MIN_TILES) tiles are known, a proposal is rejected if the mean change of the
/// cost per tile exceeds what is allowed by more than `deviations` standard errors (a sequential test, as
/// in the races of Maron and Moore 1994). A proposal that passes has been scored on all samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Race {
    pub deviations: f64,
}

impl Race {
    /// Tiles before the first test.
    pub const MIN_TILES: usize = 4;
}

impl<'a> Resident<'a> {
    pub(super) fn new(landscape: &'a Landscape, mask: &[u32], scratch: &mut Scratch) -> Self {
        let tiles = landscape.tiles().count();
        let line = Line([0.0; super::lanes::LANES]);
        let kept =
            landscape.layers().iter().map(|layer| vec![line; tiles * layer.outputs * BLOCKS]).collect();
        let mut resident =
            Self { landscape, mask: mask.to_vec(), kept, costs: vec![0; tiles], cost: 0, since_refresh: 0 };
        resident.refresh(scratch);
        resident
    }

    pub fn mask(&self) -> &[u32] {
        &self.mask
    }

    /// The present cost: exact after a refresh, else screened.
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// Flips accepted since the pre-activations were last exact.
    pub fn since_refresh(&self) -> usize {
        self.since_refresh
    }

    /// Computes everything anew, in the evaluators' order of summation. Returns the exact cost.
    pub fn refresh(&mut self, scratch: &mut Scratch) -> u64 {
        let landscape = self.landscape;
        scratch.program.compile(landscape.network(), landscape.layers(), &self.mask);
        for tile in 0..self.costs.len() {
            landscape.kernel().forward(landscape, &scratch.program, &mut self.kept, tile, tile);
            self.costs[tile] =
                landscape.kernel().cost(landscape, self.outputs(tile), landscape.objective(), tile);
        }
        let products = scratch.program.products() + landscape.objective_products();
        scratch.multiply_adds += (products * landscape.tiles().samples()) as u64;
        self.cost = self.costs.iter().sum();
        self.since_refresh = 0;
        self.cost
    }

    /// Puts another mask in place of the present one, exactly.
    pub fn replace(&mut self, mask: &[u32], scratch: &mut Scratch) {
        self.mask.copy_from_slice(mask);
        self.refresh(scratch);
    }

    /// Samples classified wrongly, by the kept pre-activations.
    pub fn wrong(&self) -> u64 {
        let kernel = self.landscape.kernel();
        let wrong = |tile| kernel.cost(self.landscape, self.outputs(tile), super::Objective::Accuracy, tile);
        (0..self.costs.len()).map(wrong).sum()
    }

    fn outputs(&self, tile: usize) -> &[Line] {
        let lines = self.landscape.outputs() * BLOCKS;
        &self.kept[self.kept.len() - 1][tile * lines..][..lines]
    }

    /// By how much flipping the bits `flips` (ascending, without repetition) changes the cost, as screened;
    /// none if by more than `allowed`. Tiles are looked at from `first_tile` on.
    pub fn screen(
        &self,
        flips: &[u32],
        allowed: i64,
        race: Option<Race>,
        first_tile: usize,
        scratch: &mut Scratch,
    ) -> Option<i64> {
        let landscape = self.landscape;
        let Scratch { plan, space, .. } = scratch;
        plan.make(landscape.network(), landscape.layers(), &self.mask, flips);
        if !plan.reaches_outputs() {
            return (allowed >= 0).then_some(0);
        }
        let tiles = self.costs.len();
        let mut change = 0i64;
        let mut squares = 0.0f64;
        let mut seen = 0;
        let mut lost = false;
        for n in 0..tiles {
            let tile = (first_tile + n) % tiles;
            let cost = landscape.kernel().screen(landscape, &self.kept, plan, space, tile);
            let difference = cost as i64 - self.costs[tile] as i64;
            change += difference;
            squares += (difference as f64) * (difference as f64);
            seen += 1;
            if let Some(race) = race
                && (Race::MIN_TILES..tiles).contains(&seen)
                && is_lost(race, change, squares, seen, tiles, allowed)
            {
                lost = true;
                break;
            }
        }
        let products = plan.terms.len() + landscape.objective_products();
        scratch.multiply_adds += (products * seen * TILE) as u64;
        (!lost && change <= allowed).then_some(change)
    }

    /// Flips the bits `flips` (ascending, without repetition).
    pub fn accept(&mut self, flips: &[u32], scratch: &mut Scratch) {
        let landscape = self.landscape;
        let Scratch { plan, space, .. } = scratch;
        plan.make(landscape.network(), landscape.layers(), &self.mask, flips);
        for tile in 0..self.costs.len() {
            self.costs[tile] = landscape.kernel().screen(landscape, &self.kept, plan, space, tile);
            for (depth, layer) in landscape.layers().iter().enumerate() {
                for slot in plan.layer_starts[depth]..plan.layer_starts[depth + 1] {
                    let row = (tile * layer.outputs + plan.changes[slot].neuron as usize) * BLOCKS;
                    self.kept[depth][row..][..BLOCKS]
                        .copy_from_slice(&space.after[slot * BLOCKS..][..BLOCKS]);
                }
            }
        }
        let products = plan.terms.len() + landscape.objective_products();
        scratch.multiply_adds += (products * self.costs.len() * TILE) as u64;
        self.cost = self.costs.iter().sum();
        for &flip in flips {
            mask::flip(&mut self.mask, flip as usize);
        }
        self.since_refresh += 1;
    }

    /// The largest difference between a kept pre-activation and the exact one, and the largest magnitude.
    pub fn drift(&self, scratch: &mut Scratch) -> (f32, f32) {
        let exact = Self::new(self.landscape, &self.mask, scratch);
        let pairs = self.kept.iter().flatten().zip(exact.kept.iter().flatten());
        let values = pairs.flat_map(|(kept, exact)| kept.0.into_iter().zip(exact.0));
        values.fold((0.0, 0.0), |(drift, size): (f32, f32), (kept, exact)| {
            (drift.max((kept - exact).abs()), size.max(exact.abs()))
        })
    }
}

/// Is the mean change of the cost over `seen` tiles clearly above what is allowed?
fn is_lost(race: Race, change: i64, squares: f64, seen: usize, tiles: usize, allowed: i64) -> bool {
    let n = seen as f64;
    let mean = change as f64 / n;
    let excess = mean - allowed as f64 / tiles as f64;
    if excess <= 0.0 {
        return false;
    }
    let variance = ((squares - mean * change as f64) / (n - 1.0)).max(0.0);
    // Without replacement: the error vanishes when all tiles are seen.
    let error = variance / n * (1.0 - n / tiles as f64);
    excess * excess > race.deviations * race.deviations * error
}
