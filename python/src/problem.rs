//! Data and networks.

use crate::{json, usage, warn};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use supermask::dataset::{Dataset as Data, DatasetConfig, Samples, Schema, Split};
use supermask::network::{Architecture, Network as Weights, NetworkInit};
use supermask::run::config::ConfigFile;
use supermask::settings;

/// A split by its name.
pub fn split(name: &str) -> PyResult<Split> {
    match name {
        "train" => Ok(Split::Train),
        "test" => Ok(Split::Test),
        "validation" => Ok(Split::Validation),
        _ => Err(usage(format!("split: must be \"train\", \"test\" or \"validation\", found {name:?}"))),
    }
}

/// Samples with classes, in two or three sets.
#[pyclass(frozen, module = "supermask._supermask")]
pub struct Dataset {
    pub data: Arc<Data>,
}

/// `[rows, columns]`
type Matrix<'py> = Bound<'py, PyArray2<f32>>;

type Arrays<'py> = (PyReadonlyArray2<'py, f32>, PyReadonlyArray1<'py, u32>);

fn samples((features, labels): Arrays<'_>, name: &str) -> PyResult<Samples> {
    let [rows, width] = [features.shape()[0], features.shape()[1]];
    if labels.len() != rows {
        return Err(usage(format!("{name}: {rows} rows of features, but {} labels", labels.len())));
    }
    let features = features.as_array().iter().copied().collect::<Vec<f32>>();
    if let Some(at) = features.iter().position(|value| !value.is_finite()) {
        let (row, column) = (at / width.max(1), at % width.max(1));
        return Err(usage(format!("{name}: the value in row {row}, column {column} is {}", features[at])));
    }
    Ok(Samples { features, labels: labels.as_array().to_vec(), width })
}

#[pymethods]
impl Dataset {
    /// That of a configuration's `dataset` section, as JSON.
    #[staticmethod]
    fn load(py: Python<'_>, config: &str) -> PyResult<Self> {
        let config: DatasetConfig = settings::read(json(config)?).map_err(usage)?;
        let data = py.detach(|| config.load()).map_err(usage)?;
        warn(&data.notes)?;
        Ok(Self { data: Arc::new(data) })
    }

    /// That of a configuration's file, whatever else it holds.
    #[staticmethod]
    fn read(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let mut file = ConfigFile::read(&path).map_err(usage)?;
        file.as_dataset();
        let (config, notes) = file.dataset().map_err(usage)?;
        let data = py.detach(|| config.load()).map_err(usage)?;
        warn(&notes)?;
        warn(&data.notes)?;
        Ok(Self { data: Arc::new(data) })
    }

    /// Arrays as they are, of so many classes: `(features, labels)` of each set.
    #[staticmethod]
    #[pyo3(signature = (train, test, validation, classes))]
    fn from_arrays(
        train: Arrays<'_>,
        test: Arrays<'_>,
        validation: Option<Arrays<'_>>,
        classes: usize,
    ) -> PyResult<Self> {
        let (train, test) = (samples(train, "train")?, samples(test, "test")?);
        let validation = validation.map(|arrays| samples(arrays, "validation")).transpose()?;
        let validation = validation.unwrap_or_else(|| Samples::none(train.width));
        if train.is_empty() {
            return Err(usage("train: there is no sample"));
        }
        for (name, set) in [("train", &train), ("test", &test), ("validation", &validation)] {
            if set.width != train.width {
                return Err(usage(format!("{name}: {} features, but {} in train", set.width, train.width)));
            }
            if let Some(label) = set.labels.iter().find(|&&label| label as usize >= classes) {
                return Err(usage(format!(
                    "{name}: a label is {label}, but labels are 0 to {}",
                    classes - 1
                )));
            }
        }
        Ok(Self { data: Arc::new(Data::new(train, test, validation, Schema::numbered(classes))) })
    }

    /// `(features, labels)` of a set.
    fn arrays<'py>(&self, py: Python<'py>, name: &str) -> PyResult<(Matrix<'py>, Bound<'py, PyArray1<u32>>)> {
        let set = self.data.split(split(name)?);
        let features = PyArray1::from_slice(py, &set.features).reshape([set.len(), set.width])?;
        Ok((features, PyArray1::from_slice(py, &set.labels)))
    }

    /// Number of samples of a set.
    fn samples(&self, name: &str) -> PyResult<usize> {
        Ok(self.data.split(split(name)?).len())
    }

    #[getter]
    fn classes(&self) -> usize {
        self.data.classes()
    }

    #[getter]
    fn class_names(&self) -> Vec<String> {
        self.data.schema.class_names.clone()
    }

    #[getter]
    fn features(&self) -> usize {
        self.data.train.width
    }

    #[getter]
    fn checksum(&self) -> String {
        self.data.checksum().to_owned()
    }
}

/// An untrained network.
#[pyclass(frozen, module = "supermask._supermask")]
pub struct Network {
    pub network: Weights,
}

#[pymethods]
impl Network {
    /// That of a configuration's `network` section, as JSON with `layers`.
    #[staticmethod]
    fn build(config: &str, seed: u64) -> PyResult<Self> {
        let config: NetworkInit = settings::read(json(config)?).map_err(usage)?;
        Ok(Self { network: config.build(seed).map_err(usage)? })
    }

    /// One of given parameters: those of all layers one after the other, `[output, input]` each.
    #[staticmethod]
    fn from_parameters(layers: Vec<usize>, weights: Vec<f32>, biases: Vec<f32>) -> PyResult<Self> {
        let architecture = Architecture::try_from(layers).map_err(usage)?;
        Ok(Self { network: Weights::new(architecture, weights, biases).map_err(usage)? })
    }

    #[getter]
    fn layers(&self) -> Vec<usize> {
        self.network.architecture().widths().to_vec()
    }

    /// Number of weights, and so of a mask's bits.
    #[getter]
    fn weights(&self) -> usize {
        self.network.architecture().weights()
    }

    /// Of each layer its weights, `[output, input]`, and biases.
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Vec<(Matrix<'py>, Bound<'py, PyArray1<f32>>)>> {
        let of_layer = |layer| -> PyResult<_> {
            let supermask::network::Layer { inputs, outputs, .. } = layer;
            let weights = PyArray1::from_slice(py, self.network.layer_weights(&layer));
            Ok((
                weights.reshape([outputs, inputs])?,
                PyArray1::from_slice(py, self.network.layer_biases(&layer)),
            ))
        };
        self.network.architecture().layers().map(of_layer).collect()
    }
}
