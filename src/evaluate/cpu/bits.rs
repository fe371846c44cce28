//! Sets of neurons, and rows of a mask, in chunks of 64 bits.

/// The bits at `n` and above.
pub fn from(n: usize) -> u64 {
    if n < 64 { u64::MAX << n } else { 0 }
}

/// Bits `64 * chunk ..` of the mask's row of `length` bits that begins at `start`; zero behind its end.
pub fn row_chunk(mask: &[u32], start: usize, length: usize, chunk: usize) -> u64 {
    let first = start + chunk * 64;
    let (word, shift) = (first / 32, first % 32);
    let at = |n: usize| mask.get(word + n).map_or(0, |&word| u128::from(word));
    let bits = ((at(0) | at(1) << 32 | at(2) << 64) >> shift) as u64;
    bits & !from(length - chunk * 64)
}

/// A set of small numbers.
#[derive(Default)]
pub struct Bits {
    chunks: Vec<u64>,
    length: usize,
}

impl Bits {
    /// Becomes the empty set of numbers below `length`.
    pub fn clear(&mut self, length: usize) {
        self.length = length;
        self.chunks.clear();
        self.chunks.resize(length.div_ceil(64), 0);
    }

    /// Becomes the full set of numbers below `length`.
    pub fn fill(&mut self, length: usize) {
        self.clear(length);
        for (c, chunk) in self.chunks.iter_mut().enumerate() {
            *chunk = !from(length - c * 64);
        }
    }

    pub fn chunks(&self) -> &[u64] {
        &self.chunks
    }

    pub fn get(&self, n: usize) -> bool {
        self.chunks[n / 64] >> (n % 64) & 1 == 1
    }

    pub fn set(&mut self, n: usize) {
        self.chunks[n / 64] |= 1 << (n % 64);
    }

    /// The members in ascending order.
    pub fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        self.chunks.iter().enumerate().flat_map(|(c, &chunk)| {
            std::iter::successors(Some(chunk), |rest| Some(rest & rest.wrapping_sub(1)))
                .take_while(|&rest| rest != 0)
                .map(move |rest| c * 64 + rest.trailing_zeros() as usize)
        })
    }

    /// Adds the set bits of the mask's row that begins at `start`.
    pub fn unite_row(&mut self, mask: &[u32], start: usize) {
        for (c, chunk) in self.chunks.iter_mut().enumerate() {
            *chunk |= row_chunk(mask, start, self.length, c);
        }
    }
}
