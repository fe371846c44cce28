//! Sets of neurons, and rows of a mask, in chunks of 64 bits.

/// Bits per chunk.
pub const CHUNK: usize = 64;

/// The bits at `n` and above.
pub fn from(n: usize) -> u64 {
    if n < CHUNK { u64::MAX << n } else { 0 }
}

/// `weight` if bit `i` of `active` is set, else zero: by all ones or all zeros, without a branch.
#[inline(always)]
pub fn masked(weight: f32, active: u64, i: usize) -> f32 {
    let keep = ((active >> i & 1) as u32).wrapping_neg();
    f32::from_bits(weight.to_bits() & keep)
}

/// The set bits of `chunk` in ascending order.
pub fn ones(chunk: u64) -> impl Iterator<Item = usize> + Clone {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        let bit = rest.trailing_zeros() as usize;
        rest &= rest.wrapping_sub(1);
        (bit < CHUNK).then_some(bit)
    })
}

/// The bits from `64 * chunk` on of the mask's row of `length` bits that begins at `start`; zero behind its end.
pub fn row_chunk(mask: &[u32], start: usize, length: usize, chunk: usize) -> u64 {
    let first = start + chunk * CHUNK;
    let (word, shift) = (first / 32, first % 32);
    let at = |n: usize| mask.get(word + n).map_or(0, |&word| u128::from(word));
    let bits = ((at(0) | at(1) << 32 | at(2) << 64) >> shift) as u64;
    bits & !from(length - chunk * CHUNK)
}

/// Bits that [`short_row`] has at most.
pub const SHORT: usize = 32;

/// As [`row_chunk`] of the only chunk, of a row of up to [`SHORT`] bits.
pub fn short_row(mask: &[u32], start: usize, length: usize) -> u64 {
    let (word, shift) = (start / 32, start % 32);
    let next = mask.get(word + 1).map_or(0, |&next| u64::from(next));
    (u64::from(mask[word]) | next << 32) >> shift & !from(length)
}

/// A set of small numbers.
#[derive(Default)]
pub struct Bits {
    chunks: Vec<u64>,
}

impl Bits {
    /// Becomes the empty set of numbers below `length`.
    pub fn clear(&mut self, length: usize) {
        self.chunks.clear();
        self.chunks.resize(length.div_ceil(CHUNK), 0);
    }

    /// Becomes the full set of numbers below `length`.
    pub fn fill(&mut self, length: usize) {
        self.clear(length);
        for (c, chunk) in self.chunks.iter_mut().enumerate() {
            *chunk = !from(length - c * CHUNK);
        }
    }

    pub fn chunks(&self) -> &[u64] {
        &self.chunks
    }

    pub fn get(&self, n: usize) -> bool {
        self.chunks[n / CHUNK] >> (n % CHUNK) & 1 == 1
    }

    pub fn set(&mut self, n: usize) {
        self.chunks[n / CHUNK] |= 1 << (n % CHUNK);
    }

    /// The members in ascending order.
    pub fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        self.chunks.iter().enumerate().flat_map(|(c, &chunk)| ones(chunk).map(move |i| c * CHUNK + i))
    }

    /// Adds the members of a set of the same length.
    pub fn unite(&mut self, chunks: &[u64]) {
        for (chunk, more) in self.chunks.iter_mut().zip(chunks) {
            *chunk |= more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_rows_are_the_first_chunks_of_rows() {
        let mask = [0x89ab_cdef, 0x1234_5678, 0xfedc_ba98];
        for length in 1..=SHORT {
            for start in 0..=96 - length {
                let expected = row_chunk(&mask, start, length, 0);
                assert_eq!(short_row(&mask, start, length), expected, "{length} bits from {start} on");
            }
        }
    }
}
