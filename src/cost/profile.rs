//! The amounts of which a batch's time is made.

use super::CostError;
use crate::dataset::{Dataset, Split};
use crate::evaluate::cpu::{self, CpuEvaluator};
use crate::evaluate::gpu::GpuEvaluator;
use crate::evaluate::gpu::plan::{Kernel, Plan};
use crate::evaluate::{Backend, Batch};
use crate::network::{Architecture, Network};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Inputs that the CPU evaluator adds before it takes up the next neuron's sum.
const CHUNK: usize = 64;

/// Kernels that share their costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    Cpu,
    /// The CPU evaluator where it keeps the last hidden layer and two outputs in registers.
    CpuPair,
    /// A workgroup takes a mask through all layers, in loops over neurons.
    Fused,
    /// The same, every neuron written out.
    FusedUnrolled,
    /// Layer by layer, as matrix products.
    Tiled,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::CpuPair => "cpu, two outputs",
            Self::Fused => "fused",
            Self::FusedUnrolled => "fused, unrolled",
            Self::Tiled => "tiled",
        })
    }
}

/// What a part of the time is in proportion to. Its cost is in seconds for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// A call of the evaluator.
    Call,
    /// CPU: a mask and a part of the samples, for one thread.
    Task,
    /// CPU: a weight of a mask that is compiled into a task's program.
    CompiledWeight,
    /// CPU: a neuron of a mask that reaches an output, and is compiled into a task's program.
    CompiledNeuron,
    /// A multiply-add: on the CPU as executed, on a GPU with those of masked-out weights and of padding.
    MultiplyAdd,
    /// CPU: a neuron's sum begun, or taken up again for the next 64 inputs, on one sample, where it is stored.
    Sum,
    /// CPU: a feature read or an output compared, for one mask and sample. GPU: a feature, an activation or an
    /// output that a thread reads or writes.
    Value,
    /// GPU: a dispatch.
    Dispatch,
    /// GPU: a byte of masks.
    UploadedByte,
    /// GPU: a parameter that a workgroup looks up, masks and stages.
    StagedParameter,
}

impl Family {
    /// The terms of a batch's time.
    pub fn terms(self) -> &'static [Term] {
        use Term::*;
        match self {
            Self::Cpu | Self::CpuPair => {
                &[Call, Task, CompiledWeight, CompiledNeuron, MultiplyAdd, Sum, Value]
            }
            Self::Fused | Self::FusedUnrolled | Self::Tiled => {
                &[Call, Dispatch, UploadedByte, StagedParameter, MultiplyAdd, Value]
            }
        }
    }

    fn of(kernel: &Kernel) -> Self {
        match kernel {
            Kernel::Fused(_, shape) if shape.unrolled => Self::FusedUnrolled,
            Kernel::Fused(..) => Self::Fused,
            Kernel::Tiled(_) => Self::Tiled,
        }
    }
}

/// What is known of some masks of one network on one data set: enough to say what any batch of such masks takes.
#[derive(Clone, Debug)]
pub struct Profile {
    architecture: Architecture,
    /// Of the training and of the test set.
    samples: [usize; 2],
    work: Work,
}

#[derive(Clone, Debug)]
enum Work {
    Cpu {
        /// Multiply-adds of a mask on all training and on all test samples.
        per_mask: [f64; 2],
        /// Neurons of a mask that are compiled.
        neurons: f64,
        threads: usize,
    },
    Gpu {
        plan: Box<Plan>,
        /// Multiply-adds of a mask, per sample.
        per_mask: f64,
    },
}

impl Profile {
    /// The profile of `network` on `dataset` with masks like `masks`, which are scored to count what the CPU
    /// evaluator executes.
    ///
    /// # Errors
    /// When the network or the data do not fit the device.
    pub fn new(
        device: &dyn Backend,
        network: &Network,
        dataset: &Arc<Dataset>,
        masks: &[u32],
    ) -> Result<Self, CostError> {
        let architecture = network.architecture();
        let count = masks.len() / architecture.mask_words();
        let work = match device.gpu() {
            None => {
                let networks = std::slice::from_ref(network);
                let evaluator =
                    CpuEvaluator::new(architecture, networks, Arc::clone(dataset), device.arithmetic())?;
                let batch = Batch { masks, networks: &vec![0; count] };
                let neurons = evaluator.compiled_neurons(batch)?.iter().sum::<usize>() as f64 / count as f64;
                let mut per_mask = [0.0; 2];
                for (place, split) in per_mask.iter_mut().zip([Split::Train, Split::Test]) {
                    *place = evaluator.multiply_adds(split, batch)?.iter().sum::<u64>() as f64 / count as f64;
                }
                Work::Cpu { per_mask, neurons, threads: rayon::current_num_threads() }
            }
            Some(gpu) => {
                let plan = GpuEvaluator::known_plan(gpu.device(), architecture, gpu.choices())?;
                let all = plan.multiply_adds(architecture, masks);
                Work::Gpu { plan: Box::new(plan), per_mask: all as f64 / count as f64 }
            }
        };
        let samples = [dataset.train.len(), dataset.test.len()];
        Ok(Self { architecture: architecture.clone(), samples, work })
    }

    /// The kernels that it is for.
    pub fn family(&self) -> Family {
        match &self.work {
            Work::Cpu { .. } if cpu::keeps_two_outputs_in_registers(&self.architecture) => Family::CpuPair,
            Work::Cpu { .. } => Family::Cpu,
            Work::Gpu { plan, .. } => Family::of(&plan.kernel),
        }
    }

    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// How a GPU's batches are cut.
    pub fn plan(&self) -> Option<&Plan> {
        match &self.work {
            Work::Cpu { .. } => None,
            Work::Gpu { plan, .. } => Some(plan),
        }
    }

    /// Samples of the training and of the test set.
    pub fn samples(&self) -> [usize; 2] {
        self.samples
    }

    /// What a batch of so many masks takes, in the order of [`Family::terms`].
    pub fn amounts(&self, masks: usize, split: Split) -> Vec<f64> {
        let architecture = &self.architecture;
        let samples = self.samples[split as usize];
        match &self.work {
            Work::Cpu { per_mask, neurons, threads } => {
                let blocks = samples.div_ceil(cpu::block_samples());
                let tasks = masks * cpu::parts(masks, blocks, *threads);
                // What the busiest thread does.
                let share = tasks.div_ceil(*threads) as f64 / tasks.max(1) as f64;
                let pairs = share * (masks * blocks * cpu::block_samples()) as f64;
                // The last two layers of a pair keep their sums in registers.
                let in_registers = if self.family() == Family::CpuPair { 2 } else { 0 };
                let stored = architecture.layers().take(architecture.layer_count() - in_registers);
                let sums: usize = stored.map(|layer| layer.outputs * layer.inputs.div_ceil(CHUNK)).sum();
                vec![
                    1.0,
                    share * tasks as f64,
                    share * tasks as f64 * architecture.weights() as f64,
                    share * tasks as f64 * neurons,
                    share * masks as f64 * per_mask[split as usize],
                    pairs * sums as f64,
                    pairs * (architecture.inputs() + architecture.outputs()) as f64,
                ]
            }
            Work::Gpu { plan, per_mask } => {
                let load = plan.load(architecture, masks, samples, *per_mask);
                vec![1.0, load.dispatches, load.uploaded, load.staged, load.multiply_adds, load.values]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Shape, Workload};
    use crate::evaluate::{Arithmetic, CpuBackend};

    #[test]
    fn twice_the_masks_are_twice_the_work_and_the_same_call() {
        let network = Architecture::try_from(vec![64, 96, 96, 10]).expect("an architecture");
        let shape = Shape { network, masks: 4, samples: 300, density: 0.5 };
        let Workload { shape, network, dataset, masks } = Workload::new(shape, 200).expect("a workload");
        let device = CpuBackend(Arithmetic::Fused);
        let profile = Profile::new(&device, &network, &Arc::new(dataset), &masks).expect("a profile");
        let (one, two) = (profile.amounts(1000, Split::Train), profile.amounts(2000, Split::Train));
        for (n, term) in profile.family().terms().iter().enumerate() {
            let expected = if *term == Term::Call { one[n] } else { 2.0 * one[n] };
            assert!((two[n] / expected - 1.0).abs() < 0.01, "{term:?}: {} for {expected}", two[n]);
        }
        // At most the active half of the weights is added, and some of it.
        let threads = rayon::current_num_threads() as f64;
        let share = one[4] * threads / (1000.0 * 300.0 * shape.network.weights() as f64);
        assert!((0.1..0.7).contains(&share), "{share}");
    }
}
