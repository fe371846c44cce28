//! Cheap neighbours on a device: parents whose pre-activations stay there, and flips of their bits scored at
//! the price of what the flips touch.
//!
//! The rule is that of [`neighbours`](crate::evaluate::neighbours), and so are the sums, in the same order: a
//! proposal's cost equals the CPU's, bit for bit, in the same arithmetic, after the same calls.
//! [`set_parent`](GpuLandscape::set_parent) and [`refresh`](GpuLandscape::refresh) are exact; what is accepted
//! in between drifts by rounding. Where the pre-activations of all samples do not fit into the memory given,
//! they are computed anew, chunk by chunk, for every call ([`Keeping::Recomputed`]), and nothing drifts.
//!
//! Samples lie in the order of [`Tiles`], and costs come back tile by tile, so that the host can judge proposals as
//! the CPU does. A device's chunks are its own: tiles in a row that fit a binding.

mod buffers;
mod memory;
mod program;
mod shared;

pub use memory::{Keeping, MemoryPlan};
pub use shared::SharedLandscape;

use super::device::GpuDevice;
use super::plan::Limits;
use super::wgsl::{NO_CLASS, with_constants, with_margin_loss};
use crate::evaluate::EvaluateError;
use crate::evaluate::neighbours::{Plan, TILE, Tiles, incremental};
use crate::evaluate::overflow::FeatureBounds;
use crate::mask;
use crate::network::{Architecture, Layer, Network};
use crate::objective::Objective;
use crate::objective::margin::Margin;
use buffers::Buffers;
use bytemuck::{Pod, Zeroable};
use memory::THREADS;
use program::{AFTER, BEFORE, CHANGED, FEATURE, Program, SOURCE, plan_words};
use wgpu::BufferUsages as Usages;

const FORWARD: &str = include_str!("../../../../shaders/neighbours_forward.wgsl");
const SCREEN: &str = include_str!("../../../../shaders/neighbours_screen.wgsl");

/// Words of a tile's cost: the sum of the lower [`LOW_BITS`] bits of its samples' costs, and that of the bits above.
/// Neither overflows, as a sample costs at most 2^30 and a tile has 64.
const WORDS: usize = 2;
const LOW_BITS: usize = 21;

/// Multiply-adds of one submission, about, so that none holds a desktop's driver up.
const SUBMISSION: usize = 1 << 31;

/// Memory of the device that pre-activations may take, where the caller does not say: 1 GiB.
pub const DEFAULT_MEMORY: u64 = 1 << 30;

/// Bits of a parent to flip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flips<'a> {
    pub parent: usize,
    /// Ascending, without repetition.
    pub bits: &'a [u32],
}

/// `Layer` of `shaders/neighbours_forward.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct LayerWords {
    inputs: u32,
    outputs: u32,
    first_weight: u32,
    first_bias: u32,
    below: u32,
    reads_features: u32,
    rows: u32,
    stride: u32,
    mask_words: u32,
    unused: [u32; 3],
}

/// `Call` of `shaders/neighbours_screen.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Call {
    stride: u32,
    rows: u32,
    classes: u32,
    slots: u32,
    first_tile: u32,
    tiles: u32,
    commit: u32,
    unused: u32,
}

/// Some samples on the device.
struct Chunk {
    features: wgpu::Buffer,
    labels: wgpu::Buffer,
    kept: wgpu::Buffer,
    call: wgpu::Buffer,
    /// `[layer]`
    forward: Vec<wgpu::BindGroup>,
}

/// A parent: its mask, and its costs as last computed.
struct Parent {
    mask: Vec<u32>,
    /// `[tile]`: of those that are looked at.
    costs: Vec<u64>,
    multiply_adds: u64,
}

/// One network, samples and an objective on a device, with parents that are kept there.
pub struct GpuLandscape {
    device: GpuDevice,
    network: Network,
    layers: Vec<Layer>,
    plan: MemoryPlan,
    forward: wgpu::ComputePipeline,
    screen: wgpu::ComputePipeline,
    /// As `screen`, costs being wrong samples.
    count: wgpu::ComputePipeline,
    /// Multiply-adds of the objective per sample.
    objective_products: usize,
    masks: wgpu::Buffer,
    /// `[parents]`: those that a forward pass computes.
    chosen: wgpu::Buffer,
    chunks: Vec<Chunk>,
    limits: Limits,
    buffers: Buffers,
    parents: Vec<Parent>,
    changes: Plan,
}

impl GpuLandscape {
    /// Masks of `network` on `tiles`, with room for `parents` parents, whose pre-activations may take
    /// `memory` bytes. Parents begin with empty masks, looking at all tiles.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] when shapes do not match or do not fit; errors of the device.
    pub fn new(
        device: &GpuDevice,
        network: &Network,
        tiles: &Tiles,
        objective: Objective,
        parents: usize,
        memory: u64,
    ) -> Result<Self, EvaluateError> {
        let limits = device.description().limits;
        Self::with_limits(device, network, tiles, objective, parents, memory, limits)
    }

    /// As [`new`](Self::new), within `limits`, which are at most the device's own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_limits(
        device: &GpuDevice,
        network: &Network,
        tiles: &Tiles,
        objective: Objective,
        parents: usize,
        memory: u64,
        limits: Limits,
    ) -> Result<Self, EvaluateError> {
        let architecture = network.architecture();
        tiles.check(architecture)?;
        FeatureBounds::of_tiles(tiles).check(network)?;
        let margin = incremental(objective)?;
        let plan = MemoryPlan::new(architecture, tiles.count() * TILE, parents, &limits, memory)?;
        let mut landscape =
            device.guarded(|| Ok(Self::build(device, network, tiles, margin, parents, plan, limits)))?;
        for parent in 0..parents {
            landscape.refresh(parent)?;
        }
        Ok(landscape)
    }

    /// The most parents, at most `parents` and at least one, whose pre-activations fit into `memory`.
    pub fn most_resident(
        device: &GpuDevice,
        network: &Network,
        tiles: &Tiles,
        parents: usize,
        memory: u64,
    ) -> usize {
        let (limits, samples) = (device.description().limits, tiles.count() * TILE);
        let fit = |parents: &usize| {
            MemoryPlan::new(network.architecture(), samples, *parents, &limits, memory)
                .is_ok_and(|plan| plan.keeping == Keeping::Resident)
        };
        (1..=parents).rev().find(fit).unwrap_or(1)
    }

    fn build(
        device: &GpuDevice,
        network: &Network,
        tiles: &Tiles,
        margin: Option<Margin>,
        parents: usize,
        plan: MemoryPlan,
        limits: Limits,
    ) -> Self {
        let architecture = network.architecture();
        let words = architecture.mask_words();
        let forward = device.pipeline(&forward_text(), "forward", &[]);
        let costs_as = |margin| device.pipeline(&screen_text(), "screen", &margin_constants(margin));
        let (screen, count) = (costs_as(margin), costs_as(None));
        let storage = Usages::STORAGE | Usages::COPY_DST;
        let masks = device.buffer("parents' masks", parents.max(1) * words * 4, storage);
        let chosen = device.buffer("chosen parents", parents.max(1) * 4, storage);
        let weights = device.read_only("weights", network.weights());
        let biases = device.read_only("biases", network.biases());
        let layers: Vec<Layer> = architecture.layers().collect();
        let layer_words: Vec<wgpu::Buffer> = (0..layers.len())
            .map(|depth| device.uniform("layer", words_of(architecture, &layers, depth, &plan)))
            .collect();
        let rows = architecture.biases();
        let kept =
            || device.buffer("pre-activations", parents.max(1) * rows * plan.stride * 4, Usages::STORAGE);
        let shared = (plan.keeping == Keeping::Recomputed).then(kept);
        let chunks = (0..plan.chunks).map(|chunk| {
            let in_chunk = plan.stride / TILE;
            let (features, labels) = tiles.columns(chunk * in_chunk..(chunk + 1) * in_chunk, NO_CLASS);
            let features = device.read_only("features", &features);
            let kept = shared.clone().unwrap_or_else(kept);
            let forward = layer_words.iter().map(|layer| {
                let buffers = [layer, &chosen, &weights, &biases, &masks, &features, &kept];
                device.bind("forward", &forward.get_bind_group_layout(0), &buffers)
            });
            Chunk {
                forward: forward.collect(),
                labels: device.read_only("labels", &labels),
                call: device.uniform("call", Call::zeroed()),
                features,
                kept,
            }
        });
        Self {
            chunks: chunks.collect(),
            device: device.clone(),
            network: network.clone(),
            parents: (0..parents)
                .map(|_| Parent { mask: vec![0; words], costs: vec![0; tiles.count()], multiply_adds: 0 })
                .collect(),
            objective_products: margin.map_or(0, |_| architecture.outputs() - 1),
            buffers: Buffers::new(device),
            limits,
            changes: Plan::default(),
            layers,
            plan,
            forward,
            screen,
            count,
            masks,
            chosen,
        }
    }

    /// How memory is used.
    pub fn memory_plan(&self) -> MemoryPlan {
        self.plan
    }

    /// The mask of `parent`.
    pub fn mask(&self, parent: usize) -> &[u32] {
        &self.parents[parent].mask
    }

    /// The present cost of `parent`, wrong samples or steps of the margin loss, on the tiles that it looks at: exact
    /// after a refresh.
    pub fn cost(&self, parent: usize) -> u64 {
        self.parents[parent].costs.iter().sum()
    }

    /// The present cost of `parent` tile by tile.
    pub fn tile_costs(&self, parent: usize) -> &[u64] {
        &self.parents[parent].costs
    }

    /// Multiply-adds executed for `parent` since this was last asked, those on padding included.
    pub fn take_multiply_adds(&mut self, parent: usize) -> u64 {
        std::mem::take(&mut self.parents[parent].multiply_adds)
    }

    /// Puts `mask` in place of that of `parent`. Returns its exact cost.
    ///
    /// # Errors
    /// Errors of the device; the parent is then to be set anew.
    pub fn set_parent(&mut self, parent: usize, mask: &[u32]) -> Result<u64, EvaluateError> {
        self.place(parent, mask, self.parents[parent].costs.len())
    }

    /// As [`set_parent`](Self::set_parent), looking at the first `tiles` tiles from now on.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn place(&mut self, parent: usize, mask: &[u32], tiles: usize) -> Result<u64, EvaluateError> {
        self.parents[parent].mask.copy_from_slice(mask);
        self.parents[parent].costs.resize(tiles, 0);
        self.refresh(parent)
    }

    /// Computes the pre-activations of `parent` anew, in the evaluators' order. Returns the exact cost.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn refresh(&mut self, parent: usize) -> Result<u64, EvaluateError> {
        self.parents[parent].costs = self.as_it_is(parent, Pass::Refresh)?;
        self.add_work(parent, mask::count_ones(&self.parents[parent].mask) + self.objective_products);
        Ok(self.cost(parent))
    }

    /// Samples that `parent` classifies wrongly, by the kept pre-activations, of those that it looks at.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn wrong(&mut self, parent: usize) -> Result<u64, EvaluateError> {
        Ok(self.as_it_is(parent, Pass::Count)?.iter().sum())
    }

    /// The costs of `parent` without any flip.
    fn as_it_is(&mut self, parent: usize, task: Pass) -> Result<Vec<u64>, EvaluateError> {
        let mut program = Program::default();
        self.plan_flips(Flips { parent, bits: &[] });
        program.push(&self.layers, parent, self.parents[parent].costs.len(), &self.changes);
        Ok(self.run(&program, task)?.swap_remove(0))
    }

    fn plan_flips(&mut self, flips: Flips<'_>) {
        self.changes.make(&self.network, &self.layers, &self.parents[flips.parent].mask, flips.bits);
    }

    fn add_work(&mut self, parent: usize, per_sample: usize) {
        let parent = &mut self.parents[parent];
        parent.multiply_adds += (per_sample * parent.costs.len() * TILE) as u64;
    }

    /// Per proposal the costs of the tiles that its parent looks at, once its bits are flipped, as screened.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn screen(&mut self, proposals: &[Flips<'_>]) -> Result<Vec<Vec<u64>>, EvaluateError> {
        // What does not reach the outputs changes no cost.
        let mut costs: Vec<Vec<u64>> =
            proposals.iter().map(|proposal| self.parents[proposal.parent].costs.clone()).collect();
        let (mut program, mut places) = (Program::default(), Vec::new());
        for (n, &proposal) in proposals.iter().enumerate() {
            self.plan_flips(proposal);
            if !self.changes.reaches_outputs() {
                continue;
            }
            let tiles = costs[n].len();
            if !self.fits_beside(&program, tiles) {
                self.screen_into(&mut costs, &std::mem::take(&mut program), &mut places)?;
                self.plan_flips(proposal);
            }
            self.add_work(proposal.parent, self.changes.terms.len() + self.objective_products);
            program.push(&self.layers, proposal.parent, tiles, &self.changes);
            places.push(n);
        }
        if !program.proposals.is_empty() {
            self.screen_into(&mut costs, &program, &mut places)?;
        }
        Ok(costs)
    }

    /// Puts the costs of the proposals of `program` at their `places`, which are then empty.
    fn screen_into(
        &mut self,
        costs: &mut [Vec<u64>],
        program: &Program,
        places: &mut Vec<usize>,
    ) -> Result<(), EvaluateError> {
        for (found, place) in self.run(program, Pass::Screen)?.into_iter().zip(places.drain(..)) {
            costs[place] = found;
        }
        Ok(())
    }

    /// Flips bits of a parent for good. Returns its new cost: as screened, or exact where pre-activations are
    /// recomputed. The mask is flipped only where there is no error.
    ///
    /// # Errors
    /// Errors of the device; the parent's mask is then as it was.
    pub fn accept(&mut self, flips: Flips<'_>) -> Result<u64, EvaluateError> {
        let Flips { parent, bits } = flips;
        if self.plan.keeping == Keeping::Recomputed {
            self.flip(flips);
            return self.refresh(parent).inspect_err(|_| self.flip(flips));
        }
        self.plan_flips(flips);
        let mut program = Program::default();
        program.push(&self.layers, parent, self.parents[parent].costs.len(), &self.changes);
        let terms = self.changes.terms.len();
        self.parents[parent].costs = self.run(&program, Pass::Commit)?.swap_remove(0);
        self.flip(Flips { parent, bits });
        self.add_work(parent, terms + self.objective_products);
        Ok(self.cost(parent))
    }

    fn flip(&mut self, flips: Flips<'_>) {
        let mask = &mut self.parents[flips.parent].mask;
        flips.bits.iter().for_each(|&bit| mask::flip(mask, bit as usize));
    }

    /// Can the proposal of `self.changes`, on so many tiles, join `program` in one dispatch?
    fn fits_beside(&self, program: &Program, tiles: usize) -> bool {
        let count = program.proposals.len() + 1;
        let slots = program.slots.max(self.changes.changes.len());
        let terms = program.terms + self.changes.terms.len();
        let words = program.plan.len() + plan_words(&self.layers, &self.changes);
        let cost_words = count * program.tiles.max(tiles) * WORDS;
        program.proposals.is_empty()
            || (count * slots <= self.plan.slots
                && terms * self.plan.stride <= SUBMISSION
                && count <= self.limits.groups_per_dimension as usize
                && (words.max(cost_words) * 4) as u64 <= self.limits.binding_bytes)
    }

    /// The costs of each proposal of `program`, tile by tile.
    fn run(&mut self, program: &Program, task: Pass) -> Result<Vec<Vec<u64>>, EvaluateError> {
        let device = self.device.clone();
        device.occupied(|| self.submit(program, task))
    }

    fn submit(&mut self, program: &Program, task: Pass) -> Result<Vec<Vec<u64>>, EvaluateError> {
        let device = &self.device;
        let cost_bytes = (program.proposals.len() * program.tiles * WORDS * 4) as u64;
        self.buffers.reserve(device, program, self.plan.stride, cost_bytes);
        let Buffers { proposals, plan, moved, costs, read_back } = &self.buffers;
        device.queue.write_buffer(proposals, 0, bytemuck::cast_slice(&program.proposals));
        device.queue.write_buffer(plan, 0, bytemuck::cast_slice(&program.plan));
        let computed = match (task, self.plan.keeping) {
            (Pass::Refresh, _) | (_, Keeping::Recomputed) => self.upload_parents(program),
            _ => Vec::new(),
        };
        let screen = if task == Pass::Count { &self.count } else { &self.screen };
        let mut encoder = device.encoder("neighbours");
        let in_chunk = self.plan.stride / TILE;
        for (chunk, first_tile) in self.chunks.iter().zip((0..program.tiles).step_by(in_chunk)) {
            let call = Call {
                stride: self.plan.stride as u32,
                rows: self.network.architecture().biases() as u32,
                classes: self.network.architecture().outputs() as u32,
                slots: program.slots as u32,
                first_tile: first_tile as u32,
                tiles: program.tiles as u32,
                commit: u32::from(task == Pass::Commit),
                unused: 0,
            };
            device.queue.write_buffer(&chunk.call, 0, bytemuck::bytes_of(&call));
            let buffers =
                [&chunk.call, proposals, plan, &chunk.features, &chunk.labels, &chunk.kept, moved, costs];
            let binding = device.bind("screen", &screen.get_bind_group_layout(0), &buffers);
            let groups = in_chunk.min(program.tiles - first_tile) as u32;
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("neighbours"),
                timestamp_writes: None,
            });
            if !computed.is_empty() {
                pass.set_pipeline(&self.forward);
                for (layer, binding) in self.layers.iter().zip(&chunk.forward) {
                    pass.set_bind_group(0, binding, &[]);
                    pass.dispatch_workgroups(groups, layer.outputs as u32, computed.len() as u32);
                }
            }
            pass.set_pipeline(screen);
            pass.set_bind_group(0, &binding, &[]);
            pass.dispatch_workgroups(groups, program.proposals.len() as u32, 1);
        }
        encoder.copy_buffer_to_buffer(costs, 0, read_back, 0, Some(cost_bytes));
        let submission = device.queue.submit([encoder.finish()]);
        let words = device.read(read_back, cost_bytes, submission)?;
        let each = words.chunks_exact(program.tiles * WORDS).zip(&program.proposals);
        Ok(each.map(|(words, proposal)| tile_costs(&words[..proposal.tiles() * WORDS])).collect())
    }

    /// Uploads the masks of the parents that `program` names, and their list, which it returns.
    fn upload_parents(&self, program: &Program) -> Vec<u32> {
        let mut named: Vec<u32> = program.proposals.iter().map(|proposal| proposal.parent).collect();
        named.sort_unstable();
        named.dedup();
        let words = self.network.architecture().mask_words();
        for &parent in &named {
            let mask = &self.parents[parent as usize].mask;
            let offset = (parent as usize * words * 4) as u64;
            self.device.queue.write_buffer(&self.masks, offset, bytemuck::cast_slice(mask));
        }
        self.device.queue.write_buffer(&self.chosen, 0, bytemuck::cast_slice(&named));
        named
    }
}

/// What a submission is for. Pre-activations are computed before they are looked at by a refresh, and by all where
/// they are not kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Screen,
    Refresh,
    Commit,
    Count,
}

fn forward_text() -> String {
    with_constants(&[("THREADS", THREADS)], FORWARD)
}

fn screen_text() -> String {
    let places = [("FEATURE", FEATURE), ("BEFORE", BEFORE), ("AFTER", AFTER)];
    let constants = [("THREADS", THREADS), ("LOW_BITS", LOW_BITS), ("SOURCE", SOURCE as usize)];
    let marks = [("CHANGED", CHANGED)].into_iter().chain(places).map(|(name, value)| (name, value as usize));
    let constants: Vec<(&str, usize)> = constants.into_iter().chain(marks).collect();
    with_constants(&constants, &with_margin_loss(SCREEN))
}

/// What makes costs steps of the loss with `margin`, or wrong samples.
fn margin_constants(margin: Option<Margin>) -> [(&'static str, f64); 4] {
    let [tau, scale, enough] =
        margin.map_or([0.0; 3], |margin| [margin.tau(), margin.scale(), margin.enough()]).map(f64::from);
    [("MARGIN", f64::from(u8::from(margin.is_some()))), ("TAU", tau), ("SCALE", scale), ("ENOUGH", enough)]
}

/// The costs of tiles from their words.
fn tile_costs(words: &[u32]) -> Vec<u64> {
    words.chunks_exact(WORDS).map(|cost| u64::from(cost[0]) + (u64::from(cost[1]) << LOW_BITS)).collect()
}

fn words_of(architecture: &Architecture, layers: &[Layer], depth: usize, plan: &MemoryPlan) -> LayerWords {
    let layer = &layers[depth];
    LayerWords {
        inputs: layer.inputs as u32,
        outputs: layer.outputs as u32,
        first_weight: layer.first_weight as u32,
        first_bias: layer.first_bias as u32,
        below: depth.checked_sub(1).map_or(0, |below| layers[below].first_bias as u32),
        reads_features: u32::from(depth == 0),
        rows: architecture.biases() as u32,
        stride: plan.stride as u32,
        mask_words: architecture.mask_words() as u32,
        unused: [0; 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::gpu::wgsl::tests::{assert_lies_as, offsets, validate};

    #[test]
    fn the_kernels_are_valid_wgsl() {
        validate(&forward_text());
        validate(&screen_text());
    }

    #[test]
    fn what_is_uploaded_lies_in_memory_as_the_kernels_read_it() {
        let fields = offsets!(
            LayerWords: inputs, outputs, first_weight, first_bias, below, reads_features, rows, stride, mask_words
        );
        assert_lies_as(&forward_text(), "Layer", size_of::<LayerWords>(), fields);
        let fields = offsets!(Call: stride, rows, classes, slots, first_tile, tiles, commit);
        assert_lies_as(&screen_text(), "Call", size_of::<Call>(), fields);
    }

    #[test]
    fn words_make_costs_again() {
        assert_eq!(tile_costs(&[5, 0, 0, 3]), [5, 3 << 21]);
        // A tile of samples that all saturate.
        assert_eq!(tile_costs(&[0, 64 << 9]), [64 << 30]);
    }
}
