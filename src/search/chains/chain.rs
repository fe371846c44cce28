//! One chain: a mask, and flips of it, accepted or not.

use super::combined_move::CombinedMove;
use super::history::HistoryPoint;
use super::parent_request::{ParentAnswer, ParentRequest};
use super::proposal::{self, Proposal};
use super::schedule::{ChainSchedule, Terrain};
use super::walk::{ChainState, Walk};
use crate::evaluate::neighbours::Candidate;
use crate::mask;
use crate::random;
use std::sync::Arc;
use std::time::Instant;

/// Points of a chain's history, the first and the last state apart.
const HISTORY_POINTS: u64 = 50;

/// How good the mask is that a chain has come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainProgress {
    /// Wrong samples of those that are looked at.
    pub wrong: u64,
    pub samples: usize,
    /// The cost per sample: wrong samples, or the loss in units of tau².
    pub loss: f64,
    pub weights: usize,
    pub weights_kept: usize,
}

impl ChainProgress {
    /// Share of the weights that are pruned.
    pub fn sparsity(&self) -> f64 {
        1.0 - self.weights_kept as f64 / self.weights as f64
    }

    /// Share of the samples that are classified correctly.
    pub fn accuracy(&self) -> f64 {
        1.0 - self.wrong as f64 / self.samples as f64
    }
}

/// A chain as a state that asks for what is to be done with its mask, and is told what came of it.
///
/// It asks to begin first, and for an exact cost last. In between it comes to rest before each batch of proposals:
/// what [`at_rest`](Self::at_rest) gives there is enough to go on from, with the same answers to the same end.
#[derive(Debug)]
pub struct Chain {
    terrain: Arc<Terrain>,
    schedule: ChainSchedule,
    state: ChainState,
    step: ChainStep,
    /// The present mask.
    mask: Vec<u32>,
    /// The weights that it keeps.
    weights_kept: i64,
    /// What it costs on the first `chunks` chunks of the samples, without the price of weights.
    cost: u64,
    chunks: usize,
    /// The cost of one unit of the fitness there.
    unit: f64,
    /// The price of a kept weight there.
    price: i64,
    proposals: Vec<Proposal>,
    combined: CombinedMove,
    /// The bits of `combined`.
    flips: Vec<u32>,
    /// From where on the present batch is judged.
    first_chunk: usize,
    /// Where the chain stood at a point of its history that nobody was told of.
    point: Option<ChainProgress>,
    began: Instant,
    /// Wall time before.
    seconds: f64,
}

/// What is asked for, or was last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChainStep {
    Begin,
    LookAtMore,
    Refresh,
    Point,
    Rest,
    Screen,
    Attempt,
    End,
    Ended { cost: u64 },
}

impl Chain {
    /// A chain that goes on from `state` as `schedule` says.
    pub fn new(terrain: Arc<Terrain>, schedule: ChainSchedule, state: ChainState) -> Self {
        let mut mask = state.mask.clone();
        state.moves.iter().flatten().for_each(|&bit| mask::flip(&mut mask, bit as usize));
        Self {
            step: ChainStep::Begin,
            weights_kept: mask::count_ones(&mask) as i64,
            mask,
            cost: 0,
            chunks: schedule.chunks(&terrain, state.done),
            unit: 0.0,
            price: 0,
            proposals: Vec::new(),
            combined: CombinedMove::default(),
            flips: Vec::new(),
            first_chunk: 0,
            point: None,
            began: Instant::now(),
            seconds: state.history.seconds.last().copied().unwrap_or(0.0),
            terrain,
            schedule,
            state,
        }
    }

    /// What is to be done next; none when the chain has ended. Asked again before it is told, it asks the same.
    pub fn ask(&mut self) -> Option<ParentRequest<'_>> {
        if self.step == ChainStep::Rest {
            self.begin_batch();
        }
        let (race, first_chunk) = (self.schedule.race(), self.first_chunk);
        Some(match self.step {
            ChainStep::Begin => ParentRequest::Begin {
                mask: &self.state.mask,
                chunks: self.chunks,
                moves: &self.state.moves,
                is_again: !self.state.history.proposals.is_empty(),
            },
            ChainStep::LookAtMore => ParentRequest::LookAt(self.chunks),
            ChainStep::Refresh => ParentRequest::Refresh,
            ChainStep::Point => ParentRequest::Wrong,
            ChainStep::Screen => {
                let proposals = self.proposals.iter();
                let candidates =
                    proposals.map(|one| Candidate { flips: one.flips(), allowed: one.allowed }).collect();
                ParentRequest::Screen { candidates, race, first_chunk }
            }
            ChainStep::Attempt => {
                let candidate = Candidate { flips: &self.flips, allowed: self.combined.allowed() };
                ParentRequest::Attempt { candidate, race, first_chunk }
            }
            ChainStep::End => ParentRequest::ExactCost(&self.state.best_mask),
            ChainStep::Rest | ChainStep::Ended { .. } => return None,
        })
    }

    /// Takes the answer to the last [`ask`](Self::ask).
    ///
    /// # Panics
    /// If it is an answer to something else.
    pub fn tell(&mut self, answer: ParentAnswer) {
        match (self.step, answer) {
            (ChainStep::Begin, ParentAnswer::Cost(cost)) => {
                self.cost = cost;
                self.price_weights();
                if self.state.best == i64::MAX {
                    self.state.best = self.priced_cost();
                }
                self.go_on();
            }
            (ChainStep::LookAtMore, ParentAnswer::Cost(cost)) => {
                self.take_exact_cost(cost);
                self.price_weights();
                // Costs on fewer samples do not compare.
                self.state.best = i64::MAX;
                self.keep_if_best();
                self.go_on();
            }
            (ChainStep::Refresh, ParentAnswer::Cost(cost)) => {
                self.take_exact_cost(cost);
                self.go_on();
            }
            (ChainStep::Point, ParentAnswer::Wrong(wrong)) => {
                self.add_point(wrong);
                self.step = ChainStep::Rest;
            }
            (ChainStep::Screen, ParentAnswer::Changes(changes)) => self.take_changes(&changes),
            (ChainStep::Attempt, ParentAnswer::Attempt { passed, cost, is_exact }) => {
                if passed {
                    self.take_move(cost, is_exact);
                    self.close_batch();
                } else {
                    self.combined.keep_better_half();
                    self.attempt();
                }
            }
            (ChainStep::End, ParentAnswer::Cost(cost)) => self.step = ChainStep::Ended { cost },
            (step, answer) => panic!("{answer:?} is no answer to {step:?}"),
        }
    }

    /// The state to go on from, if the chain is at rest.
    pub fn at_rest(&self) -> Option<&ChainState> {
        (self.step == ChainStep::Rest).then_some(&self.state)
    }

    /// Proposals made.
    pub fn proposals(&self) -> u64 {
        self.state.done
    }

    /// Have all proposals been made? Only the cost of the best mask is asked for then.
    pub fn is_done(&self) -> bool {
        self.state.done == self.schedule.proposals
    }

    /// Where the chain stood, exactly, at a point of its history that it came to since this was last asked.
    pub fn take_point(&mut self) -> Option<ChainProgress> {
        self.point.take()
    }

    /// Where the chain stands if so many samples are `wrong`.
    pub fn progress(&self, wrong: u64) -> ChainProgress {
        let samples = self.terrain.samples(self.chunks);
        let weights = self.terrain.architecture.weights();
        let loss = self.cost as f64 / self.unit;
        ChainProgress { wrong, samples, loss, weights, weights_kept: self.weights_kept as usize }
    }

    /// Takes note of what its parent executed since the last time.
    pub fn count(&mut self, multiply_adds: u64) {
        self.state.multiply_adds += multiply_adds;
    }

    /// What the chain came to.
    ///
    /// # Panics
    /// If it still asks for something.
    pub fn into_walk(self) -> Walk {
        let ChainStep::Ended { cost } = self.step else { panic!("the chain has not ended") };
        Walk { cost, ..self.state.stopped() }
    }

    /// The cost of the present mask, the price of weights included.
    fn priced_cost(&self) -> i64 {
        self.cost as i64 + self.price * self.weights_kept
    }

    /// Works out what follows from the samples that are looked at.
    fn price_weights(&mut self) {
        self.unit = self.terrain.cost_unit(self.chunks);
        self.price = (self.schedule.weight_price * self.unit).round() as i64;
    }

    /// Takes the exact cost of the present mask, from which moves are counted from now on.
    fn take_exact_cost(&mut self, cost: u64) {
        self.cost = cost;
        self.state.mask.copy_from_slice(&self.mask);
        self.state.moves.clear();
    }

    fn keep_if_best(&mut self) {
        if self.priced_cost() < self.state.best {
            self.state.best = self.priced_cost();
            self.state.best_mask.copy_from_slice(&self.mask);
        }
    }

    /// Finds out what is to be done between two batches.
    fn go_on(&mut self) {
        let chunks = self.schedule.chunks(&self.terrain, self.state.done);
        self.step = if chunks != self.chunks {
            self.chunks = chunks;
            ChainStep::LookAtMore
        } else if !self.is_at_point() {
            ChainStep::Rest
        } else if self.state.moves.is_empty() {
            ChainStep::Point
        } else {
            ChainStep::Refresh
        };
    }

    /// Is an entry of the history due?
    fn is_at_point(&self) -> bool {
        let step = (self.schedule.proposals / HISTORY_POINTS).max(1);
        let Some(&last) = self.state.history.proposals.last() else { return true };
        self.state.done != last && (self.state.done / step != last / step || self.is_done())
    }

    fn add_point(&mut self, wrong: u64) {
        self.point = Some(self.progress(wrong));
        self.state.history.push(HistoryPoint {
            proposals: self.state.done,
            seconds: self.seconds + self.began.elapsed().as_secs_f64(),
            cost: self.cost,
            wrong,
            weights_kept: self.weights_kept as usize,
        });
    }

    /// Draws the next batch, or ends.
    fn begin_batch(&mut self) {
        if self.is_done() {
            // Where cold walks went sideways last, they end as well off as they ever were.
            if self.priced_cost() <= self.state.best {
                self.state.best_mask.copy_from_slice(&self.mask);
            }
            self.step = ChainStep::End;
            return;
        }
        let config = &self.schedule.config;
        let count = (self.schedule.proposals - self.state.done).min(config.batch as u64);
        let temperature = self.unit * self.schedule.temperature(self.state.done);
        let (architecture, rng) = (&self.terrain.architecture, &mut self.state.rng);
        self.proposals.clear();
        for _ in 0..count {
            let one = proposal::draw(architecture, config, &self.mask, temperature, self.price, rng);
            self.proposals.push(one);
        }
        self.first_chunk = random::index(rng, self.chunks);
        match self.proposals[..] {
            // The attempt itself judges it.
            [one] => {
                self.combined.fill(std::iter::once((one, one.allowed)));
                self.attempt();
            }
            _ => self.step = ChainStep::Screen,
        }
    }

    /// Joins what passed of the batch.
    fn take_changes(&mut self, changes: &[Option<i64>]) {
        assert_eq!(changes.len(), self.proposals.len(), "a change per candidate");
        let judged = self.proposals.iter().zip(changes);
        self.combined.fill(judged.filter_map(|(&one, &change)| Some((one, change?))));
        self.attempt();
    }

    /// Attempts what is joined, if anything is.
    fn attempt(&mut self) {
        if self.combined.is_empty() {
            return self.close_batch();
        }
        self.combined.flips_into(&mut self.flips);
        self.step = ChainStep::Attempt;
    }

    /// Takes the move that was attempted.
    fn take_move(&mut self, cost: u64, is_exact: bool) {
        self.cost = cost;
        self.weights_kept += proposal::weights_gained(&self.flips, &self.mask);
        self.flips.iter().for_each(|&bit| mask::flip(&mut self.mask, bit as usize));
        self.state.accepted += self.combined.len() as u64;
        if is_exact {
            // Nothing is kept, and so nothing drifts.
            self.take_exact_cost(cost);
        } else {
            self.state.moves.push(self.flips.clone());
        }
    }

    fn close_batch(&mut self) {
        self.keep_if_best();
        self.state.done += self.proposals.len() as u64;
        if self.state.moves.len() >= self.schedule.config.refresh {
            self.step = ChainStep::Refresh;
        } else {
            self.go_on();
        }
    }
}
