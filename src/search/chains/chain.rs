//! One chain: a mask, and flips of it, accepted or not.

use super::combined_move::CombinedMove;
use super::config::{LocalSearchConfig, Temperature};
use super::history::{History, Point};
use super::proposal::{self, Proposal};
use super::watch::{Phase, Standing, Watch};
use crate::evaluate::neighbours::{Candidate, Chunk, Race};
use crate::evaluate::{EvaluateError, Neighbourhood, Parent};
use crate::flaw::Flaw;
use crate::mask;
use crate::mask::packed;
use crate::objective::Objective;
use crate::random::{self, Stream};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Points of a chain's history, the first and the last state apart.
const HISTORY_POINTS: u64 = 50;

/// How often a chain tells where it stands between the points of its history, which changes nothing of its way.
pub(super) const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// What a chain did and found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Walk {
    /// The mask of the smallest cost that was met.
    #[serde(with = "packed")]
    pub mask: Vec<u32>,
    /// Its exact cost in the landscape that was searched, without the price of weights.
    pub cost: u64,
    pub proposals: u64,
    pub accepted: u64,
    pub multiply_adds: u64,
    pub history: History,
}

/// How a stretch of a chain goes.
#[derive(Clone, Debug)]
pub struct Stretch<'a> {
    pub config: &'a LocalSearchConfig,
    pub proposals: u64,
    pub temperature: &'a Temperature,
    /// In place of the configuration's.
    pub weight_price: f64,
}

/// A chain between two batches of proposals: what else it needs to go on follows from this.
///
/// Pre-activations drift from one exact computation to the next, and what a proposal costs depends on that. So the
/// moves since the last one are kept: made again, they lead to the same pre-activations, bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainState {
    rng: Stream,
    /// The mask whose pre-activations were last computed exactly.
    #[serde(with = "packed")]
    mask: Vec<u32>,
    /// The flips of every move since.
    moves: Vec<Vec<u32>>,
    #[serde(with = "packed")]
    best_mask: Vec<u32>,
    /// The cost of `best_mask`, the price of weights included.
    best: i64,
    /// Proposals made.
    pub(super) done: u64,
    accepted: u64,
    multiply_adds: u64,
    history: History,
}

impl ChainState {
    /// Before the first proposal, at the mask `start`.
    pub fn new(start: Vec<u32>, rng: Stream) -> Self {
        Self {
            rng,
            best_mask: start.clone(),
            mask: start,
            moves: Vec::new(),
            best: i64::MAX,
            done: 0,
            accepted: 0,
            multiply_adds: 0,
            history: History::default(),
        }
    }
}

impl ChainState {
    /// Could this be a chain of `proposals` proposals over masks of `weights` weights?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(&self, weights: usize, proposals: u64) -> Result<(), Flaw> {
        if !mask::is_of(&self.mask, weights) || !mask::is_of(&self.best_mask, weights) {
            return Err("a mask of another network".into());
        }
        if !self.moves.iter().all(|flips| are_flips(flips, weights)) {
            return Err("moves of another network".into());
        }
        let ascends = self.history.proposals.is_sorted();
        let last = self.history.proposals.last().is_none_or(|&last| last <= self.done);
        if self.done > proposals || self.accepted > self.done || !self.history.is_whole() || !ascends || !last
        {
            return Err("impossible counts of proposals".into());
        }
        Ok(())
    }
}

/// Are these different weights, of so many that there are?
pub(super) fn are_flips(flips: &[u32], weights: usize) -> bool {
    let mut sorted = flips.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] < pair[1])
        && sorted.last().is_none_or(|&bit| (bit as usize) < weights)
}

/// Walks from `state` on, neighbours being scored by `neighbourhood`; tells `at_rest` now and then where it could go on,
/// and at a stop. A walk that is stopped before it has begun is where it would begin.
///
/// # Errors
/// Errors of the device.
pub fn walk(
    neighbourhood: &dyn Neighbourhood,
    state: ChainState,
    stretch: &Stretch<'_>,
    watch: &Watch<'_>,
    at_rest: impl Fn(&ChainState),
) -> Result<Walk, EvaluateError> {
    if watch.stopping() {
        return Ok(Walk::stopped(state));
    }
    let mut chain = Chain::new(neighbourhood, state, stretch)?;
    if watch.phase().0 == Phase::FirstSums {
        watch.enter(Phase::Walking);
    }
    let mut told = Instant::now();
    loop {
        chain.look_at_enough()?;
        if chain.is_at_point() {
            watch.tell(chain.point()?);
            at_rest(&chain.state);
        }
        if chain.is_done() {
            return chain.end();
        }
        if watch.stopping() {
            at_rest(chain.at_rest());
            return Ok(Walk::stopped(chain.state));
        }
        if told.elapsed() >= TELL_INTERVAL {
            told = Instant::now();
            watch.tell(chain.standing()?);
            at_rest(chain.at_rest());
        }
        watch.count(chain.batch()?);
    }
}

impl Walk {
    /// What a chain came to that was stopped at `state`; its cost is that of its own samples.
    fn stopped(state: ChainState) -> Self {
        Self {
            mask: state.best_mask,
            cost: u64::try_from(state.best).unwrap_or(0),
            proposals: state.done,
            accepted: state.accepted,
            multiply_adds: state.multiply_adds,
            history: state.history,
        }
    }
}

/// A chain under way.
struct Chain<'a> {
    neighbourhood: &'a dyn Neighbourhood,
    stretch: &'a Stretch<'a>,
    state: ChainState,
    parent: Box<dyn Parent + 'a>,
    /// The cost of one unit of the fitness on the samples that are looked at.
    unit: f64,
    /// The price of a kept weight, in the landscape's unit.
    price: i64,
    /// The cost of the present mask, the price of weights included.
    present: i64,
    proposals: Vec<Proposal>,
    began: Instant,
    /// Wall time before.
    seconds: f64,
}

impl<'a> Chain<'a> {
    fn new(
        neighbourhood: &'a dyn Neighbourhood,
        state: ChainState,
        stretch: &'a Stretch<'a>,
    ) -> Result<Self, EvaluateError> {
        let mut parent = neighbourhood.parent(&state.mask, chunks_at(neighbourhood, stretch, state.done))?;
        for flips in &state.moves {
            parent.attempt(Candidate { flips, allowed: ANYTHING }, None, 0)?;
        }
        if !state.history.proposals.is_empty() {
            // Counted before the state was taken.
            parent.take_multiply_adds();
        }
        let seconds = state.history.seconds.last().copied().unwrap_or(0.0);
        let mut chain = Self {
            neighbourhood,
            stretch,
            parent,
            unit: 0.0,
            price: 0,
            present: 0,
            proposals: Vec::new(),
            began: Instant::now(),
            seconds,
            state,
        };
        chain.price_anew();
        if chain.state.best == i64::MAX {
            chain.state.best = chain.present;
        }
        Ok(chain)
    }

    /// The chunks that are looked at.
    fn chunks(&self) -> &'a [Chunk] {
        &self.neighbourhood.tiles().chunks()[..self.parent.chunks()]
    }

    /// Number of samples that are looked at.
    fn samples(&self) -> usize {
        self.chunks().iter().map(Chunk::samples).sum()
    }

    /// Works out what follows from the samples that are looked at.
    fn price_anew(&mut self) {
        self.unit = cost_unit(self.neighbourhood.objective(), self.samples());
        self.price = (self.stretch.weight_price * self.unit).round() as i64;
        self.present = self.total();
    }

    fn total(&self) -> i64 {
        self.parent.cost() as i64 + self.price * mask::count_ones(self.parent.mask()) as i64
    }

    /// Looks at more samples when it is time to.
    fn look_at_enough(&mut self) -> Result<(), EvaluateError> {
        let chunks = chunks_at(self.neighbourhood, self.stretch, self.state.done);
        if chunks != self.parent.chunks() {
            self.parent.look_at(chunks)?;
            self.is_exact_here();
            self.price_anew();
            // Costs on fewer samples do not compare.
            self.state.best = self.present;
            self.state.best_mask.copy_from_slice(self.parent.mask());
        }
        Ok(())
    }

    /// Is an entry of the history due?
    fn is_at_point(&self) -> bool {
        let step = (self.stretch.proposals / HISTORY_POINTS).max(1);
        let Some(&last) = self.state.history.proposals.last() else { return true };
        self.state.done != last && (self.state.done / step != last / step || self.is_done())
    }

    fn is_done(&self) -> bool {
        self.state.done == self.stretch.proposals
    }

    /// Makes the pre-activations exact and adds to the history.
    fn point(&mut self) -> Result<Standing, EvaluateError> {
        self.refresh()?;
        let standing = self.standing()?;
        self.state.history.push(Point {
            proposals: self.state.done,
            seconds: self.seconds + self.began.elapsed().as_secs_f64(),
            cost: self.parent.cost(),
            wrong: standing.wrong,
            weights_kept: mask::count_ones(self.parent.mask()),
        });
        self.state.multiply_adds += self.parent.take_multiply_adds();
        Ok(standing)
    }

    /// How good the present mask is: exact after a refresh.
    fn standing(&mut self) -> Result<Standing, EvaluateError> {
        let (wrong, samples) = (self.parent.wrong()?, self.samples());
        Ok(Standing { wrong, samples, loss: self.parent.cost() as f64 / self.unit })
    }

    fn refresh(&mut self) -> Result<(), EvaluateError> {
        if self.parent.since_refresh() > 0 {
            self.parent.refresh()?;
            self.present = self.total();
        }
        self.is_exact_here();
        Ok(())
    }

    /// From now on the present mask is the one that moves are counted from.
    fn is_exact_here(&mut self) {
        self.state.mask.copy_from_slice(self.parent.mask());
        self.state.moves.clear();
    }

    /// The state to go on from, between two batches.
    fn at_rest(&mut self) -> &ChainState {
        self.state.multiply_adds += self.parent.take_multiply_adds();
        &self.state
    }

    /// Makes and judges the next proposals; says how many.
    fn batch(&mut self) -> Result<u64, EvaluateError> {
        let (stretch, config) = (self.stretch, self.stretch.config);
        let count = (stretch.proposals - self.state.done).min(config.batch as u64);
        let progress = self.state.done as f64 / stretch.proposals as f64;
        let temperature = self.unit * temperature_at(stretch.temperature, progress);
        let (architecture, rng) = (&self.neighbourhood.network().architecture, &mut self.state.rng);
        self.proposals.clear();
        for _ in 0..count {
            let proposal = proposal::draw(architecture, config, self.parent.mask(), temperature, rng);
            self.proposals.push(proposal);
        }
        let first_chunk = random::index(rng, self.parent.chunks());
        self.judge(first_chunk)?;
        self.state.done += count;
        Ok(count)
    }

    /// Makes what passes of the proposals, as many of them together as gain enough.
    fn judge(&mut self, first_chunk: usize) -> Result<(), EvaluateError> {
        let race = self.stretch.config.race.map(|deviations| Race { deviations });
        let candidates: Vec<Candidate<'_>> =
            self.proposals.iter().map(|one| one.candidate(self.price, self.parent.mask())).collect();
        let changes = match candidates[..] {
            // The attempt itself judges it.
            [one] => vec![Some(one.allowed)],
            _ => self.parent.screen(&candidates, race, first_chunk)?,
        };
        let mut joint = CombinedMove::new(&candidates, &changes);
        while !joint.is_empty() {
            let flips = joint.flips();
            let gained = proposal::weights_gained(&flips, self.parent.mask());
            let candidate = Candidate { flips: &flips, allowed: joint.allowed() };
            let before = self.parent.cost() as i64;
            if self.parent.attempt(candidate, race, first_chunk)? {
                self.present += self.price * gained + self.parent.cost() as i64 - before;
                self.state.accepted += joint.len() as u64;
                if self.parent.since_refresh() == 0 {
                    // Nothing is kept, and so nothing drifts.
                    self.is_exact_here();
                } else {
                    self.state.moves.push(flips);
                }
                break;
            }
            joint.keep_better_half();
        }
        if self.present < self.state.best {
            self.state.best = self.present;
            self.state.best_mask.copy_from_slice(self.parent.mask());
        }
        if self.parent.since_refresh() >= self.stretch.config.refresh {
            self.refresh()?;
        }
        Ok(())
    }

    fn end(mut self) -> Result<Walk, EvaluateError> {
        // Where cold walks went sideways last, they end as well off as they ever were.
        if self.present <= self.state.best {
            self.state.best_mask.copy_from_slice(self.parent.mask());
        }
        let state = self.state;
        let cost = self.parent.exact_cost(&state.best_mask)?;
        Ok(Walk {
            mask: state.best_mask,
            cost,
            proposals: state.done,
            accepted: state.accepted,
            multiply_adds: state.multiply_adds + self.parent.take_multiply_adds(),
            history: state.history,
        })
    }
}

/// More than any move costs.
pub(super) const ANYTHING: i64 = i64::MAX / 4;

/// The cost of one unit of the fitness: all `samples` wrong, or a mean loss of tau².
fn cost_unit(objective: Objective, samples: usize) -> f64 {
    samples as f64 * objective.steps_per_unit().unwrap_or(1.0)
}

/// The number of chunks that are looked at after `done` proposals.
fn chunks_at(neighbourhood: &dyn Neighbourhood, stretch: &Stretch<'_>, done: u64) -> usize {
    let all = neighbourhood.tiles().chunks().len();
    let progress = done as f64 / stretch.proposals as f64;
    let growth = stretch.config.growth.as_ref().filter(|growth| progress < growth.until);
    let Some(growth) = growth else { return all };
    let doublings = (neighbourhood.tiles().samples() / growth.samples).max(1).ilog2();
    let past = (progress / growth.until * f64::from(doublings)) as u32;
    (all >> (doublings - past)).max(1)
}

fn temperature_at(temperature: &Temperature, progress: f64) -> f64 {
    if temperature.start == 0.0 {
        return 0.0;
    }
    temperature.start * libm::pow(temperature.end / temperature.start, progress)
}
