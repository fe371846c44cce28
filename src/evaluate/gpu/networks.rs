//! The networks' parameters on a device.

use super::device::GpuDevice;
use super::fused::{ALWAYS_KEPT, Slot};
use super::kernel::Kernel;
use super::pipelines::Pipelines;
use super::plan::BatchPlan;
use super::tiled::LayerPart;
use crate::network::Network;

/// The networks' parameters in the kernel's order, in as many buffers as bindings demand.
#[derive(Debug)]
pub(super) struct Networks {
    count: usize,
    per_shard: usize,
    places: Vec<ParameterPlace>,
    shards: Vec<NetworkShard>,
}

/// What a buffer holds of each network.
#[derive(Debug)]
enum ParameterPlace {
    /// Everything, as the fused kernel reads it.
    Fused(Vec<Slot>),
    Tiled(LayerPart),
}

/// Some networks.
#[derive(Debug)]
struct NetworkShard {
    /// By place.
    buffers: Vec<wgpu::Buffer>,
    bindings: Vec<wgpu::BindGroup>,
}

impl Networks {
    pub fn new(device: &GpuDevice, plan: &BatchPlan, pipelines: &Pipelines, networks: &[Network]) -> Self {
        let places = match &plan.kernel {
            Kernel::Fused(fused, _) => vec![ParameterPlace::Fused(fused.slots())],
            Kernel::Tiled(parts) => parts.iter().copied().map(ParameterPlace::Tiled).collect(),
        };
        let mask_bits = places.iter().find_map(|place| match place {
            ParameterPlace::Fused(slots) => {
                let bits: Vec<u32> = slots.iter().map(Slot::mask_bit).collect();
                Some(device.read_only("mask bits", &bits))
            }
            ParameterPlace::Tiled(_) => None,
        });
        let shard = |members: &[Network]| {
            let buffer = |place: &ParameterPlace| {
                let values: Vec<f32> = members.iter().flat_map(|network| place.of(network)).collect();
                device.read_only("parameters", &values)
            };
            let buffers: Vec<wgpu::Buffer> = places.iter().map(buffer).collect();
            let bind = |buffer: &wgpu::Buffer| {
                let buffers: Vec<&wgpu::Buffer> = [buffer].into_iter().chain(&mask_bits).collect();
                device.bind("parameters", &pipelines.network_layout, &buffers)
            };
            NetworkShard { bindings: buffers.iter().map(bind).collect(), buffers }
        };
        let shards = networks.chunks(plan.networks_per_shard).map(shard).collect();
        Self { count: networks.len(), per_shard: plan.networks_per_shard, places, shards }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// The buffers of a shard, in the order in which the kernels read them.
    pub fn bindings(&self, shard: usize) -> &[wgpu::BindGroup] {
        &self.shards[shard].bindings
    }

    /// Index of the shard's first network.
    pub fn first_of(&self, shard: usize) -> usize {
        shard * self.per_shard
    }

    pub fn set(&self, device: &GpuDevice, index: usize, network: &Network) {
        for (place, buffer) in self.places.iter().zip(&self.shards[index / self.per_shard].buffers) {
            let values = place.of(network);
            let offset = (index % self.per_shard * values.len() * 4) as u64;
            device.queue.write_buffer(buffer, offset, bytemuck::cast_slice(&values));
        }
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

impl Slot {
    /// The mask bit of the parameter, or the mark of one that no mask removes.
    fn mask_bit(&self) -> u32 {
        match *self {
            Slot::Weight(index) => index as u32,
            Slot::Bias(_) | Slot::Padding => ALWAYS_KEPT,
        }
    }
}

impl ParameterPlace {
    /// What the buffer holds of `network`.
    fn of(&self, network: &Network) -> Vec<f32> {
        let value = |slot: &Slot| match *slot {
            Slot::Weight(index) => network.weights()[index],
            Slot::Bias(index) => network.biases()[index],
            Slot::Padding => 0.0,
        };
        match self {
            ParameterPlace::Fused(slots) => slots.iter().map(value).collect(),
            ParameterPlace::Tiled(part) => part.of(network),
        }
    }
}
