//! New, unlabelled samples, normalised by what the training set says.

use std::path::Path;

use ::csv::{ReaderBuilder, StringRecord, Trim};

use super::{DatasetError, Schema, source};

impl Schema {
    /// Reads a CSV file of features (also compressed by gzip): one sample a row, a column a feature, and no
    /// column of classes. A first row without any number names the columns. Returns the normalised
    /// features, `[samples, width]`. New samples are always normalised by the statistics of the *training set*,
    /// also where the test set was normalised by its own (`fit: each`, as in the paper): new samples may be few,
    /// and their extremes say nothing.
    ///
    /// # Errors
    /// Names the file and the place in it.
    pub fn read_csv(&self, path: &Path, delimiter: char, width: usize) -> Result<Vec<f32>, DatasetError> {
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
            if record.len() != width {
                let hint = match record.len() == width + 1 {
                    true => "; leave out the column of the classes",
                    false => "",
                };
                let problem = format!(
                    "row {row} has {} columns, but the network reads {} features{hint}",
                    record.len(),
                    width
                );
                return Err(DatasetError::content(path, problem));
            }
            if row == 1 && record.iter().all(|cell| cell.parse::<f64>().is_err()) {
                continue;
            }
            for (column, cell) in record.iter().enumerate() {
                features.push(f64::from(super::csv::feature(path, row, column, cell)?));
            }
        }
        if features.is_empty() {
            return Err(DatasetError::NoSamples { place: path.display().to_string() });
        }
        self.normalizer.normalized("new", &features, width)
    }
}
