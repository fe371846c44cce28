//! All algorithms of a folder of records, compared pair by pair and ranked.

use super::cells::{CellRuns, distinct};
use super::comparison::dataset_name;
use super::figures;
use crate::archive::{Archive, ArchivedRun};
use crate::printable;
use crate::stats::all_pairs::{ComparedPair, MeanRanks, all_pairs, magnitude, mean_ranks};
use crate::stats::compare::{CompareError, ComparedAlgorithm, RunAccuracy, p_text, side_text, test_text};
use crate::table::Table;
use serde::Serialize;
use std::collections::BTreeMap;

/// Every pair of algorithms, data set by data set, and their ranks over all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedAll {
    pub datasets: Vec<PairsOnDataset>,
    /// None where no data set, architecture and seed has runs of all algorithms.
    pub ranks: Option<MeanRanks>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairsOnDataset {
    pub dataset: String,
    pub pairs: Vec<ComparedPair>,
}

/// Why algorithms cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareAllError {
    #[error("--all: every record is of {only}; there is nothing to compare it with")]
    One { only: String },
    #[error(transparent)]
    Compare(#[from] CompareError),
}

/// Runs of one algorithm, by its name.
type Outcomes = Vec<(String, Vec<RunAccuracy>)>;

/// A run, and how its algorithm is called.
type AlgorithmRun<'a> = (String, &'a ArchivedRun);

fn outcomes<'a>(
    algorithms: &[String],
    runs: impl Iterator<Item = &'a AlgorithmRun<'a>> + Clone,
    block: impl Fn(&ArchivedRun) -> String,
) -> Outcomes {
    let of = |algorithm: &String| {
        let runs = runs.clone().filter(|(name, _)| name == algorithm);
        let outcome = |(_, run): &AlgorithmRun<'_>| RunAccuracy {
            architecture: block(run),
            seed: run.seed,
            accuracy: run.result.test_accuracy,
        };
        (algorithm.clone(), runs.map(outcome).collect::<Vec<_>>())
    };
    algorithms.iter().map(of).filter(|(_, runs)| !runs.is_empty()).collect()
}

fn borrowed(outcomes: &Outcomes) -> Vec<ComparedAlgorithm<'_>> {
    outcomes.iter().map(|(name, outcomes)| ComparedAlgorithm { name, outcomes }).collect()
}

/// Compares all algorithms of an archive; `alpha` is what counts as significant.
///
/// # Errors
/// Where there is one algorithm only, or an accuracy is not finite.
pub fn compare_all(archive: &Archive, alpha: f64) -> Result<ComparedAll, CompareAllError> {
    let cells = super::cells::cells(archive);
    let of_cell = |cell: &CellRuns<'_>| printable::line(&cell.algorithm()).into_owned();
    let runs: Vec<AlgorithmRun<'_>> =
        cells.iter().flat_map(|cell| cell.runs.iter().map(|run| (of_cell(cell), *run))).collect();
    let algorithms = distinct(runs.iter().map(|(name, _)| name.clone()));
    if let [only] = &algorithms[..] {
        return Err(CompareAllError::One { only: only.clone() });
    }
    let mut by_dataset: BTreeMap<String, Vec<&AlgorithmRun<'_>>> = BTreeMap::new();
    for run in &runs {
        by_dataset.entry(dataset_name(run.1)).or_default().push(run);
    }
    let mut datasets = Vec::new();
    for (dataset, runs) in &by_dataset {
        let outcomes = outcomes(&algorithms, runs.iter().copied(), |run| run.cell.architecture.clone());
        let pairs = all_pairs(&borrowed(&outcomes))?;
        datasets.push(PairsOnDataset { dataset: dataset.clone(), pairs });
    }
    let block = |run: &ArchivedRun| format!("{} {}", dataset_name(run), run.cell.architecture);
    let ranks = mean_ranks(&borrowed(&outcomes(&algorithms, runs.iter(), block)), alpha);
    Ok(ComparedAll { datasets, ranks })
}

impl ComparedAll {
    /// The pairs of all data sets.
    pub fn pairs(&self) -> Table {
        let columns =
            ["data set", "first", "second", ">first %", ">second %", ">A12", "effect", "test", ">p (Holm)"];
        let mut table = Table::new("all-pairs", "All pairs", &columns);
        for PairsOnDataset { dataset, pairs } in &self.datasets {
            for pair in pairs {
                table.push(vec![
                    dataset.clone(),
                    pair.first.clone(),
                    pair.second.clone(),
                    side_text(&Some(pair.first_runs)),
                    side_text(&Some(pair.second_runs)),
                    format!("{:.3}", pair.a12),
                    magnitude(pair.a12).to_owned(),
                    test_text(&Some(pair.test)),
                    p_text(pair.p_holm),
                ]);
            }
        }
        table
    }

    /// The mean ranks, and what they rest on in a sentence.
    pub fn ranks(&self) -> Option<(Table, String)> {
        let ranks = self.ranks.as_ref()?;
        let mut table = Table::new("mean-ranks", "Mean ranks", &["algorithm", ">mean rank"]);
        for rank in &ranks.algorithms {
            table.push(vec![rank.algorithm.clone(), format!("{:.3}", rank.mean_rank)]);
        }
        let friedman = ranks.friedman.map_or_else(String::new, |test| {
            format!("; Friedman: chi-squared {:.3}, p = {}", test.chi_squared, p_text(test.p))
        });
        let (count, blocks) = (ranks.algorithms.len(), ranks.blocks);
        let mut text = format!(
            "{count} algorithms on {blocks} blocks (data set, architecture and seed) that all have{friedman}\n"
        );
        for group in &ranks.groups {
            text += &format!("not told apart at {} (Wilcoxon, Holm): {}\n", ranks.alpha, group.join("; "));
        }
        Some((table, text))
    }

    /// The critical-difference diagram as SVG; none without ranks.
    pub fn diagram(&self) -> Option<String> {
        self.ranks.as_ref().map(figures::critical_difference)
    }
}
