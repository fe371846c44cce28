//! Where a search begins that does not begin at random: the masks of a ticket or of a population.
//!
//! A mask belongs to the weights that it was found in. So the file must be of a network with the run's weights and biases,
//! bit for bit, wherever they come from.

use crate::dataset::Dataset;
use crate::files;
use crate::flaw::Flaw;
use crate::mask;
use crate::network::Network;
use crate::run::record::{Match, Record};
use crate::settings::BadSetting;
use safetensors::tensor::{Dtype, SafeTensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;

/// Masks that a search begins with, in place of random ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartConfig {
    /// A record, the ticket beside it, or a population that `--save-population` wrote, of the same data and of a network of
    /// the same weights (the same seed and initialisation); relative paths begin in the folder of the configuration. A
    /// genetic search has its masks in its initial population, a local search begins each chain with one of them.
    pub ticket: PathBuf,
    /// SHA-256 of the file, which a resolved configuration has. Another file under this path is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// The key that errors are about.
const KEY: &str = "start.ticket";

impl StartConfig {
    /// The masks of the file, packed, for a search in `network`; on `dataset`, where that is to be compared.
    ///
    /// # Errors
    /// When the file is none of those, or of another network or other data.
    pub fn masks(&self, network: &Network, dataset: Option<&Dataset>) -> Result<Vec<Vec<u32>>, BadSetting> {
        let fail = |reason: Flaw| BadSetting::new(KEY, format!("{}: {reason}", self.ticket.display()));
        let bytes = files::read(Some(&self.ticket))
            .map_err(|error| fail(format!("cannot be read: {error}").into()))?;
        if self.checksum.as_ref().is_some_and(|then| *then != files::sha256(&bytes)) {
            return Err(fail(
                "is not the file that the run began with; put that one back, or run anew".into(),
            ));
        }
        let is_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        match is_json {
            true => of_record(&bytes, network, dataset),
            false => of_tensors(&bytes, network, dataset),
        }
        .map_err(fail)
    }

    /// With the checksum of the file.
    pub(super) fn resolve(mut self) -> Self {
        if self.checksum.is_none() {
            self.checksum = files::read(Some(&self.ticket)).ok().map(|bytes| files::sha256(&bytes));
        }
        self
    }
}

fn check_layers(found: &str, network: &Network) -> Result<(), Flaw> {
    let needed = network.architecture().to_string();
    if found == needed {
        Ok(())
    } else {
        Err(format!("is of a network {found}, and this run's is {needed}").into())
    }
}

/// Refuses masks of other weights; `seed` is that of their network, where it is known.
fn check_weights(are_same: bool, seed: Option<&str>) -> Result<(), Flaw> {
    let of = seed.map_or_else(String::new, |seed| format!(" (of seed {seed})"));
    let remedy = "give this run the seed and the network.weights of that one";
    match are_same {
        true => Ok(()),
        false => {
            Err(format!("is of a network of other weights{of}, to which its masks belong; {remedy}").into())
        }
    }
}

fn other_data() -> Flaw {
    "is of other data than this run; begin anew, or give the data of that run".into()
}

fn of_record(bytes: &[u8], network: &Network, dataset: Option<&Dataset>) -> Result<Vec<Vec<u32>>, Flaw> {
    let record = Record::parse(bytes).map_err(|error| format!("is no record: {error}"))?;
    let config = &record.config;
    check_layers(&config.network.layers.to_string(), network)?;
    let other = config.network.build(config.seed).map_err(|error| error.to_string())?;
    check_weights(other.checksum() == network.checksum(), Some(&config.seed.to_string()))?;
    if dataset.is_some_and(|dataset| !matches!(record.data.compare(dataset), Match::Same)) {
        return Err(other_data());
    }
    let mask = record.mask().ok_or("is a record without a ticket: all weights were trained")?;
    Ok(vec![mask.map_err(|error| format!("ticket.mask_hex: {error}"))?])
}

fn of_tensors(bytes: &[u8], network: &Network, dataset: Option<&Dataset>) -> Result<Vec<Vec<u32>>, Flaw> {
    let unreadable =
        |error| Flaw::from(format!("neither a record nor a ticket or population in safetensors: {error}"));
    let tensors = SafeTensors::deserialize(bytes).map_err(unreadable)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
    let about = header.metadata().clone().unwrap_or_default();
    if let Some(layers) = about.get("architecture") {
        check_layers(layers, network)?;
    }
    let masks = match tensors.tensor("masks") {
        Ok(_) => of_population(&tensors, &about, network)?,
        Err(_) => vec![of_ticket(&tensors, network)?],
    };
    let data = about.get("data_checksum");
    if dataset.is_some_and(|dataset| data.is_some_and(|data| data != dataset.checksum())) {
        return Err(other_data());
    }
    Ok(masks)
}

fn of_population(
    tensors: &SafeTensors<'_>,
    about: &HashMap<String, String>,
    network: &Network,
) -> Result<Vec<Vec<u32>>, Flaw> {
    let seed = about.get("seed").map(String::as_str);
    check_weights(about.get("network_checksum") == Some(&network.checksum()), seed)?;
    let layers = network.architecture();
    let masks = tensors.tensor("masks").map_err(|error| error.to_string())?;
    let words = layers.mask_words();
    if masks.dtype() != Dtype::U32
        || masks.shape().len() != 2
        || masks.shape()[1] != words
        || masks.shape()[0] == 0
    {
        let (shape, dtype) = (masks.shape(), masks.dtype());
        return Err(format!("masks is {dtype:?} {shape:?}; U32 [individuals, {words}] is needed").into());
    }
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
    let masks: Vec<Vec<u32>> =
        masks.data().chunks(4 * words).map(|mask| mask.chunks(4).map(word).collect()).collect();
    match masks.iter().position(|mask| !mask::is_of(mask, layers.weights())) {
        Some(n) => {
            Err(format!("mask {n} has bits behind the {} weights of the network", layers.weights()).into())
        }
        None => Ok(masks),
    }
}

/// The mask of a ticket's file, whose kept weights and whose biases are those of the network.
fn of_ticket(tensors: &SafeTensors<'_>, network: &Network) -> Result<Vec<u32>, Flaw> {
    let layers = network.architecture();
    let mut ticket = vec![0; layers.mask_words()];
    for (index, layer) in layers.layers().enumerate() {
        let tensor = |part: &str, dtype: Dtype, shape: &[usize]| {
            let name = format!("{}.{part}", 2 * index);
            let tensor =
                tensors.tensor(&name).map_err(|_| format!("has no tensor {name}, as tickets have"))?;
            if tensor.dtype() != dtype || tensor.shape() != shape {
                let (found, kind) = (tensor.shape(), tensor.dtype());
                return Err(format!("{name} is {kind:?} {found:?}; {dtype:?} {shape:?} is needed"));
            }
            Ok(tensor.data())
        };
        let shape = [layer.outputs, layer.inputs];
        let kept = tensor("weight_mask", Dtype::BOOL, &shape)?;
        if let Some(byte) = kept.iter().find(|&&byte| byte > 1) {
            return Err(
                format!("{}.weight_mask holds the byte {byte}; a mask holds 0 and 1", 2 * index).into()
            );
        }
        let is_same = |bytes: &[u8], own: &f32| bytes == own.to_le_bytes();
        let weights = tensor("weight", Dtype::F32, &shape)?.chunks(4).zip(network.layer_weights(&layer));
        let mut of_kept = weights.zip(kept).filter(|(_, kept)| **kept != 0);
        let biases = tensor("bias", Dtype::F32, &shape[..1])?.chunks(4).zip(network.layer_biases(&layer));
        let are_same = of_kept.all(|((bytes, own), _)| is_same(bytes, own)) && { biases }
            .all(|(bytes, own)| is_same(bytes, own));
        check_weights(are_same, None)?;
        for (place, _) in kept.iter().enumerate().filter(|(_, kept)| **kept != 0) {
            mask::flip(&mut ticket, layer.first_weight + place);
        }
    }
    Ok(ticket)
}
