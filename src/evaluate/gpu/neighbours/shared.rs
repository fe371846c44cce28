//! Neighbours scored on a device, which the chains of a search share: the costs of all tiles come back, and the
//! host judges them as the CPU does.

use super::{Flips, GpuDevice, GpuLandscape, Keeping};
use crate::evaluate::neighbours::{Candidate, Race, Tiles, judge};
use crate::evaluate::{AdapterInfo, Demand, EvaluateError, Neighbourhood, Parent};
use crate::network::Network;
use crate::objective::Objective;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A landscape on a device, with a place for each of some parents.
///
/// Calls take turns. Chains that wait leave what they ask for on the desk, and whoever has the device next answers
/// all of it with shared dispatches; no answer depends on what it is shared with.
pub struct SharedLandscape {
    landscape: Mutex<GpuLandscape>,
    desk: Mutex<Desk>,
    free: Mutex<Vec<usize>>,
    freed: Condvar,
    tiles: Tiles,
    network: Network,
    objective: Objective,
    adapter: AdapterInfo,
    keeping: Keeping,
}

/// Less memory than this is not what fills a device.
const LEAST_MEMORY: u64 = 1 << 20;

/// What `build` makes of `memory` bytes, or of half of it, and so on, where the device has no more.
fn halving<T>(
    mut memory: u64,
    mut build: impl FnMut(u64) -> Result<T, EvaluateError>,
) -> Result<T, EvaluateError> {
    loop {
        match build(memory) {
            Err(EvaluateError::OutOfMemory(_)) if memory / 2 >= LEAST_MEMORY => memory /= 2,
            end => return end,
        }
    }
}

/// Per proposal the costs of the tiles that its parent looks at.
type TileCosts = Vec<Vec<u64>>;

/// What is asked for, and the answers that were not yet fetched.
struct Desk {
    /// Flips of the parents at some places.
    waiting: Vec<(usize, Vec<Vec<u32>>)>,
    /// `[place]`
    answers: Vec<Option<Result<TileCosts, EvaluateError>>>,
}

impl SharedLandscape {
    /// Masks of `network` on `tiles`, with as many places as `memory` bytes have room for the pre-activations of, at
    /// most one for each parent of the `demand` and one per thread. Where the device has less than that, with half of
    /// it, and so on.
    ///
    /// # Errors
    /// As [`GpuLandscape::new`].
    pub fn new(
        device: &GpuDevice,
        network: &Network,
        tiles: Tiles,
        objective: Objective,
        demand: Demand,
        memory: u64,
    ) -> Result<Self, EvaluateError> {
        let most = demand.parents.min(rayon::current_num_threads()).max(1);
        let (landscape, places) = halving(memory, |memory| {
            let places = GpuLandscape::most_resident(device, network, &tiles, most, memory);
            Ok((GpuLandscape::new(device, network, &tiles, objective, places, memory)?, places))
        })?;
        Ok(Self {
            keeping: landscape.memory_plan().keeping,
            landscape: Mutex::new(landscape),
            desk: Mutex::new(Desk { waiting: Vec::new(), answers: (0..places).map(|_| None).collect() }),
            free: Mutex::new((0..places).collect()),
            freed: Condvar::new(),
            tiles,
            network: network.clone(),
            objective,
            adapter: device.description().info.clone(),
        })
    }

    /// A parent with `mask`, which looks at the first `chunks` chunks of the samples; waits for a place.
    fn place(&self, mask: &[u32], chunks: usize) -> Result<DeviceParent<'_>, EvaluateError> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let place = loop {
            match free.pop() {
                Some(place) => break place,
                None => free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(free);
        let mut parent =
            DeviceParent { shared: self, place, mask: mask.to_vec(), costs: Vec::new(), since_refresh: 0 };
        parent.shared.device().take_multiply_adds(place);
        parent.place_at(mask, chunks)?;
        Ok(parent)
    }

    /// The device, once it is this caller's turn.
    ///
    /// # Panics
    /// If another chain panicked while it had the device: its answers are lost.
    fn device(&self) -> MutexGuard<'_, GpuLandscape> {
        self.landscape.lock().expect("no chain panicked")
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("no chain panicked")
    }

    /// The tiles' costs of the parent at `place` once its bits are flipped.
    fn screen(&self, place: usize, flips: Vec<Vec<u32>>) -> Result<TileCosts, EvaluateError> {
        self.desk().waiting.push((place, flips));
        let mut device = self.device();
        if let Some(answer) = self.desk().answers[place].take() {
            return answer;
        }
        let asked = std::mem::take(&mut self.desk().waiting);
        let proposals: Vec<Flips<'_>> = asked
            .iter()
            .flat_map(|(parent, flips)| flips.iter().map(|bits| Flips { parent: *parent, bits }))
            .collect();
        let answer = device.screen(&proposals);
        let mut desk = self.desk();
        match answer {
            Ok(costs) => {
                let mut costs = costs.into_iter();
                for (parent, flips) in &asked {
                    desk.answers[*parent] = Some(Ok(costs.by_ref().take(flips.len()).collect()));
                }
            }
            Err(error) => {
                for (parent, _) in &asked {
                    desk.answers[*parent] = Some(Err(error.clone()));
                }
            }
        }
        desk.answers[place].take().expect("what was asked for here was on the desk")
    }
}

impl Neighbourhood for SharedLandscape {
    fn parent<'a>(&'a self, mask: &[u32], chunks: usize) -> Result<Box<dyn Parent + 'a>, EvaluateError> {
        Ok(Box::new(self.place(mask, chunks)?))
    }

    fn network(&self) -> &Network {
        &self.network
    }

    fn tiles(&self) -> &Tiles {
        &self.tiles
    }

    fn objective(&self) -> Objective {
        self.objective
    }

    fn adapter(&self) -> AdapterInfo {
        self.adapter.clone()
    }

    fn is_recomputed(&self) -> bool {
        self.keeping == Keeping::Recomputed
    }
}

/// A parent at a place of the device.
struct DeviceParent<'a> {
    shared: &'a SharedLandscape,
    place: usize,
    mask: Vec<u32>,
    /// `[tile]`: of those that are looked at.
    costs: Vec<u64>,
    since_refresh: usize,
}

impl DeviceParent<'_> {
    /// Puts `mask` at its place, exactly, looking at the first `chunks` chunks of the samples.
    fn place_at(&mut self, mask: &[u32], chunks: usize) -> Result<(), EvaluateError> {
        let tiles = self.shared.tiles.chunks()[..chunks].iter().map(|chunk| chunk.tiles()).sum();
        let mut device = self.shared.device();
        device.place(self.place, mask, tiles)?;
        self.costs = device.tile_costs(self.place).to_vec();
        drop(device);
        self.mask.copy_from_slice(mask);
        self.since_refresh = 0;
        Ok(())
    }

    /// By how much `candidate` changes the cost where it makes the tiles cost `after`, if it passes.
    fn judge(
        &self,
        candidate: &Candidate<'_>,
        after: &[u64],
        race: Option<Race>,
        first_chunk: usize,
    ) -> Option<i64> {
        let per_chunk = self.shared.tiles.chunks()[0].tiles();
        judge(race, per_chunk, first_chunk, (&self.costs, after), candidate.allowed)
    }
}

impl Parent for DeviceParent<'_> {
    fn cost(&self) -> u64 {
        self.costs.iter().sum()
    }

    fn since_refresh(&self) -> usize {
        self.since_refresh
    }

    fn look_at(&mut self, chunks: usize) -> Result<(), EvaluateError> {
        self.place_at(&self.mask.clone(), chunks)
    }

    fn refresh(&mut self) -> Result<(), EvaluateError> {
        let mut device = self.shared.device();
        device.refresh(self.place)?;
        self.costs.copy_from_slice(device.tile_costs(self.place));
        self.since_refresh = 0;
        Ok(())
    }

    fn wrong(&mut self) -> Result<u64, EvaluateError> {
        self.shared.device().wrong(self.place)
    }

    fn screen(
        &mut self,
        candidates: &[Candidate<'_>],
        race: Option<Race>,
        first_chunk: usize,
    ) -> Result<Vec<Option<i64>>, EvaluateError> {
        let flips = candidates.iter().map(|candidate| candidate.flips.to_vec()).collect();
        let after = self.shared.screen(self.place, flips)?;
        let judged = candidates.iter().zip(&after);
        Ok(judged.map(|(candidate, after)| self.judge(candidate, after, race, first_chunk)).collect())
    }

    fn attempt(
        &mut self,
        candidate: Candidate<'_>,
        race: Option<Race>,
        first_chunk: usize,
    ) -> Result<bool, EvaluateError> {
        if self.screen(&[candidate], race, first_chunk)?[0].is_none() {
            return Ok(false);
        }
        let mut device = self.shared.device();
        device.accept(Flips { parent: self.place, bits: candidate.flips })?;
        self.costs.copy_from_slice(device.tile_costs(self.place));
        self.mask.copy_from_slice(device.mask(self.place));
        drop(device);
        // Where nothing is kept, nothing drifts.
        self.since_refresh = if self.shared.is_recomputed() { 0 } else { self.since_refresh + 1 };
        Ok(true)
    }

    fn exact_cost(&mut self, mask: &[u32]) -> Result<u64, EvaluateError> {
        self.place_at(mask, self.shared.tiles.chunks().len())?;
        Ok(self.cost())
    }

    fn take_multiply_adds(&mut self) -> u64 {
        self.shared.device().take_multiply_adds(self.place)
    }
}

impl Drop for DeviceParent<'_> {
    fn drop(&mut self) {
        self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.place);
        self.shared.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Samples;
    use crate::evaluate::adapter::{AdapterChoice, open_gpu};
    use crate::evaluate::gpu::neighbours::DEFAULT_MEMORY;
    use crate::network::NetworkInit;
    use crate::random::{Concern, stream};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// A landscape on the software adapter for so many threads.
    fn shared(threads: usize, memory: u64) -> SharedLandscape {
        let gpu = open_gpu(&AdapterChoice::Software)
            .expect("these tests need a software adapter (Mesa's lavapipe)");
        let config: NetworkInit = serde_json::from_str(r#"{"layers": [2, 4, 2]}"#).expect("a network");
        let network = config.build(1).expect("a network");
        let features: Vec<f32> = (0..400).map(|n| (n * 37 % 101) as f32 / 50.0 - 1.0).collect();
        let labels = features.chunks(2).map(|x| u32::from(x[0] > x[1])).collect();
        let samples = Samples { features, labels, width: 2 };
        let all: Vec<usize> = (0..200).collect();
        let tiles = Tiles::new(&samples, &all, &mut stream(0, Concern::Subsample));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let demand = Demand { parents: 9, batch: 1 };
        let new = || SharedLandscape::new(gpu.device(), &network, tiles, Objective::Accuracy, demand, memory);
        pool.install(new).expect("a landscape")
    }

    const MASKS: [[u32; 1]; 2] = [[0xbeef], [0x3a57]];

    #[test]
    fn chains_that_wait_share_a_dispatch_and_each_has_its_own_answers() {
        let shared = shared(2, DEFAULT_MEMORY);
        let chunks = shared.tiles().chunks().len();
        let parents = MASKS.map(|mask| shared.place(&mask, chunks).expect("a place"));
        let flips = [vec![vec![0], vec![3, 9]], vec![vec![1, 2], vec![15], vec![8]]];
        let alone =
            [0, 1].map(|n| shared.screen(parents[n].place, flips[n].clone()).expect("costs of the tiles"));
        assert_ne!(alone[0][0], alone[1][0]);
        std::thread::scope(|scope| {
            let device = shared.device();
            let asked = [0, 1].map(|n| {
                let (shared, place, flips) = (&shared, parents[n].place, flips[n].clone());
                scope.spawn(move || shared.screen(place, flips).expect("costs of the tiles"))
            });
            while shared.desk().waiting.len() < 2 {
                std::thread::sleep(Duration::from_millis(1));
            }
            drop(device);
            assert_eq!(asked.map(|thread| thread.join().expect("an answer")), alone);
        });
        assert!(shared.desk().waiting.is_empty() && shared.desk().answers.iter().all(Option::is_none));
    }

    #[test]
    fn there_are_as_many_places_as_the_memory_has_room_for() {
        // Of six neurons, for 200 samples in tiles of 64.
        let parent = 4 * 6 * 256;
        for (memory, places, keeping) in [
            (3 * parent, 3, Keeping::Resident),
            (3 * parent - 1, 2, Keeping::Resident),
            (parent - 1, 1, Keeping::Recomputed),
        ] {
            let shared = shared(3, memory);
            assert_eq!((shared.free.lock().expect("places").len(), shared.keeping), (places, keeping));
        }
    }

    #[test]
    fn a_device_without_so_much_memory_is_asked_for_half() {
        let mut asked = Vec::new();
        let mut device = |most: u64| {
            asked.clear();
            halving(8 * LEAST_MEMORY, |memory| {
                asked.push(memory / LEAST_MEMORY);
                let fits = memory <= most;
                fits.then_some(memory).ok_or_else(|| EvaluateError::OutOfMemory("full".to_owned()))
            })
        };
        assert_eq!(device(3 * LEAST_MEMORY).expect("half of half fits"), 2 * LEAST_MEMORY);
        assert!(matches!(device(0), Err(EvaluateError::OutOfMemory(_))));
        assert_eq!(asked, [8, 4, 2, 1]);
    }

    #[test]
    fn who_finds_no_place_waits_until_one_is_free() {
        let shared = shared(1, DEFAULT_MEMORY);
        let first = shared.place(&MASKS[0], 1).expect("a place");
        let is_free = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                let second = shared.place(&MASKS[1], 1).expect("a place");
                (is_free.load(Ordering::SeqCst), second.mask.clone())
            });
            std::thread::sleep(Duration::from_millis(50));
            is_free.store(true, Ordering::SeqCst);
            drop(first);
            assert_eq!(second.join().expect("a parent"), (true, MASKS[1].to_vec()));
        });
    }
}
