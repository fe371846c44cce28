//! Neighbours scored on a device, which the chains of a search share: the costs of all tiles come back, and the
//! host judges them as the CPU does.

use super::super::device::GpuDevice;
use super::landscape::{GpuLandscape, Pass};
use super::memory::{Keeping, MemoryPlan};
use super::parent::GpuParent;
use super::program::ProposedFlips;
use crate::evaluate::neighbours::{TILE, Tiles, incremental};
use crate::evaluate::overflow::FeatureBounds;
use crate::evaluate::{AdapterInfo, Demand, EvaluateError, Neighbourhood, Parent};
use crate::network::{Layer, Network};
use crate::objective::Objective;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A landscape on a device, with a place for each of some parents.
///
/// Calls take turns. Chains that wait leave their proposals with the requests, and whoever has the device next answers
/// all of them with shared dispatches; no answer depends on what it is shared with.
pub struct GpuNeighbourhood {
    landscape: Mutex<GpuLandscape>,
    requests: Mutex<WaitingProposals>,
    free: Mutex<Vec<usize>>,
    freed: Condvar,
    tiles: Tiles,
    network: Network,
    layers: Vec<Layer>,
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

/// Proposals that wait for the device, and answers that were not yet fetched.
struct WaitingProposals {
    /// Proposals of the parents at some places.
    waiting: Vec<(usize, Vec<ProposedFlips>)>,
    /// `[place]`
    answers: Vec<Option<Result<TileCosts, EvaluateError>>>,
}

impl GpuNeighbourhood {
    /// Masks of `network` on `tiles`, with as many places as `memory` bytes have room for the pre-activations of, at
    /// most one for each parent of the `demand` and one per thread. Where the device has less than that, with half of
    /// it, and so on.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] when shapes do not match or do not fit; errors of the device.
    pub fn new(
        device: &GpuDevice,
        network: &Network,
        tiles: Tiles,
        objective: Objective,
        demand: Demand,
        memory: u64,
    ) -> Result<Self, EvaluateError> {
        let architecture = network.architecture();
        tiles.check(architecture)?;
        FeatureBounds::of_tiles(&tiles).check(network, device.arithmetic())?;
        let margin = incremental(objective)?;
        margin.map_or(Ok(()), |_| device.check_hinge())?;
        let most = demand.parents.min(rayon::current_num_threads()).max(1);
        let (limits, samples) = (&device.description().limits, tiles.count() * TILE);
        let landscape = halving(memory, |memory| {
            let plan = MemoryPlan::with_most_places(architecture, samples, most, limits, memory)?;
            device.guarded(|| {
                Ok(GpuLandscape::new(device, network, &tiles, margin, plan, device.is_software()))
            })
        })?;
        let MemoryPlan { keeping, places, .. } = landscape.plan();
        Ok(Self {
            landscape: Mutex::new(landscape),
            requests: Mutex::new(WaitingProposals {
                waiting: Vec::new(),
                answers: (0..places).map(|_| None).collect(),
            }),
            free: Mutex::new((0..places).collect()),
            freed: Condvar::new(),
            tiles,
            network: network.clone(),
            layers: architecture.layers().collect(),
            objective,
            adapter: device.description().info.clone(),
            keeping,
        })
    }

    /// As [`parent`](Neighbourhood::parent).
    fn place(&self, mask: &[u32], chunks: usize) -> Result<GpuParent<'_>, EvaluateError> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let place = loop {
            match free.pop() {
                Some(place) => break place,
                None => free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(free);
        GpuParent::new(self, place, mask, chunks)
    }

    /// Nobody needs `place` any more.
    pub(super) fn free(&self, place: usize) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(place);
        self.freed.notify_one();
    }

    /// The device, once it is this caller's turn.
    ///
    /// # Panics
    /// If another chain panicked while it had the device: its answers are lost.
    pub(super) fn device(&self) -> MutexGuard<'_, GpuLandscape> {
        self.landscape.lock().expect("no chain panicked")
    }

    pub(super) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Multiply-adds of the objective per sample.
    pub(super) fn objective_products(&self) -> usize {
        self.objective.margin().map_or(0, |_| self.network.architecture().outputs() - 1)
    }

    fn requests(&self) -> MutexGuard<'_, WaitingProposals> {
        self.requests.lock().expect("no chain panicked")
    }

    /// The tiles' costs of `proposals` of the parent at `place`.
    pub(super) fn screen(
        &self,
        place: usize,
        proposals: Vec<ProposedFlips>,
    ) -> Result<TileCosts, EvaluateError> {
        self.requests().waiting.push((place, proposals));
        let mut device = self.device();
        if let Some(answer) = self.requests().answers[place].take() {
            return answer;
        }
        let mut shares = Vec::new();
        let mut all = Vec::new();
        for (place, proposals) in std::mem::take(&mut self.requests().waiting) {
            shares.push((place, proposals.len()));
            all.extend(proposals);
        }
        let mut answer = device.costs(&all, Pass::Screen);
        let mut requests = self.requests();
        for (place, count) in shares {
            let share = match &mut answer {
                Ok(costs) => Ok(costs.drain(..count).collect()),
                Err(error) => Err(error.clone()),
            };
            requests.answers[place] = Some(share);
        }
        requests.answers[place].take().expect("what was asked for here was among the requests")
    }
}

impl Neighbourhood for GpuNeighbourhood {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Samples;
    use crate::evaluate::adapter::{AdapterChoice, open_gpu};
    use crate::evaluate::neighbours::Candidate;
    use crate::network::NetworkInit;
    use crate::random::{Concern, stream};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// On the software adapter, with so many places.
    fn neighbourhood(places: usize) -> GpuNeighbourhood {
        neighbourhood_in(1 << 20, places)
    }

    /// As [`neighbourhood`], in so many bytes.
    fn neighbourhood_in(memory: u64, places: usize) -> GpuNeighbourhood {
        let gpu = open_gpu(&AdapterChoice::Software)
            .expect("these tests need a software adapter (Mesa's lavapipe)");
        let config: NetworkInit = serde_json::from_str(r#"{"layers": [2, 4, 2]}"#).expect("a network");
        let network = config.build(1).expect("a network");
        let features: Vec<f32> = (0..400).map(|n| (n * 37 % 101) as f32 / 50.0 - 1.0).collect();
        let labels = features.chunks(2).map(|x| u32::from(x[0] > x[1])).collect();
        let samples = Samples { features, labels, width: 2 };
        let all: Vec<usize> = (0..200).collect();
        let tiles = Tiles::new(&samples, &all, &mut stream(0, Concern::Subsample));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(places).build().expect("a pool");
        let demand = Demand { parents: 9, batch: 1 };
        let (device, objective) = (gpu.device(), Objective::Accuracy);
        let new = || GpuNeighbourhood::new(device, &network, tiles, objective, demand, memory);
        pool.install(new).expect("a neighbourhood")
    }

    const MASKS: [[u32; 1]; 2] = [[0xbeef], [0x3a57]];

    #[test]
    fn chains_that_wait_share_a_dispatch_and_each_has_its_own_answers() {
        let shared = neighbourhood(2);
        let chunks = shared.tiles().chunks().len();
        // One looks at fewer tiles than the other.
        let mut parents = [(MASKS[0], chunks), (MASKS[1], chunks / 2)]
            .map(|(mask, chunks)| shared.place(&mask, chunks).expect("a place"));
        let flips = [&[&[0][..], &[3, 9]][..], &[&[1, 2], &[15], &[8]]];
        let mut propose = |n: usize| {
            let proposals: Vec<ProposedFlips> =
                flips[n].iter().map(|bits| parents[n].propose(bits)).collect();
            (parents[n].place, proposals)
        };
        let alone = [0, 1].map(|n| {
            let (place, proposals) = propose(n);
            shared.screen(place, proposals).expect("costs of the tiles")
        });
        assert_ne!(alone[0][0], alone[1][0]);
        std::thread::scope(|scope| {
            let device = shared.device();
            let asked = [0, 1].map(|n| {
                let (shared, (place, proposals)) = (&shared, propose(n));
                scope.spawn(move || shared.screen(place, proposals).expect("costs of the tiles"))
            });
            while shared.requests().waiting.len() < 2 {
                std::thread::sleep(Duration::from_millis(1));
            }
            drop(device);
            assert_eq!(asked.map(|thread| thread.join().expect("an answer")), alone);
        });
        assert!(shared.requests().waiting.is_empty());
        assert!(shared.requests().answers.iter().all(Option::is_none));
    }

    #[test]
    fn however_little_a_submission_may_do_the_costs_are_the_same() {
        for memory in [1 << 20, 0] {
            let of = |most: u64| {
                let shared = neighbourhood_in(memory, 2);
                shared.device().with_most_work(most);
                let chunks = shared.tiles().chunks().len();
                let mut found: Vec<Vec<u64>> = Vec::new();
                for mask in MASKS {
                    // One after the other: without memory there is one place.
                    let mut parent = shared.place(&mask, chunks).expect("a place");
                    let flips = [&[][..], &[0], &[3, 9], &[1, 8, 15]];
                    let proposals = flips.map(|bits| parent.propose(bits)).into();
                    found.extend(shared.screen(parent.place, proposals).expect("costs of the tiles"));
                    let candidate = Candidate { flips: &[2, 9], allowed: i64::MAX };
                    assert!(parent.attempt(candidate, None, 0).expect("an answer"));
                    found.push(vec![parent.cost(), parent.wrong().expect("a count")]);
                }
                found
            };
            let whole = of(u64::MAX);
            assert_ne!(whole[0], whole[1]);
            for most in [0, 64, 500, 2_000] {
                assert_eq!(of(most), whole, "{most} in {memory} bytes");
            }
        }
    }

    #[test]
    fn without_checks_of_loops_and_indices_the_costs_are_the_same() {
        for memory in [1 << 20, 0] {
            let costs = |shared: &GpuNeighbourhood| {
                let mut parent = shared.place(&MASKS[0], shared.tiles().chunks().len()).expect("a place");
                let flips = [&[][..], &[0], &[3, 9], &[1, 8, 15]];
                let proposals = flips.map(|bits| parent.propose(bits)).into();
                let mut costs = shared.screen(parent.place, proposals).expect("costs of the tiles");
                let candidate = Candidate { flips: &[2, 9], allowed: i64::MAX };
                assert!(parent.attempt(candidate, None, 0).expect("an answer"));
                costs.push(vec![parent.cost(), parent.wrong().expect("a count")]);
                costs
            };
            let shared = neighbourhood_in(memory, 1);
            let checked = costs(&shared);
            {
                let mut landscape = shared.device();
                let (device, plan) = (landscape.device().clone(), landscape.plan());
                *landscape = GpuLandscape::new(&device, &shared.network, &shared.tiles, None, plan, false);
            }
            assert_eq!(costs(&shared), checked);
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
        let shared = neighbourhood(1);
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
