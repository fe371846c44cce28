//! Features as a file or a generator gives them, before they are normalised.

/// Numbers, held in single precision for as long as every one of them is a single-precision number: pixels take
/// half of the memory, and a time in seconds since 1970 loses nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Default for Numbers {
    fn default() -> Self {
        Self::Single(Vec::new())
    }
}

impl Numbers {
    pub fn with_capacity(capacity: usize) -> Self {
        Self::Single(Vec::with_capacity(capacity))
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Single(numbers) => numbers.len(),
            Self::Double(numbers) => numbers.len(),
        }
    }

    pub fn push(&mut self, number: f64) {
        match self {
            Self::Single(numbers) if f64::from(number as f32) == number => numbers.push(number as f32),
            Self::Single(numbers) => {
                let mut wide = Vec::with_capacity(numbers.capacity());
                wide.extend(numbers.iter().map(|&number| f64::from(number)));
                wide.push(number);
                *self = Self::Double(wide);
            }
            Self::Double(numbers) => numbers.push(number),
        }
    }

    pub fn get(&self, index: usize) -> f64 {
        match self {
            Self::Single(numbers) => f64::from(numbers[index]),
            Self::Double(numbers) => numbers[index],
        }
    }

    /// The numbers at `indices`, in their order.
    pub fn select(&self, indices: impl Iterator<Item = usize>) -> Self {
        match self {
            Self::Single(numbers) => Self::Single(indices.map(|index| numbers[index]).collect()),
            Self::Double(numbers) => Self::Double(indices.map(|index| numbers[index]).collect()),
        }
    }

    pub fn truncate(&mut self, len: usize) {
        match self {
            Self::Single(numbers) => numbers.truncate(len),
            Self::Double(numbers) => numbers.truncate(len),
        }
    }

    /// Rounded to single precision.
    pub fn into_single(self) -> Vec<f32> {
        match self {
            Self::Single(numbers) => numbers,
            Self::Double(numbers) => numbers.into_iter().map(|number| number as f32).collect(),
        }
    }

    /// Forgets the first `count` numbers.
    pub fn remove_first(&mut self, count: usize) {
        match self {
            Self::Single(numbers) => drop(numbers.drain(..count)),
            Self::Double(numbers) => drop(numbers.drain(..count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_held_in_single_precision_until_one_does_not_fit() {
        let mut numbers = Numbers::default();
        [1.0, -0.0, 0.5, 16_777_216.0].into_iter().for_each(|x| numbers.push(x));
        assert_eq!(numbers, Numbers::Single(vec![1.0, -0.0, 0.5, 16_777_216.0]));
        numbers.push(16_777_217.0);
        assert_eq!(numbers, Numbers::Double(vec![1.0, -0.0, 0.5, 16_777_216.0, 16_777_217.0]));
        assert_eq!((numbers.get(1).to_bits(), numbers.len()), ((-0.0f64).to_bits(), 5));
        assert_eq!(numbers.select([4, 0].into_iter()), Numbers::Double(vec![16_777_217.0, 1.0]));
        numbers.remove_first(3);
        numbers.truncate(1);
        assert_eq!(numbers, Numbers::Double(vec![16_777_216.0]));
    }

    #[test]
    fn a_number_beyond_single_precision_is_held_in_double() {
        let mut numbers = Numbers::default();
        numbers.push(1e39);
        assert_eq!(numbers, Numbers::Double(vec![1e39]));
    }
}
