//! Does a record agree with itself? What a hand, a script or a damaged disk changed shows where two of its values say
//! the same thing.

use super::run::WrittenRecord;
use crate::network::Architecture;
use crate::run::record::{Checked, DataFacts, FrontFacts, ensure};
use serde_json::Value;

/// Seconds that no run takes, on however many processors: 30,000 years.
const LONGEST: f64 = 1e12;

/// Do the record's sizes, mask and history agree? Of its accuracies, see [`Outcome::check`](crate::run::record::Outcome).
///
/// # Errors
/// Says which two values contradict each other.
pub(super) fn agreement(written: &WrittenRecord) -> Checked {
    let data = written.data.as_ref().ok_or("data is missing")?;
    if let Ok(layers) = serde_json::from_value::<Architecture>(written.config["network"]["layers"].clone()) {
        data.check(&layers)?;
        written.result.check_network(&layers)?;
        written.ticket.as_ref().map_or(Ok(()), |ticket| ticket.check(&written.result, &layers))?;
    }
    history(written, data)?;
    local_search(written, data)?;
    let (front, ticket) = (written.front.as_ref(), written.ticket.as_ref());
    front.map_or(Ok(()), |front| front.check(written.result.weights, data, ticket))?;
    times(written)
}

/// The generations of a search.
fn history(written: &WrittenRecord, data: &DataFacts) -> Checked {
    let result = &written.result;
    if let Some(evaluations) = result.evaluations {
        ensure(evaluations.made <= evaluations.asked, || {
            format!("result.evaluations: {} made, of {} asked for", evaluations.made, evaluations.asked)
        })?;
    }
    let Some(history) = &written.history else { return Ok(()) };
    let entries = history.best_correct.len();
    for (name, length) in history.lengths() {
        ensure(length == entries || length == 0, || {
            format!("history.{name} has {length} entries, history.best_correct {entries}")
        })?;
    }
    for (name, column) in history.shares() {
        if let Some(share) = column.iter().find(|share| !(0.0..=1.0).contains(*share)) {
            return Err(format!("history.{name} has {share}; a share is a number from 0 to 1").into());
        }
    }
    let Some(&last) = history.best_correct.last() else { return Ok(()) };
    if let Some(generations) = result.generations {
        // The initial population is generation 0.
        ensure(generations + 1 == entries, || {
            format!(
                "result.generations is {generations}, but history has {entries} entries, the first of generation 0"
            )
        })?;
    }
    let most = history.best_correct.iter().copied().max().unwrap_or(last);
    ensure(most as usize <= data.train_samples, || {
        format!("history.best_correct has {most}, of data.train_samples {}", data.train_samples)
    })?;
    ensure(last == result.train_correct, || {
        format!("result.train_correct is {}, but history.best_correct ends with {last}", result.train_correct)
    })
}

/// The walk and the front of a local search.
fn local_search(written: &WrittenRecord, data: &DataFacts) -> Checked {
    let Some(search) = &written.local_search else { return Ok(()) };
    let (history, entries) = (&search.history, search.history.proposals.len());
    for (name, length) in [
        ("seconds", history.seconds.len()),
        ("cost", history.cost.len()),
        ("wrong", history.wrong.len()),
        ("weights_kept", history.weights_kept.len()),
    ] {
        ensure(length == entries, || {
            format!("local_search.history.{name} has {length} entries, proposals {entries}")
        })?;
    }
    let weights = written.result.weights;
    for (index, point) in search.front.iter().enumerate() {
        FrontFacts {
            sparsity: point.sparsity,
            weights_kept: point.weights_kept,
            train_correct: point.train_correct,
            test_correct: point.test_correct,
            mask_hex: &point.mask_hex,
        }
        .check(&format!("local_search.front[{index}]"), weights, data)?;
    }
    Ok(())
}

fn times(written: &WrittenRecord) -> Checked {
    let Ok(Value::Object(times)) = serde_json::to_value(&written.timing) else { return Ok(()) };
    let times = || times.iter().filter_map(|(key, value)| Some((key, value, value.as_f64()?)));
    if let Some((key, value, _)) = times().find(|&(.., number)| number < 0.0) {
        return Err(format!("timing.{key} is {value}; it cannot be below 0").into());
    }
    times().find(|&(.., number)| number > LONGEST).map_or(Ok(()), |(key, value, _)| {
        Err(format!("timing.{key} is {value} seconds, which are more than any run takes").into())
    })
}
