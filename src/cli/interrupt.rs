//! Ctrl-C: the first ends the work in good order, the second at once.

use super::output;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// When the first request came.
static FIRST: OnceLock<Instant> = OnceLock::new();

/// Requests this soon after the first are the same one: programs like `timeout` signal a process and its
/// group, and so twice.
const SAME: Duration = Duration::from_millis(500);

/// From now on Ctrl-C only asks for an end.
pub fn listen() {
    let handler = || {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            if FIRST.get_or_init(Instant::now).elapsed() > SAME {
                std::process::exit(130);
            }
            return;
        }
        FIRST.get_or_init(Instant::now);
        output::tell("\nstopping in good order; press Ctrl-C again to stop at once");
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        output::tell(format_args!("warning: Ctrl-C will stop at once, without a record: {error}"));
    }
}

/// Becomes true when the user asks for an end.
pub fn flag() -> &'static AtomicBool {
    &REQUESTED
}

/// Has the user asked for an end?
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
