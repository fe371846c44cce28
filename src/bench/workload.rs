//! What is timed: random masks of a random network on data of its shape.

use crate::archive::throughput::WorkloadSize;
use crate::dataset::{Dataset, DatasetConfig, MoonsConfig, Samples, Schema};
use crate::flaw::Flaw;
use crate::mask;
use crate::memory::{TooMuch, product, require, sum};
use crate::network::{Architecture, Network, NetworkInit};
use crate::random::{Concern, Stream, chance, index, stream, unit};
use std::str::FromStr;

/// Root of the random numbers: a result is that of the same numbers every time.
const SEED: u64 = 0;

/// Values of one array at most, and words of all masks: what 32-bit indices reach.
const MOST_VALUES: usize = 1 << 30;

/// Samples and masks of a network that is no preset.
const SAMPLES: usize = 10_000;
const MASKS: usize = 100;

/// A network to time, and how much work it gets where nothing else is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preset {
    pub network: Architecture,
    pub samples: usize,
    pub masks: usize,
}

/// Networks that are timed where none is named: name, widths, samples, masks.
const PRESETS: [(&str, &[usize], usize, usize); 6] = [
    ("A", &[2, 20, 2], 50_000, 100),
    ("B", &[2, 75, 2], 50_000, 100),
    ("C", &[2, 100, 2], 50_000, 100),
    ("D", &[2, 50, 50, 2], 50_000, 100),
    ("digits", &[64, 512, 512, 10], 1_347, 100),
    ("mnist", &[784, 300, 100, 10], 10_000, 32),
];

impl Preset {
    /// The paper's four networks, and two wide ones.
    pub fn all() -> Vec<Self> {
        PRESETS.iter().map(Self::of_row).collect()
    }

    fn of_row(&(_, widths, samples, masks): &(&str, &[usize], usize, usize)) -> Self {
        let network = Architecture::try_from(widths.to_vec()).expect("a valid architecture");
        Self { network, samples, masks }
    }
}

/// A preset's name, or widths such as `2,75,2`.
impl FromStr for Preset {
    type Err = Flaw;

    fn from_str(text: &str) -> Result<Self, Flaw> {
        if let Some(row) = PRESETS.iter().find(|row| row.0.eq_ignore_ascii_case(text)) {
            return Ok(Self::of_row(row));
        }
        let widths: Result<Vec<usize>, _> =
            text.trim_matches(['[', ']']).split(',').map(|width| width.trim().parse()).collect();
        let widths = widths.map_err(|_| {
            let names: Vec<&str> = PRESETS.iter().map(|row| row.0).collect();
            format!("{text:?} is neither widths such as 2,75,2 nor one of {}", names.join(", "))
        })?;
        let network = Architecture::try_from(widths).map_err(|error| error.to_string())?;
        let known = PRESETS.iter().find(|row| row.1 == network.widths());
        Ok(known.map_or(Self { network, samples: SAMPLES, masks: MASKS }, Self::of_row))
    }
}

/// Why there is no such workload.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    #[error("{network} with {samples} samples and {masks} masks is too large: {what}")]
    TooLarge { network: Architecture, samples: usize, masks: usize, what: &'static str },
    #[error(transparent)]
    Memory(#[from] TooMuch),
    #[error(transparent)]
    Dataset(#[from] crate::dataset::DatasetError),
    #[error(transparent)]
    Network(#[from] crate::network::NetworkError),
}

impl WorkloadSize {
    /// Checks that indices reach everything.
    ///
    /// # Errors
    /// [`WorkloadError::TooLarge`] otherwise.
    pub fn validate(&self) -> Result<(), WorkloadError> {
        let fits = |a: usize, b: usize| a.checked_mul(b).is_some_and(|values| values <= MOST_VALUES);
        let what = if !fits(self.samples, self.network.inputs()) {
            "the data have more than 2^30 values; lower --samples"
        } else if !fits(self.masks, self.network.mask_words()) {
            "the masks have more than 2^30 words; lower --masks"
        } else {
            let values = sum(&[
                product(&[self.samples, self.network.inputs() + 1]),
                product(&[self.masks, self.network.mask_words()]),
            ]);
            let bytes = sum(&[self.network.bytes(), values.saturating_mul(4)]);
            let Self { network, samples, masks, .. } = self;
            return Ok(require(bytes, || format!("{masks} masks of {network} on {samples} samples"))?);
        };
        let (network, samples, masks) = (self.network.clone(), self.samples, self.masks);
        Err(WorkloadError::TooLarge { network, samples, masks, what })
    }
}

/// A network, its data and its masks. The training set has the size's samples; the test set has the few
/// on which the evaluator is checked against the plain form.
#[derive(Clone, Debug)]
pub struct Workload {
    pub size: WorkloadSize,
    pub network: Network,
    pub dataset: Dataset,
    /// `[masks, words per mask]`
    pub masks: Vec<u32>,
}

impl Workload {
    /// Draws everything: weights, biases and features uniform on [-1, 1], labels uniform. Networks of two
    /// inputs and two outputs get the moons.
    ///
    /// # Errors
    /// If the size is too large.
    pub fn new(size: WorkloadSize, check_samples: usize) -> Result<Self, WorkloadError> {
        size.validate()?;
        let architecture = &size.network;
        let network = NetworkInit::plain(architecture.clone()).build(SEED)?;
        let mut rng = stream(SEED, Concern::Bench);
        let dataset = if (architecture.inputs(), architecture.outputs()) == (2, 2) {
            moons(size.samples, check_samples)?
        } else {
            let train = samples(architecture, size.samples, &mut rng);
            let test = samples(architecture, check_samples, &mut rng);
            let validation = Samples::none(architecture.inputs());
            Dataset::new(train, test, validation, Schema::numbered(architecture.outputs()))
        };
        let words = architecture.mask_words();
        let mut masks = vec![0; size.masks * words];
        for mask in masks.chunks_exact_mut(words) {
            for bit in 0..architecture.weights() {
                if chance(&mut rng, size.density) {
                    mask::flip(mask, bit);
                }
            }
        }
        Ok(Self { network, dataset, masks, size })
    }
}

fn moons(train_samples: usize, test_samples: usize) -> Result<Dataset, WorkloadError> {
    let moons = MoonsConfig { train_samples, test_samples, ..MoonsConfig::default() };
    Ok(DatasetConfig::Moons(moons).load()?)
}

fn samples(architecture: &Architecture, count: usize, rng: &mut Stream) -> Samples {
    Samples {
        features: (0..count * architecture.inputs()).map(|_| (2.0 * unit(rng) - 1.0) as f32).collect(),
        labels: (0..count).map(|_| index(rng, architecture.outputs()) as u32).collect(),
        width: architecture.inputs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_named_or_given_by_its_widths() {
        let preset = |text: &str| text.parse::<Preset>();
        assert_eq!(preset("b").expect("B"), preset("2,75,2").expect("B's widths"));
        assert_eq!(preset("B").expect("B").samples, 50_000);
        assert_eq!(preset("[3, 4, 5]").expect("widths").network.widths(), [3, 4, 5]);
        for wrong in ["", "E", "2,x,2", "2", "2,0,2"] {
            assert!(preset(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn masks_have_the_density_asked_for() {
        let network = Architecture::try_from(vec![3, 100, 5]).expect("an architecture");
        for density in [0.0, 0.1, 0.9, 1.0] {
            let size = WorkloadSize { network: network.clone(), masks: 50, samples: 7, density };
            let workload = Workload::new(size, 3).expect("a workload");
            let kept = mask::count_ones(&workload.masks) as f64 / (50.0 * network.weights() as f64);
            // 40,000 draws: a standard error of at most a quarter of a percent; four of them.
            assert!((kept - density).abs() <= 0.01, "{kept} for {density}");
            assert_eq!((workload.dataset.train.len(), workload.dataset.test.len()), (7, 3));
        }
    }

    #[test]
    fn a_size_beyond_all_indices_is_refused() {
        let network = Architecture::try_from(vec![784, 300, 10]).expect("an architecture");
        let size = WorkloadSize { network, masks: 1, samples: usize::MAX / 2, density: 0.5 };
        assert!(size.validate().is_err());
    }
}
