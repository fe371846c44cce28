//! Device memory of proposals and their costs, grown where it is too small.

use super::super::device::GpuDevice;
use super::program::{DispatchProgram, ProposalWords};
use wgpu::BufferUsages as Usages;

/// What one submission reads and writes, as large as the largest so far.
pub(super) struct ProposalBuffers {
    pub proposals: wgpu::Buffer,
    pub plan: wgpu::Buffer,
    pub moved: wgpu::Buffer,
    pub costs: wgpu::Buffer,
    pub read_back: wgpu::Buffer,
}

const COSTS: Usages = Usages::STORAGE.union(Usages::COPY_SRC);

impl ProposalBuffers {
    pub fn new(device: &GpuDevice) -> Self {
        let least = 64;
        let uploaded = |label| device.buffer(label, least, Usages::STORAGE | Usages::COPY_DST);
        Self {
            proposals: uploaded("proposals"),
            plan: uploaded("changes"),
            moved: device.buffer("moved", least, Usages::STORAGE),
            costs: device.buffer("costs", least, COSTS),
            read_back: device.buffer("costs read-back", least, Usages::MAP_READ | Usages::COPY_DST),
        }
    }

    /// Makes room for `program` on chunks of `stride` samples.
    pub fn reserve(&mut self, device: &GpuDevice, program: &DispatchProgram, stride: usize, cost_bytes: u64) {
        let uploaded = Usages::STORAGE | Usages::COPY_DST;
        let bytes = program.proposals.len() * size_of::<ProposalWords>();
        grow(device, &mut self.proposals, bytes, uploaded);
        grow(device, &mut self.plan, program.plan.len() * 4, uploaded);
        let moved = program.proposals.len() * program.extent.slots * stride * 8;
        grow(device, &mut self.moved, moved, Usages::STORAGE);
        grow(device, &mut self.costs, cost_bytes as usize, COSTS);
        grow(device, &mut self.read_back, cost_bytes as usize, Usages::MAP_READ | Usages::COPY_DST);
    }
}

/// Replaces `held` where it is smaller than `bytes`: doubled, as far as the device allows.
fn grow(device: &GpuDevice, held: &mut wgpu::Buffer, bytes: usize, usage: Usages) {
    if held.size() < bytes as u64 {
        let limits = device.description().limits;
        let most = limits.binding_bytes.min(limits.buffer_bytes) as usize;
        *held = device.buffer("neighbours", bytes.next_power_of_two().min(most.max(bytes)), usage);
    }
}
