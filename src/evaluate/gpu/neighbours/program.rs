//! Flips of parents as the device reads them.

use crate::evaluate::neighbours::{Plan, Source};
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
    tiles: u32,
    first_change: u32,
    changes: u32,
    first_term: u32,
    first_output: u32,
}

impl ProposalWords {
    /// Tiles that its parent looks at.
    pub fn tiles(&self) -> usize {
        self.tiles as usize
    }
}

/// Proposals as the device reads them.
#[derive(Default)]
pub(super) struct Program {
    pub proposals: Vec<ProposalWords>,
    pub plan: Vec<u32>,
    /// The most changes of one proposal.
    pub slots: usize,
    /// Terms of all proposals.
    pub terms: usize,
    /// The most tiles of one proposal.
    pub tiles: usize,
}

impl Program {
    /// Appends the changes `plan` of `parent`, on the first `tiles` tiles.
    pub fn push(&mut self, layers: &[Layer], parent: usize, tiles: usize, plan: &Plan) {
        let first_change = self.plan.len();
        let last = layers.len() - 1;
        for (depth, layer) in layers.iter().enumerate() {
            let changes = &plan.changes[plan.layer_starts[depth]..plan.layer_starts[depth + 1]];
            self.plan.extend(
                changes.iter().flat_map(|change| [layer.first_bias as u32 + change.neuron, change.terms_end]),
            );
        }
        let first_term = self.plan.len();
        let mut term = 0;
        for (slot, change) in plan.changes.iter().enumerate() {
            // A change stands in the layer whose range of slots holds it; its terms read the layer below.
            let depth = plan.layer_starts.partition_point(|&start| start <= slot) - 1;
            for product in &plan.terms[term..change.terms_end as usize] {
                let source = match product.source {
                    Source::Before(feature) if depth == 0 => FEATURE | feature,
                    Source::Before(neuron) => BEFORE | (layers[depth - 1].first_bias as u32 + neuron),
                    Source::After(slot) => AFTER | slot,
                    Source::Difference(slot) => DIFFERENCE | slot,
                };
                self.plan.extend([source, product.weight.to_bits()]);
            }
            term = change.terms_end as usize;
        }
        let first_output = self.plan.len();
        let first_row = layers[last].first_bias as u32;
        self.plan.extend((0..layers[last].outputs as u32).map(|class| first_row + class));
        for slot in plan.layer_starts[last]..plan.layer_starts[last + 1] {
            self.plan[first_output + plan.changes[slot].neuron as usize] = CHANGED | slot as u32;
        }
        self.proposals.push(ProposalWords {
            parent: parent as u32,
            tiles: tiles as u32,
            first_change: first_change as u32,
            changes: plan.changes.len() as u32,
            first_term: first_term as u32,
            first_output: first_output as u32,
        });
        self.slots = self.slots.max(plan.changes.len());
        self.terms += plan.terms.len();
        self.tiles = self.tiles.max(tiles);
    }
}

/// Words of `plan` that [`Program::push`] appends.
pub(super) fn plan_words(layers: &[Layer], plan: &Plan) -> usize {
    2 * plan.changes.len() + 2 * plan.terms.len() + layers[layers.len() - 1].outputs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::gpu::neighbours::screen_text;
    use crate::evaluate::gpu::wgsl::tests::{assert_lies_as, offsets};

    #[test]
    fn a_proposal_lies_in_memory_as_the_kernel_reads_it() {
        let fields = offsets!(ProposalWords: parent, tiles, first_change, changes, first_term, first_output);
        assert_lies_as(&screen_text(), "Proposal", size_of::<ProposalWords>(), fields);
    }
}
