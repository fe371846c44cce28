//! The ticket of a record: its network, made again from the seed, and its mask.

use crate::archive::ArchivedRun;
use crate::evaluate::Arithmetic;
use crate::flaw::Flaw;
use crate::mask::{self, HexError};
use crate::network::{Architecture, Network, NetworkError};
use crate::run::record::{DataFacts, Record};
use crate::search::StopReason;
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
    Mask(#[from] HexError),
    #[error(transparent)]
    Data(#[from] Flaw),
}

impl Ticket {
    /// The ticket of a run.
    ///
    /// # Errors
    /// If the record has none, its network cannot be made, or the mask does not fit it.
    pub fn of(run: &ArchivedRun) -> Result<Self, TicketError> {
        let hex = run.mask_hex.as_ref().ok_or_else(|| TicketError::NoTicket { kind: run.kind.clone() })?;
        let config = run.network.as_ref().ok_or(TicketError::UnknownNetwork)?;
        if let Some(data) = &run.data {
            data.check(&config.layers)?;
        }
        let network = config.build(run.seed)?;
        let mask = mask::from_hex(hex, network.architecture().weights())?;
        Ok(Self { network, mask })
    }

    /// One layer's weights, row-major `[outputs, inputs]`, zero where they are pruned.
    pub fn masked_weights(&self, layer: &crate::network::Layer) -> Vec<f32> {
        let weights = self.network.layer_weights(layer).iter().enumerate();
        let keep = |index| mask::get(&self.mask, layer.first_weight + index);
        weights.map(|(index, &weight)| if keep(index) { weight } else { 0.0 }).collect()
    }
}

/// Where a ticket comes from, as exported files say it.
pub struct TicketOrigin<'a> {
    /// Name and seed: `moons-b-seed3`.
    pub run: String,
    pub arithmetic: Option<Arithmetic>,
    /// The `dataset` section of the configuration.
    pub dataset: String,
    pub test_accuracy: f64,
    pub was_interrupted: bool,
    pub data: Option<&'a DataFacts>,
}

impl<'a> TicketOrigin<'a> {
    pub fn of(run: &'a ArchivedRun) -> Self {
        Self {
            run: format!("{}-seed{}", run.name, run.seed),
            arithmetic: run.arithmetic,
            dataset: run.config["dataset"].to_string(),
            test_accuracy: run.result.test_accuracy,
            was_interrupted: run.is_interrupted(),
            data: run.data.as_ref(),
        }
    }

    pub fn of_record(record: &'a Record) -> Self {
        Self {
            run: record.config.stem(),
            arithmetic: Some(record.arithmetic),
            dataset: serde_json::to_string(&record.config.dataset).expect("settings serialise"),
            test_accuracy: record.result.test_accuracy,
            was_interrupted: record.stop_reason == StopReason::Interrupted,
            data: Some(&record.data),
        }
    }

    /// Texts by key; lists and the normalisation as JSON.
    pub fn metadata(&self, architecture: &Architecture) -> HashMap<String, String> {
        let arithmetic = self.arithmetic.map_or("unknown", Arithmetic::name);
        let mut texts = HashMap::from([
            ("format".to_owned(), "pt".to_owned()),
            ("architecture".to_owned(), architecture.to_string()),
            ("run".to_owned(), self.run.clone()),
            ("program".to_owned(), format!("supermask {}", env!("CARGO_PKG_VERSION"))),
            ("arithmetic".to_owned(), arithmetic.to_owned()),
            ("dataset".to_owned(), self.dataset.clone()),
            ("test_accuracy".to_owned(), self.test_accuracy.to_string()),
        ]);
        if self.was_interrupted {
            texts.insert("stop_reason".to_owned(), "interrupted".to_owned());
        }
        let data = self.data.map(|data| serde_json::to_value(data).expect("facts serialise"));
        for key in ["class_names", "feature_names", "normalization"] {
            if let Some(value) = data.as_ref().and_then(|data| data.get(key)) {
                texts.insert(key.to_owned(), value.to_string());
            }
        }
        if let Some(checksum) = self.data.and_then(|data| data.checksum.clone()) {
            texts.insert("data_checksum".to_owned(), checksum);
        }
        texts
    }
}
