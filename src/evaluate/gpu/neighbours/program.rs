//! Flips of parents as the device reads them.

use crate::evaluate::neighbours::{ChangePlan, TermSource};
use crate::network::Layer;
use bytemuck::{Pod, Zeroable};

/// Set in the place of an output that changes; the rest is its slot.
pub(super) const CHANGED: u32 = 1 << 31;
/// Where a term takes its value from; the rest is a feature, a row, or a slot.
pub(super) const SOURCE: u32 = 3 << 30;
pub(super) const FEATURE: u32 = 0;
pub(super) const BEFORE: u32 = 1 << 30;
pub(super) const AFTER: u32 = 2 << 30;
const DIFFERENCE: u32 = 3 << 30;

/// `Proposal` of `shaders/neighbours_screen.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct ProposalWords {
    pub parent: u32,
    pub tiles: u32,
    pub first_change: u32,
    pub changes: u32,
    pub first_term: u32,
    pub first_output: u32,
}

/// Bits of a parent to flip.
pub(super) struct ProposedFlips {
    /// What begins somewhere counts from the beginning of `plan`.
    words: ProposalWords,
    plan: Vec<u32>,
    /// Products that the changes take for each sample.
    pub terms: usize,
}

impl ProposedFlips {
    /// The changes `plan` of the parent at `place`, on the first `tiles` tiles.
    pub fn new(layers: &[Layer], place: usize, tiles: usize, plan: &ChangePlan) -> Self {
        let mut words: Vec<u32> = Vec::new();
        for (depth, layer) in layers.iter().enumerate() {
            let changes = &plan.changes[plan.layer_starts[depth]..plan.layer_starts[depth + 1]];
            words.extend(
                changes.iter().flat_map(|change| [layer.first_bias as u32 + change.neuron, change.terms_end]),
            );
        }
        let first_term = words.len();
        let mut term = 0;
        for (slot, change) in plan.changes.iter().enumerate() {
            // A change stands in the layer whose range of slots holds it; its terms read the layer below.
            let depth = plan.layer_starts.partition_point(|&start| start <= slot) - 1;
            for product in &plan.terms[term..change.terms_end as usize] {
                let source = match product.source {
                    TermSource::Before(feature) if depth == 0 => FEATURE | feature,
                    TermSource::Before(neuron) => BEFORE | (layers[depth - 1].first_bias as u32 + neuron),
                    TermSource::After(slot) => AFTER | slot,
                    TermSource::Difference(slot) => DIFFERENCE | slot,
                };
                words.extend([source, product.weight.to_bits()]);
            }
            term = change.terms_end as usize;
        }
        let first_output = words.len();
        let last = layers.len() - 1;
        let first_row = layers[last].first_bias as u32;
        words.extend((0..layers[last].outputs as u32).map(|class| first_row + class));
        for slot in plan.layer_starts[last]..plan.layer_starts[last + 1] {
            words[first_output + plan.changes[slot].neuron as usize] = CHANGED | slot as u32;
        }
        let proposal = ProposalWords {
            parent: place as u32,
            tiles: tiles as u32,
            first_change: 0,
            changes: plan.changes.len() as u32,
            first_term: first_term as u32,
            first_output: first_output as u32,
        };
        Self { words: proposal, plan: words, terms: plan.terms.len() }
    }
}

/// What proposals of one dispatch take.
#[derive(Clone, Copy, Default)]
pub(super) struct Extent {
    pub proposals: usize,
    /// Words of their plans.
    pub words: usize,
    /// The most changes of one proposal.
    pub slots: usize,
    /// Terms of all proposals.
    pub terms: usize,
    /// The most tiles of one proposal.
    pub tiles: usize,
}

impl Extent {
    fn with(self, proposal: &ProposedFlips) -> Self {
        Self {
            proposals: self.proposals + 1,
            words: self.words + proposal.plan.len(),
            slots: self.slots.max(proposal.words.changes as usize),
            terms: self.terms + proposal.terms,
            tiles: self.tiles.max(proposal.words.tiles as usize),
        }
    }
}

/// Proposals of one dispatch as the device reads them.
#[derive(Default)]
pub(super) struct DispatchProgram {
    pub proposals: Vec<ProposalWords>,
    pub plan: Vec<u32>,
    pub extent: Extent,
}

impl DispatchProgram {
    /// All `proposals` in order, in as few programs as there are where each `fits`; one proposal always does.
    pub fn pack(proposals: &[ProposedFlips], fits: impl Fn(&Extent) -> bool) -> Vec<Self> {
        let mut programs: Vec<Self> = Vec::new();
        for proposal in proposals {
            match programs.last_mut().filter(|program| fits(&program.extent.with(proposal))) {
                Some(program) => program.push(proposal),
                None => {
                    let mut program = Self::default();
                    program.push(proposal);
                    programs.push(program);
                }
            }
        }
        programs
    }

    fn push(&mut self, proposal: &ProposedFlips) {
        let first = self.plan.len() as u32;
        self.plan.extend(&proposal.plan);
        self.proposals.push(ProposalWords {
            first_change: first + proposal.words.first_change,
            first_term: first + proposal.words.first_term,
            first_output: first + proposal.words.first_output,
            ..proposal.words
        });
        self.extent = self.extent.with(proposal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_are_packed_in_order_as_far_as_they_fit() {
        let proposal = |place: u32, plan: &[u32]| {
            let words = ProposalWords { parent: place, first_output: 1, ..Zeroable::zeroed() };
            ProposedFlips { words, plan: plan.to_vec(), terms: 2 }
        };
        let proposals = [proposal(7, &[1, 2]), proposal(8, &[3, 4, 5]), proposal(9, &[6; 20])];
        let programs = DispatchProgram::pack(&proposals, |extent| extent.words <= 5);
        let of = |program: &DispatchProgram| {
            let places = program.proposals.iter().map(|words| (words.parent, words.first_output));
            (places.collect::<Vec<_>>(), program.plan.clone(), program.extent.terms)
        };
        let packed: Vec<_> = programs.iter().map(of).collect();
        assert_eq!(packed, [(vec![(7, 1), (8, 3)], vec![1, 2, 3, 4, 5], 4), (vec![(9, 1)], vec![6; 20], 2)]);
    }
}
