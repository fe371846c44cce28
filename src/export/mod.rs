//! Tickets for other programs, whole or compacted.

pub mod compact;
mod onnx;
mod tables;
mod ticket;

pub use onnx::onnx;
pub use tables::{csv, npz};
pub use ticket::{Ticket, TicketError, metadata};
