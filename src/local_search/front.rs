//! The front of sparsity and accuracy: from the ticket on, weights are priced ever higher.

use super::Work;
use super::chain::{self, ChainState, Stretch};
use super::config::{FrontConfig, LocalSearchConfig, Temperature};
use super::parent::Scorer;
use super::watch::Watch;
use crate::dataset::Split;
use crate::evaluate::{Batch, EvaluateError, Evaluator};
use crate::mask;
use crate::network::Network;
use crate::random::{self, Concern};
use serde::{Deserialize, Serialize};

/// One mask of the front.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrontPoint {
    /// The price of a weight under which it was found.
    pub price: f64,
    /// Share of weights that are pruned.
    pub sparsity: f64,
    pub weights_kept: usize,
    pub train_correct: u32,
    pub test_correct: u32,
    /// The mask, as a record's ticket.
    pub mask_hex: String,
}

/// The masks of the front with their prices, each found from the one before.
///
/// # Errors
/// Errors of the device.
pub fn search(
    scorer: &Scorer,
    ticket: &[u32],
    config: &LocalSearchConfig,
    front: &FrontConfig,
    seed: u64,
    work: &mut Work,
    watch: &Watch<'_>,
) -> Result<Vec<(f64, Vec<u32>)>, EvaluateError> {
    let mut price = front.first_price;
    let mut points: Vec<(f64, Vec<u32>)> = Vec::with_capacity(front.steps);
    for step in 0..front.steps as u32 {
        let start = points.last().map_or(ticket, |(_, mask)| mask);
        let stretch = Stretch {
            config,
            proposals: front.proposals,
            temperature: &Temperature::default(),
            weight_price: price,
        };
        let rng = random::substream(seed, Concern::LocalSearch, u32::MAX - step);
        let walk = chain::walk(scorer, ChainState::new(start.to_vec(), rng), &stretch, watch, |_| {})?;
        work.add(&walk);
        if watch.stopping() {
            break;
        }
        points.push((price, walk.mask));
        price *= front.growth;
    }
    Ok(points)
}

/// Scores the front exactly, by an evaluator of the one `network`.
pub fn confirm(
    points: Vec<(f64, Vec<u32>)>,
    network: &Network,
    evaluator: &mut dyn Evaluator,
) -> Result<Vec<FrontPoint>, EvaluateError> {
    let weights = network.architecture.weights();
    points
        .into_iter()
        .map(|(price, mask)| {
            let batch = Batch { masks: &mask, networks: &[0] };
            let train_correct = evaluator.score(Split::Train, batch)?[0];
            let test_correct = evaluator.score(Split::Test, batch)?[0];
            let weights_kept = mask::count_ones(&mask);
            let sparsity = 1.0 - weights_kept as f64 / weights as f64;
            let mask_hex = mask::to_hex(&mask, weights);
            Ok(FrontPoint { price, sparsity, weights_kept, train_correct, test_correct, mask_hex })
        })
        .collect()
}
