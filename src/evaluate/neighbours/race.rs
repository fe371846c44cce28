//! Giving up on a proposal before all samples are seen.

/// When to give up a proposal before all samples are seen.
///
/// Once [`MIN_TILES`](Race::MIN_TILES) tiles are known, a proposal is rejected if the mean change of the
/// cost per tile exceeds what is allowed by more than `deviations` standard errors (a sequential test, as
/// in the races of Maron and Moore 1994). A proposal that passes has been scored on all samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Race {
    pub deviations: f64,
}

impl Race {
    /// Tiles before the first test.
    pub const MIN_TILES: usize = 4;
}

/// What is known of a proposal.
#[derive(Clone, Copy, Debug, Default)]
pub struct RaceStanding {
    /// Of the cost, over the tiles seen.
    change: i64,
    /// Sum of the squares of the tiles' changes.
    squares: f64,
    seen: usize,
    lost: bool,
}

impl RaceStanding {
    /// Takes in tiles whose costs were `before` and become `after`.
    pub fn add(&mut self, before: &[u64], after: &[u64]) {
        for (&before, &after) in before.iter().zip(after) {
            let change = after as i64 - before as i64;
            self.change += change;
            self.squares += (change as f64) * (change as f64);
        }
        self.seen += before.len();
    }

    /// Is the mean change of the cost so far clearly above what is `allowed` on all `tiles`? If so, it stays.
    pub fn is_lost(&mut self, race: Option<Race>, tiles: usize, allowed: i64) -> bool {
        let Some(race) = race.filter(|_| (Race::MIN_TILES..tiles).contains(&self.seen)) else {
            return false;
        };
        let n = self.seen as f64;
        let mean = self.change as f64 / n;
        let excess = mean - allowed as f64 / tiles as f64;
        let variance = ((self.squares - mean * self.change as f64) / (n - 1.0)).max(0.0);
        // Without replacement: the error vanishes when all tiles are seen.
        let error = variance / n * (1.0 - n / tiles as f64);
        self.lost = excess > 0.0 && excess * excess > race.deviations * race.deviations * error;
        self.lost
    }

    /// Tiles taken in.
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// The change on all samples, if it is allowed.
    pub fn outcome(&self, allowed: i64) -> Option<i64> {
        (!self.lost && self.change <= allowed).then_some(self.change)
    }
}

/// The change of the cost by a proposal that makes tiles of the costs `before` cost `after`, if that is allowed and
/// it passes the `race`: chunks of `per_chunk` tiles (the last may have fewer) are taken in from `first_chunk` on, one
/// by one, as the kernels look at them.
pub fn judge(
    race: Option<Race>,
    per_chunk: usize,
    first_chunk: usize,
    (before, after): (&[u64], &[u64]),
    allowed: i64,
) -> Option<i64> {
    let (tiles, chunks) = (before.len(), before.len().div_ceil(per_chunk));
    let mut standing = RaceStanding::default();
    for chunk in (0..chunks).map(|n| (first_chunk + n) % chunks) {
        let range = chunk * per_chunk..tiles.min((chunk + 1) * per_chunk);
        standing.add(&before[range.clone()], &after[range]);
        if standing.is_lost(race, tiles, allowed) {
            break;
        }
    }
    standing.outcome(allowed)
}
