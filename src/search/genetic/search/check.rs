//! Whether what a checkpoint holds can be a search that goes on.

use super::{OpenGeneration, Search};
use crate::flaw::Flaw;
use crate::network::Architecture;
use crate::search::StopReason;
use crate::search::genetic::ResolvedGenetic;
use crate::search::genetic::migration::Candidates;

impl Search {
    /// Could this be an unfinished search with these resolved settings on `samples` training samples?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(
        &self,
        config: &ResolvedGenetic,
        architecture: &Architecture,
        samples: usize,
    ) -> Result<(), Flaw> {
        let ends_alike = ResolvedGenetic { termination: config.termination.clone(), ..self.config.clone() };
        let is_ours = ends_alike == *config && self.architecture == *architecture;
        let ranks = self.ranking.is_of(config, samples) && self.goals.is_of(config, architecture, samples);
        if !is_ours || !ranks {
            return Err("a search for something else".into());
        }
        let has_ended = self.stop_reason.is_some_and(|reason| reason != StopReason::MaxGenerations);
        if has_ended || self.candidates.is_some() != config.accuracy_bound.is_some() {
            return Err("a search that has ended, or of another kind".into());
        }
        let unfinished = self.best.len() + usize::from(self.open.is_some());
        if (1..unfinished).any(|length| config.termination.reached(&self.best[..length]).is_some()) {
            return Err("a search that has gone on for longer".into());
        }
        let complete = self.generation as usize + usize::from(self.open.is_none());
        if self.history.len() != complete || self.best.len() != complete || !self.history.is_whole() {
            return Err("a history of another length".into());
        }
        self.population.check(architecture, samples)?;
        if self.open.is_none() && self.population.len() != config.population {
            return Err("a population of another size".into());
        }
        let is_counted = self.counters.made <= self.counters.asked;
        if !is_counted || self.seen.values().any(|score| score.correct as usize > samples) {
            return Err("impossible counts".into());
        }
        if let (Some(candidates), Some(bound)) = (&self.candidates, &config.accuracy_bound) {
            candidates.check(bound, architecture, samples)?;
        }
        self.open.as_ref().map_or(Ok(()), |open| self.check_open(open))
    }

    fn check_open(&self, open: &OpenGeneration) -> Result<(), Flaw> {
        let (asked, words) = (open.minimum.len(), self.architecture.mask_words());
        let population = &self.population;
        let is_request = open.masks.len() == asked * words
            && open.individuals <= asked
            && open.minimum[..open.individuals].iter().all(|&minimum| minimum == 0);
        let known = population.len() + open.fresh_missing;
        let has_all = if self.generation == 0 {
            known == self.config.population
        } else {
            population.len() >= self.config.population
        };
        let is_awaited = |&(individual, position): &(usize, usize)| {
            individual < population.len() && position < open.individuals
        };
        let waits_for_bound =
            open.fresh_missing == 0 || (self.candidates.is_some() && open.fresh_origin.is_some());
        let waiting = self.candidates.as_ref().map_or(0, Candidates::waiting);
        let fits =
            asked - open.individuals.min(asked) <= waiting && open.fresh_missing <= self.config.population;
        if is_request && has_all && waits_for_bound && fits && open.waiting.iter().all(is_awaited) {
            return Ok(());
        }
        Err("an impossible generation".into())
    }
}
