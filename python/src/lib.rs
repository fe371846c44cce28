//! Python's way into the library: arrays and JSON go in, arrays and JSON come out. What a user sees is in `supermask/`.

mod evaluator;
mod judge;
mod problem;
mod search;
mod watch;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use std::ffi::OsString;
use std::fmt::Display;

/// What a caller got wrong.
fn usage(error: impl Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// What went wrong with the work.
fn failure(error: impl Display) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// The JSON `text`, which this package wrote.
fn json(text: &str) -> PyResult<serde_json::Value> {
    serde_json::from_str(text).map_err(usage)
}

/// Says what a person should know, as Python warns of things.
fn warn(notes: &[String]) -> PyResult<()> {
    Python::attach(|py| {
        let warnings = py.import("warnings")?;
        notes.iter().try_for_each(|note| warnings.call_method1("warn", (note,)).map(drop))
    })
}

/// Runs the program with `arguments`, of which the first is its name, and returns its exit code.
#[pyfunction]
fn command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| supermask::cli::main(arguments))
}

/// The drawings of a record, JSON, as SVG.
#[pyfunction]
fn drawings(py: Python<'_>, record: &str) -> PyResult<Vec<String>> {
    let run = supermask::archive::read_run_of(record).map_err(|problem| usage(problem.what))?;
    Ok(py.detach(|| supermask::report::drawings(&run)))
}

#[pymodule(gil_used = false)]
fn _supermask(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<problem::Dataset>()?;
    module.add_class::<problem::Network>()?;
    module.add_class::<evaluator::Evaluator>()?;
    module.add_class::<search::GeneticSearch>()?;
    module.add_class::<search::FlipSearch>()?;
    module.add_function(wrap_pyfunction!(watch::make_run, module)?)?;
    module.add_function(wrap_pyfunction!(command, module)?)?;
    module.add_function(wrap_pyfunction!(drawings, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
