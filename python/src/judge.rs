//! A Python function as a judge.

use crate::usage;
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};
use supermask::dataset::Split;
use supermask::evaluate::{Evidence, Exhibit, Judge, JudgeError};
use supermask::objective::Needs;

/// Calls `function(evidence, labels, split)`, which returns a score for each mask.
pub struct Callable {
    function: Py<PyAny>,
    needs: Needs,
    /// What the function raised.
    raised: Mutex<Option<PyErr>>,
}

impl Callable {
    /// A `function` that is shown what it `needs`.
    pub fn new(function: Py<PyAny>, needs: &str) -> PyResult<Self> {
        let needs = serde_json::from_value(needs.into()).map_err(|_| {
            usage(format!("needs: must be \"predictions\", \"outputs\" or \"confusion\", found {needs:?}"))
        })?;
        Ok(Self { function, needs, raised: Mutex::new(None) })
    }

    /// What the function raised, with its own traceback.
    pub fn take_raised(&self) -> Option<PyErr> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn call(&self, py: Python<'_>, exhibit: &Exhibit<'_>) -> PyResult<Vec<f64>> {
        let &Exhibit { masks, classes, labels, .. } = exhibit;
        let samples = labels.len();
        let evidence = match exhibit.evidence {
            Evidence::Predictions(values) => {
                PyArray1::from_slice(py, values).reshape([masks, samples])?.into_any()
            }
            Evidence::Outputs(values) => {
                PyArray1::from_slice(py, values).reshape([masks, samples, classes])?.into_any()
            }
            Evidence::Confusion(values) => {
                PyArray1::from_slice(py, values).reshape([masks, classes, classes])?.into_any()
            }
        };
        let split = match exhibit.split {
            Split::Train => "train",
            Split::Test => "test",
            Split::Validation => "validation",
        };
        let answer = self.function.bind(py).call1((evidence, PyArray1::from_slice(py, labels), split))?;
        let scores = py.import("numpy")?.call_method1("asarray", (answer, "float64"))?;
        let scores: PyReadonlyArray1<'_, f64> = scores.extract().map_err(|_| {
            let shape = scores
                .getattr("shape")
                .map_or_else(|_| "another shape".to_owned(), |shape| shape.to_string());
            PyTypeError::new_err(format!("fitness: must return one score a mask, ({masks},), found {shape}"))
        })?;
        let scores = scores.as_array().to_vec();
        if scores.len() != masks {
            let found = scores.len();
            return Err(usage(format!("fitness: returned {found} scores for {masks} masks")));
        }
        match scores.iter().position(|score| !score.is_finite()) {
            None => Ok(scores),
            Some(n) => Err(usage(format!(
                "fitness: the score of mask {n} of {masks} is {}; scores must be finite",
                scores[n]
            ))),
        }
    }
}

impl Judge for Callable {
    fn needs(&self) -> Needs {
        self.needs
    }

    fn judge(&self, exhibit: &Exhibit<'_>) -> Result<Vec<f64>, JudgeError> {
        Python::attach(|py| {
            self.call(py, exhibit).map_err(|error| {
                let message = error.to_string();
                *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                JudgeError(message)
            })
        })
    }
}
