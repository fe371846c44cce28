//! How many runs share a batch: decided without a device.

use crate::evaluate::{Backend, Capacity};
use crate::network::Architecture;
use crate::search::genetic::ResolvedGenetic;

/// What limits a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes that the runs of one batch may take on the host and on the device together.
    pub memory: u64,
    pub capacity: Capacity,
}

impl Budget {
    /// What `memory` bytes and `device` allow.
    pub fn of(device: &dyn Backend, memory: u64) -> Self {
        Self { memory, capacity: device.capacity() }
    }
}

/// Memory for the runs of one batch where `--memory` does not say otherwise.
pub const DEFAULT_MEMORY: u64 = 1 << 30;

/// Evaluations whose counts a run remembers, for the plan's purposes.
const REMEMBERED: u64 = 50_000;

/// Bytes per remembered count: a hash table's entry with its spare room.
const REMEMBERED_BYTES: u64 = 64;

/// Workers that take turns on a device: while the batch of one is evaluated, the host evolves the runs of the
/// other.
pub const WORKERS_PER_DEVICE: usize = 2;

/// Bytes that one run takes: its network on host and device, its population with all offspring, the masks
/// on their way to the device, and the counts that it remembers.
pub fn run_bytes(config: &ResolvedGenetic, architecture: &Architecture) -> u64 {
    let network = 4 * (architecture.weights() + architecture.biases()) as u64;
    let mask = 4 * architecture.mask_words() as u64;
    let individuals = (config.population + config.offspring()) as u64;
    let copies = 2 + config.evaluations_of_mask() as u64;
    2 * network + copies * individuals * mask + REMEMBERED * REMEMBERED_BYTES
}

/// How many runs to evolve in one batch, at most `waiting`, at least one.
pub fn lanes(
    budget: &Budget,
    config: &ResolvedGenetic,
    architecture: &Architecture,
    waiting: usize,
) -> usize {
    let batch = config.offspring() * config.evaluations_of_mask();
    let to_fill = budget.capacity.masks.div_ceil(batch.max(1));
    let by_memory = budget.memory / run_bytes(config, architecture);
    let by_binding = budget.capacity.binding_bytes / (4 * architecture.weights() as u64);
    (to_fill as u64).min(by_memory).min(by_binding).min(waiting as u64).max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::backend::GPU_MASKS;

    const GPU: Budget =
        Budget { memory: 1 << 30, capacity: Capacity { binding_bytes: 1 << 27, masks: GPU_MASKS } };

    fn architecture(widths: &[usize]) -> Architecture {
        widths.to_vec().try_into().expect("valid")
    }

    #[test]
    fn runs_of_the_paper_fill_a_gpu_together() {
        let config = ResolvedGenetic::default();
        assert_eq!(config.offspring(), 53);
        assert_eq!(lanes(&GPU, &config, &architecture(&[2, 75, 2]), 1000), 78);
        assert_eq!(lanes(&GPU, &config, &architecture(&[2, 75, 2]), 50), 50);
    }

    #[test]
    fn memory_and_the_largest_buffer_bound_the_batch() {
        let config = ResolvedGenetic::default();
        let wide = architecture(&[784, 512, 512, 10]);
        let lanes_of = |budget: Budget| lanes(&budget, &config, &wide, 1000);
        assert_eq!(lanes_of(Budget { memory: u64::MAX, ..GPU }), (1 << 27) / (4 * wide.weights()));
        let memory = 3 * run_bytes(&config, &wide) + 1;
        assert_eq!(lanes_of(Budget { memory, ..GPU }), 3);
        assert_eq!(lanes_of(Budget { memory: 0, ..GPU }), 1);
    }
}
