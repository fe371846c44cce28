//! Cheap neighbours on a device: parents whose pre-activations stay there, and flips of their bits scored at
//! the price of what the flips touch.
//!
//! The rule is that of [`neighbours`](crate::evaluate::neighbours), and so are the sums, in the same order: a
//! proposal's cost equals the CPU's, bit for bit, in the same arithmetic, after the same calls.
//! [`set_parent`](GpuLandscape::set_parent) and [`refresh`](GpuLandscape::refresh) are exact; what is accepted
//! in between drifts by rounding. Where the pre-activations of all samples do not fit into the memory given,
//! they are computed anew, chunk by chunk, for every call ([`Keeping::Recomputed`]), and nothing drifts.

mod buffers;
mod memory;
mod program;

pub use memory::{Keeping, MemoryPlan};

use super::device::GpuDevice;
use super::plan::Limits;
use super::resident::{bind, buffer, read_only};
use crate::dataset::Samples;
use crate::evaluate::EvaluateError;
use crate::evaluate::neighbours::{Objective, Plan};
use crate::evaluate::overflow::FeatureBounds;
use crate::mask;
use crate::network::{Architecture, Layer, Network};
use buffers::{Buffers, uniform};
use bytemuck::{Pod, Zeroable};
use memory::THREADS;
use program::{Program, plan_words};
use wgpu::BufferUsages as Usages;

const FORWARD: &str = include_str!("../../../../shaders/neighbours_forward.wgsl");
const SCREEN: &str = include_str!("../../../../shaders/neighbours_screen.wgsl");

/// Words of a proposal's cost.
const LIMBS: usize = 3;

/// The label of padding: beyond all classes.
const NO_CLASS: u32 = u32::MAX;

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
    first_cost: u32,
    commit: u32,
    unused: [u32; 2],
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

/// A parent: its mask, and its cost as last computed.
struct Parent {
    mask: Vec<u32>,
    cost: u64,
}

/// One network, samples and an objective on a device, with parents that are kept there.
pub struct GpuLandscape {
    device: GpuDevice,
    network: Network,
    layers: Vec<Layer>,
    plan: MemoryPlan,
    forward: wgpu::ComputePipeline,
    screen: wgpu::ComputePipeline,
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
    /// Masks of `network` on `samples`, with room for `parents` parents, whose pre-activations may take
    /// `memory` bytes. Parents begin with empty masks.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] when shapes do not match or do not fit; errors of the device.
    pub fn new(
        device: &GpuDevice,
        network: &Network,
        samples: &Samples,
        objective: Objective,
        parents: usize,
        memory: u64,
    ) -> Result<Self, EvaluateError> {
        let limits = device.description().limits;
        Self::with_limits(device, network, samples, objective, parents, memory, limits)
    }

    /// As [`new`](Self::new), within `limits`, which are at most the device's own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_limits(
        device: &GpuDevice,
        network: &Network,
        samples: &Samples,
        objective: Objective,
        parents: usize,
        memory: u64,
        limits: Limits,
    ) -> Result<Self, EvaluateError> {
        let architecture = &network.architecture;
        if samples.width != architecture.inputs() {
            return Err(EvaluateError::Unsupported(format!(
                "the network {architecture} reads {} features, but the samples have {}",
                architecture.inputs(),
                samples.width
            )));
        }
        if let Some(class) = samples.labels.iter().find(|&&class| class as usize >= architecture.outputs()) {
            return Err(EvaluateError::Unsupported(format!(
                "the network {architecture} has {} outputs, but a sample is of class {class}",
                architecture.outputs()
            )));
        }
        FeatureBounds::of_sets(&[samples]).check(network)?;
        let plan = MemoryPlan::new(architecture, samples.len(), parents, &limits, memory)?;
        let mut landscape =
            device.guarded(|| Ok(Self::build(device, network, samples, objective, parents, plan, limits)))?;
        for parent in 0..parents {
            landscape.refresh(parent)?;
        }
        Ok(landscape)
    }

    fn build(
        device: &GpuDevice,
        network: &Network,
        samples: &Samples,
        objective: Objective,
        parents: usize,
        plan: MemoryPlan,
        limits: Limits,
    ) -> Self {
        let architecture = &network.architecture;
        let words = architecture.mask_words();
        let forward = device.pipeline(FORWARD, "forward", &[]);
        let (margin, tau, scale) = match objective {
            Objective::Accuracy => (0.0, 0.0, 1.0),
            Objective::Margin(margin) => (1.0, f64::from(margin.tau()), f64::from(margin.scale())),
        };
        let screen = device.pipeline(SCREEN, "screen", &[("MARGIN", margin), ("TAU", tau), ("SCALE", scale)]);
        let storage = Usages::STORAGE | Usages::COPY_DST;
        let masks = buffer(device, "parents' masks", parents.max(1) * words * 4, storage);
        let chosen = buffer(device, "chosen parents", parents.max(1) * 4, storage);
        let weights = read_only(device, "weights", bytemuck::cast_slice(&network.weights));
        let biases = read_only(device, "biases", bytemuck::cast_slice(&network.biases));
        let layers: Vec<Layer> = architecture.layers().collect();
        let layer_words: Vec<wgpu::Buffer> = (0..layers.len())
            .map(|depth| uniform(device, &words_of(architecture, &layers, depth, &plan)))
            .collect();
        let rows = architecture.biases();
        let kept =
            || buffer(device, "pre-activations", parents.max(1) * rows * plan.stride * 4, Usages::STORAGE);
        let shared = (plan.keeping == Keeping::Recomputed).then(kept);
        let chunks = (0..plan.chunks).map(|chunk| {
            let (features, labels) = columns(samples, chunk * plan.stride, plan.stride);
            let features = read_only(device, "features", bytemuck::cast_slice(&features));
            let kept = shared.clone().unwrap_or_else(kept);
            let forward = layer_words.iter().map(|layer| {
                let buffers = [layer, &chosen, &weights, &biases, &masks, &features, &kept];
                bind(device, "forward", &forward.get_bind_group_layout(0), &buffers)
            });
            Chunk {
                forward: forward.collect(),
                labels: read_only(device, "labels", bytemuck::cast_slice(&labels)),
                call: uniform(device, &Call::zeroed()),
                features,
                kept,
            }
        });
        Self {
            chunks: chunks.collect(),
            device: device.clone(),
            network: network.clone(),
            parents: (0..parents).map(|_| Parent { mask: vec![0; words], cost: 0 }).collect(),
            buffers: Buffers::new(device),
            limits,
            changes: Plan::default(),
            layers,
            plan,
            forward,
            screen,
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

    /// The present cost of `parent`, wrong samples or steps of the margin loss: exact after a refresh.
    pub fn cost(&self, parent: usize) -> u64 {
        self.parents[parent].cost
    }

    /// Puts `mask` in place of that of `parent`. Returns its exact cost.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn set_parent(&mut self, parent: usize, mask: &[u32]) -> Result<u64, EvaluateError> {
        self.parents[parent].mask.copy_from_slice(mask);
        self.refresh(parent)
    }

    /// Computes the pre-activations of `parent` anew, in the evaluators' order. Returns the exact cost.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn refresh(&mut self, parent: usize) -> Result<u64, EvaluateError> {
        let mut program = Program::default();
        self.changes.make(&self.network, &self.layers, &self.parents[parent].mask, &[]);
        program.push(&self.layers, parent, &self.changes);
        let cost = self.run(&program, Forward::Now, false)?[0];
        self.parents[parent].cost = cost;
        Ok(cost)
    }

    /// The cost of each parent once its bits are flipped, as screened.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn screen(&mut self, proposals: &[Flips<'_>]) -> Result<Vec<u64>, EvaluateError> {
        let mut costs = Vec::with_capacity(proposals.len());
        let mut program = Program::default();
        for proposal in proposals {
            let mask = &self.parents[proposal.parent].mask;
            self.changes.make(&self.network, &self.layers, mask, proposal.bits);
            if !self.fits_beside(&program) {
                costs.extend(self.run(&program, Forward::WhereNeeded, false)?);
                program = Program::default();
            }
            program.push(&self.layers, proposal.parent, &self.changes);
        }
        if !program.proposals.is_empty() {
            costs.extend(self.run(&program, Forward::WhereNeeded, false)?);
        }
        Ok(costs)
    }

    /// Flips bits of a parent for good. Returns its new cost: as screened, or exact where pre-activations are
    /// recomputed. The mask is flipped only where there is no error.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn accept(&mut self, flips: Flips<'_>) -> Result<u64, EvaluateError> {
        if self.plan.keeping == Keeping::Recomputed {
            self.flip(flips);
            return self.refresh(flips.parent).inspect_err(|_| self.flip(flips));
        }
        let mut program = Program::default();
        self.changes.make(&self.network, &self.layers, &self.parents[flips.parent].mask, flips.bits);
        program.push(&self.layers, flips.parent, &self.changes);
        let cost = self.run(&program, Forward::WhereNeeded, true)?[0];
        self.flip(flips);
        self.parents[flips.parent].cost = cost;
        Ok(cost)
    }

    fn flip(&mut self, flips: Flips<'_>) {
        let mask = &mut self.parents[flips.parent].mask;
        flips.bits.iter().for_each(|&bit| mask::flip(mask, bit as usize));
    }

    /// Can the proposal of `self.changes` join `program` in one dispatch?
    fn fits_beside(&self, program: &Program) -> bool {
        let count = program.proposals.len() + 1;
        let slots = program.slots.max(self.changes.changes.len());
        let terms = program.terms + self.changes.terms.len();
        let words = program.plan.len() + plan_words(&self.layers, &self.changes);
        program.proposals.is_empty()
            || (count * slots <= self.plan.slots
                && terms * self.plan.stride <= SUBMISSION
                && count <= self.limits.groups_per_dimension as usize
                && (words * 4) as u64 <= self.limits.binding_bytes)
    }

    /// The cost of each proposal of `program`.
    fn run(&mut self, program: &Program, forward: Forward, commit: bool) -> Result<Vec<u64>, EvaluateError> {
        let device = self.device.clone();
        device.guarded(|| self.submit(program, forward, commit))
    }

    fn submit(
        &mut self,
        program: &Program,
        forward: Forward,
        commit: bool,
    ) -> Result<Vec<u64>, EvaluateError> {
        let device = &self.device;
        let limbs = program.proposals.len() * LIMBS;
        let cost_bytes = (limbs * self.chunks.len() * 4) as u64;
        self.buffers.reserve(device, program, self.plan.stride, cost_bytes);
        let Buffers { proposals, plan, moved, costs, read_back } = &self.buffers;
        device.queue.write_buffer(proposals, 0, bytemuck::cast_slice(&program.proposals));
        device.queue.write_buffer(plan, 0, bytemuck::cast_slice(&program.plan));
        let computed = match (forward, self.plan.keeping) {
            (Forward::WhereNeeded, Keeping::Resident) => Vec::new(),
            _ => self.upload_parents(program),
        };
        let mut encoder = device
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("neighbours") });
        encoder.clear_buffer(costs, 0, Some(cost_bytes));
        for (n, chunk) in self.chunks.iter().enumerate() {
            let call = Call {
                stride: self.plan.stride as u32,
                rows: self.network.architecture.biases() as u32,
                classes: self.network.architecture.outputs() as u32,
                slots: program.slots as u32,
                first_cost: (n * limbs) as u32,
                commit: u32::from(commit),
                unused: [0; 2],
            };
            device.queue.write_buffer(&chunk.call, 0, bytemuck::bytes_of(&call));
            let buffers =
                [&chunk.call, proposals, plan, &chunk.features, &chunk.labels, &chunk.kept, moved, costs];
            let binding = bind(device, "screen", &self.screen.get_bind_group_layout(0), &buffers);
            let groups = (self.plan.stride / THREADS) as u32;
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
            pass.set_pipeline(&self.screen);
            pass.set_bind_group(0, &binding, &[]);
            pass.dispatch_workgroups(groups, program.proposals.len() as u32, 1);
        }
        encoder.copy_buffer_to_buffer(costs, 0, read_back, 0, Some(cost_bytes));
        let submission = device.queue.submit([encoder.finish()]);
        let words = device.read(read_back, cost_bytes, submission)?;
        Ok((0..program.proposals.len()).map(|proposal| total(&words, limbs, proposal)).collect())
    }

    /// Uploads the masks of the parents that `program` names, and their list, which it returns.
    fn upload_parents(&self, program: &Program) -> Vec<u32> {
        let mut named: Vec<u32> = program.proposals.iter().map(|proposal| proposal.parent).collect();
        named.sort_unstable();
        named.dedup();
        let words = self.network.architecture.mask_words();
        for &parent in &named {
            let mask = &self.parents[parent as usize].mask;
            let offset = (parent as usize * words * 4) as u64;
            self.device.queue.write_buffer(&self.masks, offset, bytemuck::cast_slice(mask));
        }
        self.device.queue.write_buffer(&self.chosen, 0, bytemuck::cast_slice(&named));
        named
    }
}

/// When pre-activations are computed before they are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forward {
    Now,
    WhereNeeded,
}

/// The cost of `proposal` from its limbs in all chunks, `[chunk, proposal, limb]`.
fn total(words: &[u32], limbs: usize, proposal: usize) -> u64 {
    let cost = |chunk: &[u32]| {
        let [low, middle, high] = [0, 1, 2].map(|limb| u64::from(chunk[proposal * LIMBS + limb]));
        low + (middle << 11) + (high << 21)
    };
    words.chunks_exact(limbs).map(cost).sum()
}

/// `samples` from `first` on as `[inputs, stride]`, and their labels, padded.
fn columns(samples: &Samples, first: usize, stride: usize) -> (Vec<f32>, Vec<u32>) {
    let end = samples.len().min(first + stride);
    let mut features = vec![0.0; samples.width * stride];
    let mut labels = vec![NO_CLASS; stride];
    for (n, sample) in (first..end).enumerate() {
        labels[n] = samples.labels[sample];
        for (i, &value) in samples.features[sample * samples.width..][..samples.width].iter().enumerate() {
            features[i * stride + n] = value;
        }
    }
    (features, labels)
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
    use crate::evaluate::gpu::tests::{fields, validate};
    use std::mem::offset_of;

    #[test]
    fn the_kernels_are_valid_wgsl_of_the_expected_width() {
        for text in [FORWARD, SCREEN] {
            let module = validate(text);
            assert_eq!(module.entry_points[0].workgroup_size, [THREADS as u32, 1, 1]);
        }
    }

    #[test]
    fn what_is_uploaded_lies_in_memory_as_the_kernels_read_it() {
        let layer = [
            ("inputs", offset_of!(LayerWords, inputs)),
            ("outputs", offset_of!(LayerWords, outputs)),
            ("first_weight", offset_of!(LayerWords, first_weight)),
            ("first_bias", offset_of!(LayerWords, first_bias)),
            ("below", offset_of!(LayerWords, below)),
            ("reads_features", offset_of!(LayerWords, reads_features)),
            ("rows", offset_of!(LayerWords, rows)),
            ("stride", offset_of!(LayerWords, stride)),
            ("mask_words", offset_of!(LayerWords, mask_words)),
        ];
        let call = [
            ("stride", offset_of!(Call, stride)),
            ("rows", offset_of!(Call, rows)),
            ("classes", offset_of!(Call, classes)),
            ("slots", offset_of!(Call, slots)),
            ("first_cost", offset_of!(Call, first_cost)),
            ("commit", offset_of!(Call, commit)),
        ];
        for (text, name, ours, bytes) in [
            (FORWARD, "Layer", &layer[..], size_of::<LayerWords>()),
            (SCREEN, "Call", &call[..], size_of::<Call>()),
        ] {
            let (theirs, span) = fields(&validate(text), name);
            assert_eq!(span, bytes, "{name}");
            let used = theirs.iter().filter(|(field, _)| !field.starts_with("unused"));
            assert!(used.map(|(field, offset)| (field.as_str(), *offset)).eq(ours.iter().copied()), "{name}");
        }
    }

    #[test]
    fn limbs_make_a_cost_again() {
        // Two chunks of two proposals.
        let words = [0, 0, 0, 2_047, 1_023, 1, 0, 0, 0, 5, 0, 3];
        assert_eq!(total(&words, 6, 0), 0);
        assert_eq!(total(&words, 6, 1), 2_047 + (1_023 << 11) + (1 << 21) + 5 + (3 << 21));
    }
}
