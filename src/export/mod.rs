//! Tickets for other programs, whole or compacted.

pub mod compact;
mod onnx;
mod population;
mod safetensors;
mod tables;
mod ticket;

pub use onnx::{onnx, why_float64};
pub use population::PopulationFiles;
pub use safetensors::{beside_record, safetensors, stacked_safetensors};
pub use tables::{csv, npz};
pub use ticket::{Ticket, TicketError, TicketOrigin};
