//! One network, samples and an objective on a device, with places for parents.

use super::super::buffers::compute_pass;
use super::super::device::GpuDevice;
use super::super::wgsl::NO_CLASS;
use super::memory::{Keeping, MemoryPlan};
use super::program::{DispatchProgram, Extent, ProposedFlips};
use super::proposal_buffers::ProposalBuffers;
use super::texts::{self, Call, LayerWords, WORDS, tile_costs};
use crate::evaluate::EvaluateError;
use crate::evaluate::neighbours::{TILE, Tiles};
use crate::network::{Architecture, Layer, Network};
use crate::objective::margin::Margin;
use wgpu::BufferUsages as Usages;

/// Multiply-adds of one submission, about, so that none holds a desktop's driver up.
const SUBMISSION: usize = 1 << 31;

/// What proposals are scored for. Pre-activations are computed before they are looked at by a refresh, and by all
/// where they are not kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Screen,
    /// The parents' masks are new.
    Refresh,
    /// The parents become what is proposed.
    Commit,
    /// As `Screen`, costs being wrong samples.
    Count,
}

/// Some samples on the device.
struct DeviceChunk {
    features: wgpu::Buffer,
    labels: wgpu::Buffer,
    kept: wgpu::Buffer,
    call: wgpu::Buffer,
    /// `[layer]`
    forward: Vec<wgpu::BindGroup>,
}

/// What parents share on a device, and their pre-activations.
pub(super) struct GpuLandscape {
    device: GpuDevice,
    architecture: Architecture,
    plan: MemoryPlan,
    forward: wgpu::ComputePipeline,
    screen: wgpu::ComputePipeline,
    /// As `screen`, costs being wrong samples.
    count: wgpu::ComputePipeline,
    /// `[places]`
    masks: wgpu::Buffer,
    /// `[places]`: of the parents that a forward pass computes.
    chosen: wgpu::Buffer,
    chunks: Vec<DeviceChunk>,
    buffers: ProposalBuffers,
}

impl GpuLandscape {
    /// Masks of `network` on `tiles`, whose shapes match; costs are steps of the loss with `margin`, or wrong samples.
    pub fn new(
        device: &GpuDevice,
        network: &Network,
        tiles: &Tiles,
        margin: Option<Margin>,
        plan: MemoryPlan,
    ) -> Self {
        let architecture = network.architecture();
        let forward = device.pipeline(&texts::forward(), "forward", &[]);
        let costs_by = |margin| device.pipeline(&texts::screen(), "screen", &texts::costs_by(margin));
        let storage = Usages::STORAGE | Usages::COPY_DST;
        let masks = device.buffer("parents' masks", plan.places * architecture.mask_words() * 4, storage);
        let chosen = device.buffer("chosen parents", plan.places * 4, storage);
        let weights = device.read_only("weights", network.weights());
        let biases = device.read_only("biases", network.biases());
        let layer_words: Vec<wgpu::Buffer> = architecture
            .layers()
            .map(|layer| device.uniform("layer", words_of(architecture, &layer, &plan)))
            .collect();
        let kept_bytes = plan.places * architecture.biases() * plan.stride * 4;
        let kept = || device.buffer("pre-activations", kept_bytes, Usages::STORAGE);
        let shared = (plan.keeping == Keeping::Recomputed).then(kept);
        let chunks = (0..plan.chunks).map(|chunk| {
            let (features, labels) = tiles.columns(plan.tiles_of(chunk), NO_CLASS);
            let features = device.read_only("features", &features);
            let kept = shared.clone().unwrap_or_else(kept);
            let forward = layer_words.iter().map(|layer| {
                let buffers = [layer, &chosen, &weights, &biases, &masks, &features, &kept];
                device.bind("forward", &forward.get_bind_group_layout(0), &buffers)
            });
            DeviceChunk {
                forward: forward.collect(),
                labels: device.read_only("labels", &labels),
                call: device.uniform("call", Call::default()),
                features,
                kept,
            }
        });
        Self {
            chunks: chunks.collect(),
            device: device.clone(),
            architecture: architecture.clone(),
            screen: costs_by(margin),
            count: costs_by(None),
            buffers: ProposalBuffers::new(device),
            plan,
            forward,
            masks,
            chosen,
        }
    }

    /// How memory is used.
    pub fn plan(&self) -> MemoryPlan {
        self.plan
    }

    /// Puts `mask` at `place`; to be followed by a refresh.
    pub fn set_mask(&self, place: usize, mask: &[u32]) {
        let offset = (place * self.architecture.mask_words() * 4) as u64;
        self.device.queue.write_buffer(&self.masks, offset, bytemuck::cast_slice(mask));
    }

    /// The costs of each of the `proposals`, of the tiles that it names.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn costs(&mut self, proposals: &[ProposedFlips], pass: Pass) -> Result<Vec<Vec<u64>>, EvaluateError> {
        let device = self.device.clone();
        let mut costs = Vec::with_capacity(proposals.len());
        for program in DispatchProgram::pack(proposals, |extent| self.fits(extent)) {
            costs.extend(device.occupied(|| self.submit(&program, pass))?);
        }
        Ok(costs)
    }

    /// Do proposals of this extent go into one dispatch?
    fn fits(&self, extent: &Extent) -> bool {
        let limits = self.device.description().limits;
        let cost_words = extent.proposals * extent.tiles * WORDS;
        extent.proposals * extent.slots <= self.plan.slots
            && extent.terms * self.plan.stride <= SUBMISSION
            && extent.proposals <= limits.groups_per_dimension as usize
            && (extent.words.max(cost_words) * 4) as u64 <= limits.binding_bytes
    }

    fn submit(&mut self, program: &DispatchProgram, pass: Pass) -> Result<Vec<Vec<u64>>, EvaluateError> {
        let device = &self.device;
        let tiles = program.extent.tiles;
        let cost_bytes = (program.proposals.len() * tiles * WORDS * 4) as u64;
        self.buffers.reserve(device, program, self.plan.stride, cost_bytes);
        let ProposalBuffers { proposals, plan, costs, read_back, .. } = &self.buffers;
        device.queue.write_buffer(proposals, 0, bytemuck::cast_slice(&program.proposals));
        device.queue.write_buffer(plan, 0, bytemuck::cast_slice(&program.plan));
        let computed = match (pass, self.plan.keeping) {
            (Pass::Refresh, _) | (_, Keeping::Recomputed) => self.choose_parents(program),
            _ => 0,
        };
        let mut encoder = device.encoder("neighbours");
        let in_chunk = self.plan.stride / TILE;
        for (chunk, first_tile) in self.chunks.iter().zip((0..tiles).step_by(in_chunk)) {
            let call = Call {
                stride: self.plan.stride as u32,
                rows: self.architecture.biases() as u32,
                classes: self.architecture.outputs() as u32,
                slots: program.extent.slots as u32,
                first_tile: first_tile as u32,
                tiles: tiles as u32,
                commit: u32::from(pass == Pass::Commit),
                unused: 0,
            };
            device.queue.write_buffer(&chunk.call, 0, bytemuck::bytes_of(&call));
            let groups = [in_chunk.min(tiles - first_tile), program.proposals.len()].map(|n| n as u32);
            self.encode(&mut encoder, chunk, groups, computed, pass);
        }
        encoder.copy_buffer_to_buffer(costs, 0, read_back, 0, Some(cost_bytes));
        let submission = device.queue.submit([encoder.finish()]);
        let words = device.read(read_back, cost_bytes, submission)?;
        let each = words.chunks_exact(tiles * WORDS).zip(&program.proposals);
        Ok(each.map(|(words, proposal)| tile_costs(&words[..proposal.tiles as usize * WORDS])).collect())
    }

    /// Records what is done on `chunk`: for `groups` of tiles and proposals, once the pre-activations of so many
    /// parents are `computed`.
    fn encode(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        chunk: &DeviceChunk,
        [tiles, count]: [u32; 2],
        computed: u32,
        pass: Pass,
    ) {
        let kernel = if pass == Pass::Count { &self.count } else { &self.screen };
        let ProposalBuffers { proposals, plan, moved, costs, .. } = &self.buffers;
        let buffers =
            [&chunk.call, proposals, plan, &chunk.features, &chunk.labels, &chunk.kept, moved, costs];
        let binding = self.device.bind("screen", &kernel.get_bind_group_layout(0), &buffers);
        let mut pass = compute_pass(encoder, "neighbours", None);
        if computed > 0 {
            pass.set_pipeline(&self.forward);
            for (layer, binding) in self.architecture.layers().zip(&chunk.forward) {
                pass.set_bind_group(0, binding, &[]);
                pass.dispatch_workgroups(tiles, layer.outputs as u32, computed);
            }
        }
        pass.set_pipeline(kernel);
        pass.set_bind_group(0, &binding, &[]);
        pass.dispatch_workgroups(tiles, count, 1);
    }

    /// Uploads the list of the parents that `program` names. Returns how many they are.
    fn choose_parents(&self, program: &DispatchProgram) -> u32 {
        let mut named: Vec<u32> = program.proposals.iter().map(|proposal| proposal.parent).collect();
        named.sort_unstable();
        named.dedup();
        self.device.queue.write_buffer(&self.chosen, 0, bytemuck::cast_slice(&named));
        named.len() as u32
    }
}

fn words_of(architecture: &Architecture, layer: &Layer, plan: &MemoryPlan) -> LayerWords {
    let is_first = layer.first_bias == 0;
    LayerWords {
        inputs: layer.inputs as u32,
        outputs: layer.outputs as u32,
        first_weight: layer.first_weight as u32,
        first_bias: layer.first_bias as u32,
        // The layer below ends where this one begins.
        below: if is_first { 0 } else { (layer.first_bias - layer.inputs) as u32 },
        reads_features: u32::from(is_first),
        rows: architecture.biases() as u32,
        stride: plan.stride as u32,
        mask_words: architecture.mask_words() as u32,
        unused: [0; 3],
    }
}
