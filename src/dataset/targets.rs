//! Is a column one of classes, or of measured values?

use super::labels::Classes;

/// Up to so many classes, few samples of each are a small data set, not a sign of another task.
const FEW: usize = 20;

/// Samples a class on average below which a class can hardly be learnt, let alone tested.
const HARDLY_LEARNT: usize = 3;

/// Samples a class on average below which it is worth a word.
const WORTH_A_WORD: usize = 10;

/// What a number of classes says about them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Targets {
    Classes,
    /// They may be classes: a note.
    Odd(String),
    /// They are values: why, for an error.
    Values(String),
}

/// Judges the classes of so many samples. More than 20 are values where there are fewer than 3 samples of each on
/// average, or where they are numbers and not all of them whole: no data set of classes looks so, while any
/// measurement does.
pub(super) fn judge(classes: &Classes, samples: usize) -> Targets {
    let count = classes.names.len();
    let share = 100.0 * count as f64 / samples as f64;
    let said = format!("{count} classes among {samples} samples ({share:.0}%)");
    let said = if classes.has_fractions { format!("{said}, of numbers with decimals") } else { said };
    if count > FEW && (samples < HARDLY_LEARNT * count || classes.has_fractions) {
        return Targets::Values(said);
    }
    if (count > FEW && samples < WORTH_A_WORD * count) || (classes.has_fractions && count > FEW / 2) {
        return Targets::Odd(format!(
            "the class column has {said}; are these measured values and no classes?"
        ));
    }
    Targets::Classes
}

#[cfg(test)]
mod tests {
    use super::super::labels::Labels;
    use super::*;

    fn of(samples: usize, label: impl Fn(usize) -> String) -> Targets {
        let mut labels = Labels::default();
        (0..samples).for_each(|n| labels.push(&label(n)));
        judge(&labels.classes(), samples)
    }

    #[test]
    fn measured_values_are_told_from_classes() {
        assert_eq!(of(30, |n| (n % 15).to_string()), Targets::Classes);
        assert_eq!(of(26_000, |n| format!("letter {}", n % 26)), Targets::Classes);
        assert!(matches!(of(900, |n| (n % 300).to_string()), Targets::Odd(_)));
        assert!(matches!(of(310, |n| (n % 214).to_string()), Targets::Values(_)));
        assert!(matches!(of(10_000, |n| format!("{}.5", n % 40)), Targets::Values(_)));
        assert!(matches!(of(10_000, |n| format!("{}.5", n % 12)), Targets::Odd(_)));
        assert_eq!(of(10_000, |n| format!("{}.5", n % 5)), Targets::Classes);
        let Targets::Values(said) = of(310, |n| (n % 214).to_string()) else { panic!("values") };
        assert_eq!(said, "214 classes among 310 samples (69%)");
    }
}
