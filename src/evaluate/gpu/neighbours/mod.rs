//! Cheap neighbours on a device: parents whose pre-activations stay there, and flips of their bits scored at
//! the price of what the flips touch.
//!
//! The rule is that of [`neighbours`](crate::evaluate::neighbours), and so are the sums, in the same order: a
//! proposal's cost equals the CPU's, bit for bit, in the same arithmetic, after the same calls. Setting a parent and
//! refreshing it are exact; what is accepted in between drifts by rounding. Where the pre-activations of all samples
//! do not fit into the memory given, they are computed anew, chunk by chunk, for every call, and nothing drifts.
//!
//! Samples lie in the order of [`Tiles`](crate::evaluate::neighbours::Tiles), and costs come back tile by tile, so
//! that the host can judge proposals as the CPU does. A device's chunks are its own: tiles in a row that fit a
//! binding.

mod landscape;
mod memory;
mod neighbourhood;
mod parent;
mod program;
mod proposal_buffers;
pub(super) mod texts;
mod work;

pub(super) use neighbourhood::GpuNeighbourhood;
