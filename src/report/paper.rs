//! The numbers that the paper publishes, to stand beside ours.

use crate::archive::ArchivedRun;
use crate::dataset::DatasetConfig;
use crate::network::{BiasInit, WeightInit};
use crate::run::algorithm::Algorithm;
use crate::search::genetic::GeneticConfig;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::LazyLock;

#[derive(Deserialize)]
struct Paper {
    source: String,
    /// Layer widths by data set and letter.
    architectures: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
    accuracy_percent: Published<BTreeMap<String, BTreeMap<String, [f64; 2]>>>,
    mixed_model: Published<Vec<PublishedEffect>>,
}

/// Values by data set.
#[derive(Deserialize)]
struct Published<T> {
    values: BTreeMap<String, T>,
}

/// A row of the paper's Figure 6c.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PublishedEffect {
    pub reference: String,
    pub target: String,
    pub coefficient: f64,
    pub standard_error: f64,
    pub z: f64,
    pub p: f64,
    pub interval: [f64; 2],
}

/// A published accuracy in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    pub mean: f64,
    pub standard_deviation: f64,
}

static PAPER: LazyLock<Paper> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../data/paper.json")).expect("the bundled file is valid")
});

/// Where the numbers are from.
pub fn source() -> &'static str {
    &PAPER.source
}

/// The paper's letter for an architecture (`widths`, inputs to outputs), by its hidden layers.
pub fn letter(dataset: &str, widths: &[usize]) -> Option<&'static str> {
    let hidden = |widths: &[usize]| widths[1..widths.len() - 1].to_vec();
    let architectures = PAPER.architectures.get(dataset)?;
    let found = architectures.iter().find(|(_, published)| hidden(published) == hidden(widths));
    found.map(|(letter, _)| letter.as_str())
}

/// The paper's accuracy of backpropagation on the data and network of `run`.
pub fn backpropagation(run: &ArchivedRun) -> Option<Accuracy> {
    published(run, "backprop")
}

/// The paper's accuracy of the run's cell: its data set, network and algorithm are those of the paper in
/// every setting.
pub fn accuracy(run: &ArchivedRun) -> Option<Accuracy> {
    if !is_papers_algorithm(run) {
        return None;
    }
    published(run, &run.kind)
}

fn published(run: &ArchivedRun, kind: &str) -> Option<Accuracy> {
    let network = run.network.as_ref()?;
    let initialised_alike = kind == "backprop"
        || (network.weights == WeightInit::default()
            && matches!(&network.biases, BiasInit::AsWeights | BiasInit::Uniform { bound: 1.0 }));
    if !is_papers_data(run) || !initialised_alike {
        return None;
    }
    let widths = network.layers.widths();
    let architectures = PAPER.architectures.get(run.dataset_kind())?;
    let (letter, _) = architectures.iter().find(|(_, published)| published.as_slice() == widths)?;
    let &[mean, standard_deviation] =
        PAPER.accuracy_percent.values.get(run.dataset_kind())?.get(letter)?.get(kind)?;
    Some(Accuracy { mean, standard_deviation })
}

fn is_papers_algorithm(run: &ArchivedRun) -> bool {
    let default = match run.kind.as_str() {
        "ga" => GeneticConfig::default(),
        "ga_adaptive_ab" => GeneticConfig::adaptive(),
        "backprop" => return true,
        _ => return false,
    };
    let Some(layers) = run.layers() else { return false };
    // The paper's two-class data sets are balanced.
    let Ok(resolved) = default.resolve(layers, 0.5) else { return false };
    let algorithm = serde_json::from_value::<Algorithm>(run.config["algorithm"].clone());
    algorithm.is_ok_and(|algorithm| algorithm.genetic() == Some(&resolved))
}

/// The paper's comparisons of algorithms on the data of `run`, where those are the paper's.
pub fn effects(run: &ArchivedRun) -> &'static [PublishedEffect] {
    if is_papers_data(run) { effects_on(run.dataset_kind()) } else { &[] }
}

fn effects_on(dataset: &str) -> &'static [PublishedEffect] {
    PAPER.mixed_model.values.get(dataset).map_or(&[], Vec::as_slice)
}

/// Are the data those of the paper, in every setting?
fn is_papers_data(run: &ArchivedRun) -> bool {
    let default = serde_json::from_value::<DatasetConfig>(json!({ "kind": run.dataset_kind() }));
    default.is_ok_and(|default| run.dataset == Some(default))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_numbers_are_the_papers() {
        assert_eq!(letter("moons", &[2, 75, 2]), Some("B"));
        assert_eq!(letter("digits", &[64, 50, 50, 3]), Some("D"));
        assert_eq!(letter("moons", &[2, 76, 2]), None);
        assert_eq!(effects_on("moons")[3].coefficient, 0.661);
        assert!(effects_on("digits").is_empty());
    }
}
