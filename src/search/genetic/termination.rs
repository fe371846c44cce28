//! When a search ends.

use super::config::Termination;
use crate::search::StopReason;

impl Termination {
    /// Is the search over, given the best of each generation so far (the initial population first), by the
    /// first part of the fitness?
    pub fn reached(&self, best: &[u64]) -> Option<StopReason> {
        let generation = best.len() - 1;
        if self.max_generations.is_some_and(|most| generation >= most) {
            return Some(StopReason::MaxGenerations);
        }
        let stalled = generation >= self.min_generations.max(self.patience)
            && best[generation] == best[generation - self.patience];
        stalled.then_some(StopReason::Stalled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAPER: Termination = Termination { min_generations: 100, patience: 50, max_generations: Some(200) };

    #[test]
    fn a_search_runs_its_minimum_and_then_stops_when_it_stalls() {
        let flat = |generations: usize| vec![7; generations + 1];
        assert_eq!(PAPER.reached(&flat(99)), None);
        assert_eq!(PAPER.reached(&flat(100)), Some(StopReason::Stalled));
        let mut late = flat(51);
        late.resize(101, 8);
        assert_eq!(PAPER.reached(&late), None);
        late.push(8);
        assert_eq!(PAPER.reached(&late), None);
        late.push(8);
        assert_eq!(PAPER.reached(&late), Some(StopReason::Stalled));
    }

    #[test]
    fn a_search_that_still_improves_ends_at_the_maximum() {
        let rising: Vec<u64> = (0..=200).collect();
        assert_eq!(PAPER.reached(&rising[..200]), None);
        assert_eq!(PAPER.reached(&rising), Some(StopReason::MaxGenerations));
    }
}
