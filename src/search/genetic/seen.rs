//! The masks that a run has seen, by their hashes, with their scores.

use super::goals::MAX_GOALS;
use super::population::Scores;
use crate::mask::packed;
use serde::{Deserializer, Serializer, de::Error};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::xxh3_128;

pub(super) type Seen = ByHash<Scores>;

/// A map whose keys are hashes already, of which it takes the low 64 bits as they are.
pub(super) type ByHash<V> = HashMap<u128, V, BuildHasherDefault<TakenAsIs>>;

#[derive(Default)]
pub(super) struct TakenAsIs(u64);

impl Hasher for TakenAsIs {
    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are of 128 bits");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// 128 bits of a mask: the chance that any two of a billion different masks agree is below 1e-20.
pub(super) fn hash(mask: &[u32]) -> u128 {
    xxh3_128(bytemuck::cast_slice(mask))
}

/// Words of a mask seen in a checkpoint: its hash, its count and its losses.
const WORDS: usize = 5 + 2 * MAX_GOALS;

/// Into words, sorted.
pub(super) fn serialize<S: Serializer>(seen: &Seen, serializer: S) -> Result<S::Ok, S::Error> {
    let mut entries: Vec<_> = seen.iter().collect();
    entries.sort_unstable_by_key(|(hash, _)| **hash);
    let words = |(hash, scores): (&u128, &Scores)| {
        let hash = [*hash, hash >> 32, hash >> 64, hash >> 96].map(|part| part as u32);
        let losses = scores.losses.map(|loss| [loss as u32, (loss >> 32) as u32]);
        hash.into_iter().chain([scores.correct]).chain(losses.into_iter().flatten())
    };
    packed::serialize(&entries.into_iter().flat_map(words).collect::<Vec<u32>>(), serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Seen, D::Error> {
    let words = packed::deserialize(deserializer)?;
    if words.len() % WORDS != 0 {
        return Err(D::Error::custom("seen masks are cut short"));
    }
    let hash = |w: &[u32]| (0..4).fold(0u128, |hash, n| hash | u128::from(w[n]) << (32 * n));
    let loss = |w: &[u32], n: usize| u64::from(w[5 + 2 * n]) | u64::from(w[6 + 2 * n]) << 32;
    let scores = |w: &[u32]| Scores { correct: w[4], losses: std::array::from_fn(|n| loss(w, n)) };
    Ok(words.chunks_exact(WORDS).map(|w| (hash(w), scores(w))).collect())
}
