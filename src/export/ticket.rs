//! The ticket of a record: its network, made again from the seed, and its mask.

use crate::archive::Run;
use crate::evaluate::Arithmetic;
use crate::mask;
use crate::network::{Network, NetworkError};
use std::collections::HashMap;

/// A network and the mask of its subnetwork.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    pub network: Network,
    /// Packed, see [`mask`].
    pub mask: Vec<u32>,
}

/// Why a record has no ticket to use.
#[derive(Debug, thiserror::Error)]
pub enum TicketError {
    #[error("the record has no ticket (algorithm {kind}): there is no mask to use")]
    NoTicket { kind: String },
    #[error("config.network: this program cannot make this network")]
    UnknownNetwork,
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("ticket.mask_hex: {0}")]
    Mask(String),
}

impl Ticket {
    /// The ticket of a run.
    ///
    /// # Errors
    /// If the record has none, its network cannot be made, or the mask does not fit it.
    pub fn of(run: &Run) -> Result<Self, TicketError> {
        let hex = run.mask_hex.as_ref().ok_or_else(|| TicketError::NoTicket { kind: run.kind.clone() })?;
        let config = run.network.as_ref().ok_or(TicketError::UnknownNetwork)?;
        if config.layers.is_none() {
            return Err(TicketError::UnknownNetwork);
        }
        let network = config.build(run.seed)?;
        let mask = mask::from_hex(hex, network.architecture.weights()).map_err(TicketError::Mask)?;
        Ok(Self { network, mask })
    }

    /// One layer's weights, row-major `[outputs, inputs]`, zero where they are pruned.
    pub fn masked_weights(&self, layer: &crate::network::Layer) -> Vec<f32> {
        let weights = self.network.layer_weights(layer).iter().enumerate();
        let keep = |index| mask::get(&self.mask, layer.first_weight + index);
        weights.map(|(index, &weight)| if keep(index) { weight } else { 0.0 }).collect()
    }
}

/// What an exported file says about its origin.
pub fn metadata(run: &Run, ticket: &Ticket) -> HashMap<String, String> {
    let arithmetic = match run.arithmetic {
        Some(Arithmetic::Fused) => "fused",
        Some(Arithmetic::Separate) => "separate",
        None => "unknown",
    };
    HashMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("architecture".to_owned(), ticket.network.architecture.to_string()),
        ("run".to_owned(), format!("{}-seed{}", run.name, run.seed)),
        ("program".to_owned(), format!("supermask {}", env!("CARGO_PKG_VERSION"))),
        ("arithmetic".to_owned(), arithmetic.to_owned()),
        ("dataset".to_owned(), run.config["dataset"].to_string()),
        ("test_accuracy".to_owned(), run.result.test_accuracy.to_string()),
    ])
}
