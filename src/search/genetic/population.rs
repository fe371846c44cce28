//! Individuals and the masks that they own.

use super::goals::MAX_GOALS;
use super::ranking::Ranking;
use crate::flaw::Flaw;
use crate::mask::{self, packed};
use crate::network::Architecture;
use serde::{Deserialize, Serialize};

/// Where an individual came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Of the initial population.
    Initial,
    Child,
    Mutant,
    Migrant,
}

/// How a mask did on the training set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scores {
    /// Correctly classified samples.
    pub correct: u32,
    /// The loss by each objective that was [asked for](super::Goals::asked), in steps; zero where it is accuracy, and behind
    /// the last.
    pub losses: [u64; MAX_GOALS],
}

/// One individual: a mask, by its slot in the population's store, and its fitness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Individual {
    slot: u32,
    /// Correctly classified training samples.
    pub correct: u32,
    /// Losses on the training set: see [`Scores::losses`].
    pub losses: [u64; MAX_GOALS],
    /// Zero bits of the mask.
    pub zeros: u32,
    pub origin: Origin,
    /// The generation that made it.
    pub born: u32,
    /// Positions of its parents (of a mutant, twice the same) while its generation is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parents: Option<[u32; 2]>,
}

impl Individual {
    /// The loss of what was asked for first.
    pub fn loss(&self) -> u64 {
        self.losses[0]
    }
}

/// Individuals in order, their masks in one allocation that is reused from generation to generation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Population {
    weights: usize,
    words: usize,
    #[serde(with = "packed")]
    store: Vec<u32>,
    free: Vec<u32>,
    members: Vec<Individual>,
}

impl Population {
    /// An empty population for masks of `architecture`.
    pub fn new(architecture: &Architecture) -> Self {
        Self {
            weights: architecture.weights(),
            words: architecture.mask_words(),
            store: Vec::new(),
            free: Vec::new(),
            members: Vec::new(),
        }
    }

    /// Number of individuals.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Number of weights, that is, of bits per mask.
    pub fn weights(&self) -> usize {
        self.weights
    }

    /// The individuals in order.
    pub fn members(&self) -> &[Individual] {
        &self.members
    }

    /// The packed mask of the individual at `index`.
    pub fn mask(&self, index: usize) -> &[u32] {
        &self.store[self.range(index)]
    }

    /// Appends an individual, and returns its index. Its mask is whatever lay there before, and is to be written
    /// as a whole.
    pub fn push(&mut self, origin: Origin, born: u32) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.store.len() / self.words;
            self.store.resize(self.store.len() + self.words, 0);
            slot as u32
        });
        let Scores { correct, losses } = Scores::default();
        self.members.push(Individual { slot, correct, losses, zeros: 0, origin, born, parents: None });
        self.members.len() - 1
    }

    /// Appends a copy of the individual at `parent`, and returns its index.
    pub fn push_copy(&mut self, parent: usize, origin: Origin, born: u32) -> usize {
        let index = self.push(origin, born);
        let from = self.range(parent);
        let to = self.range(index).start;
        self.store.copy_within(from, to);
        self.members[index].parents = Some([parent as u32; 2]);
        index
    }

    /// The individual at `child`, a copy of its first parent so far, is also a child of `mate`.
    pub fn set_mate(&mut self, child: usize, mate: usize) {
        if let Some(parents) = &mut self.members[child].parents {
            parents[1] = mate as u32;
        }
    }

    /// The mask at `index`, to write.
    pub fn mask_mut(&mut self, index: usize) -> &mut [u32] {
        let range = self.range(index);
        &mut self.store[range]
    }

    /// The mask at `index`, to write, beside the mask at `other`, to read.
    ///
    /// # Panics
    /// If both are the same individual.
    pub fn mask_mut_beside(&mut self, index: usize, other: usize) -> (&mut [u32], &[u32]) {
        let ranges = [self.range(index), self.range(other)];
        let [mask, other] = self.store.get_disjoint_mut(ranges).expect("two different individuals");
        (mask, other)
    }

    /// Enters what the individual at `index`, whose mask is final now, scores on the training set.
    pub fn set_scores(&mut self, index: usize, scores: Scores) {
        let zeros = self.weights - mask::count_ones(self.mask(index));
        let member = &mut self.members[index];
        member.correct = scores.correct;
        member.losses = scores.losses;
        member.zeros = zeros as u32;
    }

    /// Puts the individuals in descending order of `key`; equal ones keep their order.
    pub fn sort_by_key_descending<K: Ord>(&mut self, key: impl Fn(&Individual) -> K) {
        self.members.sort_by_key(|member| std::cmp::Reverse(key(member)));
    }

    /// Keeps the individuals at the different positions of `order`, in this order; the masks of the others are
    /// free for reuse.
    pub fn keep(&mut self, order: &[usize]) {
        let kept = order.iter().map(|&index| Individual { parents: None, ..self.members[index] }).collect();
        let mut gone = vec![true; self.members.len()];
        order.iter().for_each(|&index| gone[index] = false);
        let slots = self.members.iter().zip(gone).filter(|(_, gone)| *gone).map(|(member, _)| member.slot);
        self.free.extend(slots);
        self.members = kept;
    }

    /// Is this a population for masks of `architecture` that `samples` samples can have scored?
    ///
    /// # Errors
    /// Says what is impossible.
    pub(super) fn check(&self, architecture: &Architecture, samples: usize) -> Result<(), Flaw> {
        let (weights, words) = (architecture.weights(), architecture.mask_words());
        if (self.weights, self.words) != (weights, words) || !self.store.len().is_multiple_of(words) {
            return Err("masks of another network".into());
        }
        let slots = self.store.len() / words;
        let mut taken = vec![false; slots];
        for &slot in self.members.iter().map(|member| &member.slot).chain(&self.free) {
            match taken.get_mut(slot as usize) {
                Some(taken) if !*taken => *taken = true,
                _ => return Err("a mask that is nobody's, or two individuals'".into()),
            }
        }
        for (index, member) in self.members.iter().enumerate() {
            let mask = self.mask(index);
            if !mask::is_of(mask, weights) {
                return Err("a mask with bits beyond its weights".into());
            }
            let parents = member.parents.iter().flatten();
            if member.correct as usize > samples || parents.max().is_some_and(|&p| p as usize >= index) {
                return Err("an individual with more correct samples or parents than there are".into());
            }
        }
        Ok(())
    }

    fn range(&self, index: usize) -> std::ops::Range<usize> {
        let start = self.members[index].slot as usize * self.words;
        start..start + self.words
    }

    /// The index of the individual that is the ticket ([`Ranking::claim`]); the first of equals.
    ///
    /// # Panics
    /// If the population is empty.
    pub fn best(&self, ranking: &Ranking) -> usize {
        let claim = |index: &usize| ranking.claim(&self.members[*index]);
        (0..self.len()).rev().max_by_key(claim).expect("a population has individuals")
    }

    /// Bits in which the individuals at `a` and `b` differ.
    pub fn distance(&self, a: usize, b: usize) -> u64 {
        mask::distance(self.mask(a), self.mask(b)) as u64
    }

    /// Mean share of bits by which the other individuals differ from the one at `index`.
    pub fn mean_distance_to(&self, index: usize) -> f64 {
        let sum: u64 = (0..self.len()).map(|other| self.distance(index, other)).sum();
        sum as f64 / (self.len().max(2) - 1) as f64 / self.weights as f64
    }
}
