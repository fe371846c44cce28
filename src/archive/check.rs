//! Does a record agree with itself? What a hand, a script or a damaged disk changed shows where two of its values say
//! the same thing.

use super::run::Written;
use crate::mask;
use crate::network::Architecture;
use crate::record::{DataFacts, Outcome};
use serde_json::Value;

/// Programs other than this one may have written a fraction with fewer digits.
const TOLERANCE: f64 = 1e-9;

type Checked = Result<(), String>;

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// The first key of `written` that `known`, the same value as this program writes it, has not. Keys without a value
/// are no harm.
pub(super) fn unknown_key(written: &Value, known: &Value) -> Option<String> {
    let below = |key: String, inner: Option<String>| {
        inner.map(|path| if path.starts_with('[') { key + &path } else { format!("{key}.{path}") })
    };
    match (written, known) {
        (Value::Object(written), Value::Object(known)) => {
            written.iter().find_map(|(key, value)| match known.get(key) {
                Some(inner) if value.is_object() || value.is_array() => {
                    below(key.clone(), unknown_key(value, inner))
                }
                None if !(value.is_null() || *value == Value::Array(Vec::new())) => Some(key.clone()),
                _ => None,
            })
        }
        (Value::Array(written), Value::Array(known)) => {
            let mut pairs = written.iter().zip(known).enumerate().filter(|(_, (value, _))| value.is_object());
            pairs.find_map(|(index, (value, inner))| below(format!("[{index}]"), unknown_key(value, inner)))
        }
        _ => None,
    }
}

/// Do the record's counts, shares, mask and history agree?
///
/// # Errors
/// Says which two values contradict each other.
pub(super) fn agreement(written: &Written) -> Checked {
    let data = written.data.as_ref().ok_or("data is missing")?;
    shares(&written.result, data)?;
    best_of_population(&written.result, data)?;
    if let Ok(layers) = serde_json::from_value::<Architecture>(written.config["network"]["layers"].clone()) {
        network(&written.result, &layers, data)?;
        ticket(written, &layers)?;
    }
    history(written, data)?;
    local_search(written, data)?;
    times(written)
}

/// Correct samples, samples and their share, set by set.
fn shares(result: &Outcome, data: &DataFacts) -> Checked {
    let sets = [
        ("train", Some(result.train_correct), Some(result.train_accuracy), Some(data.train_samples)),
        ("test", Some(result.test_correct), Some(result.test_accuracy), Some(data.test_samples)),
        ("validation", result.validation_correct, result.validation_accuracy, data.validation_samples),
    ];
    for (set, correct, accuracy, samples) in sets {
        let (Some(correct), Some(accuracy), Some(samples)) = (correct, accuracy, samples) else {
            ensure(correct.is_none() && accuracy.is_none() && samples.is_none(), || {
                format!(
                    "result.{set}_correct, result.{set}_accuracy and data.{set}_samples belong together, and not all \
                     are there"
                )
            })?;
            continue;
        };
        ensure(correct as usize <= samples, || {
            format!("result.{set}_correct is {correct}, of data.{set}_samples {samples}")
        })?;
        let share = f64::from(correct) / samples as f64;
        ensure((accuracy - share).abs() <= TOLERANCE, || {
            format!(
                "result.{set}_accuracy is {accuracy}, but {correct} correct of {samples} samples are {share}"
            )
        })?;
    }
    Ok(())
}

/// The best test accuracy of the population: a share of the test samples, and no lower than the ticket's.
fn best_of_population(result: &Outcome, data: &DataFacts) -> Checked {
    let Some(best) = result.test_accuracy_best_of_population else { return Ok(()) };
    let samples = data.test_samples as f64;
    let is_share = (best - (best * samples).round() / samples).abs() <= TOLERANCE;
    ensure((0.0..=1.0).contains(&best) && is_share && best + TOLERANCE >= result.test_accuracy, || {
        format!(
            "result.test_accuracy_best_of_population is {best}: no share of {} samples that is at least the \
             ticket's {}",
            data.test_samples, result.test_accuracy
        )
    })
}

/// Sizes of the network, and sparsity.
fn network(result: &Outcome, layers: &Architecture, data: &DataFacts) -> Checked {
    let widths = layers.widths();
    let hidden: usize = widths[1..widths.len() - 1].iter().sum();
    for (key, found, expected) in [
        ("data.features", data.features, layers.inputs()),
        ("data.classes", data.classes, layers.outputs()),
        ("result.weights", result.weights, layers.weights()),
        ("result.hidden_neurons", result.hidden_neurons, hidden),
    ] {
        ensure(found == expected, || {
            format!("{key} is {found}, but config.network.layers {layers} have {expected}")
        })?;
    }
    ensure(result.dead_neurons <= hidden, || {
        format!("result.dead_neurons is {}, of {hidden} hidden neurons", result.dead_neurons)
    })?;
    let (kept, weights) = (result.weights_kept, result.weights);
    ensure(kept <= weights, || format!("result.weights_kept is {kept}, of {weights} weights"))?;
    let pruned = (weights - kept) as f64 / weights as f64;
    ensure((result.sparsity - pruned).abs() <= TOLERANCE, || {
        format!("result.sparsity is {}, but {kept} of {weights} weights kept are {pruned}", result.sparsity)
    })
}

/// The mask's bits.
fn ticket(written: &Written, layers: &Architecture) -> Checked {
    let Some(ticket) = &written.ticket else { return Ok(()) };
    let bits = mask::from_hex(&ticket.mask_hex, layers.weights())
        .map_err(|reason| format!("ticket.mask_hex: {reason}"))?;
    let (kept, dead) = (mask::count_ones(&bits), mask::dead_neurons(&bits, layers));
    for (key, found, expected) in [
        ("weights_kept", written.result.weights_kept, kept),
        ("dead_neurons", written.result.dead_neurons, dead),
    ] {
        ensure(found == expected, || {
            format!("result.{key} is {found}, but ticket.mask_hex has {expected} of them")
        })?;
    }
    Ok(())
}

/// The generations of a search.
fn history(written: &Written, data: &DataFacts) -> Checked {
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
            return Err(format!("history.{name} has {share}; a share is a number from 0 to 1"));
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
fn local_search(written: &Written, data: &DataFacts) -> Checked {
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
        let fail = |what: String| format!("local_search.front[{index}].{what}");
        let pruned = weights.saturating_sub(point.weights_kept) as f64 / weights as f64;
        ensure((point.sparsity - pruned).abs() <= TOLERANCE, || {
            fail(format!(
                "sparsity is {}, but {} of {weights} weights kept are {pruned}",
                point.sparsity, point.weights_kept
            ))
        })?;
        for (set, correct, samples) in [
            ("train", point.train_correct, data.train_samples),
            ("test", point.test_correct, data.test_samples),
        ] {
            ensure(correct as usize <= samples, || {
                fail(format!("{set}_correct is {correct}, of data.{set}_samples {samples}"))
            })?;
        }
        let bits =
            mask::from_hex(&point.mask_hex, weights).map_err(|reason| fail(format!("mask_hex: {reason}")))?;
        let kept = mask::count_ones(&bits);
        ensure(kept == point.weights_kept, || {
            fail(format!("weights_kept is {}, but its mask_hex has {kept} of them", point.weights_kept))
        })?;
    }
    Ok(())
}

fn times(written: &Written) -> Checked {
    let Ok(Value::Object(times)) = serde_json::to_value(&written.timing) else { return Ok(()) };
    let negative = times.iter().find(|(_, value)| value.as_f64().is_some_and(|number| number < 0.0));
    negative.map_or(Ok(()), |(key, value)| Err(format!("timing.{key} is {value}; it cannot be below 0")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_that_is_not_known_is_found_at_any_depth() {
        let known = json!({"a": {"b": 1}, "list": [{"c": 1}]});
        let found = |written: Value| unknown_key(&written, &known);
        assert_eq!(found(json!({"a": {"b": 2}, "list": [{"c": 3}]})), None);
        assert_eq!(found(json!({"a": {"b": 2, "d": null, "e": []}})), None, "no value, no harm");
        assert_eq!(found(json!({"a": {"x": 0}})).as_deref(), Some("a.x"));
        assert_eq!(found(json!({"list": [{"c": 1, "y": 0}]})).as_deref(), Some("list[0].y"));
        assert_eq!(found(json!({"z": {"b": 1}})).as_deref(), Some("z"));
    }
}
