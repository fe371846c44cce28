//! What each run took of processors and devices, where threads work for several runs in turn.
//!
//! A thread charges its work to one account at a time, by its own clock of processor time. Work for another account
//! that it takes on in between, as rayon's threads do while they wait, is charged to that account alone. Devices charge
//! the account of the thread that waits for them. So all accounts together never hold more than was used.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What was charged, by any number of threads.
#[derive(Clone, Debug, Default)]
pub struct Account(Arc<Charged>);

/// In nanoseconds.
#[derive(Debug, Default)]
struct Charged {
    processor: AtomicU64,
    device: AtomicU64,
}

/// What a thread works for, and since when by its clock.
struct ChargedSpan {
    account: Account,
    since: Duration,
}

thread_local! {
    static ACTIVE: RefCell<Option<ChargedSpan>> = const { RefCell::new(None) };
}

impl Account {
    /// Does `work` on this thread at the expense of this account.
    pub fn charge<R>(&self, work: impl FnOnce() -> R) -> R {
        let _charging = self.begin();
        work()
    }

    /// Processor time that was charged so far, the work that this thread is at included.
    pub fn processor(&self) -> Duration {
        ACTIVE.with_borrow_mut(|active| {
            if let Some(active) = active.as_mut().filter(|active| active.account.is(self)) {
                active.settle(now());
            }
        });
        Duration::from_nanos(self.0.processor.load(Ordering::Relaxed))
    }

    /// Time of devices that was charged so far.
    pub fn device(&self) -> Duration {
        Duration::from_nanos(self.0.device.load(Ordering::Relaxed))
    }

    /// Charges this account with one of `whole` equal parts of what `shared` was charged, so many times. Parts are
    /// rounded down: all of them together are never more than the whole.
    pub fn charge_parts(&self, shared: &Self, parts: usize, whole: usize) {
        let part = |of: Duration| (of.as_nanos() * parts as u128 / whole.max(1) as u128) as u64;
        self.0.processor.fetch_add(part(shared.processor()), Ordering::Relaxed);
        self.0.device.fetch_add(part(shared.device()), Ordering::Relaxed);
    }

    /// Charges this thread's work to this account until the end of what is returned.
    fn begin(&self) -> Charging {
        ACTIVE.with_borrow_mut(|active| {
            if active.as_ref().is_some_and(|active| active.account.is(self)) {
                return Charging { is_nested: true, outer: None, on_this_thread: PhantomData };
            }
            let since = now();
            if let Some(outer) = active {
                outer.settle(since);
            }
            let outer = active.replace(ChargedSpan { account: self.clone(), since });
            Charging {
                is_nested: false,
                outer: outer.map(|outer| outer.account),
                on_this_thread: PhantomData,
            }
        })
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl ChargedSpan {
    fn settle(&mut self, now: Duration) {
        let taken = now.saturating_sub(self.since).as_nanos() as u64;
        self.account.0.processor.fetch_add(taken, Ordering::Relaxed);
        self.since = now;
    }
}

/// A thread's work at the expense of an account, until this is dropped.
#[must_use]
pub struct Charging {
    /// The thread worked for this account already.
    is_nested: bool,
    outer: Option<Account>,
    /// Accounts are charged by the clock of one thread.
    on_this_thread: PhantomData<*const ()>,
}

impl Drop for Charging {
    fn drop(&mut self) {
        if self.is_nested {
            return;
        }
        ACTIVE.with_borrow_mut(|active| {
            let since = now();
            if let Some(active) = active {
                active.settle(since);
            }
            *active = self.outer.take().map(|account| ChargedSpan { account, since });
        });
    }
}

/// The account that this thread works for, to be handed to others that help it.
#[derive(Clone, Debug)]
pub struct Current(Option<Account>);

impl Current {
    pub fn get() -> Self {
        Self(ACTIVE.with_borrow(|active| active.as_ref().map(|active| active.account.clone())))
    }

    /// Charges the work of the thread that calls this, until the end of what is returned.
    pub fn help(&self) -> Option<Charging> {
        self.0.as_ref().map(Account::begin)
    }

    /// Charges the account with time of a device.
    pub fn charge_device(&self, time: Duration) {
        if let Some(account) = &self.0 {
            account.0.device.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        }
    }
}

/// The processor time that this thread has used.
#[cfg(all(unix, not(test)))]
fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Where the system's clock of a thread is not known to us, its wall time while it works.
#[cfg(all(not(unix), not(test)))]
fn now() -> Duration {
    static BEGIN: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    BEGIN.elapsed()
}

#[cfg(test)]
use tests::now;

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        static CLOCK: Cell<u64> = const { Cell::new(0) };
    }

    pub fn now() -> Duration {
        Duration::from_nanos(CLOCK.get())
    }

    fn work(nanoseconds: u64) {
        CLOCK.set(CLOCK.get() + nanoseconds);
    }

    fn nanoseconds(account: &Account) -> u128 {
        account.processor().as_nanos()
    }

    #[test]
    fn work_for_another_account_in_between_is_charged_to_that_account_alone() {
        let (first, second) = (Account::default(), Account::default());
        work(1);
        first.charge(|| {
            work(10);
            second.charge(|| {
                work(100);
                first.charge(|| work(1_000));
            });
            assert_eq!(nanoseconds(&second), 100);
            first.charge(|| work(10_000));
            assert_eq!(nanoseconds(&first), 11_010, "what is under way counts");
        });
        work(100_000);
        assert_eq!((nanoseconds(&first), nanoseconds(&second)), (11_010, 100));
    }

    #[test]
    fn threads_that_help_charge_the_account_of_the_thread_that_they_help() {
        let account = Account::default();
        account.charge(|| {
            let current = Current::get();
            work(3);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let _charging = current.help();
                    work(40);
                });
                scope.spawn(|| work(500));
            });
        });
        assert_eq!(nanoseconds(&account), 43);
        assert!(Current::get().help().is_none(), "nothing is charged to nobody");
    }

    #[test]
    fn parts_of_a_shared_account_are_never_more_than_the_whole() {
        let shared = Account::default();
        shared.charge(|| {
            work(1_000);
            Current::get().charge_device(Duration::from_nanos(100));
        });
        let runs: Vec<Account> = (0..3).map(|_| Account::default()).collect();
        for (run, parts) in runs.iter().zip([3, 3, 1]) {
            run.charge_parts(&shared, parts, 7);
        }
        assert_eq!(runs.iter().map(nanoseconds).collect::<Vec<_>>(), [428, 428, 142]);
        assert_eq!(runs.iter().map(|run| run.device().as_nanos()).collect::<Vec<_>>(), [42, 42, 14]);
    }

    #[test]
    fn a_panic_ends_the_charge() {
        let account = Account::default();
        let panicked = std::panic::catch_unwind(|| account.charge(|| -> () { panic!("on purpose") }));
        assert!(panicked.is_err());
        work(7);
        assert_eq!(nanoseconds(&account), 0);
    }
}
