//! The program as its user meets it, in one binary, which links once.

#[path = "../adapter/mod.rs"]
mod adapter;
mod again;
mod archive;
mod bad_input;
mod bench;
mod changed_data;
mod check;
mod command_line;
mod configurations;
mod documentation;
mod figures;
#[cfg(target_os = "linux")]
mod judge;
mod limits;
mod objectives;
mod place;
mod predict;
mod report;
mod results;
#[cfg(unix)]
mod streams;
mod sweeps;
mod talking;
mod validation;
