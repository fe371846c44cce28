//! Files of masks to score: given weights, given masks, data sets by name.

use crate::dataset::{Dataset, DatasetConfig, DatasetError, DatasetSummary, Split};
use crate::mask;
use crate::network::{Architecture, Network};
use base64::{Engine, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Masks to score, as `supermask evaluate` reads them. Unknown fields are ignored.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(expecting = "an object with layers, weights_f4, biases_f4, datasets and cases")]
pub struct BatchFile {
    layers: Architecture,
    /// Per layer: base64 of little-endian f32, row-major `[outputs, inputs]`.
    weights_f4: Vec<String>,
    /// Per layer: base64 of little-endian f32.
    biases_f4: Vec<String>,
    /// Data sets by name: `moons`, `circles`, `digits`, `digits_binary`, `digitsN` and `blobsN` with N
    /// classes; or any name with a `config` of its own.
    datasets: BTreeMap<String, NamedDataset>,
    cases: Vec<Case>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
struct NamedDataset {
    config: Option<DatasetConfig>,
    train: Option<Checksums>,
    test: Option<Checksums>,
}

/// What the file was made with; checked where given.
#[derive(Debug, Default, Deserialize, JsonSchema)]
struct Checksums {
    sha256_x_f4: Option<String>,
    sha256_y_i8: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Case {
    mask_hex: String,
}

/// What is wrong with a file of masks.
#[derive(Debug, thiserror::Error)]
pub enum BatchFileError {
    #[error("{key}: {reason}")]
    Value { key: String, reason: String },
    #[error("datasets.{name}: {source}")]
    Dataset { name: String, source: DatasetError },
}

impl BatchFileError {
    fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Value { key: key.into(), reason: reason.into() }
    }
}

impl BatchFile {
    /// The network that the masks belong to.
    pub fn network(&self) -> Result<Network, BatchFileError> {
        let layers = || self.layers.layers();
        let weights = floats("weights_f4", &self.weights_f4, layers().map(|layer| layer.weights()))?;
        let biases = floats("biases_f4", &self.biases_f4, layers().map(|layer| layer.outputs))?;
        Ok(Network::new(self.layers.clone(), weights, biases)
            .expect("as many parameters as the architecture has"))
    }

    /// The packed masks, one after the other.
    pub fn masks(&self) -> Result<Vec<u32>, BatchFileError> {
        let mut masks = Vec::with_capacity(self.cases.len() * self.layers.mask_words());
        for (index, case) in self.cases.iter().enumerate() {
            let mask = mask::from_hex(&case.mask_hex, self.layers.weights()).map_err(|reason| {
                BatchFileError::new(format!("cases[{index}].mask_hex"), reason.to_string())
            })?;
            masks.extend(mask);
        }
        Ok(masks)
    }

    /// The data sets by name, checked against the file's checksums and against the network.
    pub fn datasets(&self) -> Result<BTreeMap<String, Dataset>, BatchFileError> {
        self.datasets.iter().map(|(name, given)| Ok((name.clone(), self.dataset(name, given)?))).collect()
    }

    fn dataset(&self, name: &str, given: &NamedDataset) -> Result<Dataset, BatchFileError> {
        let key = format!("datasets.{name}");
        let config = match &given.config {
            Some(config) => config.clone(),
            None => by_name(name).ok_or_else(|| {
                BatchFileError::new(
                    &key,
                    "no data set has this name; known are moons, circles, digits, digits_binary, digitsN and blobsN (N classes); or give it a \"config\"",
                )
            })?,
        };
        let (summary, dataset) = DatasetSummary::load(&config)
            .map_err(|source| BatchFileError::Dataset { name: name.to_owned(), source })?;
        for (split, given, found) in
            [(Split::Train, &given.train, &summary.train), (Split::Test, &given.test, &summary.test)]
        {
            let Some(given) = given else { continue };
            let same = |given: &Option<String>, found: &str| given.as_deref().is_none_or(|sum| sum == found);
            if !same(&given.sha256_x_f4, &found.sha256_x_f4) || !same(&given.sha256_y_i8, &found.sha256_y_i8)
            {
                let reason = format!("the {split:?} set has another checksum than the file was made with");
                return Err(BatchFileError::new(&key, reason.to_lowercase()));
            }
        }
        let (inputs, outputs) = (self.layers.inputs(), self.layers.outputs());
        if inputs != dataset.train.width || outputs != dataset.classes() {
            let (features, classes) = (dataset.train.width, dataset.classes());
            let reason =
                format!("has {features} features and {classes} classes; layers {} does not fit", self.layers);
            return Err(BatchFileError::new(&key, reason));
        }
        Ok(dataset)
    }
}

/// The data set of a name, with the paper's settings.
fn by_name(name: &str) -> Option<DatasetConfig> {
    let classes = |prefix: &str| name.strip_prefix(prefix)?.parse::<u32>().ok();
    let value = match name {
        "digits_binary" => serde_json::json!({"kind": "digits", "classes": 2}),
        "moons" | "circles" | "digits" => serde_json::json!({ "kind": name }),
        _ => match (classes("blobs"), classes("digits")) {
            (Some(classes), _) => serde_json::json!({"kind": "blobs", "classes": classes}),
            (_, Some(classes)) => serde_json::json!({"kind": "digits", "classes": classes}),
            _ => return None,
        },
    };
    serde_json::from_value(value).ok()
}

fn floats(
    key: &str,
    layers: &[String],
    expected: impl ExactSizeIterator<Item = usize>,
) -> Result<Vec<f32>, BatchFileError> {
    if layers.len() != expected.len() {
        let reason = format!("expected {} layers, found {}", expected.len(), layers.len());
        return Err(BatchFileError::new(key, reason));
    }
    let mut values = Vec::new();
    for (index, (text, expected)) in layers.iter().zip(expected).enumerate() {
        let fail = |reason: String| BatchFileError::new(format!("{key}[{index}]"), reason);
        let bytes = STANDARD.decode(text).map_err(|error| fail(format!("not base64: {error}")))?;
        if bytes.len() != 4 * expected {
            let found = bytes.len();
            return Err(fail(format!(
                "expected {expected} floats ({} bytes), found {found} bytes",
                4 * expected
            )));
        }
        for (position, b) in bytes.chunks_exact(4).enumerate() {
            let value = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            if !value.is_finite() {
                return Err(fail(format!("found {value} at position {position}; weights must be finite")));
            }
            values.push(value);
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(changes: serde_json::Value) -> Result<(), String> {
        let mut value = serde_json::json!({
            "layers": [1, 1, 2],
            "weights_f4": [STANDARD.encode(1f32.to_le_bytes()), STANDARD.encode([0u8; 8])],
            "biases_f4": [STANDARD.encode([0u8; 4]), STANDARD.encode([0u8; 8])],
            "datasets": {},
            "cases": [{"mask_hex": "07", "density": 1.0}],
        });
        for (key, change) in changes.as_object().expect("an object") {
            value[key] = change.clone();
        }
        let file: BatchFile = serde_json::from_value(value).map_err(|error| error.to_string())?;
        file.network().map_err(|error| error.to_string())?;
        file.masks().map_err(|error| error.to_string())?;
        file.datasets().map_err(|error| error.to_string())?;
        Ok(())
    }

    #[test]
    fn errors_name_the_place() {
        assert_eq!(file(serde_json::json!({})), Ok(()));
        for (change, place) in [
            (serde_json::json!({"cases": [{"mask_hex": "07"}, {"mask_hex": "0f"}]}), "cases[1].mask_hex"),
            (serde_json::json!({"cases": [{"mask_hex": "0z"}]}), "cases[0].mask_hex"),
            (serde_json::json!({"weights_f4": ["AAAAAA==", "AAAAAA=="]}), "weights_f4[1]"),
            (serde_json::json!({"weights_f4": ["AADAfw==", "AAAAAAAAAAA="]}), "weights_f4[0]"),
            (serde_json::json!({"biases_f4": ["AAAAAA=="]}), "biases_f4"),
            (serde_json::json!({"datasets": {"mnist": {}}}), "datasets.mnist"),
            (serde_json::json!({"datasets": {"digits": {}}}), "datasets.digits"),
        ] {
            let message = file(change).expect_err(place);
            assert!(message.starts_with(place), "{message}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_no_panic(weights in ".{0,20}", mask in ".{0,4}", name in "[a-z0-9]{0,8}") {
            let garbled = file(serde_json::json!({"weights_f4": [weights, "AA=="]}));
            prop_assert!(garbled.is_err());
            let _ = file(serde_json::json!({"cases": [{"mask_hex": mask}]}));
            prop_assume!(by_name(&name).is_none());
            let unknown = file(serde_json::json!({"datasets": {name: {}}}));
            prop_assert!(unknown.is_err());
        }
    }
}
