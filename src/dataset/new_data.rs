//! New, unlabelled samples, as a network reads them.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::array::Array;
use super::csv::{likely_delimiter, number};
use super::header::{FirstRow, counting, first_row, plain_integer};
use super::labels::listed;
use super::numbers::Numbers;
use super::rows::{Dialect, TextRow, TextRows};
use super::unscaled::Unscaled;
use super::{Auto, DatasetConfig, DatasetError, Delimiter, Header, Schema, idx, npy, npz, source};
use crate::excerpt::quoted;
use crate::flaw::Flaw;

/// How a text of new samples is to be read.
#[derive(Clone, Debug, Default)]
pub struct NewDataFormat {
    pub delimiter: Delimiter,
    /// Lines that begin with it are passed over.
    pub comment: Option<char>,
    pub header: Header,
    /// Columns beside the features that are known, by name: the class, and what was left out in training.
    pub other_columns: Vec<String>,
}

impl NewDataFormat {
    /// As the training data of `config` were read. Whether there is a header is to be found out.
    pub fn of(config: &DatasetConfig) -> Self {
        let DatasetConfig::Csv(csv) = config else { return Self::default() };
        let others = std::iter::once(&csv.label).chain(&csv.drop).filter_map(|column| column.name());
        Self {
            delimiter: csv.delimiter,
            comment: csv.comment,
            header: Header::default(),
            other_columns: others.map(str::to_owned).collect(),
        }
    }
}

/// New samples, and what is to be said about their file.
#[derive(Debug)]
pub struct NewData {
    /// `[samples, width]`, normalised.
    pub features: Vec<f32>,
    /// In sentences.
    pub notes: Vec<String>,
}

impl Schema {
    /// Reads new samples of `width` features: text with one sample a row, or an array of NumPy (also alone in
    /// an archive) or IDX, also compressed by gzip; `-` is standard input. Columns with names are put in the order of the schema's; without
    /// names they must be the features in their order. Samples are normalised by the statistics of the *training
    /// set*, also where the test set was normalised by its own (`fit: each`, as in the paper): new samples may be
    /// few, and their extremes say nothing.
    ///
    /// # Errors
    /// Names the file and the place in it.
    pub fn read(&self, path: &Path, width: usize, format: &NewDataFormat) -> Result<NewData, DatasetError> {
        if npz::is_archive(path) {
            return self.as_read(path, (npz::features(path, width)?, Vec::new()), width);
        }
        let mut bytes = BufReader::new(source::open(path)?);
        let start =
            bytes.fill_buf().map_err(|source| DatasetError::Read { path: path.to_owned(), source })?;
        let read = match start {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => (of_array(npy::parse(path, bytes)?, width)?, vec![]),
            [0, 0, 0x08..=0x0e, 1..=8, ..] => (of_array(idx::parse(path, bytes)?, width)?, vec![]),
            _ => self.of_text(path, bytes, width, format)?,
        };
        self.as_read(path, read, width)
    }

    /// Normalises features, of which there must be some.
    fn as_read(
        &self,
        path: &Path,
        (features, notes): (Numbers, Vec<String>),
        width: usize,
    ) -> Result<NewData, DatasetError> {
        if features.len() == 0 {
            return Err(DatasetError::NoSamples { place: path.display().to_string() });
        }
        let unscaled = Unscaled { features, labels: Vec::new(), width };
        let samples = self.normalizer.apply("new", unscaled).map_err(|error| match error {
            DatasetError::Normalization { problem, .. } => DatasetError::content(path, problem),
            other => other,
        })?;
        Ok(NewData { features: samples.features, notes })
    }

    fn of_text(
        &self,
        path: &Path,
        text: impl Read,
        width: usize,
        format: &NewDataFormat,
    ) -> Result<(Numbers, Vec<String>), DatasetError> {
        let comment = format.comment.and_then(|comment| u8::try_from(comment).ok());
        let dialect = Dialect { delimiter: format.delimiter, comment, skip_rows: 0 };
        let mut rows = TextRows::new(path, dialect, text)?;
        let Some(first) = rows.next()?.cloned() else {
            return Err(DatasetError::content(path, "the file has no rows"));
        };
        let refuse = |problem: Flaw| DatasetError::content(path, problem);
        if first.len() == 1 && width > 1 {
            return Err(refuse(misfit(&first, width, None).into()));
        }
        let has_names = self.has_names(path, &first, format.header)?;
        let names = self.feature_names.as_deref();
        let (columns, unknown) = match names.filter(|_| has_names) {
            Some(names) => matched(names, &first, &format.other_columns).map_err(refuse)?,
            None if first.len() == width => ((0..width).collect(), Vec::new()),
            None => return Err(refuse(misfit(&first, width, names).into())),
        };
        let note =
            || format!("{}: no features of the record, left out: {}", path.display(), listed(&unknown));
        let notes = if unknown.is_empty() { Vec::new() } else { vec![note()] };
        let mut features = Numbers::default();
        // A first row of 0, 1, 2, … may be names: samples beside it that are no whole numbers say so.
        let mut counts =
            !has_names && format.header == Header::default() && counting(first.cells()) == Some(0);
        let mut push = |row: &TextRow| -> Result<(), DatasetError> {
            if row.len() != first.len() {
                let (found, expected) = (row.len(), first.len());
                let problem = format!("row {} has {found} columns, the first row {expected}", row.number);
                return Err(refuse(problem.into()));
            }
            for &column in &columns {
                features.push(number(row.cell(column)).map_err(|problem| row.error(path, column, problem))?);
            }
            Ok(())
        };
        if !has_names {
            push(&first)?;
        }
        let mut others = 0;
        while let Some(row) = rows.next()? {
            push(row)?;
            others += 1;
            counts = counts && !row.cells().all(|cell| plain_integer(cell).is_some());
        }
        if counts && others > 0 {
            let problem =
                "row 1 (0, 1, …) may name the columns or be a sample; say which: --header true or false";
            return Err(refuse(problem.into()));
        }
        Ok((features, notes))
    }

    /// Whether the first row names the columns.
    fn has_names(&self, path: &Path, first: &TextRow, header: Header) -> Result<bool, DatasetError> {
        if let Header::Known(known) = header {
            return Ok(known);
        }
        debug_assert_eq!(header, Header::Unknown(Auto::Auto));
        let has = |name: &String| first.cells().any(|cell| cell == name);
        if self.feature_names.as_ref().is_some_and(|names| names.iter().all(has)) {
            return Ok(true);
        }
        match first_row(first.cells().enumerate()) {
            FirstRow::Names => Ok(true),
            FirstRow::Numbers => Ok(false),
            FirstRow::Mixed(column) | FirstRow::Missing(column) => {
                // Names that are known but for one, or a class in a row of features, are told by what is said then.
                let names = self.feature_names.as_deref().unwrap_or_default();
                if names.iter().any(has) {
                    return Ok(true);
                }
                let misfits = first.len() != self.width_of_names().unwrap_or(first.len());
                match number(first.cell(column)) {
                    Err(problem) if !misfits => Err(first.error(
                        path,
                        column,
                        format!("{problem}; if row 1 names the columns, say --header true"),
                    )),
                    _ => Ok(false),
                }
            }
        }
    }

    fn width_of_names(&self) -> Option<usize> {
        self.feature_names.as_ref().map(Vec::len)
    }
}

/// The features of an array of samples.
fn of_array(array: Array<impl Read>, width: usize) -> Result<Numbers, DatasetError> {
    let path = array.path.clone();
    let (features, _, found) = array.features()?;
    if found == width {
        return Ok(features);
    }
    let problem = format!(
        "its samples have {found} features, but the network reads {width}; the first axis must be the samples"
    );
    Err(DatasetError::content(&path, problem))
}

/// Where each feature stands in a row of names, and which of the other names are none of `known`.
fn matched(
    features: &[String],
    first: &TextRow,
    known: &[String],
) -> Result<(Vec<usize>, Vec<String>), Flaw> {
    let mut columns = Vec::with_capacity(features.len());
    let mut lacking = Vec::new();
    if features.iter().map(String::as_str).eq(first.cells()) {
        return Ok(((0..features.len()).collect(), Vec::new()));
    }
    for name in features {
        let mut found = (0..first.len()).filter(|&column| first.cell(column) == name);
        match (found.next(), found.next()) {
            (Some(column), None) => columns.push(column),
            (Some(_), Some(_)) => {
                return Err(format!("several columns are called {}", quoted(name)).into());
            }
            (None, _) => lacking.push(name.clone()),
        }
    }
    if !lacking.is_empty() {
        let there: Vec<String> = first.cells().map(str::to_owned).collect();
        return Err(format!(
            "no column is called {}, as in the training data; row 1 reads: {}",
            listed(&lacking),
            listed(&there)
        )
        .into());
    }
    let others = (0..first.len()).filter(|column| !columns.contains(column));
    let others = others.map(|column| first.cell(column).to_owned());
    let unknown = others.filter(|name| !known.contains(name)).collect();
    Ok((columns, unknown))
}

/// Why a first row without names does not fit.
fn misfit(first: &TextRow, width: usize, names: Option<&[String]>) -> String {
    let found = first.len();
    let hint = match found {
        1 if width > 1 => match likely_delimiter(first.cell(0)) {
            hint if hint.is_empty() => "; is --delimiter another?".to_owned(),
            hint => hint.replace("; try ", "; try --delimiter "),
        },
        _ if found == width + 1 => "; leave out the column of the classes".to_owned(),
        _ => names.map_or_else(String::new, |names| format!(": {}", listed(names))),
    };
    format!("row 1 has {found} columns, but the network reads {width} features{hint}")
}
