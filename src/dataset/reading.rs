//! How a text file was read, for the user to see.

use serde::Serialize;

use super::Delimiter;
use super::columns::Columns;
use super::labels::listed;
use crate::excerpt;

/// What was decided about the training file of text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    pub delimiter: Delimiter,
    /// Whether the first row names the columns.
    pub header: bool,
    /// Why it does, or does not.
    pub header_because: &'static str,
    /// The column of the class: its number from 0, and its name if it has one.
    pub class_column: String,
    /// Columns that are neither features nor the class.
    pub left_out: Vec<String>,
    /// The columns of the features, in their order.
    pub features: Vec<String>,
}

impl Reading {
    pub(super) fn new(
        delimiter: Delimiter,
        (header, header_because): (bool, &'static str),
        columns: &Columns,
        names: Option<&[String]>,
    ) -> Self {
        let shown = |&column: &usize| match names.map(|names| names[column].as_str()) {
            None | Some("") => column.to_string(),
            Some(name) => format!("{column} ({})", excerpt::shown(name)),
        };
        Self {
            delimiter,
            header,
            header_because,
            class_column: shown(&columns.label),
            left_out: columns.dropped.iter().map(shown).collect(),
            features: columns.features.iter().map(shown).collect(),
        }
    }
}

impl std::fmt::Display for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = if self.header { "names the columns" } else { "is a sample" };
        writeln!(f, "{:<22} {header}: {}", "row 1", self.header_because)?;
        writeln!(f, "{:<22} {}", "delimiter", self.delimiter)?;
        writeln!(f, "{:<22} {}", "class column", self.class_column)?;
        if !self.left_out.is_empty() {
            writeln!(f, "{:<22} {}", "columns left out", listed(&self.left_out))?;
        }
        writeln!(f, "{:<22} {}", "columns of features", listed(&self.features))
    }
}
