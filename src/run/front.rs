//! The front of a genetic search with several objectives, for its record.

use super::Run;
use super::record::{ParetoFront, ParetoMask};
use crate::dataset::{Dataset, Split};
use crate::evaluate::{Batch, EvaluateError, Evaluator};
use crate::mask;
use crate::objective::Objective;
use crate::search::genetic::{Goal, Scores, Search};

/// The masks of the last population that no other dominates, scored by each objective on the test set too; none where
/// there is one objective. `test` has the correct test samples of each individual.
pub(super) fn of_last_population(
    run: &Run,
    search: &Search,
    network: u32,
    test: &[u32],
    evaluator: &mut dyn Evaluator,
    dataset: &Dataset,
) -> Result<Option<ParetoFront>, EvaluateError> {
    let (population, goals) = (search.population(), search.goals());
    let (Some(genetic), Some(hypervolume)) = (run.config.algorithm.genetic(), goals.hypervolume(population))
    else {
        return Ok(None);
    };
    let front = goals.front(population, search.ranking());
    let masks: Vec<u32> = front.iter().flat_map(|&index| population.mask(index)).copied().collect();
    let batch = Batch { masks: &masks, networks: &vec![network; front.len()] };
    let of_test: Vec<u32> = front.iter().map(|&index| test[index]).collect();
    let of_test = scores(goals.asked(), of_test, batch, evaluator)?;
    let validation = match dataset.validation.is_empty() {
        true => None,
        false => Some(evaluator.score(Split::Validation, batch)?),
    };
    let weights = population.weights();
    let mask = |(place, &index): (usize, &usize)| {
        let (member, bits) = (&population.members()[index], population.mask(index));
        let kept = mask::count_ones(bits);
        let sparsity = (weights - kept) as f64 / weights as f64;
        let train = Scores { correct: member.correct, losses: member.losses };
        ParetoMask {
            train: goals.values(&train, sparsity, dataset.train.len()),
            test: goals.values(&of_test[place], sparsity, dataset.test.len()),
            sparsity,
            weights_kept: kept,
            train_correct: member.correct,
            test_correct: test[index],
            validation_correct: validation.as_ref().map(|correct| correct[place]),
            mask_hex: mask::to_hex(bits, weights),
        }
    };
    Ok(Some(ParetoFront {
        objectives: genetic.objectives.iter().map(|goal: &Goal| goal.name().to_owned()).collect(),
        references: goals.reference_values(dataset.train.len()),
        hypervolume,
        masks: front.iter().enumerate().map(mask).collect(),
    }))
}

/// How each mask of `batch` does on the test set by what is `asked`, given its `correct` samples.
fn scores(
    asked: &[Objective],
    correct: Vec<u32>,
    batch: Batch<'_>,
    evaluator: &mut dyn Evaluator,
) -> Result<Vec<Scores>, EvaluateError> {
    let mut scores: Vec<Scores> =
        correct.into_iter().map(|correct| Scores { correct, ..Scores::default() }).collect();
    for (place, &objective) in asked.iter().enumerate().filter(|(_, asked)| **asked != Objective::Accuracy) {
        let answers = evaluator.judge(Split::Test, batch, &vec![objective; scores.len()])?;
        scores.iter_mut().zip(answers).for_each(|(scores, answer)| scores.losses[place] = answer.loss);
    }
    Ok(scores)
}
