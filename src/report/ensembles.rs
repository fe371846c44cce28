//! The tickets of a cell together: by majority vote, and by the mean of their outputs.

use super::cells::{CellRuns, algorithm};
use super::results::{LABELS, NONE, percent};
use crate::archive::ArchivedRun;
use crate::dataset::{Dataset, DatasetConfig, Samples};
use crate::evaluate::{Arithmetic, plain};
use crate::export::Ticket;
use crate::flaw::Flaw;
use crate::run::record::{Match, other_data};
use crate::stats::summary::Summary;
use crate::table::Table;
use rayon::prelude::*;

/// What tickets reach together on the test set, as shares of its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnsembleAccuracy {
    pub by_vote: f64,
    pub by_mean: f64,
}

/// Data that were loaded last.
type LoadedData = Option<(DatasetConfig, Dataset)>;

/// A row for each cell with two tickets or more, shares in percent for people and as fractions for programs, and why cells
/// have none.
pub fn ensembles(cells: &[CellRuns<'_>], for_programs: bool) -> (Table, Vec<String>) {
    let mut columns = match for_programs {
        true => [
            "dataset",
            "architecture",
            "algorithm",
            "tickets",
            "test_accuracy_mean",
            "majority_vote",
            "mean_of_outputs",
        ],
        false => [
            "data set",
            "architecture",
            "algorithm",
            ">tickets",
            ">test accuracy %",
            ">majority vote %",
            ">mean of outputs %",
        ],
    }
    .to_vec();
    columns.extend(LABELS.iter().filter(|_| for_programs));
    let mut table = Table::new("ensembles", "Ensembles of the tickets of each cell", &columns);
    let (mut notes, mut loaded) = (Vec::new(), None);
    for cell in cells {
        let ensemble = match ensemble(&cell.runs, &mut loaded) {
            Ok(ensemble) => ensemble,
            Err(reason) => {
                notes.push(format!("left out: the ensemble of {}: {reason}", cell.cell));
                continue;
            }
        };
        let shown = |share: f64| match for_programs {
            true => share.to_string(),
            false => format!("{:.2}", 100.0 * share),
        };
        let single = Summary::new(&cell.accuracies()).ok();
        let single = single.map_or_else(
            || NONE.to_owned(),
            |summary| if for_programs { summary.mean.to_string() } else { percent(&summary) },
        );
        let labels = [cell.dataset(), cell.algorithm()];
        let [dataset, named] = match for_programs {
            true => [cell.cell.dataset.clone(), algorithm(cell.cell, cell.first())],
            false => labels.clone(),
        };
        let mut row = vec![
            dataset,
            cell.cell.architecture.clone(),
            named,
            cell.runs.len().to_string(),
            single,
            shown(ensemble.by_vote),
            shown(ensemble.by_mean),
        ];
        row.extend(labels.into_iter().filter(|_| for_programs));
        table.push(row);
    }
    (table, notes)
}

/// What the tickets of these runs reach together.
///
/// # Errors
/// When there are fewer than two, one has no ticket, or they are not all of the same data, which are there.
pub fn of_runs(runs: &[&ArchivedRun]) -> Result<EnsembleAccuracy, Flaw> {
    ensemble(runs, &mut None)
}

fn ensemble(runs: &[&ArchivedRun], loaded: &mut LoadedData) -> Result<EnsembleAccuracy, Flaw> {
    if runs.len() < 2 {
        return Err("it takes two runs or more".into());
    }
    let ticket = |run: &&ArchivedRun| {
        let ticket = Ticket::of(run).map_err(|error| format!("{}: {error}", run.file))?;
        Ok((ticket, run.arithmetic.unwrap_or(Arithmetic::Fused)))
    };
    let tickets = runs.iter().map(ticket).collect::<Result<Vec<_>, String>>()?;
    let config = runs.first().and_then(|run| run.dataset.as_ref());
    let config = config.ok_or("the records do not say on which data they were made")?;
    if loaded.as_ref().is_none_or(|(known, _)| known != config) {
        let dataset = config.load().map_err(|error| format!("the data are not there ({error})"))?;
        *loaded = Some((config.clone(), dataset));
    }
    let Some((_, dataset)) = loaded.as_ref() else { return Err("the data are not there".into()) };
    for run in runs {
        match run.data.as_ref().map_or(Match::Unknown, |data| data.compare(dataset)) {
            Match::Same => {}
            Match::Other(difference) => {
                return Err(format!("{}: {}", run.file, other_data(config, &difference)).into());
            }
            Match::Unknown => {
                let what = "has no checksum of its data: whether it is of the same test set cannot be told";
                return Err(format!("{} {what}", run.file).into());
            }
        }
    }
    Ok(accuracy(&tickets, &dataset.test, dataset.classes()))
}

/// A vote's tie is decided by the mean of outputs, one of outputs by the order of the classes.
fn accuracy(tickets: &[(Ticket, Arithmetic)], samples: &Samples, classes: usize) -> EnsembleAccuracy {
    let correct = |(sample, &label): (&[f32], &u32)| {
        let (mut votes, mut sums) = (vec![0_usize; classes], vec![0.0_f64; classes]);
        for (Ticket { network, mask }, arithmetic) in tickets {
            let outputs = plain::outputs(network, mask, sample, *arithmetic);
            votes[plain::largest(&outputs) as usize] += 1;
            sums.iter_mut().zip(&outputs).for_each(|(sum, &output)| *sum += f64::from(output));
        }
        let best = |is_better: &dyn Fn(usize, usize) -> bool| {
            (1..classes).fold(0, |best, class| if is_better(class, best) { class } else { best })
        };
        let by_mean = best(&|a, b| sums[a] > sums[b]);
        let by_vote = best(&|a, b| votes[a] > votes[b] || votes[a] == votes[b] && sums[a] > sums[b]);
        [by_vote, by_mean].map(|class| usize::from(class == label as usize))
    };
    let rows = samples.features.par_chunks_exact(samples.width).zip(&samples.labels);
    let [by_vote, by_mean] = rows
        .map(correct)
        .reduce(|| [0, 0], |a, b| [a[0] + b[0], a[1] + b[1]])
        .map(|n| n as f64 / samples.len() as f64);
    EnsembleAccuracy { by_vote, by_mean }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;

    /// A ticket whose outputs are these, whatever its input.
    fn constant(outputs: [f32; 3]) -> (Ticket, Arithmetic) {
        let mut network = Network::of_zeros(vec![1, 1, 3].try_into().expect("an architecture"));
        let biases = network.biases_mut();
        let first = biases.len() - 3;
        biases[first..].copy_from_slice(&outputs);
        let mask = vec![0; network.architecture().mask_words()];
        (Ticket { network, mask }, Arithmetic::Fused)
    }

    #[test]
    fn two_weak_votes_beat_a_strong_one_and_the_mean_does_not() {
        let tickets = [constant([0.1, 0.0, 0.0]), constant([0.1, 0.0, 0.0]), constant([0.0, 5.0, 0.0])];
        let samples = |label| Samples { features: vec![0.5], labels: vec![label], width: 1 };
        let found = |tickets: &[_], label| accuracy(tickets, &samples(label), 3);
        assert_eq!(found(&tickets, 0), EnsembleAccuracy { by_vote: 1.0, by_mean: 0.0 });
        assert_eq!(found(&tickets, 1), EnsembleAccuracy { by_vote: 0.0, by_mean: 1.0 });
        // One vote each: the mean decides.
        assert_eq!(found(&tickets[1..], 1), EnsembleAccuracy { by_vote: 1.0, by_mean: 1.0 });
    }
}
