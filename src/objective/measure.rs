//! Objectives of the classes that a mask predicts, from its confusion counts.
//!
//! A measure is a ratio of whole numbers, or the root of one. What masks are ranked by is a whole number too, so that no
//! rounding of floats decides which of two masks is better, and every device ranks alike: the *distance* from a
//! measure of 1 in steps of 2⁻³², by integer division, rounded down as the doc of each measure says. Masks that are
//! nearer to each other than a step may tie; sparsity decides between them.
//!
//! Names, formulas and conventions are scikit-learn's (`sklearn.metrics`).

use super::costs::Costs;
use serde::{Deserialize, Serialize};

/// Steps from a measure of 0 to one of 1.
pub const STEPS_PER_UNIT: u64 = 1 << 32;

/// Bits of a step's fraction, where several quotients are added.
const GUARD_BITS: u32 = 16;

/// A measure of predicted classes; but for costs, larger is better, and 1 is perfect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The mean over classes of the share of a class's samples that are correct (`balanced_accuracy_score`). Classes
    /// without a sample are left out. The distance is the sum of the classes' shares of wrong samples, each in
    /// steps of 2⁻⁴⁸, divided by the number of classes.
    BalancedAccuracy,
    /// The mean over classes of `2 TP / (2 TP + FP + FN)` (`f1_score`, macro average). Classes that have no sample and are
    /// predicted for none are left out. The distance is made as that of balanced accuracy.
    MacroF1,
    /// Cohen's kappa (`cohen_kappa_score`): how much more often classes agree than by chance; from -1 to 1. The distance
    /// is one quotient. Where chance alone agrees always, kappa is 0.
    CohenKappa,
    /// Matthews' correlation coefficient (`matthews_corrcoef`; Gorodkin 2004 for several classes), from -1 to 1. The
    /// distance takes the integer root of its square in steps of 2⁻⁶². Where a side is of one class alone, it is 0.
    MatthewsCorrelation,
    /// The lowest share of correct samples among the classes that have samples. The distance is one quotient.
    WorstClassRecall,
    /// The mean cost of a sample, of which less is better and 0 is perfect. The distance is the sum of all costs.
    Costs(Costs),
}

/// Confusion counts of one mask.
#[derive(Clone, Copy, Debug)]
pub struct Confusion<'a> {
    /// `[classes, classes]`: samples of the row's class that the column's was predicted for; fewer than 2³¹ in all.
    counts: &'a [u32],
    classes: usize,
}

impl<'a> Confusion<'a> {
    /// Confusion `counts`, `[classes, classes]`.
    ///
    /// # Panics
    /// If the counts are not a square.
    pub fn new(counts: &'a [u32], classes: usize) -> Self {
        assert_eq!(counts.len(), classes * classes, "a row and a column for each class");
        Self { counts, classes }
    }

    fn count(&self, class: usize, predicted: usize) -> u64 {
        self.counts[class * self.classes + predicted].into()
    }

    /// Correctly classified samples.
    pub fn correct(&self) -> u32 {
        (0..self.classes).map(|class| self.count(class, class) as u32).sum()
    }

    /// All samples.
    fn samples(&self) -> u64 {
        self.counts.iter().map(|&count| u64::from(count)).sum()
    }

    /// Of each class: its samples, those it is predicted for, and those of both.
    fn classes(&self) -> impl Iterator<Item = OfClass> {
        (0..self.classes).map(|class| OfClass {
            samples: (0..self.classes).map(|other| self.count(class, other)).sum(),
            predicted: (0..self.classes).map(|other| self.count(other, class)).sum(),
            correct: self.count(class, class),
        })
    }

    /// What the classes come to together: see [`Agreement`].
    fn agreement(&self) -> Agreement {
        let mut sums = Agreement::default();
        for OfClass { samples, predicted, correct } in self.classes() {
            sums.samples += u128::from(samples);
            sums.correct += u128::from(correct);
            sums.chance += u128::from(samples) * u128::from(predicted);
            sums.of_samples += u128::from(samples).pow(2);
            sums.of_predicted += u128::from(predicted).pow(2);
        }
        sums
    }
}

/// One class of a confusion matrix.
struct OfClass {
    samples: u64,
    predicted: u64,
    correct: u64,
}

impl OfClass {
    /// The share of its samples that are wrong, as numerator and denominator.
    fn wrong(&self) -> (u64, u64) {
        (self.samples - self.correct, self.samples)
    }

    /// What its F1 lacks of 1, as numerator and denominator.
    fn lacking_f1(&self) -> (u64, u64) {
        let all = self.samples + self.predicted;
        (all - 2 * self.correct, all)
    }
}

/// Sums over all classes.
#[derive(Default)]
struct Agreement {
    samples: u128,
    correct: u128,
    /// Of the products of a class's samples and those it is predicted for.
    chance: u128,
    /// Of the squares of a class's samples.
    of_samples: u128,
    /// Of the squares of those it is predicted for.
    of_predicted: u128,
}

impl Agreement {
    /// Numerator and squared denominator of Matthews' coefficient: how far classes and predictions vary together, and the
    /// product of how far each varies.
    fn correlation(&self) -> (i128, u128) {
        let [both, by_chance] = [self.correct * self.samples, self.chance].map(u128::cast_signed);
        let square = self.samples.pow(2);
        (both - by_chance, (square - self.of_predicted) * (square - self.of_samples))
    }
}

impl Measure {
    /// As people say it.
    pub fn title(self) -> &'static str {
        match self {
            Self::BalancedAccuracy => "balanced accuracy",
            Self::MacroF1 => "macro F1",
            Self::CohenKappa => "Cohen's kappa",
            Self::MatthewsCorrelation => "Matthews' r",
            Self::WorstClassRecall => "worst recall",
            Self::Costs(_) => "mean cost",
        }
    }

    /// The matrix of costs, where it has one.
    pub fn costs(self) -> Option<Costs> {
        match self {
            Self::Costs(costs) => Some(costs),
            _ => None,
        }
    }

    /// Steps from its best value to its worst, or to that of chance where that has one: 1, or the highest mean cost.
    pub fn steps_of_range(self, samples: usize) -> u64 {
        self.costs().map_or(STEPS_PER_UNIT, |costs| u64::from(costs.highest()) * samples as u64)
    }

    /// Its value, as scikit-learn's.
    pub fn value(self, confusion: &Confusion<'_>) -> f64 {
        let mean = |parts: Vec<(u64, u64)>| {
            let lacking = parts.iter().map(|&(part, whole)| part as f64 / whole as f64).sum::<f64>();
            1.0 - lacking / parts.len().max(1) as f64
        };
        match self {
            Self::BalancedAccuracy => mean(parts(confusion, OfClass::wrong)),
            Self::MacroF1 => mean(parts(confusion, OfClass::lacking_f1)),
            Self::CohenKappa => {
                let (lacking, by_chance) = kappa(&confusion.agreement());
                1.0 - lacking as f64 / by_chance as f64
            }
            Self::MatthewsCorrelation => {
                let (together, apart) = confusion.agreement().correlation();
                if apart == 0 { 0.0 } else { together as f64 / (apart as f64).sqrt() }
            }
            Self::WorstClassRecall => {
                let shares = parts(confusion, OfClass::wrong);
                1.0 - shares.iter().map(|&(part, whole)| part as f64 / whole as f64).fold(0.0, f64::max)
            }
            Self::Costs(costs) => costs.sum(confusion.counts) as f64 / confusion.samples() as f64,
        }
    }

    /// How far it is from 1, in [steps](STEPS_PER_UNIT), or the sum of all costs; lower is better.
    pub fn distance(self, confusion: &Confusion<'_>) -> u64 {
        let mean = |parts: Vec<(u64, u64)>| {
            let steps = |&(part, whole): &(u64, u64)| steps_of(part.into(), whole.into(), 32 + GUARD_BITS);
            (parts.iter().map(steps).sum::<u64>() / parts.len().max(1) as u64) >> GUARD_BITS
        };
        match self {
            Self::BalancedAccuracy => mean(parts(confusion, OfClass::wrong)),
            Self::MacroF1 => mean(parts(confusion, OfClass::lacking_f1)),
            Self::CohenKappa => {
                let (lacking, by_chance) = kappa(&confusion.agreement());
                steps_of(lacking, by_chance, 32)
            }
            Self::MatthewsCorrelation => {
                let (together, apart) = confusion.agreement().correlation();
                let root = root_of_share(together.unsigned_abs(), apart);
                if together < 0 { STEPS_PER_UNIT + root } else { STEPS_PER_UNIT - root }
            }
            Self::WorstClassRecall => {
                let shares = parts(confusion, OfClass::wrong);
                let steps = |&(part, whole): &(u64, u64)| steps_of(part.into(), whole.into(), 32);
                shares.iter().map(steps).max().unwrap_or(0)
            }
            Self::Costs(costs) => costs.sum(confusion.counts),
        }
    }
}

/// A part and its whole of every class that has any.
fn parts(confusion: &Confusion<'_>, part: impl Fn(&OfClass) -> (u64, u64)) -> Vec<(u64, u64)> {
    confusion.classes().map(|class| part(&class)).filter(|&(_, whole)| whole > 0).collect()
}

/// What kappa lacks of 1, as numerator and denominator.
fn kappa(sums: &Agreement) -> (u128, u128) {
    let square = sums.samples.pow(2);
    match square - sums.chance {
        0 => (1, 1),
        by_chance => (square - sums.samples * sums.correct, by_chance),
    }
}

/// `part / whole` in steps of `2^-bits`, rounded down; `part` is below 2^(128 - bits).
fn steps_of(part: u128, whole: u128, bits: u32) -> u64 {
    ((part << bits) / whole) as u64
}

/// `part / sqrt(square)` in [steps](STEPS_PER_UNIT), rounded down, of a `part` whose square is at most `square`, which is
/// below 2¹²⁴; 0 where `square` is.
fn root_of_share(part: u128, square: u128) -> u64 {
    if square == 0 {
        return 0;
    }
    // Long division: 64 bits of the share's square.
    let mut rest = part * part;
    if rest >= square {
        return STEPS_PER_UNIT;
    }
    let mut share = 0u64;
    for _ in 0..64 {
        rest <<= 1;
        share <<= 1;
        if rest >= square {
            rest -= square;
            share |= 1;
        }
    }
    share.isqrt()
}
