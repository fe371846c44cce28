//! Does a record agree with itself? What a hand, a script or a damaged disk changed shows where two of its values say
//! the same thing.

use super::{DataFacts, Outcome, Record, TicketRecord};
use crate::flaw::Flaw;
use crate::mask;
use crate::network::Architecture;
use serde_json::Value;

/// Programs other than this one may have written a fraction with fewer digits.
pub const TOLERANCE: f64 = 1e-9;

/// What is wrong, in a sentence that names the keys.
pub type Checked = Result<(), Flaw>;

/// An error where `holds` is false.
pub fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

/// The first key of `written` that `known`, the same value as this program writes it, has not. Keys without a value
/// are no harm.
pub fn unknown_key(written: &Value, known: &Value) -> Option<String> {
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

impl Record {
    /// Does the record agree with itself?
    ///
    /// # Errors
    /// Says which two values contradict each other.
    pub fn check(&self) -> Checked {
        let layers = &self.config.network.layers;
        self.data.check(layers)?;
        if self.schema_version > 1 {
            self.data.check_complete()?;
        }
        self.result.check(&self.data)?;
        self.result.check_network(layers)?;
        self.ticket.as_ref().map_or(Ok(()), |ticket| ticket.check(&self.result, layers))?;
        let front = self.front.as_ref();
        front.map_or(Ok(()), |front| front.check(layers.weights(), &self.data, self.ticket.as_ref()))
    }
}

impl DataFacts {
    /// Do the facts fit each other and the network?
    ///
    /// # Errors
    /// Says which two values contradict each other.
    pub fn check(&self, layers: &Architecture) -> Checked {
        for (key, found, expected) in
            [("features", self.features, layers.inputs()), ("classes", self.classes, layers.outputs())]
        {
            ensure(found == expected, || {
                format!("data.{key} is {found}, but config.network.layers {layers} have {expected}")
            })?;
        }
        for (key, samples) in [("train_samples", self.train_samples), ("test_samples", self.test_samples)] {
            ensure(samples > 0, || format!("data.{key} is 0"))?;
        }
        self.schema().map_or(Ok(()), |schema| {
            schema.check(self.features, self.classes).map_err(|problem| format!("data.{problem}").into())
        })
    }

    /// Is all there that a record of version 2 has?
    ///
    /// # Errors
    /// Says what is missing.
    pub fn check_complete(&self) -> Checked {
        for (key, is_there) in [
            ("class_names", self.class_names.is_some()),
            ("normalization", self.normalization.is_some()),
            ("checksum", self.checksum.is_some()),
        ] {
            ensure(is_there, || format!("data.{key} is missing, which records of version 2 have"))?;
        }
        Ok(())
    }
}

impl Outcome {
    /// Are the counts possible on these data, and the accuracies those of the counts?
    ///
    /// # Errors
    /// Says which two values contradict each other.
    pub fn check(&self, data: &DataFacts) -> Checked {
        let sets = [
            ("train", Some(self.train_correct), Some(self.train_accuracy), Some(data.train_samples)),
            ("test", Some(self.test_correct), Some(self.test_accuracy), Some(data.test_samples)),
            ("validation", self.validation_correct, self.validation_accuracy, data.validation_samples),
        ];
        for (set, correct, accuracy, samples) in sets {
            let (Some(correct), Some(accuracy), Some(samples)) = (correct, accuracy, samples) else {
                ensure(correct.is_none() && accuracy.is_none() && samples.is_none(), || {
                    format!(
                        "result.{set}_correct, result.{set}_accuracy and data.{set}_samples belong together, and not \
                         all are there"
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
        self.check_best_of_population(data)
    }

    /// The best test accuracy of the population: a share of the test samples, and no lower than the ticket's.
    fn check_best_of_population(&self, data: &DataFacts) -> Checked {
        let Some(best) = self.test_accuracy_best_of_population else { return Ok(()) };
        let samples = data.test_samples as f64;
        let is_share = (best - (best * samples).round() / samples).abs() <= TOLERANCE;
        ensure((0.0..=1.0).contains(&best) && is_share && best + TOLERANCE >= self.test_accuracy, || {
            format!(
                "result.test_accuracy_best_of_population is {best}: no share of {} samples that is at least the \
                 ticket's {}",
                data.test_samples, self.test_accuracy
            )
        })
    }

    /// Are the sizes those of the network, and is the sparsity that of the weights kept?
    ///
    /// # Errors
    /// Says which two values contradict each other.
    pub fn check_network(&self, layers: &Architecture) -> Checked {
        let widths = layers.widths();
        let hidden: usize = widths[1..widths.len() - 1].iter().sum();
        for (key, found, expected) in
            [("weights", self.weights, layers.weights()), ("hidden_neurons", self.hidden_neurons, hidden)]
        {
            ensure(found == expected, || {
                format!("result.{key} is {found}, but config.network.layers {layers} have {expected}")
            })?;
        }
        ensure(self.dead_neurons <= hidden, || {
            format!("result.dead_neurons is {}, of {hidden} hidden neurons", self.dead_neurons)
        })?;
        let (kept, weights) = (self.weights_kept, self.weights);
        ensure(kept <= weights, || format!("result.weights_kept is {kept}, of {weights} weights"))?;
        let pruned = (weights - kept) as f64 / weights as f64;
        ensure((self.sparsity - pruned).abs() <= TOLERANCE, || {
            format!("result.sparsity is {}, but {kept} of {weights} weights kept are {pruned}", self.sparsity)
        })
    }
}

/// What is said of a mask of a front.
pub struct FrontFacts<'a> {
    pub sparsity: f64,
    pub weights_kept: usize,
    pub train_correct: u32,
    pub test_correct: u32,
    pub mask_hex: &'a str,
}

impl FrontFacts<'_> {
    /// Do the facts at `place` in the record fit each other, the data, and a network of so many `weights`?
    ///
    /// # Errors
    /// Says which two values contradict each other.
    pub fn check(&self, place: &str, weights: usize, data: &DataFacts) -> Checked {
        let &Self { sparsity, weights_kept, train_correct, test_correct, mask_hex } = self;
        let pruned = weights.saturating_sub(weights_kept) as f64 / weights as f64;
        ensure((sparsity - pruned).abs() <= TOLERANCE, || {
            format!(
                "{place}.sparsity is {sparsity}, but {weights_kept} of {weights} weights kept are {pruned}"
            )
        })?;
        for (set, correct, samples) in
            [("train", train_correct, data.train_samples), ("test", test_correct, data.test_samples)]
        {
            ensure(correct as usize <= samples, || {
                format!("{place}.{set}_correct is {correct}, of data.{set}_samples {samples}")
            })?;
        }
        let bits =
            mask::from_hex(mask_hex, weights).map_err(|reason| format!("{place}.mask_hex: {reason}"))?;
        let kept = mask::count_ones(&bits);
        ensure(kept == weights_kept, || {
            format!("{place}.weights_kept is {weights_kept}, but its mask_hex has {kept} of them")
        })
    }
}

impl TicketRecord {
    /// Is the mask one of this network, and what the result says of it?
    ///
    /// # Errors
    /// Says which two values contradict each other.
    pub fn check(&self, result: &Outcome, layers: &Architecture) -> Checked {
        let bits = mask::from_hex(&self.mask_hex, layers.weights())
            .map_err(|reason| format!("ticket.mask_hex: {reason}"))?;
        let (kept, dead) = (mask::count_ones(&bits), mask::dead_neurons(&bits, layers));
        for (key, found, expected) in
            [("weights_kept", result.weights_kept, kept), ("dead_neurons", result.dead_neurons, dead)]
        {
            ensure(found == expected, || {
                format!("result.{key} is {found}, but ticket.mask_hex has {expected} of them")
            })?;
        }
        Ok(())
    }
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
