//! Scores of given masks.

use crate::problem::{Dataset, Network, split};
use crate::{failure, usage};
use numpy::{Element, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};
use supermask::dataset::{Dataset as Data, Split};
use supermask::evaluate::adapter::Opened;
use supermask::evaluate::{
    AdapterChoice, Arithmetic, Batch, Detail, EvaluateError, Evaluator as Scorer, Occasion, Problem, adapter,
};
use supermask::objective::Fitness;
use supermask::objective::measure::Confusion;

/// The backend that `name` chooses, as on the command line: where it leaves a choice, the faster one on the `occasion`.
pub fn open(name: &str, arithmetic: Option<&str>, occasion: Option<&Occasion<'_>>) -> PyResult<Opened> {
    let known = |wanted| Arithmetic::ALL.into_iter().find(|arithmetic| arithmetic.name() == wanted);
    let arithmetic = match arithmetic {
        None => None,
        Some(wanted) => Some(known(wanted).ok_or_else(|| {
            let names = Arithmetic::ALL.map(Arithmetic::name).join(", ");
            usage(format!("arithmetic: must be one of {names}, found {wanted:?}"))
        })?),
    };
    let Ok(choice): Result<AdapterChoice, _> = name.parse();
    let opened = adapter::open(&choice, arithmetic);
    opened
        .map(|opened| opened.settled(occasion))
        .map_err(|error| if error.is_usage() { usage(error) } else { failure(error) })
}

/// Masks by which it is found out what scores them faster: a population.
const MASKS: usize = 100;

/// An error of an evaluator in Python's terms.
pub fn raised(error: EvaluateError) -> PyErr {
    match error {
        EvaluateError::Unsupported(_) => usage(error),
        _ => failure(error),
    }
}

/// Scores masks of one network on one data set.
#[pyclass(frozen, module = "supermask._supermask")]
pub struct Evaluator {
    scorer: Mutex<Box<dyn Scorer>>,
    data: Arc<Data>,
    words: usize,
    outputs: usize,
    #[pyo3(get)]
    adapter: String,
    #[pyo3(get)]
    arithmetic: &'static str,
}

/// Masks `[masks, words]`, and the samples that they are for.
type Masks<'py> = PyReadonlyArray2<'py, u32>;

impl Evaluator {
    /// Does `work` on `masks` without Python's lock.
    fn on_masks<T: Send>(
        &self,
        py: Python<'_>,
        masks: &Masks<'_>,
        work: impl FnOnce(&mut dyn Scorer, Batch<'_>) -> Result<T, EvaluateError> + Send,
    ) -> PyResult<T> {
        let [count, words] = [masks.shape()[0], masks.shape()[1]];
        if words != self.words {
            return Err(usage(format!("masks: a mask has {} words of 32 bits, found {words}", self.words)));
        }
        let masks = masks.as_slice().map_err(usage)?;
        let networks = vec![0; count];
        py.detach(|| {
            let mut scorer = self.scorer.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut **scorer, Batch { masks, networks: &networks })
        })
        .map_err(raised)
    }

    /// What `detail` makes of masks, so many values for each.
    fn detail<'py, T: Element + Send>(
        &self,
        py: Python<'py>,
        masks: &Masks<'py>,
        set: Split,
        per_mask: usize,
        detail: impl FnOnce(&mut [T]) -> Detail<'_> + Send,
    ) -> PyResult<Bound<'py, PyArray1<T>>> {
        let to = PyArray1::<T>::zeros(py, masks.shape()[0] * per_mask, false);
        {
            let mut writable = to.readwrite();
            let values = writable.as_slice_mut().map_err(usage)?;
            self.on_masks(py, masks, |scorer, batch| scorer.detail(set, batch, detail(values)))?;
        }
        Ok(to)
    }

    fn samples(&self, split: Split) -> usize {
        self.data.split(split).len()
    }
}

#[pymethods]
impl Evaluator {
    #[new]
    #[pyo3(signature = (network, dataset, adapter = "auto", arithmetic = None))]
    fn new(
        py: Python<'_>,
        network: &Network,
        dataset: &Dataset,
        adapter: &str,
        arithmetic: Option<&str>,
    ) -> PyResult<Self> {
        let data = Arc::clone(&dataset.data);
        py.detach(|| {
            let architecture = network.network.architecture();
            let occasion = Occasion { architecture, dataset: &data, masks: MASKS };
            let opened = open(adapter, arithmetic, Some(&occasion))?;
            let scorer = opened.backend.evaluator(&Problem::of(&network.network, &data)).map_err(raised)?;
            let (words, outputs) = (architecture.mask_words(), architecture.outputs());
            let arithmetic = scorer.arithmetic().name();
            let adapter = scorer.adapter().name.clone();
            Ok(Self { scorer: Mutex::new(scorer), data, words, outputs, adapter, arithmetic })
        })
    }

    /// `[masks]`: correct samples.
    #[pyo3(signature = (masks, split = "train"))]
    fn counts<'py>(
        &self,
        py: Python<'py>,
        masks: Masks<'py>,
        split: &str,
    ) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let set = self::split(split)?;
        let counts = self.on_masks(py, &masks, |scorer, batch| scorer.score(set, batch))?;
        Ok(PyArray1::from_vec(py, counts))
    }

    /// `[masks]`: the measure of predicted classes that is a configuration's `fitness`, JSON; of costs the negative of their
    /// mean, as larger is better.
    #[pyo3(signature = (masks, fitness, split = "train"))]
    fn measure<'py>(
        &self,
        py: Python<'py>,
        masks: Masks<'py>,
        fitness: &str,
        split: &str,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let set = self::split(split)?;
        let named: Fitness =
            serde_json::from_str(fitness).map_err(|error| usage(format!("fitness: {error}")))?;
        named.validate(self.outputs).map_err(usage)?;
        let Fitness::Measure(measure) = named else {
            return Err(usage(format!("fitness: {fitness} is no measure of predicted classes")));
        };
        let sign = if measure.costs().is_some() { -1.0 } else { 1.0 };
        let counts = self.on_masks(py, &masks, |scorer, batch| scorer.confusion(set, batch))?;
        let of_mask = counts.chunks_exact(self.outputs * self.outputs);
        let values = of_mask.map(|counts| sign * measure.value(&Confusion::new(counts, self.outputs)));
        Ok(PyArray1::from_vec(py, values.collect()))
    }

    /// `[masks, samples]`: predicted classes.
    #[pyo3(signature = (masks, split = "train"))]
    fn predictions<'py>(
        &self,
        py: Python<'py>,
        masks: Masks<'py>,
        split: &str,
    ) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let set = self::split(split)?;
        let shape = [masks.shape()[0], self.samples(set)];
        let to = self.detail(py, &masks, set, shape[1], |values| Detail::Predictions(values))?;
        to.reshape(shape)
    }

    /// `[masks, samples, outputs]`: the last layer's values.
    #[pyo3(signature = (masks, split = "train"))]
    fn outputs<'py>(
        &self,
        py: Python<'py>,
        masks: Masks<'py>,
        split: &str,
    ) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let set = self::split(split)?;
        let shape = [masks.shape()[0], self.samples(set), self.outputs];
        let to = self.detail(py, &masks, set, shape[1] * shape[2], |values| Detail::Outputs(values))?;
        to.reshape(shape)
    }

    /// `[masks, classes, classes]`: samples of the row's class that the column's is predicted for.
    #[pyo3(signature = (masks, split = "train"))]
    fn confusion<'py>(
        &self,
        py: Python<'py>,
        masks: Masks<'py>,
        split: &str,
    ) -> PyResult<Bound<'py, PyArray3<u32>>> {
        let set = self::split(split)?;
        let count = masks.shape()[0];
        let counts = self.on_masks(py, &masks, |scorer, batch| scorer.confusion(set, batch))?;
        PyArray1::from_vec(py, counts).reshape([count, self.outputs, self.outputs])
    }
}
