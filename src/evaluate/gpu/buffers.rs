//! Buffers of a device and what binds them.

use super::device::GpuDevice;
use bytemuck::Pod;
use wgpu::BufferUsages as Usages;

impl GpuDevice {
    /// A buffer of so many bytes.
    pub(super) fn buffer(&self, label: &str, bytes: usize, usage: Usages) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes as u64,
            usage,
            mapped_at_creation: false,
        })
    }

    /// A buffer with `contents`. Written through the queue: wgpu's own short cut panics where memory runs out.
    fn filled<T: Pod>(&self, label: &str, contents: &[T], usage: Usages) -> wgpu::Buffer {
        let created = self.buffer(label, size_of_val(contents), usage | Usages::COPY_DST);
        self.queue.write_buffer(&created, 0, bytemuck::cast_slice(contents));
        created
    }

    /// A buffer with `contents` for kernels to read.
    pub(super) fn read_only<T: Pod>(&self, label: &str, contents: &[T]) -> wgpu::Buffer {
        self.filled(label, contents, Usages::STORAGE)
    }

    /// A uniform with `contents`.
    pub(super) fn uniform<T: Pod>(&self, label: &str, contents: T) -> wgpu::Buffer {
        self.filled(label, &[contents], Usages::UNIFORM)
    }

    /// Binds `buffers` at 0, 1, …
    pub(super) fn bind(
        &self,
        label: &str,
        layout: &wgpu::BindGroupLayout,
        buffers: &[&wgpu::Buffer],
    ) -> wgpu::BindGroup {
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(label),
            layout,
            entries: &entries,
        })
    }

    pub(super) fn encoder(&self, label: &str) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(label) })
    }
}

/// Begins a compute pass, timed by `stamps` where they are given.
pub(super) fn compute_pass<'a>(
    encoder: &'a mut wgpu::CommandEncoder,
    label: &str,
    stamps: Option<wgpu::ComputePassTimestampWrites<'_>>,
) -> wgpu::ComputePass<'a> {
    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes: stamps })
}
