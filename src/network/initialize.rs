//! Where a network's weights come from.

use super::{Architecture, ArchitectureError, Layer, Network, safetensors};
use crate::files;
use crate::flaw::Flaw;
use crate::memory::{self, TooMuch};
use crate::random::{self, Concern, Stream};
use crate::settings::{self, BadSetting, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::PathBuf;

/// The `network` section of a configuration, as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Layer widths from inputs to outputs, such as `[2, 75, 2]`; ReLU stands between layers.
    layers: Option<Architecture>,
    /// Widths of the hidden layers only: the data say how many inputs and outputs there are. Either this or `layers`
    /// is given.
    hidden: Option<Vec<usize>>,
    /// How weights are drawn.
    #[serde(default)]
    weights: WeightInit,
    /// How biases are drawn.
    #[serde(default)]
    biases: BiasInit,
}

/// What a network is drawn from, beside a seed: the `network` section of a resolved configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkInit {
    pub layers: Architecture,
    #[serde(default)]
    pub weights: WeightInit,
    #[serde(default)]
    pub biases: BiasInit,
}

/// How weights are drawn. `fan_in` is a layer's number of inputs, `fan_out` its number of outputs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "init", rename_all = "snake_case")]
#[schemars(transform = settings::or_word("init"))]
pub enum WeightInit {
    /// Uniform on `[-bound, bound]`: the paper's choice, with bound 1.
    Uniform {
        /// The largest absolute value, above 0.
        #[schemars(default = "one")]
        bound: f64,
    },
    /// Normal with standard deviation `sqrt(2 / fan_in)` (He et al. 2015); divided by `sqrt(k)` when a
    /// `keep_fraction` k is given, the scaled variant of Ramanujan et al. 2020, section 3.
    KaimingNormal {
        /// Share of the weights that a mask is expected to keep.
        keep_fraction: Option<f64>,
    },
    /// Plus or minus the standard deviation of `kaiming_normal`, with equal chance (Ramanujan et al. 2020).
    SignedKaimingConstant {
        /// Share of the weights that a mask is expected to keep.
        keep_fraction: Option<f64>,
    },
    /// Uniform with bound `sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio 2010).
    XavierUniform {},
    /// Normal with standard deviation `sqrt(2 / (fan_in + fan_out))` (Glorot and Bengio 2010).
    XavierNormal {},
    /// Weights and biases of a safetensors file in PyTorch's `nn.Linear` naming and layout.
    Safetensors {
        /// The file; relative paths begin in the folder of the configuration.
        path: PathBuf,
        /// The names of the layers, from inputs to outputs (`["encoder", "decoder"]`), where their names do not
        /// tell their order, or where the file holds other tensors too.
        #[serde(skip_serializing_if = "Option::is_none")]
        order: Option<Vec<String>>,
        /// SHA-256 of the file, which a resolved configuration has. Another file under this path is refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
    },
}

impl WeightInit {
    /// With the checksum of the file of weights. A file that cannot be read is left to [`NetworkInit::build`] to
    /// refuse: other runs of a sweep need not suffer from it.
    fn resolve(mut self) -> Self {
        if let Self::Safetensors { path, checksum, .. } = &mut self
            && checksum.is_none()
        {
            *checksum = std::fs::read(path).ok().map(|bytes| files::sha256(&bytes));
        }
        self
    }

    /// The same weights: a file with the checksum of `other`'s is found where that is.
    pub(crate) fn found_with(&self, other: &Self) -> Self {
        match (self, other) {
            (
                Self::Safetensors { checksum: Some(own), .. },
                Self::Safetensors { checksum: Some(there), path, .. },
            ) if own == there => {
                let mut same = self.clone();
                if let Self::Safetensors { path: place, .. } = &mut same {
                    place.clone_from(path);
                }
                same
            }
            _ => self.clone(),
        }
    }
}

/// The settings of the kinds of [`WeightInit`] and [`BiasInit`] as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bound {
    #[serde(default = "one")]
    bound: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeepFraction {
    keep_fraction: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tensors {
    path: PathBuf,
    order: Option<Vec<String>>,
    checksum: Option<String>,
}

impl<'de> Deserialize<'de> for WeightInit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const KINDS: [&str; 6] = [
            "uniform",
            "kaiming_normal",
            "signed_kaiming_constant",
            "xavier_uniform",
            "xavier_normal",
            "safetensors",
        ];
        let (init, given) = settings::of_kind(deserializer, "init", &KINDS)?;
        let given = given.into();
        match init {
            "uniform" => settings::read(given).map(|Bound { bound }| Self::Uniform { bound }),
            "kaiming_normal" => settings::read(given)
                .map(|KeepFraction { keep_fraction }| Self::KaimingNormal { keep_fraction }),
            "signed_kaiming_constant" => settings::read(given)
                .map(|KeepFraction { keep_fraction }| Self::SignedKaimingConstant { keep_fraction }),
            "xavier_uniform" => settings::read(given).map(|Nothing {}| Self::XavierUniform {}),
            "xavier_normal" => settings::read(given).map(|Nothing {}| Self::XavierNormal {}),
            _ => settings::read(given).map(|Tensors { path, order, checksum }| Self::Safetensors {
                path,
                order,
                checksum,
            }),
        }
        .map_err(BadSetting::within)
    }
}

impl Default for WeightInit {
    fn default() -> Self {
        Self::Uniform { bound: 1.0 }
    }
}

/// How biases are drawn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "init", rename_all = "snake_case")]
#[schemars(transform = settings::or_word("init"))]
pub enum BiasInit {
    /// From the same distribution as the layer's weights.
    #[default]
    AsWeights,
    /// All are 0.
    Zero {},
    /// Uniform on `[-bound, bound]`.
    Uniform {
        /// The largest absolute value, above 0.
        #[schemars(default = "one")]
        bound: f64,
    },
}

impl<'de> Deserialize<'de> for BiasInit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (init, given) = settings::of_kind(deserializer, "init", &["as_weights", "zero", "uniform"])?;
        let given = given.into();
        match init {
            "as_weights" => settings::read(given).map(|Nothing {}| Self::AsWeights),
            "zero" => settings::read(given).map(|Nothing {}| Self::Zero {}),
            _ => settings::read(given).map(|Bound { bound }| Self::Uniform { bound }),
        }
        .map_err(BadSetting::within)
    }
}

fn one() -> f64 {
    1.0
}

/// Why a network could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("network.layers: {0}")]
    Architecture(#[from] ArchitectureError),
    #[error(transparent)]
    Setting(#[from] BadSetting),
    #[error("network: {0}")]
    Memory(#[from] TooMuch),
    #[error("{path}: {reason}")]
    File { path: PathBuf, reason: Flaw },
    #[error(
        "{path} is not the file of weights of the run (SHA-256 {checksum}); put that one back, or run anew"
    )]
    OtherFile { path: PathBuf, checksum: String },
}

impl NetworkConfig {
    /// Checks every number that needs no file.
    ///
    /// # Errors
    /// Names the key.
    pub fn validate(&self) -> Result<(), BadSetting> {
        match (&self.layers, &self.hidden) {
            (Some(_), Some(_)) => {
                return Err(BadSetting::new("", "has both layers and hidden; remove one of them"));
            }
            (None, None) => return Err(layers_or_hidden()),
            _ => {}
        }
        check_draws(&self.weights, &self.biases)
    }

    /// The file of weights, where they are from one, to change.
    pub(crate) fn weights_file_mut(&mut self) -> Option<&mut PathBuf> {
        match &mut self.weights {
            WeightInit::Safetensors { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The network for data of so many features and classes.
    ///
    /// # Errors
    /// When `hidden` holds no widths or a zero.
    pub fn resolve(self, features: usize, classes: usize) -> Result<NetworkInit, NetworkError> {
        let layers = match (self.layers, self.hidden) {
            (Some(layers), None) => layers,
            (None, Some(hidden)) => Architecture::try_from([&[features], &hidden[..], &[classes]].concat())
                .map_err(|error| {
                let of_data = "with the features and the classes of the data";
                BadSetting::new("network.hidden", format!("{error} {of_data}"))
            })?,
            _ => return Err(layers_or_hidden().below("network").into()),
        };
        Ok(NetworkInit { layers, weights: self.weights.resolve(), biases: self.biases })
    }
}

impl NetworkInit {
    /// Uniform weights and biases on [-1, 1].
    pub fn plain(layers: Architecture) -> Self {
        Self { layers, weights: WeightInit::default(), biases: BiasInit::default() }
    }

    /// The network of a seed: weights layer by layer, then biases layer by layer, from the seed's network
    /// stream. A safetensors file gives the same network for every seed.
    ///
    /// # Errors
    /// When a number makes no sense, memory does not hold the parameters, or a file does not have them.
    pub fn build(&self, seed: u64) -> Result<Network, NetworkError> {
        check_draws(&self.weights, &self.biases).map_err(|error| error.below("network"))?;
        let layers = &self.layers;
        if let WeightInit::Safetensors { path, order, checksum } = &self.weights {
            if let (Some(then), Ok(bytes)) = (checksum, std::fs::read(path))
                && files::sha256(&bytes) != *then
            {
                return Err(NetworkError::OtherFile { path: path.clone(), checksum: then.clone() });
            }
            return safetensors::load(path, layers, order.as_deref());
        }
        let mut rng = random::stream(seed, Concern::Network);
        memory::require(layers.bytes(), || format!("the weights of {layers}"))?;
        let mut weights = Vec::with_capacity(layers.weights());
        for layer in layers.layers() {
            weights.extend((0..layer.weights()).map(|_| self.draw_weight(&layer, &mut rng)));
        }
        let mut biases = Vec::with_capacity(layers.biases());
        for layer in layers.layers() {
            biases.extend((0..layer.outputs).map(|_| match self.biases {
                BiasInit::AsWeights => self.draw_weight(&layer, &mut rng),
                BiasInit::Zero {} => 0.0,
                BiasInit::Uniform { bound } => uniform(bound, &mut rng),
            }));
        }
        Ok(Network::new(layers.clone(), weights, biases).expect("as many parameters as the architecture has"))
    }

    fn draw_weight(&self, layer: &Layer, rng: &mut Stream) -> f32 {
        let fan_in = layer.inputs as f64;
        let fan_sum = (layer.inputs + layer.outputs) as f64;
        match self.weights {
            WeightInit::Uniform { bound } => uniform(bound, rng),
            WeightInit::KaimingNormal { keep_fraction } => {
                (kaiming_deviation(fan_in, keep_fraction) * random::normal(rng)) as f32
            }
            WeightInit::SignedKaimingConstant { keep_fraction } => {
                let deviation = kaiming_deviation(fan_in, keep_fraction);
                (if random::chance(rng, 0.5) { deviation } else { -deviation }) as f32
            }
            WeightInit::XavierUniform {} => uniform((6.0 / fan_sum).sqrt(), rng),
            WeightInit::XavierNormal {} => ((2.0 / fan_sum).sqrt() * random::normal(rng)) as f32,
            WeightInit::Safetensors { .. } => unreachable!("a file's weights are loaded, not drawn"),
        }
    }
}

/// Checks the numbers that say how weights and biases are drawn.
fn check_draws(weights: &WeightInit, biases: &BiasInit) -> Result<(), BadSetting> {
    match *weights {
        WeightInit::Uniform { bound } => positive("weights.bound", bound)?,
        WeightInit::KaimingNormal { keep_fraction: Some(keep) }
        | WeightInit::SignedKaimingConstant { keep_fraction: Some(keep) } => {
            let is_fraction = keep > 0.0 && keep <= 1.0;
            ensure(is_fraction, "weights.keep_fraction", "above 0 and at most 1", keep)?;
        }
        WeightInit::Safetensors { .. } if *biases != BiasInit::AsWeights => {
            let reason = "the safetensors file brings its own biases; remove network.biases";
            return Err(BadSetting::new("biases", reason));
        }
        _ => {}
    }
    match *biases {
        BiasInit::Uniform { bound } => positive("biases.bound", bound),
        _ => Ok(()),
    }
}

fn positive(key: &str, found: f64) -> Result<(), BadSetting> {
    ensure(found > 0.0 && found.is_finite(), key, "a finite number above 0", found)
}

fn layers_or_hidden() -> BadSetting {
    let reason =
        "needs either layers (all widths, such as [2, 75, 2]) or hidden (hidden widths, such as [75])";
    BadSetting::new("", reason)
}

fn uniform(bound: f64, rng: &mut Stream) -> f32 {
    ((2.0 * random::unit(rng) - 1.0) * bound) as f32
}

fn kaiming_deviation(fan_in: f64, keep_fraction: Option<f64>) -> f64 {
    (2.0 / (fan_in * keep_fraction.unwrap_or(1.0))).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(weights: &str, biases: &str, seed: u64) -> Network {
        let text = format!(r#"{{"layers": [50, 400, 10], "weights": {weights}, "biases": {biases}}}"#);
        let config: NetworkInit = serde_json::from_str(&text).expect("a valid configuration");
        config.build(seed).expect("a network")
    }

    fn deviation(values: &[f32]) -> f64 {
        let n = values.len() as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        (values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n).sqrt()
    }

    /// 20,000 draws: a standard error of at most half a percent; five of them.
    const TOLERANCE: f64 = 0.025;

    #[test]
    fn every_initialisation_has_its_standard_deviation() {
        let cases = [
            (r#"{"init": "uniform", "bound": 0.5}"#, 0.5 / 3f64.sqrt()),
            (r#"{"init": "kaiming_normal"}"#, (2.0 / 50.0f64).sqrt()),
            (r#"{"init": "kaiming_normal", "keep_fraction": 0.25}"#, 2.0 * (2.0 / 50.0f64).sqrt()),
            (r#"{"init": "signed_kaiming_constant", "keep_fraction": 0.5}"#, (4.0 / 50.0f64).sqrt()),
            (r#"{"init": "xavier_uniform"}"#, (2.0 / 450.0f64).sqrt()),
            (r#"{"init": "xavier_normal"}"#, (2.0 / 450.0f64).sqrt()),
        ];
        for (init, expected) in cases {
            let network = network(init, r#"{"init": "zero"}"#, 1);
            let first = deviation(network.layer_weights(&network.architecture().layer(0)));
            assert!((first / expected - 1.0).abs() <= TOLERANCE, "{init}: {first} against {expected}");
            assert!(network.biases().iter().all(|&b| b == 0.0));
        }
    }

    #[test]
    fn a_seed_repeats_its_network_and_another_seed_differs() {
        let draw = |seed| network(r#"{"init": "uniform"}"#, r#"{"init": "as_weights"}"#, seed);
        assert_eq!(draw(0), draw(0));
        assert_ne!(draw(0), draw(1));
        assert!(draw(0).biases().iter().any(|&b| b != 0.0));
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for text in [
            r#"{"layers": [2, 3, 2], "weights": {"init": "uniform", "bound": 0}}"#,
            r#"{"layers": [2, 3, 2], "weights": {"init": "kaiming_normal", "keep_fraction": 1.5}}"#,
            r#"{"layers": [2, 3, 2], "biases": {"init": "uniform", "bound": -1}}"#,
        ] {
            let config: NetworkInit = serde_json::from_str(text).expect("well-formed");
            assert!(config.build(0).is_err(), "{text}");
        }
        for text in [
            r#"{"layers": [2, 2]}"#,
            r#"{"layers": [2, 0, 2]}"#,
            r#"{"layers": [100000, 100000, 2]}"#,
            r#"{"layers": [2, 3, 2], "weights": {"init": "xavier_uniform", "bound": 1}}"#,
            r#"{"layers": [2, 3, 2], "wieghts": {}}"#,
        ] {
            assert!(serde_json::from_str::<NetworkInit>(text).is_err(), "{text}");
        }
    }
}
