//! Fitness that no gradient passes through: a network reads strips of handwritten digits and says strings, and masks are
//! judged by the edit distance to the right ones.
//!
//! `cargo run --release --example edit_distance -- FIRST..END [SETTING=VALUE…]`, where a setting is a path such as
//! `algorithm.population=200`; one run for each seed.
//!
//! A strip is three to five images of the digits data side by side, with blank columns around them. The network sees a window of
//! eight columns at every fourth one and says a digit or a blank, each window by itself. The string is what it says from left to
//! right, repeats taken once and blanks left out, as in connectionist temporal classification (Graves et al. 2006). A judge of
//! the library's trait [`Judge`] gives the mean Levenshtein distance, negative. Which window shows which digit is never told.
//!
//! Beside it stands what labels of every window give: a mask found by local search on the margin loss, and all weights trained by
//! cross-entropy (backpropagation).

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use supermask::baseline::backprop::{self, BackpropConfig};
use supermask::dataset::{Dataset, DatasetConfig, Samples, Schema, Split};
use supermask::evaluate::{
    Arithmetic, Backend, Batch, CpuBackend, Detail, Evidence, Exhibit, Judge, JudgeError, JudgedBackend,
    Problem,
};
use supermask::mask;
use supermask::network::{Architecture, Network};
use supermask::objective::Needs;
use supermask::random::index;
use supermask::run::config::RunConfig;
use supermask::run::record::Record;
use supermask::run::{self, Control, Run};

/// Rows and columns of an image, and of a window.
const SIDE: usize = 8;
/// Columns from a window to the next.
const STRIDE: usize = 4;
/// A window shows a digit if it is no more columns away: every digit has one, and a blank one stands behind it.
const NEAR: usize = 2;
/// The class of windows without a digit.
const BLANK: u8 = 10;

/// Strips of the training images, and of the test images.
const STRIPS: [usize; 2] = [300, 300];
/// The same strips for every run.
const STRIPS_SEED: u64 = 15;

/// A search by edit distance alone.
fn by_edit_distance() -> Value {
    json!({
        "kind": "ga", "fitness": "own", "mutation_operator": "heavy_tailed",
        "termination": {"min_generations": 2000, "patience": 2000, "max_generations": 2000}
    })
}

/// A search that is told what every window shows.
fn by_labels() -> Value {
    json!({
        "kind": "local_search", "proposals": 400_000, "swap_rate": 0.5, "margin": {"spread_factor": 2},
        "temperature": {"start": 0.001, "end": 1e-6}, "weight_price": 2e-5
    })
}

/// A strip's string, and how many windows it has.
struct Strip {
    digits: Vec<u8>,
    windows: usize,
}

/// Strips of the images of `of`, and the samples that their windows are, one strip's after the other's.
fn strips(of: &Samples, count: usize, rng: &mut ChaCha8Rng) -> (Vec<Strip>, Samples) {
    let background = of.features.iter().copied().fold(f32::INFINITY, f32::min);
    let (mut strips, mut samples) = (Vec::new(), Samples::none(SIDE * SIDE));
    for _ in 0..count {
        let mut columns: Vec<[f32; SIDE]> = vec![[background; SIDE]; index(rng, SIDE / 2)];
        let mut digits = Vec::new();
        let mut starts = Vec::new();
        for _ in 0..3 + index(rng, 3) {
            let image = index(rng, of.len());
            digits.push(of.labels[image] as u8);
            starts.push(columns.len());
            let pixel = |column: usize, row: usize| of.features[(image * SIDE + row) * SIDE + column];
            columns.extend((0..SIDE).map(|column| std::array::from_fn(|row| pixel(column, row))));
            columns.resize(columns.len() + 2 + index(rng, SIDE - 1), [background; SIDE]);
        }
        columns.resize(columns.len().next_multiple_of(STRIDE), [background; SIDE]);
        let first = samples.len();
        for start in (0..=columns.len() - SIDE).step_by(STRIDE) {
            let window = &columns[start..start + SIDE];
            samples.features.extend((0..SIDE).flat_map(|row| window.iter().map(move |column| column[row])));
            let shown = starts.iter().position(|digit| digit.abs_diff(start) <= NEAR);
            samples.labels.push(shown.map_or(BLANK, |shown| digits[shown]).into());
        }
        let labels: Vec<u8> = samples.labels[first..].iter().map(|&label| label as u8).collect();
        assert_eq!(read(&labels), digits, "the labels of the windows say the string");
        strips.push(Strip { digits, windows: labels.len() });
    }
    (strips, samples)
}

/// The string that windows say.
fn read(windows: &[u8]) -> Vec<u8> {
    let mut said = windows.to_vec();
    said.dedup();
    said.retain(|&class| class != BLANK);
    said
}

/// Strips of both splits, to compare with what windows say.
struct EditDistance([Vec<Strip>; 2]);

impl EditDistance {
    /// The edit distance of each strip of `split`, of what is said of all of its windows, `[samples]`.
    fn distances(&self, split: Split, mut said: &[u8]) -> Vec<usize> {
        let distance = |strip: &Strip| {
            let (windows, rest) = said.split_at(strip.windows);
            said = rest;
            strsim::generic_levenshtein(&read(windows), &strip.digits)
        };
        self.0[split as usize].iter().map(distance).collect()
    }
}

impl Judge for EditDistance {
    fn needs(&self) -> Needs {
        Needs::Predictions
    }

    fn judge(&self, exhibit: &Exhibit<'_>) -> Result<Vec<f64>, JudgeError> {
        let Evidence::Predictions(said) = exhibit.evidence else {
            return Err(JudgeError("something else than predictions was shown".to_owned()));
        };
        let score = |of_mask: &[u8]| {
            let distances = self.distances(exhibit.split, of_mask);
            -(distances.iter().sum::<usize>() as f64 / distances.len() as f64)
        };
        Ok(said.chunks(exhibit.samples()).map(score).collect())
    }
}

/// The strips, and their windows as a data set.
struct Reading {
    judge: Arc<EditDistance>,
    dataset: Arc<Dataset>,
}

impl Reading {
    fn new() -> Result<Self, Box<dyn Error>> {
        let digits: DatasetConfig = serde_json::from_value(json!({"kind": "digits"}))?;
        let digits = digits.load()?;
        let mut rng = ChaCha8Rng::seed_from_u64(STRIPS_SEED);
        let (train, train_windows) = strips(&digits.train, STRIPS[0], &mut rng);
        let (test, test_windows) = strips(&digits.test, STRIPS[1], &mut rng);
        let schema = Schema::numbered(usize::from(BLANK) + 1);
        let dataset = Dataset::new(train_windows, test_windows, Samples::none(SIDE * SIDE), schema);
        Ok(Self { judge: Arc::new(EditDistance([train, test])), dataset: Arc::new(dataset) })
    }

    fn run(&self, config: &Value) -> Result<Record, Box<dyn Error>> {
        let config = RunConfig::from_value(config.clone())?.resolve(&self.dataset)?;
        let run = Run { cell: config.cell(), config };
        let judge: Arc<dyn Judge> = Arc::clone(&self.judge) as Arc<dyn Judge>;
        let backend = JudgedBackend::new(Arc::new(CpuBackend(Arithmetic::Fused)), judge);
        let never = AtomicBool::new(false);
        let record = run::run(&run, &self.dataset, &backend, &Control::stopping_at(&never))?;
        record.ok_or_else(|| "nothing was found".into())
    }

    /// Makes the run of `config` and says how well its ticket reads. Returns the network's shape.
    fn search(&self, what: &str, config: &Value) -> Result<Architecture, Box<dyn Error>> {
        let record = self.run(config)?;
        let ticket = record.mask().ok_or("a search has a ticket")??;
        self.tell(what, &record.config.network.build(record.config.seed)?, &ticket)?;
        let (found, seconds) = (&record.result, record.timing.wall().unwrap_or_default());
        let evaluations = found.evaluations.map_or(0, |evaluations| evaluations.made);
        println!("  {:<16}  sparsity {:.3}, {evaluations} evaluations, {seconds:.0} s", "", found.sparsity);
        Ok(record.config.network.layers)
    }

    /// Says how well `mask` of `network` reads.
    fn tell(&self, what: &str, network: &Network, mask: &[u32]) -> Result<(), Box<dyn Error>> {
        let backend = CpuBackend(Arithmetic::Fused);
        let mut evaluator = backend.evaluator(&Problem::of(network, &self.dataset))?;
        let mut line = format!("  {what:<16}");
        for split in [Split::Train, Split::Test] {
            let windows = self.dataset.split(split);
            let mut said = vec![0; windows.len()];
            let batch = Batch { masks: mask, networks: &[0] };
            evaluator.detail(split, batch, Detail::Predictions(&mut said))?;
            let distances = self.judge.distances(split, &said);
            let right = distances.iter().filter(|&&distance| distance == 0).count();
            let correct =
                said.iter().zip(&windows.labels).filter(|(said, label)| u32::from(**said) == **label);
            line += &format!(
                "  {split:?}: distance {:.3}, strings {:.1}%, windows {:.1}%",
                distances.iter().sum::<usize>() as f64 / distances.len() as f64,
                100.0 * right as f64 / distances.len() as f64,
                100.0 * correct.count() as f64 / windows.len() as f64
            );
        }
        println!("{line}");
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let seeds = args.next().ok_or("usage: edit_distance FIRST..END [SETTING=VALUE…]")?;
    let (first, end) = seeds.split_once("..").ok_or("seeds are FIRST..END")?;
    let network = json!({"hidden": [75]});
    let mut config =
        json!({"name": "strips", "dataset": "digits", "network": network, "algorithm": by_edit_distance()});
    for setting in args {
        let (path, value) = setting.split_once('=').ok_or("a setting is PATH=VALUE")?;
        let (parent, key) = path.rsplit_once('.').ok_or("a path such as algorithm.population")?;
        let place =
            config.pointer_mut(&format!("/{}", parent.replace('.', "/"))).ok_or("no such settings")?;
        place[key] = serde_json::from_str(value).unwrap_or(json!(value));
    }
    let reading = Reading::new()?;
    let (train, test) = (reading.dataset.train.len(), reading.dataset.test.len());
    println!("{} strips of {train} windows to search on, {} of {test} held out", STRIPS[0], STRIPS[1]);
    for seed in first.parse::<u64>()?..end.parse::<u64>()? {
        println!("seed {seed}");
        config["seed"] = json!(seed);
        reading.search("edit distance", &config)?;
        let mut told = config.clone();
        told["algorithm"] = by_labels();
        let layers = reading.search("labels, mask", &told)?;
        let (settings, never) = (BackpropConfig::default(), AtomicBool::new(false));
        let trained = backprop::train(&reading.dataset, &layers, &settings, seed, None, &never)?;
        let mut all = vec![0; layers.mask_words()];
        mask::fill(&mut all, layers.weights());
        reading.tell("labels, trained", &trained.network, &all)?;
    }
    Ok(())
}
