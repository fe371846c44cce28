//! Weights from and tickets to safetensors files, in PyTorch's `nn.Linear` naming and layout.
//!
//! `nn.Sequential(nn.Linear(2, 75), nn.ReLU(), nn.Linear(75, 2))` names its tensors `0.weight`
//! (`[outputs, inputs]`), `0.bias`, `2.weight`, `2.bias`. Any other prefixes will do on loading
//! (`fc1.weight`, `layers.10.weight`): they are taken in natural order, numbers by value.

use super::{Architecture, Layer, Network, NetworkError};
use crate::mask;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use std::collections::HashMap;
use std::path::Path;

/// Loads the network of a file. A layer without a bias tensor has zero biases.
///
/// # Errors
/// When the file cannot be read, is no safetensors file, or its tensors do not fit `architecture`.
pub fn load(path: &Path, architecture: &Architecture) -> Result<Network, NetworkError> {
    let fail = |reason: String| NetworkError::File { path: path.to_owned(), reason };
    let bytes = std::fs::read(path).map_err(|error| fail(format!("cannot read the weights: {error}")))?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| fail(format!("not a readable safetensors file: {error}")))?;
    let mut prefixes: Vec<&str> =
        tensors.names().into_iter().filter_map(|name| name.strip_suffix("weight")).collect();
    prefixes.sort_by_key(|prefix| natural_key(prefix));
    if prefixes.len() != architecture.layer_count() {
        return Err(fail(format!(
            "network.layers {architecture} needs {} weight tensors (names ending in \"weight\"), found {}: {}",
            architecture.layer_count(),
            prefixes.len(),
            prefixes.iter().map(|prefix| format!("{prefix}weight")).collect::<Vec<_>>().join(", ")
        )));
    }
    let mut weights = Vec::with_capacity(architecture.weights());
    let mut biases = Vec::with_capacity(architecture.biases());
    for (layer, prefix) in architecture.layers().zip(prefixes) {
        let read = |name: &str, shape: &[usize]| -> Result<Option<Vec<f32>>, NetworkError> {
            let Ok(tensor) = tensors.tensor(name) else { return Ok(None) };
            if tensor.shape() != shape {
                let found = tensor.shape();
                return Err(fail(format!("{name} has shape {found:?}; network.layers needs {shape:?}")));
            }
            let values = values(&tensor).map_err(|reason| fail(format!("{name} {reason}")))?;
            Ok(Some(values))
        };
        let name = format!("{prefix}weight");
        let found = read(&name, &[layer.outputs, layer.inputs])?;
        weights.extend(found.ok_or_else(|| fail(format!("{name} cannot be read")))?);
        let found = read(&format!("{prefix}bias"), &[layer.outputs])?;
        biases.extend(found.unwrap_or_else(|| vec![0.0; layer.outputs]));
    }
    Ok(Network { architecture: architecture.clone(), weights, biases })
}

fn values(tensor: &TensorView<'_>) -> Result<Vec<f32>, String> {
    if tensor.dtype() != Dtype::F32 {
        return Err(format!("has type {:?}; convert it to 32-bit floats (F32)", tensor.dtype()));
    }
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(tensor.data());
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(at) => Err(format!("holds {} at position {at}; weights must be finite", values[at])),
    }
}

/// Sorts `layers.10.` behind `layers.9.`.
fn natural_key(name: &str) -> Vec<(u64, String)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(text);
        let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(digits);
        key.push((0, word.to_owned()));
        key.push((number.parse().unwrap_or(u64::MAX), String::new()));
        rest = tail;
    }
    key
}

/// The bytes of a ticket: masked weights and biases under the names of an `nn.Sequential` of `nn.Linear`
/// and `nn.ReLU`, and each layer's mask (boolean) as `weight_mask`, the name that
/// `torch.nn.utils.prune` uses.
pub fn ticket(network: &Network, bits: &[u32], metadata: HashMap<String, String>) -> Vec<u8> {
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (index, layer) in network.architecture.layers().enumerate() {
        let module = 2 * index;
        let shape = vec![layer.outputs, layer.inputs];
        let (masked, kept) = masked_layer(network, bits, &layer);
        let biases = bytemuck::cast_slice(network.layer_biases(&layer)).to_vec();
        tensors.push((format!("{module}.weight"), Dtype::F32, shape.clone(), masked));
        tensors.push((format!("{module}.bias"), Dtype::F32, vec![layer.outputs], biases));
        tensors.push((format!("{module}.weight_mask"), Dtype::BOOL, shape, kept));
    }
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).expect("as many bytes as the shape says");
        (name.as_str(), view)
    });
    serialize(views, Some(metadata)).expect("tensors of known shapes serialise")
}

/// A layer's masked weights (little-endian f32) and its mask (one byte per weight).
fn masked_layer(network: &Network, bits: &[u32], layer: &Layer) -> (Vec<u8>, Vec<u8>) {
    let mut masked = Vec::with_capacity(4 * layer.weights());
    let mut kept = Vec::with_capacity(layer.weights());
    for (index, weight) in network.layer_weights(layer).iter().enumerate() {
        let keep = mask::get(bits, layer.first_weight + index);
        masked.extend(if keep { weight.to_le_bytes() } else { 0f32.to_le_bytes() });
        kept.push(u8::from(keep));
    }
    (masked, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkConfig;
    use proptest::prelude::*;

    fn network() -> Network {
        let config: NetworkConfig =
            serde_json::from_str(r#"{"layers": [3, 5, 4, 2]}"#).expect("a valid configuration");
        config.build(7).expect("a network")
    }

    #[test]
    fn a_full_ticket_loads_back_as_its_network() {
        let network = network();
        let mut all = vec![0; network.architecture.mask_words()];
        mask::fill(&mut all, network.architecture.weights());
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), ticket(&network, &all, HashMap::new())).expect("written");
        assert_eq!(load(file.path(), &network.architecture).expect("loads"), network);
    }

    #[test]
    fn pruned_weights_are_zero_in_a_ticket() {
        let network = network();
        let mut none = vec![0; network.architecture.mask_words()];
        mask::flip(&mut none, 4);
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), ticket(&network, &none, HashMap::new())).expect("written");
        let loaded = load(file.path(), &network.architecture).expect("loads");
        for (index, weight) in loaded.weights.iter().enumerate() {
            assert_eq!(*weight, if index == 4 { network.weights[4] } else { 0.0 });
        }
    }

    #[test]
    fn a_wrong_shape_names_the_tensor() {
        let network = network();
        let mask = vec![0; network.architecture.mask_words()];
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), ticket(&network, &mask, HashMap::new())).expect("written");
        let other: Architecture = vec![3, 5, 5, 2].try_into().expect("valid");
        let message = load(file.path(), &other).expect_err("shapes differ").to_string();
        assert!(message.contains("2.weight has shape [4, 5]"), "{message}");
    }

    #[test]
    fn layers_come_in_natural_order() {
        let mut names = vec!["layers.10.", "layers.9.", "layers.2."];
        names.sort_by_key(|name| natural_key(name));
        assert_eq!(names, ["layers.2.", "layers.9.", "layers.10."]);
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let file = tempfile::NamedTempFile::new().expect("a temporary file");
            std::fs::write(file.path(), bytes).expect("written");
            prop_assert!(load(file.path(), &network().architecture).is_err());
        }
    }
}
