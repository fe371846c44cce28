//! Weights from safetensors files, in PyTorch's `nn.Linear` naming and layout.
//!
//! `nn.Sequential(nn.Linear(2, 75), nn.ReLU(), nn.Linear(75, 2))` names its tensors `0.weight`
//! (`[outputs, inputs]`), `0.bias`, `2.weight`, `2.bias`. Any other prefixes will do on loading, where their numbers
//! (`fc1.weight`, `layers.10.weight`) or their shapes tell the order; the format itself does not keep it.

use super::{Architecture, Network, NetworkError};
use crate::flaw::Flaw;
use crate::{excerpt, foreign, json};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::path::Path;

/// Loads the network of a file. A layer without a bias tensor has zero biases. `order` names the layers from
/// inputs to outputs; without it, their names and shapes must tell.
///
/// # Errors
/// When the file cannot be read, is no safetensors file, its tensors do not fit `architecture`, they fit in more
/// than one order, or some would not be used.
pub fn load(
    path: &Path,
    architecture: &Architecture,
    order: Option<&[String]>,
) -> Result<Network, NetworkError> {
    let fail = |reason: Flaw| NetworkError::File { path: path.to_owned(), reason };
    let bytes =
        std::fs::read(path).map_err(|error| fail(format!("cannot read the weights: {error}").into()))?;
    let tensors = parse(&bytes).map_err(fail)?;
    let prefixes = match order {
        Some(order) => named_layers(&tensors, architecture, order),
        None => layers(&tensors, architecture),
    }
    .map_err(fail)?;
    if let Some(unused) = unused(&tensors, &prefixes, order.is_some()) {
        return Err(fail(unused.into()));
    }
    let mut weights = Vec::with_capacity(architecture.weights());
    let mut biases = Vec::with_capacity(architecture.biases());
    for (layer, prefix) in architecture.layers().zip(prefixes) {
        let read = |name: &str, shape: &[usize]| -> Result<Option<Vec<f32>>, NetworkError> {
            let Ok(tensor) = tensors.tensor(name) else { return Ok(None) };
            if tensor.shape() != shape {
                let found = tensor.shape();
                return Err(fail(
                    format!("{name} has shape {found:?}; network.layers needs {shape:?}").into(),
                ));
            }
            let values = values(&tensor).map_err(|reason| fail(format!("{name} {reason}").into()))?;
            Ok(Some(values))
        };
        let name = format!("{prefix}weight");
        let found = read(&name, &[layer.outputs, layer.inputs])?;
        weights.extend(found.ok_or_else(|| fail(format!("{name} cannot be read").into()))?);
        let found = read(&format!("{prefix}bias"), &[layer.outputs])?;
        biases.extend(found.unwrap_or_else(|| vec![0.0; layer.outputs]));
    }
    Ok(Network::new(architecture.clone(), weights, biases)
        .expect("as many parameters as the architecture has"))
}

fn parse(bytes: &[u8]) -> Result<SafeTensors<'_>, Flaw> {
    if let Some(kind) = foreign::kind(&bytes[..bytes.len().min(foreign::BEGINNING)]) {
        return Err(format!("not a safetensors file: this is {kind}").into());
    }
    let unreadable = |error| Flaw::from(format!("not a readable safetensors file: {error}"));
    let tensors = SafeTensors::deserialize(bytes).map_err(unreadable)?;
    let (length, _) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
    // The crate takes the last of two tensors of one name.
    let header = bytes.get(8..).and_then(|rest| rest.get(..length)).unwrap_or_default();
    json::parse(header).map_err(|problem| format!("in the header, {problem}"))?;
    Ok(tensors)
}

/// The prefixes of the weight tensors, from inputs to outputs.
///
/// Numbers tell the order where they are all in which the names differ. Where they are not, the shapes must: each
/// layer's weights are the tensors of its shape, and several of one shape must differ in numbers.
fn layers<'a>(tensors: &'a SafeTensors<'_>, architecture: &Architecture) -> Result<Vec<&'a str>, Flaw> {
    let mut prefixes: Vec<&str> =
        tensors.names().into_iter().filter_map(|name| name.strip_suffix("weight")).collect();
    prefixes.sort_by(|a, b| natural_key(a).cmp(&natural_key(b)).then(a.cmp(b)));
    if prefixes.len() != architecture.layer_count() {
        return Err(format!(
            "network.layers {architecture} needs {} weight tensors (names ending in \"weight\"), found {}: {}; \
             where the file holds others too, name the layers in network.weights.order",
            architecture.layer_count(),
            prefixes.len(),
            listed(prefixes.iter().map(|prefix| format!("{prefix}weight")))
        )
        .into());
    }
    if same_but_for_numbers(&prefixes) {
        return Ok(prefixes);
    }
    let shape =
        |prefix: &str| tensors.tensor(&format!("{prefix}weight")).map(|tensor| tensor.shape().to_vec());
    let mut ordered = Vec::with_capacity(prefixes.len());
    for layer in architecture.layers() {
        let needed = [layer.outputs, layer.inputs];
        let fit: Vec<&str> =
            prefixes.iter().copied().filter(|prefix| shape(prefix).is_ok_and(|s| s == needed)).collect();
        if !same_but_for_numbers(&fit) {
            return Err(format!(
                "{} all have the shape {needed:?} of several layers of network.layers {architecture}, and their \
                 names do not tell the order: list them from inputs to outputs in network.weights.order",
                listed(fit.iter().map(|prefix| format!("{prefix}weight"))),
            )
            .into());
        }
        let next = fit.into_iter().find(|prefix| !ordered.contains(prefix));
        ordered.push(next.ok_or_else(|| {
            let found = prefixes.iter().filter_map(|prefix| Some((prefix, shape(prefix).ok()?)));
            let found = listed(found.map(|(prefix, shape)| format!("{prefix}weight {shape:?}")));
            format!("no weight tensor is left for a layer of shape {needed:?} of network.layers {architecture}: {found}")
        })?);
    }
    let numbered = |a: &&str, b: &&str| words(a) == words(b) && natural_key(a) > natural_key(b);
    if let Some((a, b)) = pairs(&ordered).find(|(a, b)| numbered(a, b)) {
        return Err(format!(
            "by its shape {a}weight comes before {b}weight, by its number behind it: give the order in \
             network.weights.order"
        )
        .into());
    }
    Ok(ordered)
}

/// Every two items, the earlier first.
fn pairs<'a>(items: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    items.iter().enumerate().flat_map(|(i, a)| items[i + 1..].iter().map(|b| (*a, *b)))
}

/// The prefixes of the weight tensors that `order` names.
fn named_layers<'a>(
    tensors: &'a SafeTensors<'_>,
    architecture: &Architecture,
    order: &[String],
) -> Result<Vec<&'a str>, Flaw> {
    if order.len() != architecture.layer_count() {
        return Err(format!(
            "network.weights.order names {} layers; network.layers {architecture} has {}",
            order.len(),
            architecture.layer_count()
        )
        .into());
    }
    let mut ordered: Vec<&str> = Vec::with_capacity(order.len());
    for name in order {
        let called = |prefix: &str| {
            [prefix, prefix.trim_end_matches('.')].contains(&name.as_str())
                || *name == format!("{prefix}weight")
        };
        let mut prefixes = tensors.names().into_iter().filter_map(|name| name.strip_suffix("weight"));
        let prefix = prefixes.find(|prefix| called(prefix)).ok_or_else(|| {
            let mut weights: Vec<&str> =
                tensors.names().into_iter().filter(|name| name.ends_with("weight")).collect();
            weights.sort_unstable();
            let (name, weights) = (excerpt::quoted(name), listed(weights.into_iter().map(str::to_owned)));
            format!("network.weights.order: there are no weights of {name}; the file has {weights}")
        })?;
        if ordered.contains(&prefix) {
            return Err(format!("network.weights.order names {} twice", excerpt::quoted(name)).into());
        }
        ordered.push(prefix);
    }
    Ok(ordered)
}

/// Why tensors that belong to no layer, or belong to one under an unknown name, are not to be passed over; none
/// where all are used. Layers that are named leave out the others on purpose.
fn unused(tensors: &SafeTensors<'_>, prefixes: &[&str], named: bool) -> Option<String> {
    let used = |name: &str| {
        ["weight", "bias", "weight_mask"]
            .iter()
            .any(|part| name.strip_suffix(part).is_some_and(|prefix| prefixes.contains(&prefix)))
    };
    let of_a_layer = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let mut unused: Vec<&str> =
        tensors.names().into_iter().filter(|name| !used(name) && (!named || of_a_layer(name))).collect();
    unused.sort_unstable();
    if unused.is_empty() {
        return None;
    }
    let unused = listed(unused.into_iter().map(str::to_owned));
    Some(format!(
        "these tensors would not be used: {unused}; a layer's tensors are called weight and bias (rename them), \
         and layers named in network.weights.order leave others out"
    ))
}

/// The first names, for an error.
fn listed(names: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<String> = names.map(|name| excerpt::shown(&name)).collect();
    let more = names.len().saturating_sub(SHOWN);
    let mut list = names[..names.len() - more].join(", ");
    if more > 0 {
        list += &format!(" and {more} more");
    }
    list
}

fn values(tensor: &TensorView<'_>) -> Result<Vec<f32>, Flaw> {
    if tensor.dtype() != Dtype::F32 {
        return Err(format!("has type {:?}; convert it to 32-bit floats (F32)", tensor.dtype()).into());
    }
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(tensor.data());
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(at) => Err(format!("holds {} at position {at}; weights must be finite", values[at]).into()),
    }
}

/// What is left of a name without its numbers.
fn words(name: &str) -> Vec<&str> {
    name.split(|c: char| c.is_ascii_digit()).filter(|word| !word.is_empty()).collect()
}

fn same_but_for_numbers(names: &[&str]) -> bool {
    names
        .windows(2)
        .all(|pair| words(pair[0]) == words(pair[1]) && natural_key(pair[0]) != natural_key(pair[1]))
}

/// Sorts `layers.10.` behind `layers.9.`: words and numbers in turn, numbers by their value.
fn natural_key(name: &str) -> Vec<(&str, usize, &str)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(text);
        let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(digits);
        let number = number.trim_start_matches('0');
        key.push((word, number.len(), number));
        rest = tail;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkInit;
    use proptest::prelude::*;
    use safetensors::tensor::serialize;

    fn network() -> Network {
        let config: NetworkInit =
            serde_json::from_str(r#"{"layers": [3, 5, 4, 2]}"#).expect("a valid configuration");
        config.build(7).expect("a network")
    }

    #[test]
    fn layers_come_in_natural_order() {
        let mut names = vec!["layers.10.", "layers.9.", "layers.2."];
        names.sort_by(|a, b| natural_key(a).cmp(&natural_key(b)));
        assert_eq!(names, ["layers.2.", "layers.9.", "layers.10."]);
    }

    /// The network `widths` whose layers have these names in a file, layer by layer. Weights count from 0
    /// through the layers, and biases are -1 in the first layer, -2 in the second.
    fn loaded(widths: &[usize], names: &[&str], order: Option<&[&str]>) -> Result<Network, String> {
        let architecture: Architecture = widths.to_vec().try_into().expect("valid");
        let count: Vec<f32> = (0..architecture.weights()).map(|weight| weight as f32).collect();
        let mut tensors = Vec::new();
        for ((index, layer), name) in architecture.layers().enumerate().zip(names) {
            let weights = bytemuck::cast_slice(&count[layer.first_weight..][..layer.weights()]);
            let biases = vec![-1.0 - index as f32; layer.outputs];
            tensors.push((format!("{name}.weight"), vec![layer.outputs, layer.inputs], weights.to_vec()));
            tensors.push((
                format!("{name}.bias"),
                vec![layer.outputs],
                bytemuck::cast_slice(&biases).to_vec(),
            ));
        }
        let views = tensors.iter().map(|(name, shape, bytes)| {
            (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor"))
        });
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), serialize(views, None).expect("serialises")).expect("written");
        let order: Option<Vec<String>> =
            order.map(|order| order.iter().map(|&name| name.to_owned()).collect());
        load(file.path(), &architecture, order.as_deref()).map_err(|error| error.to_string())
    }

    fn in_order(network: &Network) -> bool {
        network.weights().iter().enumerate().all(|(index, &weight)| weight == index as f32)
            && network.architecture().layers().enumerate().all(|(index, layer)| {
                network.layer_biases(&layer).iter().all(|&bias| bias == -1.0 - index as f32)
            })
    }

    #[test]
    fn layers_are_ordered_by_their_numbers_or_else_by_their_shapes() {
        for (widths, names) in [
            (&[2, 2, 2, 2][..], &["fc1", "fc2", "fc3"][..]),
            (&[2, 2, 2, 2], &["net.9", "net.10", "net.11"]),
            (&[2, 2, 2, 2], &["_orig_mod.block0.fc1", "_orig_mod.block0.fc2", "_orig_mod.block1.fc0"]),
            (&[2, 5, 3, 4], &["encoder", "bottleneck", "decoder"]),
            (&[2, 5, 5, 5, 3], &["stem", "blocks.0", "blocks.1", "head"]),
        ] {
            let network = loaded(widths, names, None).expect("an order");
            assert!(in_order(&network), "{names:?}");
        }
    }

    #[test]
    fn layers_whose_order_nothing_tells_are_refused_unless_it_is_given() {
        for names in [
            &["encoder", "bottleneck", "decoder"][..],
            &["layer_one", "layer_two", "layer_three"],
            &["features.0", "features.2", "classifier"],
            &["stem", "blocks.0", "blocks.1"],
        ] {
            let error = loaded(&[2, 2, 2, 2], names, None).expect_err("no order");
            assert!(error.contains("do not tell the order"), "{error}");
            assert!(names.iter().all(|name| error.contains(&format!("{name}.weight"))), "{error}");
            let network = loaded(&[2, 2, 2, 2], names, Some(names)).expect("an order");
            assert!(in_order(&network), "{names:?}");
        }
        let network = loaded(&[2, 2, 2], &["b", "a"], Some(&["b.weight", "a."])).expect("an order");
        assert!(in_order(&network));
        for (order, part) in [
            (&["a"][..], "names 1 layers"),
            (&["a", "c"], "no weights of \"c\"; the file has a.weight, b.weight"),
            (&["a", "a"], "names \"a\" twice"),
        ] {
            let error = loaded(&[2, 2, 2], &["b", "a"], Some(order)).expect_err("a wrong order");
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn shapes_and_numbers_that_disagree_are_refused() {
        let error = loaded(&[2, 5, 3, 4], &["enc.2", "dec", "enc.0"], None).expect_err("no order");
        assert!(error.contains("enc.2.weight comes before enc.0.weight"), "{error}");
    }

    #[test]
    fn tensors_that_would_not_be_used_are_named() {
        let network = network();
        let views = |bias: &str| {
            let mut views: Vec<(String, Vec<usize>)> = Vec::new();
            for (index, layer) in network.architecture().layers().enumerate() {
                views.push((format!("{index}.weight"), vec![layer.outputs, layer.inputs]));
                views.push((format!("{index}.{bias}"), vec![layer.outputs]));
            }
            views
        };
        let bytes = [0u8; 400];
        let load_with = |tensors: Vec<(String, Vec<usize>)>, order: Option<&[String]>| {
            let views = tensors.iter().map(|(name, shape)| {
                let size = 4 * shape.iter().product::<usize>();
                (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), &bytes[..size]).expect("a tensor"))
            });
            let file = tempfile::NamedTempFile::new().expect("a temporary file");
            std::fs::write(file.path(), serialize(views, None).expect("serialises")).expect("written");
            load(file.path(), network.architecture(), order).map_err(|error| error.to_string())
        };
        assert!(load_with(views("bias"), None).is_ok());
        let error = load_with(views("b"), None).expect_err("an odd name");
        assert!(error.contains("would not be used: 0.b, 1.b, 2.b"), "{error}");
        let order: Vec<String> = (0..3).map(|layer| layer.to_string()).collect();
        assert!(load_with(views("b"), Some(&order)).is_err(), "a tensor of a named layer is used");
        let mut more = views("bias");
        more.push(("embedding.weight".to_owned(), vec![3, 3]));
        assert!(load_with(more.clone(), None).is_err());
        assert!(load_with(more, Some(&order)).is_ok(), "named layers leave others out");
    }

    #[test]
    fn a_tensor_that_is_there_twice_is_refused() {
        let tensor = r#""0.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
        let header = format!("{{{tensor},{tensor}}}");
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 4]].concat();
        let error = parse(&bytes).expect_err("a name twice").to_string();
        assert!(error.contains("0.weight is given twice"), "{error}");
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let file = tempfile::NamedTempFile::new().expect("a temporary file");
            std::fs::write(file.path(), bytes).expect("written");
            prop_assert!(load(file.path(), network().architecture(), None).is_err());
        }
    }
}
