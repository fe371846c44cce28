//! The adapter that the tests run on: the one that `SUPERMASK_TEST_ADAPTER` names as `--adapter` would, else the
//! software adapter (Mesa's lavapipe). A machine without it fails: nothing is skipped.

#![allow(dead_code, reason = "every test file takes what it needs")]

use supermask::evaluate::adapter::open_gpu;
use supermask::evaluate::{AdapterChoice, Backend, GpuBackend};

const DEFAULT: &str = "software";

/// What `--adapter` is given.
pub fn name() -> String {
    std::env::var("SUPERMASK_TEST_ADAPTER").unwrap_or_else(|_| DEFAULT.to_owned())
}

pub fn choice() -> AdapterChoice {
    name().parse().expect("every text is a choice")
}

/// Opens it anew.
pub fn open() -> GpuBackend {
    open_gpu(&choice()).unwrap_or_else(|error| panic!("the tests need an adapter ({}): {error}", name()))
}

/// What `--arithmetic` is given for the CPU to round as this adapter does.
pub fn arithmetic() -> String {
    let arithmetic = serde_json::to_value(open().arithmetic()).expect("a name");
    arithmetic.as_str().expect("a name").to_owned()
}
