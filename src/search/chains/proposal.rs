//! What a chain proposes: a flip, or a swap of two weights of one neuron.

use super::config::LocalSearchConfig;
use crate::mask;
use crate::network::Architecture;
use crate::random::{self, Stream};
use crate::search::MutationSite;

/// Draws of a partner of the other kind before a swap becomes a flip.
const SWAP_TRIES: usize = 8;

/// One or two bits to flip, ascending.
#[derive(Clone, Copy, Debug)]
pub struct Proposal {
    bits: [u32; 2],
    count: usize,
    /// By how much the cost of the mask that it was drawn for may change, the price of weights being left out.
    pub allowed: i64,
}

impl Proposal {
    pub fn flips(&self) -> &[u32] {
        &self.bits[..self.count]
    }
}

/// By how many the kept weights of `mask` become more.
pub fn weights_gained(flips: &[u32], mask: &[u32]) -> i64 {
    flips.iter().map(|&bit| if mask::get(mask, bit as usize) { -1 } else { 1 }).sum()
}

/// Draws a proposal for `mask`, which may raise the cost, the `price` of each kept weight included, as the
/// `temperature` allows.
pub fn draw(
    architecture: &Architecture,
    config: &LocalSearchConfig,
    mask: &[u32],
    temperature: f64,
    price: i64,
    rng: &mut Stream,
) -> Proposal {
    let bit = match config.site {
        MutationSite::Weight => random::index(rng, architecture.weights()),
        MutationSite::LayerThenWeight => {
            let layer = architecture.layer(random::index(rng, architecture.layer_count()));
            layer.first_weight + random::index(rng, layer.weights())
        }
    };
    let mut proposal = Proposal { bits: [bit as u32; 2], count: 1, allowed: 0 };
    if config.swap_rate > 0.0 && random::chance(rng, config.swap_rate) {
        let layer = architecture.layers().rfind(|layer| layer.first_weight <= bit).expect("a layer's bit");
        let row = bit - (bit - layer.first_weight) % layer.inputs;
        for _ in 0..SWAP_TRIES {
            let other = row + random::index(rng, layer.inputs);
            if mask::get(mask, other) != mask::get(mask, bit) {
                proposal.bits = [bit.min(other) as u32, bit.max(other) as u32];
                proposal.count = 2;
                break;
            }
        }
    }
    if temperature > 0.0 {
        // Metropolis: exp(-change / temperature) above a uniform number.
        let uniform = 1.0 - random::unit(rng);
        proposal.allowed = (-temperature * libm::log(uniform)).floor() as i64;
    }
    proposal.allowed -= price * weights_gained(proposal.flips(), mask);
    proposal
}
