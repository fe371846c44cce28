//! GPUs as a backend: an evaluator of whole masks ([`GpuEvaluator`]), and neighbours of kept ones.
//!
//! Everything that can be decided without a device is decided in `kernel`, `plan`, `submission_limit` and the two
//! kernels' text modules; the other modules upload, dispatch and read back.

mod arithmetic;
mod backend;
mod batch_buffers;
mod buffers;
mod clock;
#[cfg(all(test, target_os = "linux"))]
mod compilers;
mod detail;
mod device;
mod evaluator;
mod fused;
mod kernel;
mod neighbours;
mod networks;
mod peak;
mod pipelines;
mod plan;
mod samples;
mod scoring;
mod sources;
#[cfg(test)]
mod spirv;
mod staging;
mod submission_limit;
mod submissions;
mod tiled;
mod tuning;
mod wgsl;

pub use backend::GpuBackend;
pub use device::{AdapterDescription, GpuDevice, SOFTWARE, adapters};
pub(crate) use device::{Interfaces, enumerate};
pub use evaluator::{GpuEvaluator, GpuOptions};
pub use kernel::{KernelShape, Maker, candidates};
pub use plan::Limits;
