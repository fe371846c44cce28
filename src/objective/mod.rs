//! What a mask is judged by.

pub mod cross_entropy;
pub(crate) mod loss;
pub mod margin;

pub use loss::{Loss, LossScore};
