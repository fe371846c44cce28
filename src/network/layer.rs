//! One layer of weights: what it computes, and where its numbers lie.

/// How a layer's sums hang on its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerKind {
    /// Every sum has a bias and a weight to every input.
    Dense,
}

/// What a layer makes of each of its sums.
///
/// Forms that are faster than the plain one rest on properties of it; they ask for these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `max(sum, 0)`.
    Relu,
    /// The sum itself.
    Identity,
    /// The sum's magnitude: neither zero below zero nor monotone.
    #[cfg(test)]
    Magnitude,
}

impl Activation {
    /// The value of a neuron of this sum.
    pub fn apply(self, sum: f32) -> f32 {
        match self {
            Self::Relu => sum.max(0.0),
            Self::Identity => sum,
            #[cfg(test)]
            Self::Magnitude => sum.abs(),
        }
    }

    /// Whether a sum that is not above zero gives zero, so that a neuron can be known to be silent without its sum.
    pub fn is_zero_below_zero(self) -> bool {
        match self {
            Self::Relu => true,
            Self::Identity => false,
            #[cfg(test)]
            Self::Magnitude => false,
        }
    }

    /// Whether a greater sum never gives a smaller value, so that the ends of a range of sums give the ends of the range
    /// of values.
    pub fn is_monotone(self) -> bool {
        match self {
            Self::Relu | Self::Identity => true,
            #[cfg(test)]
            Self::Magnitude => false,
        }
    }
}

/// What one layer computes, and where its numbers lie in the contiguous arrays of all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    pub kind: LayerKind,
    pub activation: Activation,
    pub inputs: usize,
    pub outputs: usize,
    /// Index of the layer's first weight, which is also the index of its first mask bit.
    pub first_weight: usize,
    /// Index of the layer's first bias.
    pub first_bias: usize,
}

impl Layer {
    /// Number of weights, `outputs * inputs`.
    pub fn weights(&self) -> usize {
        self.inputs * self.outputs
    }
}
