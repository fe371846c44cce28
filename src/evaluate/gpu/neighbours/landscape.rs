//! One network, samples and an objective on a device, with places for parents.

use super::super::buffers::compute_pass;
use super::super::device::GpuDevice;
use super::super::submission_limit::SubmissionLimit;
use super::super::submissions::Submissions;
use super::super::tiled::LayerPart;
use super::super::wgsl::NO_CLASS;
use super::memory::{Keeping, MemoryPlan};
use super::program::{DispatchProgram, Extent, ProposedFlips};
use super::proposal_buffers::ProposalBuffers;
use super::texts::{self, Call, LayerWords, WORDS, tile_costs};
use super::work::{LeftToDo, WorkKind, Workgroups};
use crate::evaluate::EvaluateError;
use crate::evaluate::neighbours::{TILE, Tiles};
use crate::network::{Architecture, Layer, Network};
use crate::objective::margin::Margin;
use std::ops::Range;
use wgpu::BufferUsages as Usages;

/// Multiply-adds per second assumed before anything was measured: these kernels reach a twentieth of what a device can
/// do.
const FIRST_RATE: f64 = 2e9;

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
    /// `[part]`
    forward: Vec<wgpu::BindGroup>,
}

/// Some neurons of a layer, or all of them: as many as one binding holds the weights of.
struct ForwardPart {
    /// Which of its workgroups a dispatch has is still to be said.
    words: LayerWords,
    uniform: wgpu::Buffer,
    weights: wgpu::Buffer,
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
    /// In the order of the layers.
    parts: Vec<ForwardPart>,
    /// `[places]`
    masks: wgpu::Buffer,
    /// `[places]`: of the parents that a forward pass computes.
    chosen: wgpu::Buffer,
    chunks: Vec<DeviceChunk>,
    buffers: ProposalBuffers,
    limit: SubmissionLimit,
    /// Multiply-adds of one submission, at most, beside what the measured speed allows.
    most_work: u64,
}

impl GpuLandscape {
    /// Masks of `network` on `tiles`, whose shapes match; costs are steps of the loss with `margin`, or wrong samples.
    /// Kernels are `checked` or not, as [`GpuDevice::module`] has it.
    pub fn new(
        device: &GpuDevice,
        network: &Network,
        tiles: &Tiles,
        margin: Option<Margin>,
        plan: MemoryPlan,
        checked: bool,
    ) -> Self {
        let architecture = network.architecture();
        let forward = device.pipeline(&texts::forward(), "forward", &[], checked);
        let costs_by =
            |margin| device.pipeline(&texts::screen(), "screen", &texts::costs_by(margin), checked);
        let storage = Usages::STORAGE | Usages::COPY_DST;
        let masks = device.buffer("parents' masks", plan.places * architecture.mask_words() * 4, storage);
        let chosen = device.buffer("chosen parents", plan.places * 4, storage);
        let biases = device.read_only("biases", network.biases());
        let parts = parts_of(device, network, &plan);
        let kept_bytes = plan.places * architecture.biases() * plan.stride * 4;
        let kept = || device.buffer("pre-activations", kept_bytes, Usages::STORAGE);
        let shared = (plan.keeping == Keeping::Recomputed).then(kept);
        let chunks = (0..plan.chunks).map(|chunk| {
            let (features, labels) = tiles.columns(plan.tiles_of(chunk), NO_CLASS);
            let features = device.read_only("features", &features);
            let kept = shared.clone().unwrap_or_else(kept);
            let forward = parts.iter().map(|ForwardPart { uniform, weights, .. }| {
                let buffers = [uniform, &chosen, weights, &biases, &masks, &features, &kept];
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
            parts,
            limit: SubmissionLimit::starting_at(FIRST_RATE),
            most_work: u64::MAX,
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
        let work = self.work();
        for program in DispatchProgram::pack(proposals, |extent| self.fits(extent, work)) {
            costs.extend(device.occupied(|| self.submit(&program, pass))?);
        }
        Ok(costs)
    }

    /// Multiply-adds that one submission may hold.
    fn work(&self) -> u64 {
        self.limit.work().min(self.most_work)
    }

    #[cfg(test)]
    pub fn device(&self) -> &GpuDevice {
        &self.device
    }

    #[cfg(test)]
    pub fn with_most_work(&mut self, most: u64) {
        self.most_work = most;
    }

    /// Do proposals of this extent go into one dispatch, where a submission may do so much `work`?
    fn fits(&self, extent: &Extent, work: u64) -> bool {
        let limits = self.device.description().limits;
        let cost_words = extent.proposals * extent.tiles * WORDS;
        extent.proposals * extent.slots <= self.plan.slots
            && (extent.terms * self.plan.stride) as u64 <= work
            && extent.proposals <= limits.groups_per_dimension as usize
            && (extent.words.max(cost_words) * 4) as u64 <= limits.binding_bytes
    }

    fn submit(&mut self, program: &DispatchProgram, pass: Pass) -> Result<Vec<Vec<u64>>, EvaluateError> {
        let device = self.device.clone();
        let tiles = program.extent.tiles;
        let cost_bytes = (program.proposals.len() * tiles * WORDS * 4) as u64;
        self.buffers.reserve(&device, program, self.plan.stride, cost_bytes);
        device.queue.write_buffer(&self.buffers.proposals, 0, bytemuck::cast_slice(&program.proposals));
        device.queue.write_buffer(&self.buffers.plan, 0, bytemuck::cast_slice(&program.plan));
        let computed = match (pass, self.plan.keeping) {
            (Pass::Refresh, _) | (_, Keeping::Recomputed) => self.choose_parents(program),
            _ => 0,
        };
        let mut left = self.left_to_do(program, computed);
        let mut submissions = Submissions::new(false);
        let mut last = None;
        while let Some((next, work)) = left.next(self.work()) {
            submissions.make_room(&device, &mut self.limit)?;
            let mut encoder = device.encoder("neighbours");
            self.encode(&mut encoder, &next, program, pass);
            if left.is_empty() {
                let ProposalBuffers { costs, read_back, .. } = &self.buffers;
                encoder.copy_buffer_to_buffer(costs, 0, read_back, 0, Some(cost_bytes));
            }
            let submission = device.queue.submit([encoder.finish()]);
            submissions.add(submission.clone(), work);
            last = Some(submission);
        }
        let Some(last) = last else { return Ok(vec![Vec::new(); program.proposals.len()]) };
        let words = device.read(&self.buffers.read_back, cost_bytes, last)?;
        submissions.end(&mut self.limit, None);
        let each = words.chunks_exact(tiles * WORDS).zip(&program.proposals);
        Ok(each.map(|(words, proposal)| tile_costs(&words[..proposal.tiles as usize * WORDS])).collect())
    }

    /// What `program` takes, once the pre-activations of so many parents are `computed`.
    fn left_to_do(&self, program: &DispatchProgram, computed: usize) -> LeftToDo {
        let Extent { proposals, terms, tiles, .. } = program.extent;
        let in_chunk = self.plan.stride / TILE;
        let chunks = (0..tiles).step_by(in_chunk).enumerate();
        LeftToDo::new(chunks.flat_map(|(chunk, first_tile)| {
            let tiles = in_chunk.min(tiles - first_tile);
            let parts = self.parts.iter().enumerate().filter(move |_| computed > 0);
            parts
                .map(move |(place, ForwardPart { words, .. })| {
                    let widths = [words.inputs, words.outputs].map(|width| width as usize);
                    Workgroups::of_part(chunk, place, tiles, widths, computed)
                })
                .chain([Workgroups::of_costs(chunk, tiles, proposals, terms)])
        }))
    }

    /// Records what a submission of `program` does. What its uniforms hold is written before it.
    fn encode(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        submission: &[Workgroups],
        program: &DispatchProgram,
        pass: Pass,
    ) {
        let mut computing = compute_pass(encoder, "neighbours", None);
        for groups in submission {
            let chunk = &self.chunks[groups.chunk];
            match groups.computed {
                WorkKind::Part(part) => {
                    let ForwardPart { words, uniform, .. } = &self.parts[part];
                    let words = LayerWords {
                        first_sample: (groups.tiles.start * TILE) as u32,
                        first_neuron: (groups.rows.start * texts::FORWARD_NEURONS) as u32,
                        first_parent: groups.parents.start as u32,
                        ..*words
                    };
                    self.device.queue.write_buffer(uniform, 0, bytemuck::bytes_of(&words));
                    computing.set_pipeline(&self.forward);
                    computing.set_bind_group(0, &chunk.forward[part], &[]);
                }
                WorkKind::Costs => {
                    let call = self.call(groups, program, pass);
                    self.device.queue.write_buffer(&chunk.call, 0, bytemuck::bytes_of(&call));
                    let kernel = if pass == Pass::Count { &self.count } else { &self.screen };
                    computing.set_pipeline(kernel);
                    computing.set_bind_group(0, &self.bind_proposals(kernel, chunk), &[]);
                }
            }
            let [tiles, rows, parents] =
                [&groups.tiles, &groups.rows, &groups.parents].map(|range| range.len() as u32);
            computing.dispatch_workgroups(tiles, rows, parents);
        }
    }

    /// What the costs of `groups` are computed with.
    fn call(&self, groups: &Workgroups, program: &DispatchProgram, pass: Pass) -> Call {
        let first_tile = groups.chunk * (self.plan.stride / TILE) + groups.tiles.start;
        Call {
            stride: self.plan.stride as u32,
            rows: self.architecture.biases() as u32,
            classes: self.architecture.outputs() as u32,
            slots: program.extent.slots as u32,
            first_tile: first_tile as u32,
            tiles: program.extent.tiles as u32,
            commit: u32::from(pass == Pass::Commit),
            first_sample: (groups.tiles.start * TILE) as u32,
        }
    }

    fn bind_proposals(&self, kernel: &wgpu::ComputePipeline, chunk: &DeviceChunk) -> wgpu::BindGroup {
        let ProposalBuffers { proposals, plan, moved, costs, .. } = &self.buffers;
        let buffers =
            [&chunk.call, proposals, plan, &chunk.features, &chunk.labels, &chunk.kept, moved, costs];
        self.device.bind("screen", &kernel.get_bind_group_layout(0), &buffers)
    }

    /// Uploads the list of the parents that `program` names. Returns how many they are.
    fn choose_parents(&self, program: &DispatchProgram) -> usize {
        let mut named: Vec<u32> = program.proposals.iter().map(|proposal| proposal.parent).collect();
        named.sort_unstable();
        named.dedup();
        self.device.queue.write_buffer(&self.chosen, 0, bytemuck::cast_slice(&named));
        named.len()
    }
}

/// The layers of `network`, each in as many parts as bindings demand.
fn parts_of(device: &GpuDevice, network: &Network, plan: &MemoryPlan) -> Vec<ForwardPart> {
    let architecture = network.architecture();
    let limits = device.description().limits;
    let binding = usize::try_from(limits.binding_bytes.min(limits.buffer_bytes)).unwrap_or(usize::MAX);
    let of_layer = |layer: Layer| {
        LayerPart::cut(&layer, binding / 4).map(move |(first, neurons)| {
            let words = words_of(architecture, &layer, first..first + neurons, plan);
            let weights = words.first_weight as usize..words.first_weight as usize + neurons * layer.inputs;
            ForwardPart {
                words,
                uniform: device.uniform("layer", words),
                weights: device.read_only("weights", &network.weights()[weights]),
            }
        })
    };
    architecture.layers().flat_map(of_layer).collect()
}

/// The `neurons` of a `layer` as the kernel reads them.
fn words_of(
    architecture: &Architecture,
    layer: &Layer,
    neurons: Range<usize>,
    plan: &MemoryPlan,
) -> LayerWords {
    let is_first = layer.first_bias == 0;
    LayerWords {
        inputs: layer.inputs as u32,
        outputs: neurons.len() as u32,
        first_weight: (layer.first_weight + neurons.start * layer.inputs) as u32,
        first_bias: (layer.first_bias + neurons.start) as u32,
        // The layer below ends where this one begins.
        below: if is_first { 0 } else { (layer.first_bias - layer.inputs) as u32 },
        reads_features: u32::from(is_first),
        rows: architecture.biases() as u32,
        stride: plan.stride as u32,
        mask_words: architecture.mask_words() as u32,
        first_sample: 0,
        first_neuron: 0,
        first_parent: 0,
    }
}
