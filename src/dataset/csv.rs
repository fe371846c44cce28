//! Comma-separated values, and text delimited otherwise.

use std::io::Read;
use std::path::Path;

use super::columns::{ColumnChoice, Columns};
use super::file_samples::FileSamples;
use super::header::{FirstRow, HeaderVerdict, Suspicion, first_row};
use super::missing::is_missing;
use super::reading::Reading;
use super::rows::{Dialect, TextRow, TextRows};
use super::{Auto, CsvConfig, DatasetError, Delimiter, Header, source};
use crate::excerpt::{quoted, shown};
use crate::flaw::Flaw;

const EMPTY: &str = "the cell is empty; fill it or leave the row out";

/// What to do about a first row that is no sample.
const NO_SAMPLE: &str =
    "if row 1 names the columns, say \"header\": true; if it is a heading, \"skip_rows\": 1";

/// One file: its samples, and the names of all of its columns if it has any.
struct File {
    table: FileSamples,
    columns: Columns,
    names: Option<Vec<String>>,
}

/// The training table and, if there is one, the test table.
pub(super) fn read(config: &CsvConfig) -> Result<(FileSamples, Option<FileSamples>), DatasetError> {
    let train = parse(config, &config.train, source::open(&config.train)?, None)?;
    let Some(path) = &config.test else { return Ok((train.table, None)) };
    let test = parse(config, path, source::open(path)?, Some(&train))?;
    same_names(config, path, &train, &test)?;
    Ok((train.table, Some(test.table)))
}

/// Makes sure that the features of two files are called the same, where both name them.
fn same_names(config: &CsvConfig, path: &Path, train: &File, test: &File) -> Result<(), DatasetError> {
    let (Some(train_names), Some(test_names)) = (&train.names, &test.names) else { return Ok(()) };
    for (&of_train, &of_test) in train.columns.features.iter().zip(&test.columns.features) {
        let (expected, found) = (&train_names[of_train], &test_names[of_test]);
        if expected != found {
            let file = config.train.display();
            let problem =
                format!("the column is called {} here and {} in {file}", quoted(found), quoted(expected));
            return Err(DatasetError::cell(path, 1, of_test + 1, problem));
        }
    }
    Ok(())
}

/// What the first row is taken for, and why.
enum Opening {
    Names(&'static str),
    Sample(&'static str),
    /// A sample, unless the other rows speak against it.
    Suspect(Suspicion),
}

/// Reads one file; `train` is the training file where this is the test file.
fn parse(
    config: &CsvConfig,
    path: &Path,
    text: impl Read,
    train: Option<&File>,
) -> Result<File, DatasetError> {
    let mut rows = TextRows::new(path, config.dialect(), text)?;
    let Some(first) = rows.next()?.cloned() else {
        return Err(DatasetError::content(path, "the file has no rows"));
    };
    let cells: Vec<String> = first.cells().map(str::to_owned).collect();
    check_first(path, &cells, config.delimiter)?;
    let choice = config.choice();
    let columns = choice.of_row(&cells).map_err(|problem| DatasetError::content(path, problem))?;
    let opening = opening(config, path, (&first, &cells), &columns, train)?;
    let mut body = Body::new(path, config, &columns);
    let (mut header, mut because) = match opening {
        Opening::Names(because) => (true, because),
        Opening::Sample(because) => (false, because),
        Opening::Suspect(suspicion) => {
            body.suspicion = Some(suspicion);
            (false, "its cells are numbers, as below")
        }
    };
    if !header {
        body.push_first(&first)?;
    }
    while let Some(row) = rows.next()? {
        body.push(row)?;
    }
    if let Some(why) = body.judge(&first)? {
        (header, because) = (true, why);
    }
    let mut table = body.table;
    let names = header.then_some(cells);
    table.feature_names =
        names.as_ref().map(|names| columns.features.iter().map(|&column| names[column].clone()).collect());
    table.notes = notes(&table, &columns);
    table.reading = Some(Reading::new(config.delimiter, (header, because), &columns, names.as_deref()));
    Ok(File { table, columns, names })
}

/// Refuses a first row that shows that the file is read in the wrong way.
fn check_first(path: &Path, cells: &[String], delimiter: Delimiter) -> Result<(), DatasetError> {
    if cells[0].starts_with("sep=") {
        let problem = format!(
            "row 1 ({}) is for spreadsheets only; pass it over by \"skip_rows\": 1",
            quoted(&cells[0])
        );
        return Err(DatasetError::content(path, problem));
    }
    let [cell] = cells else { return Ok(()) };
    if cell.starts_with(['#', '%']) {
        let problem = format!(
            "row 1 ({}) looks like a comment; pass such lines over by \"comment\": {:?}",
            quoted(cell),
            &cell[..1]
        );
        return Err(DatasetError::content(path, problem));
    }
    let problem = format!(
        "found one column only ({}); a class and at least one feature are needed (`delimiter` is {:?}{})",
        quoted(cell),
        delimiter.to_string(),
        likely_delimiter(cell),
    );
    Err(DatasetError::content(path, problem))
}

/// A hint at what may separate the columns of a row that was read as one cell.
pub(super) fn likely_delimiter(cell: &str) -> String {
    let found = [(';', ";"), ('\t', "tab"), ('|', "|"), (',', ","), (' ', "whitespace")]
        .into_iter()
        .find(|(character, _)| cell.contains(*character));
    found.map_or_else(String::new, |(_, name)| format!("; try {name:?}"))
}

fn opening(
    config: &CsvConfig,
    path: &Path,
    (first, cells): (&TextRow, &[String]),
    columns: &Columns,
    train: Option<&File>,
) -> Result<Opening, DatasetError> {
    match config.header {
        Header::Known(true) => return Ok(Opening::Names("the configuration says so")),
        Header::Known(false) => return Ok(Opening::Sample("the configuration says so")),
        Header::Unknown(Auto::Auto) => {}
    }
    if config.choice().is_by_name() {
        return Ok(Opening::Names("the configuration gives columns by name"));
    }
    if train.and_then(|train| train.names.as_deref()).is_some_and(|names| names == cells) {
        return Ok(Opening::Names("the training file has the same"));
    }
    let suspicion = Suspicion::new(cells);
    match first_row(columns.features.iter().map(|&column| (column, cells[column].as_str()))) {
        FirstRow::Names => Ok(Opening::Names("none of its features is a number")),
        FirstRow::Numbers if train.is_some() => Ok(Opening::Sample("its features are numbers")),
        FirstRow::Numbers => Ok(Opening::Suspect(suspicion)),
        FirstRow::Mixed(0) if suspicion.has_corner() && columns.features.len() > 1 => {
            Ok(Opening::Suspect(suspicion))
        }
        FirstRow::Mixed(column) | FirstRow::Missing(column) => {
            let cell = &cells[column];
            let problem = match number(cell) {
                Err(problem) => format!("{problem}; {NO_SAMPLE}"),
                Ok(_) => NO_SAMPLE.to_owned(),
            };
            Err(first.error(path, column, problem))
        }
    }
}

/// The samples of a file as they are read.
struct Body<'a> {
    path: &'a Path,
    config: &'a CsvConfig,
    columns: &'a Columns,
    table: FileSamples,
    suspicion: Option<Suspicion>,
    /// The features of one row.
    numbers: Vec<f64>,
    /// What is wrong with the first label `-`, unless it is the other of `+` and `-`.
    dash: Option<DatasetError>,
}

impl<'a> Body<'a> {
    fn new(path: &'a Path, config: &'a CsvConfig, columns: &'a Columns) -> Self {
        let place = path.display().to_string();
        let table = FileSamples { place, width: columns.features.len(), ..FileSamples::default() };
        Self { path, config, columns, table, suspicion: None, numbers: Vec::new(), dash: None }
    }

    /// The first row, whose first cell may be empty as long as the row may be names.
    fn push_first(&mut self, row: &TextRow) -> Result<(), DatasetError> {
        let has_corner = self.suspicion.as_ref().is_some_and(Suspicion::has_corner);
        if !has_corner {
            return self.read(row).map(|()| self.keep());
        }
        self.table.labels.push(row.cell(self.columns.label));
        (0..self.table.width).for_each(|_| self.table.features.push(0.0));
        Ok(())
    }

    fn push(&mut self, row: &TextRow) -> Result<(), DatasetError> {
        self.read(row)?;
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.see(|column| row.cell(column), self.columns);
        }
        self.keep();
        Ok(())
    }

    /// Reads the numbers of a row, and its label.
    fn read(&mut self, row: &TextRow) -> Result<(), DatasetError> {
        let (path, expected) = (self.path, self.columns.count);
        if row.len() != expected {
            let (number, found) = (row.number, row.len());
            let hint = match number {
                2 => "; if that is a heading, pass it over by \"skip_rows\": 1",
                _ => "",
            };
            let problem = format!("row {number} has {found} columns, the first row {expected}{hint}");
            return Err(DatasetError::content(path, problem));
        }
        self.numbers.clear();
        for &column in &self.columns.features {
            let number = number(row.cell(column)).map_err(|problem| row.error(path, column, problem))?;
            self.numbers.push(number);
        }
        let (column, label) = (self.columns.label, row.cell(self.columns.label));
        match self.problem_with_label(label).map(|problem| row.error(path, column, problem)) {
            None => {}
            Some(error) if label == "-" => _ = self.dash.get_or_insert(error),
            Some(error) => return Err(error),
        }
        self.table.labels.push(label);
        Ok(())
    }

    fn keep(&mut self) {
        self.numbers.iter().for_each(|&number| self.table.features.push(number));
    }

    fn problem_with_label(&self, label: &str) -> Option<String> {
        if label.is_empty() {
            return Some(EMPTY.to_owned());
        }
        if is_missing(label) && !self.config.missing_words_are_classes {
            return Some(format!(
                "{} says that the class is missing; leave the row out, or, if it is the name of a class, say \
                 \"missing_words_are_classes\": true",
                quoted(label)
            ));
        }
        let delimiter = match self.config.delimiter {
            Delimiter::Character(byte) => char::from(byte),
            Delimiter::Whitespace => return None,
        };
        let lines = label.lines().count();
        (lines > 1 && label.contains(delimiter)).then(|| {
            format!(
                "a cell between quotes holds {lines} lines of the file; is a quote missing, or one too many?"
            )
        })
    }

    /// Why the first row was names after all, if it was. It is taken out then.
    fn judge(&mut self, first: &TextRow) -> Result<Option<&'static str>, DatasetError> {
        if let Some(error) = self.dash.take().filter(|_| !self.table.labels.has("+")) {
            return Err(error);
        }
        let Some(suspicion) = &self.suspicion else { return Ok(None) };
        match suspicion.judge(&self.table.labels, self.columns) {
            HeaderVerdict::Names(why) => {
                self.table.features.remove_first(self.table.width);
                self.table.labels.remove_first();
                Ok(Some(why))
            }
            HeaderVerdict::Either(why) => {
                let problem = format!(
                    "row 1 may name the columns ({why}) or be a sample; say which: \"header\": true or false"
                );
                Err(DatasetError::content(self.path, problem))
            }
            HeaderVerdict::Sample if suspicion.has_corner() => {
                Err(first.error(self.path, 0, format!("{EMPTY}; {NO_SAMPLE}")))
            }
            HeaderVerdict::Sample => Ok(None),
        }
    }
}

/// Rows from which a feature that counts them is no coincidence.
const ROWS_COUNTED: usize = 10;

/// What is odd about the features.
fn notes(table: &FileSamples, columns: &Columns) -> Vec<String> {
    let mut notes = Vec::new();
    let rows = table.labels.len();
    let value = |row: usize, feature: usize| table.features.get(row * table.width + feature);
    let counts = |feature: usize| {
        let first = value(0, feature);
        (first == 0.0 || first == 1.0) && (1..rows).all(|row| value(row, feature) == first + row as f64)
    };
    for (feature, column) in columns.features.iter().enumerate().filter(|_| rows >= ROWS_COUNTED) {
        if counts(feature) {
            notes.push(format!(
                "column {column} numbers the rows; if it is an index and no feature, leave it out: \"drop\": [{column}]"
            ));
        }
    }
    let names = table.feature_names.as_deref().unwrap_or_default();
    let mut sorted: Vec<&String> = names.iter().filter(|name| !name.is_empty()).collect();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        notes.push(format!("several columns are called {}", quoted(pair[0])));
    }
    notes
}

/// The number in a cell.
///
/// # Errors
/// Says why there is none.
pub(super) fn number(cell: &str) -> Result<f64, Flaw> {
    if cell.is_empty() {
        return Err(EMPTY.into());
    }
    match cell.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ if is_missing(cell) => Err(format!(
            "found {cell}, which says that the value is missing; fill it in, or leave the row or column out"
        )
        .into()),
        Ok(_) => Err(format!("found {}; features must be finite", shown(cell)).into()),
        Err(_) => {
            let hint = match cell.contains(',') && cell.replacen(',', ".", 1).parse::<f64>().is_ok() {
                true => "; decimals are written with a point",
                false => "",
            };
            Err(format!("{} is not a number{hint}", quoted(cell)).into())
        }
    }
}

impl CsvConfig {
    pub(super) fn dialect(&self) -> Dialect {
        let comment = self.comment.and_then(|comment| u8::try_from(comment).ok());
        Dialect { delimiter: self.delimiter, comment, skip_rows: self.skip_rows }
    }

    pub(super) fn choice(&self) -> ColumnChoice<'_> {
        ColumnChoice { label: &self.label, drop: &self.drop, features: self.features.as_deref() }
    }
}
