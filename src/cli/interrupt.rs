//! Ctrl-C: the first ends the work in good order, the second at once.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C only asks for an end.
pub fn listen() {
    let handler = || {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\nstopping at the end of this generation; press Ctrl-C again to stop at once");
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        eprintln!("warning: Ctrl-C will stop at once, without a record: {error}");
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
