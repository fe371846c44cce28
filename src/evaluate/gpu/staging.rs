//! Host memory through which masks reach the device: written while the device computes, never allocated
//! anew once large enough.

use super::device::GpuDevice;
use crate::evaluate::EvaluateError;

/// A ring of mapped buffers. A buffer is mapped again when the submission that reads it is done.
#[derive(Debug)]
pub(super) struct StagingRing {
    slots: Vec<wgpu::Buffer>,
    next: usize,
}

/// What a slot holds at least, so that single windows need no second buffer.
const LEAST_BYTES: u64 = 4 << 10;

impl StagingRing {
    /// `slots` must exceed the number of submissions that are under way at once.
    pub fn new(device: &GpuDevice, slots: usize) -> Self {
        Self { slots: (0..slots).map(|_| slot(device, LEAST_BYTES)).collect(), next: 0 }
    }

    /// Records the copies of `parts`, each to the beginning of its buffer. Lengths are multiples of four.
    /// To be called once per submission, followed by [`release`](Self::release).
    pub fn write(
        &mut self,
        device: &GpuDevice,
        encoder: &mut wgpu::CommandEncoder,
        parts: &[(&wgpu::Buffer, &[&[u32]])],
    ) -> Result<(), EvaluateError> {
        let words: usize = parts.iter().flat_map(|(_, runs)| *runs).map(|run| run.len()).sum();
        let bytes = words as u64 * 4;
        if self.slots[self.next].size() < bytes {
            self.slots[self.next] = slot(device, bytes.next_power_of_two());
        }
        let from = &self.slots[self.next];
        let mut view = from
            .get_mapped_range_mut(..)
            .map_err(|error| EvaluateError::Device(format!("uploading masks: {error}")))?;
        let mut offset = 0;
        for (to, runs) in parts {
            let first = offset;
            for run in *runs {
                let bytes = bytemuck::cast_slice(run);
                view.slice(offset..offset + bytes.len()).copy_from_slice(bytes);
                offset += bytes.len();
            }
            encoder.copy_buffer_to_buffer(from, first as u64, to, 0, Some((offset - first) as u64));
        }
        drop(view);
        from.unmap();
        Ok(())
    }

    /// To be called when the submission was made: the buffer comes back when it is done.
    pub fn release(&mut self) {
        // An error here shows up as a failed view at the buffer's next turn.
        self.slots[self.next].map_async(wgpu::MapMode::Write, .., |_| {});
        self.next = (self.next + 1) % self.slots.len();
    }
}

fn slot(device: &GpuDevice, bytes: u64) -> wgpu::Buffer {
    device.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("staging"),
        size: bytes,
        usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: true,
    })
}
