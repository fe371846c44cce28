//! What a generation takes beside its evaluation: measured on the search itself, with made-up counts.

use crate::network::Architecture;
use crate::objective::{Fitness, Objective, Score};
use crate::search::genetic::{GeneticConfig, Request, Search};
use std::time::{Duration, Instant};

/// A search that never ends, on the host alone.
pub struct Host {
    search: Search,
    words: usize,
    samples: usize,
    /// Masks that were asked for, the initial population's left out.
    asked: usize,
    generations: usize,
}

impl Host {
    /// A search with these settings on so many training samples, with its initial population. Masks are judged
    /// by made-up counts, whatever the fitness.
    pub fn new(config: &GeneticConfig, architecture: &Architecture, samples: usize) -> Self {
        let mut config = config.clone();
        config.fitness = Fitness::Accuracy;
        config.termination.min_generations = usize::MAX;
        config.termination.max_generations = None;
        let search = Search::new(config, architecture.clone(), samples, Objective::Accuracy, 0);
        let mut host = Self { search, words: architecture.mask_words(), samples, asked: 0, generations: 0 };
        host.generation();
        (host.asked, host.generations) = (0, 0);
        host
    }

    /// Makes one generation. Returns the host's time, without that of making up the counts.
    pub fn generation(&mut self) -> Duration {
        let mut time = Duration::ZERO;
        loop {
            let start = Instant::now();
            let Some(request) = self.search.request() else { return time };
            time += start.elapsed();
            self.asked += request.minimum.len();
            let scores = made_up_scores(&request, self.words, self.samples);
            let start = Instant::now();
            self.search.supply(&scores);
            time += start.elapsed();
            if self.search.is_between_generations() {
                self.generations += 1;
                return time;
            }
        }
    }

    /// Makes generations for about `budget`, one at least. Returns the seconds and the evaluations of one.
    pub fn generations(&mut self, budget: Duration) -> (f64, f64) {
        let mut time = self.generation();
        while time < budget {
            time += self.generation();
        }
        let each = |all: f64| all / self.generations as f64;
        (each(time.as_secs_f64()), each(self.asked as f64))
    }
}

/// Scores without an evaluation: counts spread over the upper tenth, so that every accuracy bound accepts them
/// and most differ.
fn made_up_scores(request: &Request<'_>, words: usize, samples: usize) -> Vec<Option<Score>> {
    let spread = (samples as u32 / 10).max(1);
    let score = |mask: &[u32]| {
        let mixed = mask.iter().fold(0u32, |mixed, word| (mixed ^ word).wrapping_mul(0x9e37_79b9));
        Some(Score { loss: 0, correct: samples as u32 - (mixed >> 8) % spread })
    };
    request.masks.chunks_exact(words).map(score).collect()
}
