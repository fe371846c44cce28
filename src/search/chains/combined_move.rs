//! Proposals that passed one by one, to be made together.

use super::proposal::Proposal;

/// What passed, the best first.
#[derive(Debug, Default)]
pub struct CombinedMove {
    parts: Vec<Passed>,
}

#[derive(Clone, Copy, Debug)]
struct Passed {
    proposal: Proposal,
    /// By how much less than allowed it changes.
    slack: i64,
}

impl CombinedMove {
    /// Takes proposals that passed, each with the change of the cost that it brought, without any that shares a bit
    /// with a better one.
    pub fn fill(&mut self, passed: impl Iterator<Item = (Proposal, i64)>) {
        let parts = &mut self.parts;
        parts.clear();
        parts.extend(passed.map(|(proposal, change)| Passed { proposal, slack: proposal.allowed - change }));
        parts.sort_by_key(|part| std::cmp::Reverse(part.slack));
        let mut kept = 0;
        for n in 0..parts.len() {
            let part = parts[n];
            let taken = |bit| parts[..kept].iter().any(|other| other.proposal.flips().contains(bit));
            if !part.proposal.flips().iter().any(taken) {
                parts[kept] = part;
                kept += 1;
            }
        }
        parts.truncate(kept);
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Number of proposals.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Leaves all bits in `flips`, ascending.
    pub fn flips_into(&self, flips: &mut Vec<u32>) {
        flips.clear();
        flips.extend(self.parts.iter().flat_map(|part| part.proposal.flips()));
        flips.sort_unstable();
    }

    /// By how much the cost may change: together, proposals may use up half of what they leave of what they
    /// are allowed one by one.
    pub fn allowed(&self) -> i64 {
        self.parts.iter().map(|part| part.proposal.allowed - part.slack / 2).sum()
    }

    /// Drops the worse half, or the last one.
    pub fn keep_better_half(&mut self) {
        self.parts.truncate(self.parts.len() / 2);
    }
}
