//! Populations of genetic searches as safetensors files.

use super::safetensors::serialized;
use crate::files;
use crate::run::{Observer, PopulationView, Run};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Writes populations beside the records of their runs: the last one of every genetic search, as
/// `NAME-seedN.population.safetensors`, and, where asked, that of every k-th generation, as
/// `NAME-seedN.population-GENERATION.safetensors`.
pub struct PopulationFiles {
    folder: PathBuf,
    every: Option<usize>,
    /// The checksum of each run's network, by the run's name: making a network takes longer than writing a population.
    networks: Mutex<HashMap<String, String>>,
    failure: OnceLock<(PathBuf, io::Error)>,
}

impl PopulationFiles {
    pub fn new(folder: PathBuf, every: Option<usize>) -> Self {
        Self { folder, every, networks: Mutex::default(), failure: OnceLock::new() }
    }

    /// The first file that could not be written, and why.
    pub fn failure(&self) -> Option<&(PathBuf, io::Error)> {
        self.failure.get()
    }

    fn network_checksum(&self, run: &Run) -> io::Result<String> {
        let (name, config) = (run.config.stem(), &run.config);
        let mut known = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(checksum) = known.get(&name) {
            return Ok(checksum.clone());
        }
        let checksum = config.network.build(config.seed).map_err(io::Error::other)?.checksum();
        known.insert(name, checksum.clone());
        Ok(checksum)
    }
}

impl PopulationFiles {
    fn write(&self, run: &Run, population: &PopulationView<'_>, name: &str) {
        let path = self.folder.join(format!("{}.{name}", run.config.stem()));
        let network = self.network_checksum(run);
        let written = network.and_then(|network| bytes(run, population, network));
        let written = written.and_then(|bytes| files::write(&path, &bytes));
        if let Err(error) = written {
            // The first failure is told.
            let _ = self.failure.set((path, error));
        }
    }
}

impl Observer for PopulationFiles {
    fn population(&self, run: &Run, population: &PopulationView<'_>) {
        let generation = population.search.generations();
        // Where the run goes on later, the last population is another, and this one's generation is one of many.
        if self.every.is_some_and(|every| generation.is_multiple_of(every)) {
            let of_generation = PopulationView { test_correct: None, ..*population };
            self.write(run, &of_generation, &format!("population-{generation}.safetensors"));
        }
        if population.test_correct.is_some() {
            self.write(run, population, "population.safetensors");
        }
    }
}

/// The bytes of a population: `masks` (`[individuals, words]`, packed as in [`mask`](crate::mask): bit `i` of a mask is
/// bit `i % 32` of word `i / 32`), `train_correct`, `born` (the generation that made an individual), the last population's
/// `test_correct`, all of 32 bits without a sign, and `loss` (64-bit floats) where the search went by one.
fn bytes(run: &Run, view: &PopulationView<'_>, network_checksum: String) -> io::Result<Vec<u8>> {
    let (population, ranking) = (view.search.population(), view.search.ranking());
    let members = population.members();
    let masks: Vec<u32> = (0..members.len()).flat_map(|n| population.mask(n)).copied().collect();
    let correct: Vec<u32> = members.iter().map(|member| member.correct).collect();
    let born: Vec<u32> = members.iter().map(|member| member.born).collect();
    let losses: Option<Vec<f64>> = members.iter().map(|member| ranking.mean_loss(member.loss())).collect();
    let count = members.len();
    let mut tensors: Vec<(&str, Dtype, Vec<usize>, &[u8])> = vec![
        ("masks", Dtype::U32, vec![count, masks.len() / count.max(1)], bytemuck::cast_slice(&masks)),
        ("train_correct", Dtype::U32, vec![count], bytemuck::cast_slice(&correct)),
        ("born", Dtype::U32, vec![count], bytemuck::cast_slice(&born)),
    ];
    let test =
        view.test_correct.map(|test| ("test_correct", Dtype::U32, vec![count], bytemuck::cast_slice(test)));
    tensors.extend(test);
    let losses = losses.as_ref();
    tensors.extend(losses.map(|losses| ("loss", Dtype::F64, vec![count], bytemuck::cast_slice(losses))));
    let tensor = |(name, dtype, shape, bytes): (&'static str, Dtype, Vec<usize>, _)| {
        (name, TensorView::new(dtype, shape, bytes).expect("as many bytes as the shape says"))
    };
    let tensors: Vec<_> = tensors.into_iter().map(tensor).collect();
    serialized(tensors, about(run, view, network_checksum)).map_err(io::Error::other)
}

/// Texts by key: what the masks are of.
fn about(run: &Run, view: &PopulationView<'_>, network_checksum: String) -> HashMap<String, String> {
    let config = &run.config;
    let texts = [
        ("run", config.stem()),
        ("seed", config.seed.to_string()),
        ("generation", view.search.generations().to_string()),
        ("architecture", config.network.layers.to_string()),
        ("weights", config.network.layers.weights().to_string()),
        ("network_checksum", network_checksum),
        ("data_checksum", view.dataset.checksum().to_owned()),
        ("train_samples", view.dataset.train.len().to_string()),
        ("test_samples", view.dataset.test.len().to_string()),
        ("program", format!("supermask {}", env!("CARGO_PKG_VERSION"))),
    ];
    texts.into_iter().map(|(key, text)| (key.to_owned(), text)).collect()
}
