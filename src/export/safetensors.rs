//! Tickets as safetensors files.

use super::{Ticket, TicketOrigin};
use crate::mask;
use crate::run::record::Record;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io;

/// The bytes of the file that lies beside a record; none where the record has no ticket.
///
/// # Errors
/// Where the network of the record cannot be made any more.
pub fn beside_record(record: &Record) -> io::Result<Option<Vec<u8>>> {
    let Some(mask) = record.mask() else { return Ok(None) };
    let config = &record.config;
    let network = config.network.build(config.seed).map_err(io::Error::other)?;
    let mask = mask.map_err(io::Error::other)?;
    let about = TicketOrigin::of_record(record).metadata(&config.network.layers);
    Ok(Some(safetensors(&Ticket { network, mask }, about)))
}

/// The bytes of a ticket: masked weights and biases under the names of an `nn.Sequential` of `nn.Linear`
/// and `nn.ReLU`, and each layer's mask (boolean) as `weight_mask`, the name that
/// `torch.nn.utils.prune` uses.
pub fn safetensors(ticket: &Ticket, metadata: HashMap<String, String>) -> Vec<u8> {
    written(&tensors(ticket), metadata)
}

/// The bytes of several tickets of one architecture: the same tensors, stacked along a first axis of tickets, as
/// `torch.func.stack_module_state` does.
pub fn stacked_safetensors(tickets: &[Ticket], metadata: HashMap<String, String>) -> Vec<u8> {
    let mut stacked: Vec<NamedTensor> = Vec::new();
    for ticket in tickets {
        for (index, (name, dtype, shape, bytes)) in tensors(ticket).into_iter().enumerate() {
            match stacked.get_mut(index) {
                Some((.., all)) => all.extend(bytes),
                None => stacked.push((name, dtype, [vec![tickets.len()], shape].concat(), bytes)),
            }
        }
    }
    written(&stacked, metadata)
}

/// A tensor's name, type, shape and bytes.
type NamedTensor = (String, Dtype, Vec<usize>, Vec<u8>);

fn tensors(ticket: &Ticket) -> Vec<NamedTensor> {
    let Ticket { network, mask } = ticket;
    let mut tensors: Vec<NamedTensor> = Vec::new();
    for (index, layer) in network.architecture().layers().enumerate() {
        let module = 2 * index;
        let shape = vec![layer.outputs, layer.inputs];
        let masked = bytemuck::cast_slice(&ticket.masked_weights(&layer)).to_vec();
        let biases = bytemuck::cast_slice(network.layer_biases(&layer)).to_vec();
        let weights = layer.first_weight..layer.first_weight + layer.weights();
        let kept = weights.map(|weight| u8::from(mask::get(mask, weight))).collect();
        tensors.push((format!("{module}.weight"), Dtype::F32, shape.clone(), masked));
        tensors.push((format!("{module}.bias"), Dtype::F32, vec![layer.outputs], biases));
        tensors.push((format!("{module}.weight_mask"), Dtype::BOOL, shape, kept));
    }
    tensors
}

fn written(tensors: &[NamedTensor], metadata: HashMap<String, String>) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).expect("as many bytes as the shape says");
        (name.as_str(), view)
    });
    serialized(views, metadata).expect("tensors of known shapes serialise")
}

/// A file of these tensors and texts, always of the same bytes: the crate writes texts in the order of a hash map, which is
/// another one each time.
pub(super) fn serialized<'a>(
    tensors: impl IntoIterator<Item = (&'a str, TensorView<'a>)>,
    metadata: HashMap<String, String>,
) -> Result<Vec<u8>, SafeTensorError> {
    let mut bytes = serialize(tensors, Some(metadata))?;
    let (length, rest) = bytes.split_at_mut(size_of::<u64>());
    let length = length.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
    let header = &mut rest[..length];
    let entries: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_slice(header).map_err(SafeTensorError::JsonError)?;
    let sorted = serde_json::to_vec(&entries).map_err(SafeTensorError::JsonError)?;
    header.fill(b' ');
    header[..sorted.len()].copy_from_slice(&sorted);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::safetensors::load;
    use crate::network::{Architecture, Network, NetworkInit};

    fn network() -> Network {
        let config: NetworkInit =
            serde_json::from_str(r#"{"layers": [3, 5, 4, 2]}"#).expect("a valid configuration");
        config.build(7).expect("a network")
    }

    #[test]
    fn the_same_ticket_is_the_same_file() {
        let file = || {
            let texts = (0..20).map(|n| (format!("text {n}"), format!("\"{n}\" ✓"))).collect();
            safetensors(&Ticket { network: network(), mask: vec![0b1011; 2] }, texts)
        };
        let first = file();
        assert!((0..5).all(|_| file() == first));
        let read = safetensors::SafeTensors::deserialize(&first).expect("a file");
        assert_eq!(read.len(), 9);
    }

    fn file_of(network: &Network, mask: Vec<u32>) -> Vec<u8> {
        safetensors(&Ticket { network: network.clone(), mask }, HashMap::new())
    }

    #[test]
    fn a_full_ticket_loads_back_as_its_network() {
        let network = network();
        let mut all = vec![0; network.architecture().mask_words()];
        mask::fill(&mut all, network.architecture().weights());
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), file_of(&network, all)).expect("written");
        assert_eq!(load(file.path(), network.architecture(), None).expect("loads"), network);
    }

    #[test]
    fn pruned_weights_are_zero_in_a_ticket() {
        let network = network();
        let mut none = vec![0; network.architecture().mask_words()];
        mask::flip(&mut none, 4);
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), file_of(&network, none)).expect("written");
        let loaded = load(file.path(), network.architecture(), None).expect("loads");
        for (index, weight) in loaded.weights().iter().enumerate() {
            assert_eq!(*weight, if index == 4 { network.weights()[4] } else { 0.0 });
        }
    }

    #[test]
    fn a_wrong_shape_names_the_tensor() {
        let network = network();
        let mask = vec![0; network.architecture().mask_words()];
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), file_of(&network, mask)).expect("written");
        let other: Architecture = vec![3, 5, 5, 2].try_into().expect("valid");
        let message = load(file.path(), &other, None).expect_err("shapes differ").to_string();
        assert!(message.contains("2.weight has shape [4, 5]"), "{message}");
    }
}
