//! Neighbours scored on the CPU, on all threads where proposals come in batches.

use super::{Candidate, Landscape, Race, Resident, Scratch, Tiles};
use crate::account::Current;
use crate::evaluate::cpu::{self, instructions::Instructions};
use crate::evaluate::{AdapterInfo, EvaluateError, Neighbourhood, Parent};
use crate::network::Network;
use crate::objective::Objective;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

impl Neighbourhood for Landscape {
    fn parent<'a>(&'a self, mask: &[u32], chunks: usize) -> Result<Box<dyn Parent + 'a>, EvaluateError> {
        Ok(Box::new(CpuParent::new(self, mask, chunks)))
    }

    fn network(&self) -> &Network {
        self.network()
    }

    fn tiles(&self) -> &Tiles {
        self.tiles()
    }

    fn objective(&self) -> Objective {
        self.objective()
    }

    fn adapter(&self) -> AdapterInfo {
        cpu::describe(Instructions::best())
    }
}

/// A parent of a landscape in memory.
struct CpuParent<'a> {
    landscape: &'a Landscape,
    resident: Resident<'a>,
    scratch: Scratch,
    /// What the threads that screen a batch need.
    pool: Mutex<Vec<Scratch>>,
}

impl<'a> CpuParent<'a> {
    fn new(landscape: &'a Landscape, mask: &[u32], chunks: usize) -> Self {
        let mut scratch = Scratch::default();
        let resident = landscape.resident_of(mask, chunks, &mut scratch);
        Self { landscape, resident, scratch, pool: Mutex::default() }
    }
}

impl Parent for CpuParent<'_> {
    fn mask(&self) -> &[u32] {
        self.resident.mask()
    }

    fn cost(&self) -> u64 {
        self.resident.cost()
    }

    fn chunks(&self) -> usize {
        self.resident.chunks().len()
    }

    fn since_refresh(&self) -> usize {
        self.resident.since_refresh()
    }

    fn look_at(&mut self, chunks: usize) -> Result<(), EvaluateError> {
        self.resident.look_at(chunks, &mut self.scratch);
        Ok(())
    }

    fn refresh(&mut self) -> Result<(), EvaluateError> {
        self.resident.refresh(&mut self.scratch);
        Ok(())
    }

    fn wrong(&mut self) -> Result<u64, EvaluateError> {
        Ok(self.resident.wrong(&mut self.scratch))
    }

    fn screen(
        &mut self,
        candidates: &[Candidate<'_>],
        race: Option<Race>,
        first_chunk: usize,
    ) -> Result<Vec<Option<i64>>, EvaluateError> {
        let (resident, pool) = (&self.resident, &self.pool);
        let threads = rayon::current_num_threads();
        let share = if threads == 1 { candidates.len() } else { candidates.len().div_ceil(threads * 2) };
        let account = Current::get();
        let parts = candidates.par_chunks(share).map(|part| {
            let _charging = account.help();
            let mut scratch = pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            let changes = resident.screen(part, race, first_chunk, &mut scratch);
            pool.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
            changes
        });
        Ok(parts.collect::<Vec<_>>().concat())
    }

    fn attempt(
        &mut self,
        candidate: Candidate<'_>,
        race: Option<Race>,
        first_chunk: usize,
    ) -> Result<bool, EvaluateError> {
        Ok(self.resident.attempt(candidate, race, first_chunk, &mut self.scratch))
    }

    fn exact_cost(&mut self, mask: &[u32]) -> Result<u64, EvaluateError> {
        Ok(self.landscape.cost(mask, &mut self.scratch))
    }

    fn take_multiply_adds(&mut self) -> u64 {
        let pool = self.pool.get_mut().unwrap_or_else(PoisonError::into_inner);
        let scratches = pool.iter_mut().chain([&mut self.scratch]);
        scratches.map(|scratch| std::mem::take(&mut scratch.multiply_adds)).sum()
    }
}
