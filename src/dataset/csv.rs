//! Comma-separated values.

use std::io::Read;
use std::path::Path;

use ::csv::{ReaderBuilder, StringRecord, Trim};

use super::table::Table;
use super::{Auto, CsvConfig, DatasetError, Header, LabelColumn, source};

const EMPTY: &str = "the cell is empty; fill it or leave the row out";

/// The training table and, if there is one, the test table.
pub(super) fn read(config: &CsvConfig) -> Result<(Table, Option<Table>), DatasetError> {
    let (train, train_names) = parse(config, &config.train, source::open(&config.train)?)?;
    let Some(path) = &config.test else { return Ok((train, None)) };
    let (test, test_names) = parse(config, path, source::open(path)?)?;
    if let (Some(train), Some(test)) = (train_names, test_names)
        && train.len() == test.len()
        && let Some(column) = (0..train.len()).find(|&column| train[column] != test[column])
    {
        let problem = format!(
            "the column is called {:?} here and {:?} in {}",
            &test[column],
            &train[column],
            config.train.display()
        );
        return Err(DatasetError::cell(path, 1, column + 1, problem));
    }
    Ok((train, Some(test)))
}

/// Reads one file: its samples, and the column names if it has any.
pub(super) fn parse(
    config: &CsvConfig,
    path: &Path,
    text: impl Read,
) -> Result<(Table, Option<StringRecord>), DatasetError> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .delimiter(config.delimiter as u8)
        .from_reader(text);
    let damaged = |error: ::csv::Error| broken(path, error);
    let mut record = StringRecord::new();
    if !reader.read_record(&mut record).map_err(damaged)? {
        return Err(DatasetError::content(path, "the file has no rows"));
    }
    let columns = record.len();
    let header = has_header(config, &record);
    let label = label_column(config, path, &record, header)?;
    if columns < 2 {
        let problem = format!(
            "found one column only ({:?}); a class and at least one feature are needed (`delimiter` is {:?})",
            &record[0], config.delimiter
        );
        return Err(DatasetError::content(path, problem));
    }
    let names = header.then(|| record.clone());
    let mut table = Table { place: path.display().to_string(), width: columns - 1, ..Table::default() };
    let mut more = !header || reader.read_record(&mut record).map_err(damaged)?;
    while more {
        let row = table.labels.len() + 1 + usize::from(header);
        if record.len() != columns {
            let problem = format!("row {row} has {} columns, the first row {columns}", record.len());
            return Err(DatasetError::content(path, problem));
        }
        for (column, cell) in record.iter().enumerate() {
            if cell.is_empty() {
                return Err(DatasetError::cell(path, row, column + 1, EMPTY));
            }
            if column == label {
                table.labels.push(cell);
                continue;
            }
            table.features.push(feature(path, row, column, cell)?);
        }
        more = reader.read_record(&mut record).map_err(damaged)?;
    }
    Ok((table, names))
}

/// The number in a cell; `row` counts from 1, `column` from 0.
pub(super) fn feature(path: &Path, row: usize, column: usize, cell: &str) -> Result<f32, DatasetError> {
    let wrong = |problem: String| DatasetError::cell(path, row, column + 1, problem);
    if cell.is_empty() {
        return Err(wrong(EMPTY.to_owned()));
    }
    let value: f64 = cell.parse().map_err(|_| wrong(format!("{cell:?} is not a number")))?;
    if !value.is_finite() {
        return Err(wrong(format!("found {cell}; features must be finite")));
    }
    let value = value as f32;
    if !value.is_finite() {
        return Err(wrong(format!("{cell} is too large for single precision")));
    }
    Ok(value)
}

pub(super) fn broken(path: &Path, error: ::csv::Error) -> DatasetError {
    let row = error.position().map_or(1, |position| position.record() + 1);
    match error.into_kind() {
        ::csv::ErrorKind::Io(source) => DatasetError::Read { path: path.to_owned(), source },
        ::csv::ErrorKind::Utf8 { .. } => DatasetError::content(path, format!("row {row} is not UTF-8 text")),
        kind => DatasetError::content(path, format!("not a CSV file: {kind:?}")),
    }
}

/// Where the label is if the column is given by number.
fn numbered(label: &LabelColumn, columns: usize) -> Option<usize> {
    let LabelColumn::Index(index) = label else { return None };
    let index = if *index < 0 { index.checked_add(i64::try_from(columns).ok()?)? } else { *index };
    usize::try_from(index).ok().filter(|&index| index < columns)
}

fn has_header(config: &CsvConfig, first: &StringRecord) -> bool {
    match (config.header, &config.label) {
        (Header::Known(known), _) => known,
        (Header::Unknown(Auto::Auto), LabelColumn::Name(_)) => true,
        (Header::Unknown(Auto::Auto), label @ LabelColumn::Index(_)) => {
            let label = numbered(label, first.len());
            let mut features =
                first.iter().enumerate().filter(|&(column, _)| Some(column) != label).map(|(_, cell)| cell);
            features.all(|cell| cell.parse::<f64>().is_err())
        }
    }
}

fn label_column(
    config: &CsvConfig,
    path: &Path,
    first: &StringRecord,
    header: bool,
) -> Result<usize, DatasetError> {
    let LabelColumn::Name(name) = &config.label else {
        return numbered(&config.label, first.len()).ok_or_else(|| {
            let problem = format!("`label` is {:?}, but there are {} columns", config.label, first.len());
            DatasetError::content(path, problem)
        });
    };
    let found: Vec<usize> = (0..first.len()).filter(|&column| &first[column] == name).collect();
    match (header, found.as_slice()) {
        (true, &[column]) => Ok(column),
        (true, [_, _, ..]) => {
            Err(DatasetError::content(path, format!("several columns are called {name:?}")))
        }
        _ => {
            let columns = first.iter().collect::<Vec<_>>().join(", ");
            let problem = format!("no column is called {name:?}; the first row reads: {columns}");
            Err(DatasetError::content(path, problem))
        }
    }
}
