//! The networks' parameters on a device.

use super::device::GpuDevice;
use super::fused::{ALWAYS_KEPT, Slot};
use super::kernel::{Kernel, parameters};
use super::pipelines::Pipelines;
use super::plan::BatchPlan;
use crate::network::{Architecture, Network};

/// The networks' parameters in the kernel's order, in as many buffers as bindings demand.
#[derive(Debug)]
pub(super) struct Networks {
    count: usize,
    per_shard: usize,
    parameters: usize,
    /// The fused kernel's order.
    slots: Option<Vec<Slot>>,
    shards: Vec<(wgpu::Buffer, wgpu::BindGroup)>,
}

impl Networks {
    pub fn new(
        device: &GpuDevice,
        architecture: &Architecture,
        plan: &BatchPlan,
        pipelines: &Pipelines,
        networks: &[Network],
    ) -> Self {
        let slots = match &plan.kernel {
            Kernel::Fused(fused, _) => Some(fused.slots()),
            Kernel::Tiled(_) => None,
        };
        let mask_bits = slots.as_ref().map(|slots| {
            let bits: Vec<u32> = slots
                .iter()
                .map(|slot| match *slot {
                    Slot::Weight(index) => index as u32,
                    Slot::Bias(_) | Slot::Padding => ALWAYS_KEPT,
                })
                .collect();
            device.read_only("mask bits", &bits)
        });
        let parameters = parameters(architecture, &plan.kernel);
        let shards = networks
            .chunks(plan.networks_per_shard)
            .map(|members| {
                let values: Vec<f32> = members
                    .iter()
                    .flat_map(|network| arrange(network, slots.as_deref(), parameters))
                    .collect();
                let buffer = device.read_only("parameters", &values);
                let buffers: Vec<&wgpu::Buffer> = [&buffer].into_iter().chain(&mask_bits).collect();
                let binding = device.bind("parameters", &pipelines.network_layout, &buffers);
                (buffer, binding)
            })
            .collect();
        Self { count: networks.len(), per_shard: plan.networks_per_shard, parameters, slots, shards }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn binding(&self, shard: usize) -> &wgpu::BindGroup {
        &self.shards[shard].1
    }

    /// Index of the shard's first network.
    pub fn first_of(&self, shard: usize) -> usize {
        shard * self.per_shard
    }

    pub fn set(&self, device: &GpuDevice, index: usize, network: &Network) {
        let values = arrange(network, self.slots.as_deref(), self.parameters);
        let offset = (index % self.per_shard * self.parameters * 4) as u64;
        let (buffer, _) = &self.shards[index / self.per_shard];
        device.queue.write_buffer(buffer, offset, bytemuck::cast_slice(&values));
    }

    /// The masks of a batch by shard, otherwise in order.
    pub fn order(&self, networks: &[u32]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..networks.len()).collect();
        if self.shards.len() > 1 {
            order.sort_by_key(|&mask| networks[mask] as usize / self.per_shard);
        }
        order
    }

    /// Cuts `order` where the shard changes.
    pub fn runs<'a>(
        &self,
        order: &'a [usize],
        networks: &'a [u32],
    ) -> impl Iterator<Item = (usize, &'a [usize])> + use<'a> {
        let per_shard = self.per_shard;
        let shard = move |mask: usize| networks[mask] as usize / per_shard;
        order.chunk_by(move |&a, &b| shard(a) == shard(b)).map(move |run| (shard(run[0]), run))
    }
}

/// A network's `count` parameters in the kernel's order: as the fused kernel reads them, else weights, biases, padding.
fn arrange(network: &Network, slots: Option<&[Slot]>, count: usize) -> Vec<f32> {
    match slots {
        Some(slots) => slots
            .iter()
            .map(|slot| match *slot {
                Slot::Weight(index) => network.weights()[index],
                Slot::Bias(index) => network.biases()[index],
                Slot::Padding => 0.0,
            })
            .collect(),
        None => {
            let mut values = [network.weights(), network.biases()].concat();
            values.resize(count, 0.0);
            values
        }
    }
}
