//! The threads that the program may have: those of the pool, and a few beside it.
//!
//! An account, a container or a batch system may allow fewer threads than there are processors. Then there are fewer
//! in the pool, down to the program's own.

use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// Threads beside the pool's: Ctrl-C's, that of the work while another shows it, and two workers.
const BESIDE: usize = 4;

/// Starts the pool with the threads `asked` for, else with as many as the system recommends and allows. Returns what
/// the user should know of it.
///
/// # Errors
/// If so many threads cannot be had, or the pool was started before.
pub fn start(asked: Option<u16>) -> Result<Option<String>, ThreadPoolBuildError> {
    let pool = ThreadPoolBuilder::new();
    let wanted = match asked {
        None => recommended(),
        // The program's own will do.
        Some(1) => 1,
        Some(threads) => return pool.num_threads(threads.into()).build_global().map(|()| None),
    };
    let threads = possible(wanted + BESIDE).saturating_sub(BESIDE);
    match threads {
        0 => pool.num_threads(1).use_current_thread().build_global()?,
        _ => pool.num_threads(threads).build_global()?,
    }
    let threads = threads.max(1);
    Ok((threads < wanted).then(|| {
        format!("note: {threads} of {wanted} threads can be had here (see ulimit -u), so that the work takes longer")
    }))
}

/// Starts `work` on a thread of its own; none where that cannot be, so that the caller has to do it. A thread of the
/// pool never waits for another one: the other may need it.
pub fn beside<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Option<ScopedJoinHandle<'scope, T>> {
    if rayon::current_thread_index().is_some() {
        return None;
    }
    Builder::new().spawn_scoped(scope, work).ok()
}

/// Threads that the pool has by itself.
fn recommended() -> usize {
    let set = std::env::var("RAYON_NUM_THREADS").ok().and_then(|number| number.parse().ok());
    let processors = || std::thread::available_parallelism().map_or(1, Into::into);
    set.filter(|&threads| threads > 0).unwrap_or_else(processors).min(rayon::max_num_threads())
}

/// How many of `wanted` threads can be there at a time.
fn possible(wanted: usize) -> usize {
    let gate = Mutex::new(());
    std::thread::scope(|scope| {
        let closed = gate.lock();
        let wait = || drop(gate.lock().unwrap_or_else(PoisonError::into_inner));
        let started = (0..wanted).take_while(|_| Builder::new().spawn_scoped(scope, wait).is_ok()).count();
        drop(closed);
        started
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_threads_are_found_as_are_wanted_where_nothing_forbids_them() {
        assert_eq!(possible(7), 7);
        assert!(recommended() >= 1);
    }

    #[test]
    fn a_thread_of_the_pool_does_the_work_itself() {
        let alone = ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
        let is_started =
            || std::thread::scope(|scope| beside(scope, || 7).map(|thread| thread.join().expect("7")));
        assert_eq!(is_started(), Some(7));
        assert_eq!(alone.install(is_started), None);
    }
}
