//! What flipping some bits of a mask changes: the neurons, layer by layer, and the products that they gain
//! or lose.

use crate::mask;
use crate::network::{Layer, Network};

/// Where a product takes its value from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TermSource {
    /// The activation of this neuron of the layer below (or this feature), as it was.
    Before(u32),
    /// The activation of the neuron of this change, as it becomes.
    After(u32),
    /// The difference of the two.
    Difference(u32),
}

/// `weight · source`, to be added to a pre-activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    pub weight: f32,
    pub source: TermSource,
}

/// A neuron whose pre-activation changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    pub neuron: u32,
    /// One past its last term; they begin where the previous change's end.
    pub terms_end: u32,
}

/// The changes that a set of flips makes, by layer.
#[derive(Clone, Debug, Default)]
pub struct ChangePlan {
    pub changes: Vec<Change>,
    pub terms: Vec<Term>,
    /// `[layers + 1]`: where each layer's changes begin.
    pub layer_starts: Vec<usize>,
    /// Where the first change is the only one below the outputs, and all that changes them.
    pub fan_out: Option<FanOut>,
}

/// How one hidden neuron, directly below the outputs, reaches them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FanOut {
    /// The neuron's layer.
    pub depth: usize,
    /// `[outputs]`: weights to the outputs, zero where they are masked out.
    pub weights: Vec<f32>,
}

impl ChangePlan {
    /// Works out what flipping the bits `flips` (ascending, without repetition) of `mask` changes.
    pub fn make(&mut self, network: &Network, layers: &[Layer], mask: &[u32], flips: &[u32]) {
        self.changes.clear();
        self.terms.clear();
        self.layer_starts.clear();
        self.layer_starts.push(0);
        let mut below = 0..0;
        for layer in layers {
            let first = self.changes.len();
            let within = |flip: &&u32| {
                (layer.first_weight..layer.first_weight + layer.weights()).contains(&(**flip as usize))
            };
            if below.is_empty() {
                for &flip in flips.iter().filter(within) {
                    let neuron = ((flip as usize - layer.first_weight) / layer.inputs) as u32;
                    self.push_direct(network, layer, mask, flip);
                    let same = self.changes[first..].last().is_some_and(|change| change.neuron == neuron);
                    if same {
                        let last = self.changes.len() - 1;
                        self.changes[last].terms_end = self.terms.len() as u32;
                    } else {
                        self.changes.push(Change { neuron, terms_end: self.terms.len() as u32 });
                    }
                }
            } else {
                self.follow(network, layer, mask, flips, below.clone());
            }
            below = first..self.changes.len();
            self.layer_starts.push(self.changes.len());
        }
        self.find_fan_out(layers, flips);
    }

    fn find_fan_out(&mut self, layers: &[Layer], flips: &[u32]) {
        let weights = self.fan_out.take().map(|fan_out| fan_out.weights).unwrap_or_default();
        let [.., _, outputs] = layers else { return };
        let depth = layers.len() - 2;
        let alone = self.layer_starts[depth] == 0 && self.layer_starts[depth + 1] == 1;
        if !alone || flips.iter().any(|&flip| flip as usize >= outputs.first_weight) {
            return;
        }
        let mut fan_out = FanOut { depth, weights };
        fan_out.weights.clear();
        fan_out.weights.resize(outputs.outputs, 0.0);
        for change in &self.changes[1..] {
            fan_out.weights[change.neuron as usize] = self.terms[change.terms_end as usize - 1].weight;
        }
        self.fan_out = Some(fan_out);
    }

    /// The changes of a `layer` above neurons that change.
    fn follow(
        &mut self,
        network: &Network,
        layer: &Layer,
        mask: &[u32],
        flips: &[u32],
        below: std::ops::Range<usize>,
    ) {
        for neuron in 0..layer.outputs {
            let row = layer.first_weight + neuron * layer.inputs;
            let first_term = self.terms.len();
            for slot in below.clone() {
                let bit = row + self.changes[slot].neuron as usize;
                let weight = network.weights()[bit];
                let source = match (mask::get(mask, bit), flips.contains(&(bit as u32))) {
                    (true, false) => Term { weight, source: TermSource::Difference(slot as u32) },
                    (true, true) => {
                        Term { weight: -weight, source: TermSource::Before(self.changes[slot].neuron) }
                    }
                    (false, true) => Term { weight, source: TermSource::After(slot as u32) },
                    (false, false) => continue,
                };
                self.terms.push(source);
            }
            for &flip in flips.iter().filter(|&&flip| (row..row + layer.inputs).contains(&(flip as usize))) {
                let input = flip - row as u32;
                if self.changes[below.clone()].iter().all(|change| change.neuron != input) {
                    self.push_direct(network, layer, mask, flip);
                }
            }
            if self.terms.len() > first_term {
                self.changes.push(Change { neuron: neuron as u32, terms_end: self.terms.len() as u32 });
            }
        }
    }

    /// The product that `flip` switches on or off, of an input that stays as it is.
    fn push_direct(&mut self, network: &Network, layer: &Layer, mask: &[u32], flip: u32) {
        let weight = network.weights()[flip as usize];
        let sign = if mask::get(mask, flip as usize) { -1.0 } else { 1.0 };
        let input = (flip as usize - layer.first_weight) % layer.inputs;
        self.terms.push(Term { weight: sign * weight, source: TermSource::Before(input as u32) });
    }

    /// Does any output change?
    pub fn reaches_outputs(&self) -> bool {
        let layers = self.layer_starts.len() - 1;
        self.layer_starts[layers] > self.layer_starts[layers - 1]
    }
}
