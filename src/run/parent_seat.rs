//! The seat of a parent: what searches by flips ask for is done here.

use crate::evaluate::neighbours::Candidate;
use crate::evaluate::{EvaluateError, Neighbourhood, Parent};
use crate::search::chains::{ParentAnswer, ParentRequest};

/// More than any move costs.
const ANYTHING: i64 = i64::MAX / 4;

/// A seat in a neighbourhood, for one parent at a time.
pub struct ParentSeat<'a> {
    neighbourhood: &'a dyn Neighbourhood,
    parent: Option<Box<dyn Parent + 'a>>,
    /// Executed by parents before the present one.
    multiply_adds: u64,
}

impl<'a> ParentSeat<'a> {
    pub fn new(neighbourhood: &'a dyn Neighbourhood) -> Self {
        Self { neighbourhood, parent: None, multiply_adds: 0 }
    }

    /// Does what is asked for.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn answer(&mut self, request: ParentRequest<'_>) -> Result<ParentAnswer, EvaluateError> {
        if let ParentRequest::Begin { mask, chunks, moves, is_again } = request {
            self.begin(mask, chunks, moves)?;
            if is_again {
                self.take_multiply_adds();
            }
            return Ok(ParentAnswer::Cost(self.parent().cost()));
        }
        let parent = self.parent();
        Ok(match request {
            ParentRequest::Begin { .. } => unreachable!("answered above"),
            ParentRequest::LookAt(chunks) => {
                parent.look_at(chunks)?;
                ParentAnswer::Cost(parent.cost())
            }
            ParentRequest::Refresh => {
                parent.refresh()?;
                ParentAnswer::Cost(parent.cost())
            }
            ParentRequest::Wrong => ParentAnswer::Wrong(parent.wrong()?),
            ParentRequest::Screen { candidates, race, first_chunk } => {
                ParentAnswer::Changes(parent.screen(&candidates, race, first_chunk)?)
            }
            ParentRequest::Attempt { candidate, race, first_chunk } => {
                let passed = parent.attempt(candidate, race, first_chunk)?;
                ParentAnswer::Attempt { passed, cost: parent.cost(), is_exact: parent.since_refresh() == 0 }
            }
            ParentRequest::ExactCost(mask) => ParentAnswer::Cost(parent.exact_cost(mask)?),
        })
    }

    /// Samples that the present parent classifies wrongly.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn wrong(&mut self) -> Result<u64, EvaluateError> {
        self.parent().wrong()
    }

    /// Multiply-adds executed since this was last asked.
    pub fn take_multiply_adds(&mut self) -> u64 {
        let present = self.parent.as_mut().map_or(0, |parent| parent.take_multiply_adds());
        std::mem::take(&mut self.multiply_adds) + present
    }

    fn begin(&mut self, mask: &[u32], chunks: usize, moves: &[Vec<u32>]) -> Result<(), EvaluateError> {
        self.multiply_adds = self.take_multiply_adds();
        // Its place may be the only one.
        self.parent = None;
        let parent = self.parent.insert(self.neighbourhood.parent(mask, chunks)?);
        for flips in moves {
            parent.attempt(Candidate { flips, allowed: ANYTHING }, None, 0)?;
        }
        Ok(())
    }

    fn parent(&mut self) -> &mut (dyn Parent + 'a) {
        &mut **self.parent.as_mut().expect("a request to begin comes first")
    }
}
