//! Fresh random individuals, and the candidates among which the accuracy bound chooses.

use super::accuracy_bound::BoundSchedule;
use super::bound_config::AccuracyBound;
use super::population::Scores;
use crate::flaw::Flaw;
use crate::mask::{self, packed};
use crate::network::Architecture;
use crate::random::Stream;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Candidates scored together. Results do not depend on it: candidates are judged in the order in which
/// they were drawn, and those not needed yet wait for the next fresh individual.
pub(super) const CANDIDATE_BLOCK: usize = 256;

/// What is known of how a candidate did on the training set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KnownScore {
    Unknown,
    /// Fewer correct samples than this.
    Below(u32),
    Known(Scores),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct FreshIndividual {
    #[serde(with = "packed")]
    mask: Vec<u32>,
    score: KnownScore,
}

/// Random masks in the order in which they were drawn, waiting for the accuracy bound's verdict.
///
/// They are drawn and scored in blocks, and judged one at a time: the outcome is that of drawing, scoring
/// and judging one after the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Candidates {
    schedule: BoundSchedule,
    samples: usize,
    block: usize,
    waiting: VecDeque<FreshIndividual>,
}

/// The verdict on the first waiting candidates.
pub(super) struct Verdict {
    /// The accepted mask and how it did, when one was found.
    pub accepted: Option<(Vec<u32>, Scores)>,
    /// Candidates judged on the way.
    pub judged: u64,
}

impl Candidates {
    /// Candidates for a training set of `samples` samples, drawn `block` at a time.
    pub fn new(schedule: BoundSchedule, samples: usize, block: usize) -> Self {
        Self { schedule, samples, block, waiting: VecDeque::new() }
    }

    /// Could these be candidates for masks of `architecture` on `samples` samples?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(
        &self,
        bound: &AccuracyBound<f64>,
        architecture: &Architecture,
        samples: usize,
    ) -> Result<(), Flaw> {
        let is_known = |score: &KnownScore| match *score {
            KnownScore::Unknown => true,
            KnownScore::Below(count) => count as usize <= samples + 1,
            KnownScore::Known(score) => score.correct as usize <= samples,
        };
        let is_possible = |candidate: &FreshIndividual| {
            candidate.mask.len() == architecture.mask_words()
                && mask::is_of(&candidate.mask, architecture.weights())
                && is_known(&candidate.score)
        };
        let fits = self.samples == samples && (1..=CANDIDATE_BLOCK).contains(&self.block);
        if fits && self.waiting.len() <= self.block && self.waiting.iter().all(is_possible) {
            self.schedule.check(bound)
        } else {
            Err("impossible candidates".into())
        }
    }

    /// Forgets the waiting candidates: the next ones come from another stream.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Candidates that were drawn and not judged.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The present accuracy bound.
    pub fn bound(&self) -> f64 {
        self.schedule.bound()
    }

    /// The fewest correct samples that make a candidate acceptable now; at the floor every count does.
    fn minimum(&self) -> u32 {
        if self.schedule.at_floor() { 0 } else { self.schedule.minimum(self.samples) }
    }

    /// Draws until a whole block waits, and appends the masks that have to be scored before they can be
    /// judged to `masks`. Returns how many, and the minimum count of interest.
    pub fn request(
        &mut self,
        architecture: &Architecture,
        rng: &mut Stream,
        masks: &mut Vec<u32>,
    ) -> (usize, u32) {
        while self.waiting.len() < self.block {
            let mut mask = vec![0; architecture.mask_words()];
            mask::randomize(&mut mask, architecture.weights(), rng);
            self.waiting.push_back(FreshIndividual { mask, score: KnownScore::Unknown });
        }
        let minimum = self.minimum();
        let mut count = 0;
        for candidate in self.waiting.iter().filter(|candidate| !candidate.is_judgeable(minimum)) {
            masks.extend_from_slice(&candidate.mask);
            count += 1;
        }
        (count, minimum)
    }

    /// Enters the answers to the last [`request`](Self::request), in its order.
    pub fn supply(&mut self, answers: &[Option<Scores>]) {
        let minimum = self.minimum();
        let asked = self.waiting.iter_mut().filter(|candidate| !candidate.is_judgeable(minimum));
        for (candidate, answer) in asked.zip(answers) {
            candidate.score = answer.map_or(KnownScore::Below(minimum), KnownScore::Known);
        }
    }

    /// Judges waiting candidates until one is accepted or the next has to be scored first.
    pub fn judge(&mut self, architecture: &Architecture) -> Verdict {
        let mut judged = 0;
        let mut minimum = self.minimum();
        while self.waiting.front().is_some_and(|candidate| candidate.is_judgeable(minimum)) {
            let candidate = self.waiting.pop_front().expect("a first candidate");
            judged += 1;
            let score = match candidate.score {
                KnownScore::Known(score) if score.correct >= minimum => Some(score),
                _ => None,
            };
            let acceptable =
                score.filter(|_| !self.schedule.at_floor() || mask::has_path(&candidate.mask, architecture));
            if self.schedule.judge(acceptable.is_some()) {
                minimum = self.minimum();
            }
            if let Some(score) = acceptable {
                return Verdict { accepted: Some((candidate.mask, score)), judged };
            }
        }
        Verdict { accepted: None, judged }
    }
}

impl FreshIndividual {
    /// Is enough known to say whether the candidate has `minimum` correct samples?
    fn is_judgeable(&self, minimum: u32) -> bool {
        match self.score {
            KnownScore::Unknown => false,
            KnownScore::Below(bound) => bound <= minimum,
            KnownScore::Known(_) => true,
        }
    }
}
