//! Populations of genetic searches as safetensors files.

use crate::files;
use crate::run::{Observer, PopulationView, Run};
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Writes populations beside the records of their runs: the last one of every genetic search, as
/// `NAME-seedN.population.safetensors`, and, where asked, that of every k-th generation, as
/// `NAME-seedN.population-GENERATION.safetensors`.
pub struct PopulationFiles {
    folder: PathBuf,
    every: Option<usize>,
    failure: OnceLock<(PathBuf, io::Error)>,
}

impl PopulationFiles {
    pub fn new(folder: PathBuf, every: Option<usize>) -> Self {
        Self { folder, every, failure: OnceLock::new() }
    }

    /// The first file that could not be written, and why.
    pub fn failure(&self) -> Option<&(PathBuf, io::Error)> {
        self.failure.get()
    }
}

impl Observer for PopulationFiles {
    fn population(&self, run: &Run, population: &PopulationView<'_>) {
        let generation = population.search.generations();
        let name = match (population.test_correct, self.every) {
            (Some(_), _) => "population.safetensors".to_owned(),
            (None, Some(every)) if generation.is_multiple_of(every) => {
                format!("population-{generation}.safetensors")
            }
            _ => return,
        };
        let path = self.folder.join(format!("{}.{name}", run.config.stem()));
        let written = bytes(run, population).and_then(|bytes| files::write(&path, &bytes));
        if let Err(error) = written {
            // The first failure is told.
            let _ = self.failure.set((path, error));
        }
    }
}

/// The bytes of a population: `masks` (`[individuals, words]`, packed as in [`mask`](crate::mask): bit `i` of a mask is
/// bit `i % 32` of word `i / 32`), `train_correct`, `born` (the generation that made an individual), the last population's
/// `test_correct`, all of 32 bits without a sign, and `loss` (64-bit floats) where the search went by one.
fn bytes(run: &Run, view: &PopulationView<'_>) -> io::Result<Vec<u8>> {
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
    serialize(tensors, Some(about(run, view)?)).map_err(io::Error::other)
}

/// Texts by key: what the masks are of.
fn about(run: &Run, view: &PopulationView<'_>) -> io::Result<HashMap<String, String>> {
    let config = &run.config;
    let network = config.network.build(config.seed).map_err(io::Error::other)?;
    let texts = [
        ("run", config.stem()),
        ("seed", config.seed.to_string()),
        ("generation", view.search.generations().to_string()),
        ("architecture", config.network.layers.to_string()),
        ("weights", config.network.layers.weights().to_string()),
        ("network_checksum", network.checksum()),
        ("data_checksum", view.dataset.checksum().to_owned()),
        ("train_samples", view.dataset.train.len().to_string()),
        ("test_samples", view.dataset.test.len().to_string()),
        ("program", format!("supermask {}", env!("CARGO_PKG_VERSION"))),
    ];
    Ok(texts.into_iter().map(|(key, text)| (key.to_owned(), text)).collect())
}
