//! Signals: the first asks for an end in good order, the second ends at once.

use super::output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Requests this soon after the first are the same one: programs like `timeout` signal a process and its
/// group, and so twice.
const SAME: Duration = Duration::from_millis(500);

/// How long the work may take to end in good order. Then the process ends in the middle of it: unfinished runs
/// are saved every few seconds, so that little is lost, and who asks for an end does not wait for more than two
/// seconds.
const PATIENCE: Duration = Duration::from_millis(1600);

/// The exit status of work that was interrupted.
const STATUS: i32 = 130;

/// From now on the first signal only asks for an end.
pub fn listen() {
    if let Err(error) = signals::listen() {
        output::complain("warning", format_args!("a signal will stop at once, without a record: {error}"));
    }
}

/// A limit on the size of files (`ulimit -f`) is from now on an error of the write that meets it, and does not kill
/// the process.
pub fn survive_file_limits() {
    signals::survive_file_limits();
}

/// Becomes true when the user asks for an end.
pub fn flag() -> &'static AtomicBool {
    &REQUESTED
}

/// Has the user asked for an end?
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

fn ask_for_the_end() {
    REQUESTED.store(true, Ordering::SeqCst);
    output::announce("\nstopping in good order; press Ctrl-C again to stop at once");
}

#[cfg(unix)]
mod signals {
    use super::{PATIENCE, SAME, STATUS, ask_for_the_end};
    use crate::cli::output;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::{flag, low_level};
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    /// How often a second signal is looked for.
    const LOOK_INTERVAL: Duration = Duration::from_millis(20);

    pub fn listen() -> io::Result<()> {
        let heard: Vec<i32> =
            [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(signal)).collect();
        let signals = Signals::new(heard)?;
        std::thread::Builder::new().name("signals".into()).spawn(move || answer(signals))?;
        Ok(())
    }

    /// Waits for signals for as long as the process lives.
    fn answer(mut signals: Signals) {
        if signals.forever().next().is_none() {
            return;
        }
        ask_for_the_end();
        let first = Instant::now();
        while first.elapsed() < PATIENCE {
            std::thread::sleep(LOOK_INTERVAL);
            if signals.pending().count() > 0 && first.elapsed() > SAME {
                low_level::exit(STATUS);
            }
        }
        output::announce(
            "interrupted in the middle of a step; the same command goes on from what was saved last",
        );
        // Without the handlers of a normal exit: threads may be at work, also inside a driver.
        low_level::exit(STATUS);
    }

    /// Was the process started with this signal ignored? Then it stays so: `nohup` ignores SIGHUP, and shells
    /// without job control ignore SIGINT for what they start in the background.
    fn is_ignored(signal: i32) -> bool {
        let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: without a new action the call only writes the present one to where the last argument points.
        let asked = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
        // SAFETY: zeros are an action, and the call wrote over them if it succeeded.
        asked == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
    }

    pub fn survive_file_limits() {
        // With a handler, even one that does nothing, the write fails with an error instead. Where none can be
        // installed, the limit kills as it would have.
        let _ = flag::register(libc::SIGXFSZ, Arc::new(AtomicBool::new(false)));
    }
}

#[cfg(not(unix))]
mod signals {
    use super::{PATIENCE, SAME, STATUS, ask_for_the_end, requested};
    use std::sync::OnceLock;
    use std::time::Instant;

    /// When the first request came.
    static FIRST: OnceLock<Instant> = OnceLock::new();

    pub fn listen() -> Result<(), ctrlc::Error> {
        ctrlc::set_handler(|| {
            if requested() {
                if FIRST.get_or_init(Instant::now).elapsed() > SAME {
                    std::process::exit(STATUS);
                }
                return;
            }
            FIRST.get_or_init(Instant::now);
            ask_for_the_end();
            std::thread::spawn(|| {
                std::thread::sleep(PATIENCE);
                std::process::exit(STATUS);
            });
        })
    }

    pub fn survive_file_limits() {}
}
