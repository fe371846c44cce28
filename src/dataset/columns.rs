//! Which columns of a text file are features, and which is the class.

use crate::flaw::Flaw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A column of a text file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a column must be given by its name or its number")]
pub enum Column {
    /// From 0; negative from the end.
    Index(i64),
    Name(String),
}

impl Default for Column {
    fn default() -> Self {
        Self::Index(-1)
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Name(name) => write!(f, "{name:?}"),
        }
    }
}

impl Column {
    pub fn is_name(&self) -> bool {
        self.name().is_some()
    }

    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Index(_) => None,
        }
    }

    /// Its number from 0 in a row of `width` cells, if it is given by number and there.
    fn numbered(&self, width: usize) -> Option<usize> {
        let Self::Index(index) = self else { return None };
        let index = if *index < 0 { index.checked_add(i64::try_from(width).ok()?)? } else { *index };
        usize::try_from(index).ok().filter(|&index| index < width)
    }

    /// Its number from 0, given the first row. `setting` is for errors.
    ///
    /// # Errors
    /// Says that it is not there, or not the only one of its name.
    fn find(&self, setting: &str, first: &[String]) -> Result<usize, Flaw> {
        let Self::Name(name) = self else {
            return self.numbered(first.len()).ok_or_else(|| {
                let count = first.len();
                format!("`{setting}` is column {self}, but there are {count} columns, numbered from 0 (or from -1 at the end)").into()
            });
        };
        let found: Vec<usize> = (0..first.len()).filter(|&column| &first[column] == name).collect();
        match found[..] {
            [column] => Ok(column),
            [_, _, ..] => {
                Err(format!("several columns are called {name:?}; give `{setting}` by number, from 0").into())
            }
            [] => {
                let columns = first.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                let hint = match name.parse::<i64>() {
                    Ok(_) => "; a column's number is written without quotes",
                    Err(_) => "",
                };
                Err(format!(
                    "no column is called {name:?} (`{setting}`); the first row reads: {columns}{hint}"
                )
                .into())
            }
        }
    }
}

/// What is asked of the columns.
pub(super) struct ColumnChoice<'a> {
    pub label: &'a Column,
    pub drop: &'a [Column],
    pub features: Option<&'a [Column]>,
}

/// What the columns are, numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// All columns.
    pub count: usize,
    pub label: usize,
    /// In the order of the file.
    pub features: Vec<usize>,
    /// Neither features nor the class.
    pub dropped: Vec<usize>,
}

impl ColumnChoice<'_> {
    /// Whether a column is given by its name, so that there must be a row of names.
    pub fn is_by_name(&self) -> bool {
        let listed = self.drop.iter().chain(self.features.unwrap_or_default());
        self.label.is_name() || listed.into_iter().any(Column::is_name)
    }

    /// # Errors
    /// Says which setting does not fit the file.
    pub fn of_row(&self, first: &[String]) -> Result<Columns, Flaw> {
        let count = first.len();
        let label = self.label.find("label", first)?;
        let find_all = |setting: &str, columns: &[Column]| -> Result<Vec<usize>, Flaw> {
            let mut found = Vec::new();
            for column in columns {
                let number = column.find(setting, first)?;
                if number == label {
                    return Err(
                        format!("`{setting}` has column {column}, which is the class (`label`)").into()
                    );
                }
                if found.contains(&number) {
                    return Err(format!("`{setting}` has column {column} twice").into());
                }
                found.push(number);
            }
            Ok(found)
        };
        let dropped = find_all("drop", self.drop)?;
        let chosen = self.features.map(|features| find_all("features", features)).transpose()?;
        let is_feature = |column: &usize| match &chosen {
            Some(chosen) => chosen.contains(column),
            None => *column != label && !dropped.contains(column),
        };
        let (features, others): (Vec<usize>, Vec<usize>) = (0..count).partition(is_feature);
        let dropped = others.into_iter().filter(|&column| column != label).collect();
        if features.is_empty() && count > 1 {
            return Err("no column is left for the features".into());
        }
        Ok(Columns { count, label, features, dropped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(label: Column, drop: &[Column], features: Option<&[Column]>) -> Result<Columns, Flaw> {
        let first = ["id", "x", "y", "x", "c"].map(str::to_owned);
        ColumnChoice { label: &label, drop, features }.of_row(&first)
    }

    fn named(name: &str) -> Column {
        Column::Name(name.to_owned())
    }

    #[test]
    fn columns_are_dropped_or_chosen_by_name_and_number() {
        let all = columns(Column::default(), &[], None).expect("columns");
        assert_eq!((all.label, all.features, all.dropped), (4, vec![0, 1, 2, 3], vec![]));
        let some = columns(named("c"), &[named("id"), Column::Index(-2)], None).expect("columns");
        assert_eq!((some.features, some.dropped), (vec![1, 2], vec![0, 3]));
        let chosen = columns(Column::Index(0), &[], Some(&[named("y"), Column::Index(1)])).expect("columns");
        assert_eq!((chosen.label, chosen.features, chosen.dropped), (0, vec![1, 2], vec![3, 4]));
    }

    #[test]
    fn columns_that_are_not_there_or_mean_two_things_are_refused() {
        for (result, expected) in [
            (columns(Column::Index(9), &[], None), "`label` is column 9, but there are 5 columns"),
            (columns(Column::Index(i64::MIN), &[], None), "there are 5 columns"),
            (columns(named("2"), &[], None), "written without quotes"),
            (columns(named("x"), &[], None), "several columns are called \"x\""),
            (columns(named("c"), &[Column::Index(-1)], None), "`drop` has column -1, which is the class"),
            (columns(named("c"), &[named("id"), Column::Index(0)], None), "`drop` has column 0 twice"),
            (columns(named("c"), &[], Some(&[named("z")])), "no column is called \"z\" (`features`)"),
            (columns(named("c"), &[], Some(&[])), "no column is left"),
        ] {
            let error = result.expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
