//! What a call computes, cut so that no submission works too long: pure functions.

use super::texts::FORWARD_NEURONS;
use crate::evaluate::neighbours::TILE;
use std::collections::VecDeque;
use std::ops::Range;

/// What workgroups compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkKind {
    /// The pre-activations of a layer, or of some of its neurons.
    Part(usize),
    /// What proposals cost.
    Costs,
}

/// Workgroups of one dispatch on a chunk of samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Workgroups {
    pub chunk: usize,
    pub computed: WorkKind,
    /// Of the chunk.
    pub tiles: Range<usize>,
    /// Neurons of a part, [`FORWARD_NEURONS`] a workgroup, or all proposals.
    pub rows: Range<usize>,
    /// Of those that the call computes; one where costs are computed.
    pub parents: Range<usize>,
    /// Multiply-adds of each.
    pub each: u64,
    /// Are these some of those that compute it all?
    pub is_part: bool,
}

impl Workgroups {
    /// All that compute a part of `outputs` neurons with so many `inputs`.
    pub fn of_part(
        chunk: usize,
        part: usize,
        tiles: usize,
        [inputs, outputs]: [usize; 2],
        parents: usize,
    ) -> Self {
        let rows = 0..outputs.div_ceil(FORWARD_NEURONS);
        let each = (inputs * TILE * FORWARD_NEURONS) as u64;
        let computed = WorkKind::Part(part);
        Self { chunk, computed, tiles: 0..tiles, rows, parents: 0..parents, each, is_part: false }
    }

    /// All that compute the costs of `proposals` that have so many `terms` together.
    pub fn of_costs(chunk: usize, tiles: usize, proposals: usize, terms: usize) -> Self {
        let each = (terms.div_ceil(proposals.max(1)).max(1) * TILE) as u64;
        let computed = WorkKind::Costs;
        Self { chunk, computed, tiles: 0..tiles, rows: 0..proposals, parents: 0..1, each, is_part: false }
    }

    pub fn work(&self) -> u64 {
        [&self.tiles, &self.rows, &self.parents].map(|range| range.len() as u64).iter().product::<u64>()
            * self.each
    }

    /// Both halves, unless there is one workgroup. Proposals stay together: their tiles are cut.
    fn halves(&self) -> Option<[Self; 2]> {
        let rows = if self.computed == WorkKind::Costs { 1 } else { self.rows.len() };
        let most = self.tiles.len().max(rows).max(self.parents.len());
        if most < 2 {
            return None;
        }
        let mut halves = [self.clone(), self.clone()];
        for (half, is_second) in halves.iter_mut().zip([false, true]) {
            let range = if half.tiles.len() == most {
                &mut half.tiles
            } else if rows == most {
                &mut half.rows
            } else {
                &mut half.parents
            };
            let middle = range.start + most / 2;
            *range = if is_second { middle..range.end } else { range.start..middle };
            half.is_part = true;
        }
        Some(halves)
    }
}

/// What is left of a call, in the order in which it has to be done.
pub(super) struct LeftToDo(VecDeque<Workgroups>);

impl LeftToDo {
    pub fn new(all: impl IntoIterator<Item = Workgroups>) -> Self {
        Self(all.into_iter().collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the next submission does, `most` multiply-adds or a single workgroup, and its multiply-adds. Where a part
    /// begins stands in a uniform, of which a submission sees one value: it has one part, or what is whole.
    pub fn next(&mut self, most: u64) -> Option<(Vec<Workgroups>, u64)> {
        let mut first = self.0.pop_front()?;
        while first.work() > most
            && let Some([head, tail]) = first.halves()
        {
            self.0.push_front(tail);
            first = head;
        }
        let (mut work, is_part) = (first.work(), first.is_part);
        let mut next = vec![first];
        while !is_part
            && let Some(whole) = self.0.pop_front_if(|front| !front.is_part && work + front.work() <= most)
        {
            work += whole.work();
            next.push(whole);
        }
        Some((next, work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A refresh of three parents of [7, 50, 2] on two chunks of 4 and 3 tiles.
    fn refresh() -> Vec<Workgroups> {
        let chunk = |chunk: usize, tiles: usize| {
            [
                Workgroups::of_part(chunk, 0, tiles, [7, 50], 3),
                Workgroups::of_part(chunk, 1, tiles, [50, 2], 3),
                Workgroups::of_costs(chunk, tiles, 2, 9),
            ]
        };
        [chunk(0, 4), chunk(1, 3)].concat()
    }

    /// `(place in the order, tile, row, parent)` of every workgroup.
    fn each(groups: &[Workgroups]) -> Vec<(usize, usize, usize, usize)> {
        let place = |one: &Workgroups| {
            let within = if let WorkKind::Part(part) = one.computed { part } else { 2 };
            3 * one.chunk + within
        };
        let mut all = Vec::new();
        for one in groups {
            for (tile, row) in one.tiles.clone().flat_map(|tile| one.rows.clone().map(move |row| (tile, row)))
            {
                all.extend(one.parents.clone().map(|parent| (place(one), tile, row, parent)));
            }
        }
        all
    }

    #[test]
    fn every_workgroup_is_submitted_once_and_in_order_however_little_a_submission_may_do() {
        let all = each(&refresh());
        for most in [0, 64, 7 * 1024, 10_000, 100_000, 300_000, u64::MAX] {
            let mut left = LeftToDo::new(refresh());
            let mut done = Vec::new();
            while let Some((next, work)) = left.next(most) {
                assert_eq!(work, next.iter().map(Workgroups::work).sum::<u64>());
                let is_cut_down = next.len() == 1 && next[0].halves().is_none();
                assert!(work <= most || is_cut_down, "{most}: {next:?}");
                assert!(next.len() == 1 || next.iter().all(|one| !one.is_part), "{next:?}");
                done.extend(each(&next));
            }
            assert!(left.is_empty());
            assert!(done.is_sorted_by_key(|one| one.0), "{most}");
            assert_eq!(done.len(), all.len());
            assert_eq!(BTreeSet::from_iter(done), BTreeSet::from_iter(all.iter().copied()));
        }
    }

    #[test]
    fn what_is_small_is_one_submission() {
        let mut left = LeftToDo::new(refresh());
        assert_eq!(left.next(u64::MAX).map(|(next, _)| next), Some(refresh()));
        assert!(left.next(u64::MAX).is_none());
    }
}
