//! Does the first row of a text file name the columns?

use super::columns::Columns;
use super::labels::Labels;
use super::missing::is_missing;

/// What a first row is by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FirstRow {
    /// None of its cells is a number, and one is no word for a missing value either.
    Names,
    /// A sample, as far as one row tells: other rows may say otherwise (see [`Suspicion`]).
    Numbers,
    /// Some cells are numbers and some are not. The first that is not, from 0.
    Mixed(usize),
    /// No cell is a number, and all say that a value is missing. The first of them, from 0.
    Missing(usize),
}

/// What the row is whose cells of the features are these, given with their columns.
pub(super) fn first_row<'a>(cells: impl Iterator<Item = (usize, &'a str)>) -> FirstRow {
    let cells: Vec<(usize, &str)> = cells.collect();
    let is_number = |cell: &str| looks_like_number(cell);
    let odd = cells.iter().find(|(_, cell)| !is_number(cell)).map(|&(column, _)| column);
    let Some(odd) = odd else { return FirstRow::Numbers };
    match cells.iter().any(|(_, cell)| is_number(cell)) {
        true => FirstRow::Mixed(odd),
        false if cells.iter().all(|(_, cell)| is_missing(cell)) => FirstRow::Missing(odd),
        false => FirstRow::Names,
    }
}

/// Whether a cell is a number, or is one in another spelling, such as 1,5 or 10% or 1 000.
fn looks_like_number(cell: &str) -> bool {
    if cell.parse::<f64>().is_ok_and(f64::is_finite) {
        return true;
    }
    let is_part =
        |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '+' | '-' | '%' | '\'' | ' ' | '\u{a0}');
    cell.contains(|c: char| c.is_ascii_digit()) && cell.chars().all(is_part)
}

/// A whole number without sign, as columns are numbered or years written.
pub(super) fn plain_integer(cell: &str) -> Option<u64> {
    if cell.bytes().all(|byte| byte.is_ascii_digit()) { cell.parse().ok() } else { None }
}

/// Whether these cells, two at least, are whole numbers of which each is one more than that before it. Gives the
/// first.
pub(super) fn counting<'a>(mut cells: impl Iterator<Item = &'a str>) -> Option<u64> {
    let first = plain_integer(cells.next()?)?;
    let mut last = first;
    for cell in cells {
        if plain_integer(cell)? != last.checked_add(1)? {
            return None;
        }
        last += 1;
    }
    (last > first).then_some(first)
}

/// A first row of numbers that may be names of columns, held against the other rows.
#[derive(Debug)]
pub(super) struct Suspicion {
    cells: Vec<String>,
    /// Whether another row has nothing but plain whole numbers.
    others_are_whole: bool,
    /// Whether the features of another row count up as those of the first do.
    others_count: bool,
    others: usize,
}

/// What the other rows say about the first.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderVerdict {
    /// It is a sample, or nothing speaks against that.
    Sample,
    /// It names the columns: why, as the end of a sentence.
    Names(&'static str),
    /// It may be either: why it may be names.
    Either(&'static str),
}

impl Suspicion {
    pub fn new(first: &[String]) -> Self {
        Self { cells: first.to_vec(), others_are_whole: false, others_count: false, others: 0 }
    }

    /// Takes note of another row: its cells by column.
    pub fn see<'a>(&mut self, cell: impl Fn(usize) -> &'a str, columns: &Columns) {
        self.others += 1;
        self.others_are_whole =
            self.others_are_whole || (0..columns.count).all(|column| plain_integer(cell(column)).is_some());
        self.others_count =
            self.others_count || counting(columns.features.iter().map(|&column| cell(column))).is_some();
    }

    /// Judges, given the labels of all rows, the first's included.
    pub fn judge(&self, labels: &Labels, columns: &Columns) -> HeaderVerdict {
        if self.others == 0 {
            return HeaderVerdict::Sample;
        }
        let has_corner = self.has_corner();
        let named = |column: &usize| !(has_corner && *column == 0);
        let all = || (0..self.cells.len()).filter(named).map(|column| self.cells[column].as_str());
        let of_features = || {
            columns.features.iter().filter(|&column| named(column)).map(|&column| self.cells[column].as_str())
        };
        let class_is_number = plain_integer(&self.cells[columns.label]).is_some()
            || self.cells[columns.label].parse::<f64>().is_ok();
        let alone = labels.first_is_alone();
        let (length, counts) = (all().count(), counting(all()));
        if counts == Some(0) && !self.others_are_whole && length >= 3 {
            return HeaderVerdict::Names("its cells are 0, 1, 2, …");
        }
        if counts == Some(0) && (length >= 3 || !self.others_are_whole) {
            return HeaderVerdict::Either("its cells are 0, 1, 2, …");
        }
        if alone && counts.is_some() && length >= 4 && !self.others_count {
            return HeaderVerdict::Names("its cells count up, and its class occurs nowhere else");
        }
        if !alone || class_is_number {
            return HeaderVerdict::Sample;
        }
        if labels.others_are_numbers() {
            return HeaderVerdict::Names("all other classes are numbers");
        }
        if counting(of_features()).is_some() && of_features().count() >= 3 && !self.others_count {
            return HeaderVerdict::Names("its features count up, and its class occurs nowhere else");
        }
        if has_corner || !labels.all_differ() {
            return HeaderVerdict::Either("its class occurs nowhere else");
        }
        HeaderVerdict::Sample
    }

    /// Whether the first cell is empty, as above an index that pandas or R wrote, and no other is.
    pub fn has_corner(&self) -> bool {
        self.cells[0].is_empty() && self.cells[1..].iter().all(|cell| !cell.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> FirstRow {
        first_row(text.split('|').enumerate())
    }

    #[test]
    fn a_row_is_told_by_its_cells() {
        for (text, expected) in [
            ("x|y", FirstRow::Names),
            ("Na|y", FirstRow::Names),
            ("|x", FirstRow::Names),
            ("1st|3SsnPorch", FirstRow::Names),
            ("1.5|-2e3", FirstRow::Numbers),
            ("1,5|2,5", FirstRow::Numbers),
            ("10 %|1 000", FirstRow::Numbers),
            ("1|red", FirstRow::Mixed(1)),
            ("nan|2", FirstRow::Mixed(0)),
            ("NA|?", FirstRow::Missing(0)),
            ("|", FirstRow::Missing(0)),
        ] {
            assert_eq!(row(text), expected, "{text}");
        }
    }

    /// The verdict on the first of some rows, whose last column is the class.
    fn verdict(rows: &[&str]) -> HeaderVerdict {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.split(',').map(str::to_owned).collect()).collect();
        let width = rows[0].len();
        let columns =
            Columns { count: width, label: width - 1, features: (0..width - 1).collect(), dropped: vec![] };
        let mut labels = Labels::default();
        let mut suspicion = Suspicion::new(&rows[0]);
        labels.push(&rows[0][width - 1]);
        for row in &rows[1..] {
            labels.push(&row[width - 1]);
            suspicion.see(|column| row[column].as_str(), &columns);
        }
        suspicion.judge(&labels, &columns)
    }

    #[test]
    fn numbers_that_name_columns_are_told_by_the_other_rows() {
        let names = |rows: &[&str]| assert!(matches!(verdict(rows), HeaderVerdict::Names(_)), "{rows:?}");
        let either = |rows: &[&str]| assert!(matches!(verdict(rows), HeaderVerdict::Either(_)), "{rows:?}");
        let sample = |rows: &[&str]| assert_eq!(verdict(rows), HeaderVerdict::Sample, "{rows:?}");
        names(&["0,1,2,3", "0.1,0.2,0.3,0", "0.4,0.5,0.6,1"]);
        names(&["0,1,2,target", "0.1,0.2,0.3,yes", "0.4,0.5,0.6,no"]);
        names(&["2019,2020,2021,region", "5,7,6,north", "8,1,2,south"]);
        names(&["950.2,951.7,class", "0.1,0.2,0", "0.4,0.5,1"]);
        names(&[",0,1,2", "0,0.1,0.2,1", "1,0.5,0.3,0"]);
        either(&["0,1", "0.3,1", "0.4,0"]);
        either(&["0,1,2", "3,4,2", "1,0,2"]);
        either(&["950.2,951.7,class", "0.1,0.2,oil", "0.4,0.5,gas", "0.2,0.1,oil"]);
        either(&["7,3,kind", "9,2,a", "1,5,b", "8,8,a"]);
        sample(&["7,3,kind", "9,2,a", "1,5,b"]);
        sample(&["0,1", "1,0", "2,1"]);
        either(&["5.1,3.5,setosa", "4.9,3.0,virginica", "6.2,3.6,virginica"]);
        sample(&["0,1,a", "3,5,b", "1,7,a"]);
        sample(&["1,2,0", "3,5,1"]);
        sample(&["1,2,0.5"]);
    }
}
