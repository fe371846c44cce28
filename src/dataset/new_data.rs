//! New, unlabelled samples, normalised by what the training set says.

use std::path::Path;

use ::csv::{ReaderBuilder, StringRecord, Trim};

use super::normalize::Fitted;
use super::{Dataset, DatasetConfig, DatasetError, source};

/// What turns new data into features that a network of this data set understands.
///
/// New samples are always normalised by the statistics of the *training set*, also where the test set was
/// normalised by its own (`fit: each`, as in the paper): new samples may be few, and their extremes say
/// nothing.
pub struct NewData {
    fitted: Fitted,
    width: usize,
    /// `[classes]`
    pub class_names: Vec<String>,
}

impl NewData {
    pub(super) fn new(fitted: Fitted, dataset: &Dataset) -> Self {
        Self { fitted, width: dataset.train.width, class_names: dataset.class_names.clone() }
    }

    /// Features per sample.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Reads a CSV file of features (also compressed by gzip): one sample a row, a column a feature, and no
    /// column of classes. A first row without any number names the columns. Returns the normalised
    /// features, `[samples, width]`.
    ///
    /// # Errors
    /// Names the file and the place in it.
    pub fn read_csv(&self, path: &Path, delimiter: char) -> Result<Vec<f32>, DatasetError> {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .delimiter(
                u8::try_from(delimiter)
                    .map_err(|_| DatasetError::setting("delimiter", delimiter, "one ASCII character"))?,
            )
            .from_reader(source::open(path)?);
        let mut features = Vec::new();
        let mut record = StringRecord::new();
        let mut row = 0;
        while reader.read_record(&mut record).map_err(|error| super::csv::broken(path, error))? {
            row += 1;
            if record.len() != self.width {
                let hint = match record.len() == self.width + 1 {
                    true => "; leave out the column of the classes",
                    false => "",
                };
                let problem = format!(
                    "row {row} has {} columns, but the network reads {} features{hint}",
                    record.len(),
                    self.width
                );
                return Err(DatasetError::content(path, problem));
            }
            if row == 1 && record.iter().all(|cell| cell.parse::<f64>().is_err()) {
                continue;
            }
            for (column, cell) in record.iter().enumerate() {
                features.push(super::csv::feature(path, row, column, cell)?);
            }
        }
        if features.is_empty() {
            return Err(DatasetError::NoSamples { place: path.display().to_string() });
        }
        self.fitted.apply("new", &mut features, self.width)?;
        Ok(features)
    }
}

impl DatasetConfig {
    /// The data set, and what new data need to be classified like its samples.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_for_new_data(&self) -> Result<(Dataset, NewData), DatasetError> {
        let (dataset, fitted) = self.load_with_fitted()?;
        let new_data = NewData::new(fitted, &dataset);
        Ok((dataset, new_data))
    }
}
