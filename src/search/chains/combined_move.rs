//! Proposals that passed one by one, to be made together.

use crate::evaluate::neighbours::Candidate;

/// What passed, the best first.
pub struct CombinedMove<'a> {
    parts: Vec<Part<'a>>,
}

struct Part<'a> {
    candidate: Candidate<'a>,
    /// By how much less than allowed the cost changes.
    slack: i64,
}

impl<'a> CombinedMove<'a> {
    /// Those of the `candidates` whose change is known, without any that shares a bit with a better one.
    pub fn new(candidates: &[Candidate<'a>], changes: &[Option<i64>]) -> Self {
        let mut passed: Vec<Part<'a>> = candidates
            .iter()
            .zip(changes)
            .filter_map(|(&candidate, change)| {
                Some(Part { candidate, slack: candidate.allowed - (*change)? })
            })
            .collect();
        passed.sort_by_key(|part| std::cmp::Reverse(part.slack));
        let mut joint = Self { parts: Vec::with_capacity(passed.len()) };
        for part in passed {
            let taken = |flip| joint.parts.iter().any(|other| other.candidate.flips.contains(flip));
            if !part.candidate.flips.iter().any(taken) {
                joint.parts.push(part);
            }
        }
        joint
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Number of proposals.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// All bits, ascending.
    pub fn flips(&self) -> Vec<u32> {
        let mut flips: Vec<u32> = self.parts.iter().flat_map(|part| part.candidate.flips).copied().collect();
        flips.sort_unstable();
        flips
    }

    /// By how much the cost may change: together, proposals may use up half of what they leave of what they
    /// are allowed one by one.
    pub fn allowed(&self) -> i64 {
        self.parts.iter().map(|part| part.candidate.allowed - part.slack / 2).sum()
    }

    /// Drops the worse half, or the last one.
    pub fn keep_better_half(&mut self) {
        self.parts.truncate(self.parts.len() / 2);
    }
}
