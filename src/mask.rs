//! Packed pruning masks and their operations on words.
//!
//! A mask has one bit per weight: layer by layer, row-major `[outputs, inputs]`, least significant bit
//! first, in one contiguous stream over all layers. Biases are never masked. Unused bits of the last word
//! are zero. Every function takes plain words (`&[u32]`, [`Architecture::mask_words`] of them), so that
//! populations can keep many masks in one allocation.

pub(crate) mod packed;

use crate::network::{Architecture, Layer};
use pulp::Arch;
use rand::Rng;

/// Bits per word.
pub const WORD_BITS: usize = 32;

/// Is the bit at `index` set?
pub fn get(mask: &[u32], index: usize) -> bool {
    mask[index / WORD_BITS] >> (index % WORD_BITS) & 1 == 1
}

/// Flips the bit at `index`.
pub fn flip(mask: &mut [u32], index: usize) {
    mask[index / WORD_BITS] ^= 1 << (index % WORD_BITS);
}

/// Number of set bits, that is, of weights kept.
pub fn count_ones(mask: &[u32]) -> usize {
    with_instructions(mask.len(), || {
        mask.chunks(BLOCK).map(|words| words.iter().map(|word| word.count_ones()).sum::<u32>() as usize).sum()
    })
}

/// Number of bits in which two masks of one length differ.
pub fn distance(a: &[u32], b: &[u32]) -> usize {
    let differing =
        |(a, b): (&[u32], &[u32])| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
    with_instructions(a.len(), || {
        a.chunks(BLOCK).zip(b.chunks(BLOCK)).map(|words| differing(words) as usize).sum()
    })
}

/// Words whose bits are counted in 32 bits.
const BLOCK: usize = 1 << 16;

/// Runs `count` over so many words with the processor's best instructions: the target's own may have none that
/// counts bits. For a few words choosing would take longer than counting.
#[inline(always)]
fn with_instructions(words: usize, count: impl FnOnce() -> usize) -> usize {
    const FEW: usize = 16;
    if words < FEW { count() } else { Arch::new().dispatch(count) }
}

/// Clears the unused bits behind the last of `bits`.
fn clear_tail(mask: &mut [u32], bits: usize) {
    let used = bits % WORD_BITS;
    if used != 0 {
        mask[bits / WORD_BITS] &= (1 << used) - 1;
    }
}

/// Can this be a mask of `bits` bits: has it their number of words, and no bit behind the last?
pub fn is_of(mask: &[u32], bits: usize) -> bool {
    let used = bits % WORD_BITS;
    mask.len() == bits.div_ceil(WORD_BITS) && (used == 0 || mask.last().is_none_or(|last| last >> used == 0))
}

/// Sets all of the mask's `bits`.
pub fn fill(mask: &mut [u32], bits: usize) {
    mask.fill(u32::MAX);
    clear_tail(mask, bits);
}

/// Draws each of the mask's `bits` with probability one half.
pub fn randomize(mask: &mut [u32], bits: usize, rng: &mut impl Rng) {
    for word in mask.iter_mut() {
        *word = rng.next_u32();
    }
    clear_tail(mask, bits);
}

/// Uniform crossover: `child` holds the first parent's bits and takes each bit of `mate` with chance one
/// half.
pub fn crossover(child: &mut [u32], mate: &[u32], rng: &mut impl Rng) {
    for (child, mate) in child.iter_mut().zip(mate) {
        let choice = rng.next_u32();
        *child = (*child & choice) | (mate & !choice);
    }
}

/// The mask as hexadecimal bytes, least significant bit first within each byte: `ceil(bits / 8)` bytes.
pub fn to_hex(mask: &[u32], bits: usize) -> String {
    let bytes = mask.iter().flat_map(|word| word.to_le_bytes()).take(bits.div_ceil(8));
    let digits = bytes.flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Why a text is no mask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    #[error("a mask of {bits} weights has {expected} hexadecimal digits, found {found}")]
    Length { bits: usize, expected: usize, found: usize },
    /// Positions count from 0.
    #[error("no hexadecimal digits at position {0}")]
    NoDigit(usize),
    #[error("bits are set behind the last of {bits} weights")]
    Tail { bits: usize },
}

/// The mask of `bits` bits that [`to_hex`] wrote.
///
/// # Errors
/// When the text has another length, holds what is no hexadecimal digit, or sets a bit behind the last weight.
pub fn from_hex(hex: &str, bits: usize) -> Result<Vec<u32>, HexError> {
    let expected = 2 * bits.div_ceil(8);
    if hex.len() != expected {
        return Err(HexError::Length { bits, expected, found: hex.len() });
    }
    let mut mask = vec![0u32; bits.div_ceil(WORD_BITS)];
    for (index, pair) in hex.as_bytes().chunks(2).enumerate() {
        let digits = pair.iter().try_fold(0, |byte, &c| Some(16 * byte + char::from(c).to_digit(16)?));
        let byte = digits.ok_or(HexError::NoDigit(2 * index))?;
        mask[index / 4] |= byte << (8 * (index % 4));
    }
    let mut clean = mask.clone();
    clear_tail(&mut clean, bits);
    if clean != mask {
        return Err(HexError::Tail { bits });
    }
    Ok(mask)
}

/// The set bits of `start..start + length` as whole words, least significant bit first.
pub fn words_in(mask: &[u32], start: usize, length: usize) -> impl Iterator<Item = u32> + '_ {
    (0..length.div_ceil(WORD_BITS)).map(move |n| {
        let bit = start + n * WORD_BITS;
        let (word, shift) = (bit / WORD_BITS, bit % WORD_BITS);
        let low = mask[word] >> shift;
        let high =
            if shift == 0 { 0 } else { mask.get(word + 1).map_or(0, |next| next << (WORD_BITS - shift)) };
        let left = length - n * WORD_BITS;
        let keep = if left < WORD_BITS { (1 << left) - 1 } else { u32::MAX };
        (low | high) & keep
    })
}

/// The neurons that matter: per hidden layer, one bit per neuron (packed), set when the neuron reaches an
/// output through active weights.
///
/// A neuron that reaches no output is *dead*: nothing that it computes is read. A neuron with no active
/// input still feeds its constant, relu(bias), onwards, and so is not dead.
pub fn live_neurons(mask: &[u32], architecture: &Architecture) -> Vec<Vec<u32>> {
    let mut live: Vec<Vec<u32>> = Vec::with_capacity(architecture.layer_count() - 1);
    let mut reached = vec![u32::MAX; architecture.outputs().div_ceil(WORD_BITS)];
    for layer in architecture.layers().skip(1).rev() {
        let below = union_of_rows(mask, &layer, &reached);
        live.push(std::mem::replace(&mut reached, below));
    }
    live.push(reached);
    live.reverse();
    live.pop();
    live
}

/// The inputs of `layer` that any neuron of `rows` (packed, one bit per output) reads.
fn union_of_rows(mask: &[u32], layer: &Layer, rows: &[u32]) -> Vec<u32> {
    let mut union = vec![0; layer.inputs.div_ceil(WORD_BITS)];
    for output in (0..layer.outputs).filter(|&output| get(rows, output)) {
        let start = layer.first_weight + output * layer.inputs;
        for (sum, word) in union.iter_mut().zip(words_in(mask, start, layer.inputs)) {
            *sum |= word;
        }
    }
    union
}

/// Number of hidden neurons that reach no output: they can be removed without changing a prediction.
pub fn dead_neurons(mask: &[u32], architecture: &Architecture) -> usize {
    let hidden: usize = architecture.widths()[1..architecture.widths().len() - 1].iter().sum();
    let live: usize = live_neurons(mask, architecture).iter().map(|layer| count_ones(layer)).sum();
    hidden - live
}

/// Does at least one path of active weights lead from an input to an output?
pub fn has_path(mask: &[u32], architecture: &Architecture) -> bool {
    let mut reached = vec![u32::MAX; architecture.inputs().div_ceil(WORD_BITS)];
    for layer in architecture.layers() {
        let mut next = vec![0u32; layer.outputs.div_ceil(WORD_BITS)];
        for output in 0..layer.outputs {
            let start = layer.first_weight + output * layer.inputs;
            if words_in(mask, start, layer.inputs).zip(&reached).any(|(word, from)| word & from != 0) {
                next[output / WORD_BITS] |= 1 << (output % WORD_BITS);
            }
        }
        if next.iter().all(|&word| word == 0) {
            return false;
        }
        reached = next;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Concern, stream};
    use proptest::prelude::*;

    fn architecture(widths: &[usize]) -> Architecture {
        widths.to_vec().try_into().expect("a valid architecture")
    }

    /// Paths by depth-first search over single bits, the slow way.
    fn has_path_by_bits(mask: &[u32], architecture: &Architecture) -> bool {
        let layers: Vec<Layer> = architecture.layers().collect();
        fn reaches(mask: &[u32], layers: &[Layer], depth: usize, neuron: usize) -> bool {
            let Some(layer) = layers.get(depth) else { return true };
            (0..layer.outputs).any(|o| {
                get(mask, layer.first_weight + o * layer.inputs + neuron)
                    && reaches(mask, layers, depth + 1, o)
            })
        }
        (0..architecture.inputs()).any(|i| reaches(mask, &layers, 0, i))
    }

    fn random_mask(architecture: &Architecture, seed: u64, thinnings: u32) -> Vec<u32> {
        let mut rng = stream(seed, Concern::InitialPopulation);
        let mut mask = vec![u32::MAX; architecture.mask_words()];
        let mut draw = mask.clone();
        for _ in 0..=thinnings {
            randomize(&mut draw, architecture.weights(), &mut rng);
            mask.iter_mut().zip(&draw).for_each(|(a, b)| *a &= b);
        }
        mask
    }

    proptest! {
        #[test]
        fn paths_found_on_words_are_those_found_on_bits(
            widths in prop::collection::vec(1usize..40, 3..6), seed in 0u64..1000, thinnings in 0u32..6
        ) {
            let architecture = architecture(&widths);
            let mask = random_mask(&architecture, seed, thinnings);
            prop_assert_eq!(has_path(&mask, &architecture), has_path_by_bits(&mask, &architecture));
        }

        #[test]
        fn words_in_a_range_hold_its_bits(start in 0usize..100, length in 1usize..100, seed in 0u64..100) {
            let mut mask = vec![0; 7];
            randomize(&mut mask, 224, &mut stream(seed, Concern::Mutation));
            let words: Vec<u32> = words_in(&mask, start, length).collect();
            for n in 0..words.len() * WORD_BITS {
                prop_assert_eq!(get(&words, n), n < length && get(&mask, start + n));
            }
        }

        #[test]
        fn hexadecimal_masks_read_back_and_other_text_is_refused(
            bits in 1usize..100, seed in 0u64..50, text in ".{0,30}"
        ) {
            let mut mask = vec![0; bits.div_ceil(32)];
            randomize(&mut mask, bits, &mut stream(seed, Concern::Mutation));
            let hex = to_hex(&mask, bits);
            let by_the_byte: String =
                mask.iter().flat_map(|word| word.to_le_bytes()).map(|byte| format!("{byte:02x}")).collect();
            prop_assert!(by_the_byte.starts_with(&hex));
            prop_assert_eq!(from_hex(&hex, bits), Ok(mask));
            prop_assert!(from_hex(&hex[1..], bits).is_err());
            let _ = from_hex(&text, bits);
        }

        #[test]
        fn a_child_takes_every_bit_from_a_parent(seed in 0u64..1000) {
            let mut rng = stream(seed, Concern::Recombination);
            let (mut first, mut second, mut child) = (vec![0; 4], vec![0; 4], vec![0; 4]);
            randomize(&mut first, 100, &mut rng);
            randomize(&mut second, 100, &mut rng);
            child.copy_from_slice(&first);
            crossover(&mut child, &second, &mut rng);
            for n in 0..128 {
                prop_assert!(get(&child, n) == get(&first, n) || get(&child, n) == get(&second, n));
            }
        }
    }

    #[test]
    fn random_masks_are_half_full_and_keep_their_tail_clear() {
        let mut mask = vec![0; 313];
        randomize(&mut mask, 10_001, &mut stream(0, Concern::InitialPopulation));
        // Standard deviation 50: five of them.
        assert!(count_ones(&mask).abs_diff(5_000) <= 250);
        assert_eq!(mask[312] >> (10_001 % 32), 0);
        fill(&mut mask, 10_001);
        assert_eq!(count_ones(&mask), 10_001);
    }

    #[test]
    fn bits_are_counted_in_masks_of_any_length() {
        for words in [0, 1, 15, 16, 17, 100, BLOCK + 3] {
            let (full, mut some) = (vec![u32::MAX; words], vec![0; words]);
            assert_eq!(
                (count_ones(&full), distance(&full, &some)),
                (32 * words, 32 * words),
                "{words} words"
            );
            let bits = 0..32 * words;
            bits.clone().step_by(7).for_each(|bit| flip(&mut some, bit));
            assert_eq!(count_ones(&some), bits.clone().step_by(7).count());
            assert_eq!(distance(&some, &full), 32 * words - count_ones(&some));
        }
    }

    #[test]
    fn a_neuron_that_feeds_no_output_is_dead() {
        let architecture = architecture(&[2, 3, 2]);
        // Output 0 reads hidden neuron 1; hidden neuron 0 has inputs but no reader.
        let mut mask = vec![0];
        flip(&mut mask, 0);
        flip(&mut mask, 6 + 1);
        assert_eq!(live_neurons(&mask, &architecture), vec![vec![0b010]]);
        assert_eq!(dead_neurons(&mask, &architecture), 2);
        assert!(!has_path(&mask, &architecture));
        flip(&mut mask, 2);
        assert!(has_path(&mask, &architecture));
    }
}
