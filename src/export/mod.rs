//! Tickets for other programs, whole or compacted.

pub mod compact;
mod onnx;
mod tables;
mod ticket;

pub use onnx::{onnx, wide_feature};
pub use tables::{csv, npz};
pub use ticket::{Origin, Ticket, TicketError};
