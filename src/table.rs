//! Tables of text, in the formats that people paste them into.

use crate::printable;
use std::borrow::Cow;
use std::fmt::Write as _;

/// A table whose first row names its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// A file's name without an ending: `results`.
    pub name: String,
    pub title: String,
    pub columns: Vec<TableColumn>,
    /// As many cells in each as there are columns.
    pub rows: Vec<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    pub name: String,
    pub align: Align,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

impl Table {
    /// An empty table; a column's name that begins with `>` is aligned to the right, without the sign.
    pub fn new(name: &str, title: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|column| match column.strip_prefix('>') {
            Some(name) => TableColumn { name: name.to_owned(), align: Align::Right },
            None => TableColumn { name: (*column).to_owned(), align: Align::Left },
        });
        Self { name: name.to_owned(), title: title.to_owned(), columns: columns.collect(), rows: Vec::new() }
    }

    /// Adds a row; each cell is one line.
    pub fn push(&mut self, row: Vec<String>) {
        debug_assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row.iter().map(|cell| printable::line(cell).into_owned()).collect());
    }

    fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// Columns that line up in a terminal.
    pub fn to_text(&self) -> String {
        let lines: Vec<Vec<String>> = std::iter::once(self.names()).chain(self.rows.clone()).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for line in lines {
            let cells = line.iter().zip(&self.columns).zip(&widths).map(|((cell, column), &width)| {
                match column.align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    /// RFC 4180; no cell is a formula.
    pub fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for line in std::iter::once(&self.names()).chain(&self.rows) {
            let cells = line.iter().map(|cell| no_formula(cell).into_owned());
            writer.write_record(cells).expect("rows of one length, written to memory");
        }
        let bytes = writer.into_inner().expect("written to memory");
        String::from_utf8(bytes).expect("cells are text")
    }

    /// A pipe table.
    pub fn to_markdown(&self) -> String {
        let escape = |cell: &String| {
            let mut escaped = String::new();
            for c in cell.chars() {
                if "|\\`*_<>[]&".contains(c) {
                    escaped.push('\\');
                }
                escaped.push(c);
            }
            escaped
        };
        let line =
            |cells: &[String]| format!("| {} |\n", cells.iter().map(escape).collect::<Vec<_>>().join(" | "));
        let rules = self.columns.iter().map(|column| match column.align {
            Align::Left => "---",
            Align::Right => "---:",
        });
        let mut text = line(&self.names());
        text += &format!("| {} |\n", rules.collect::<Vec<_>>().join(" | "));
        self.rows.iter().for_each(|row| text += &line(row));
        text
    }

    /// A `tabular` with the rules of the package `booktabs`.
    pub fn to_latex(&self) -> String {
        let line = |cells: &[String]| {
            format!("{} \\\\\n", cells.iter().map(|cell| latex(cell)).collect::<Vec<_>>().join(" & "))
        };
        let align = self.columns.iter().map(|column| match column.align {
            Align::Left => 'l',
            Align::Right => 'r',
        });
        let mut text = String::new();
        let _ = writeln!(text, "% \\usepackage{{booktabs}}");
        let _ = writeln!(text, "\\begin{{tabular}}{{{}}}\n\\toprule", align.collect::<String>());
        text += &line(&self.names());
        text += "\\midrule\n";
        self.rows.iter().for_each(|row| text += &line(row));
        text += "\\bottomrule\n\\end{tabular}\n";
        text
    }
}

/// What a spreadsheet would take for a formula is marked as text, by a single quote before it, as OWASP advises on CSV
/// injection; numbers stay numbers.
fn no_formula(cell: &str) -> Cow<'_, str> {
    if printable::is_formula(cell) { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

fn latex(cell: &str) -> String {
    let mut escaped = String::new();
    for c in cell.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '\\' => escaped += "\\textbackslash{}",
            '~' => escaped += "\\textasciitilde{}",
            '^' => escaped += "\\textasciicircum{}",
            '<' => escaped += "\\textless{}",
            '>' => escaped += "\\textgreater{}",
            '|' => escaped += "\\textbar{}",
            '±' => escaped += "$\\pm$",
            '×' => escaped += "$\\times$",
            '–' => escaped += "--",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("t", "T", &["name", ">accuracy"]);
        table.push(vec!["a_b|<c>,\"d\"".into(), "90.1 ± 2.0".into()]);
        table.push(vec!["e".into(), "100%".into()]);
        table
    }

    #[test]
    fn every_format_escapes_what_it_treats_as_special() {
        assert_eq!(table().to_csv(), "name,accuracy\n\"a_b|<c>,\"\"d\"\"\",90.1 ± 2.0\ne,100%\n");
        assert!(table().to_markdown().contains("| a\\_b\\|\\<c\\>,\"d\" | 90.1 ± 2.0 |\n"));
        assert!(table().to_markdown().contains("| --- | ---: |"));
        assert!(
            table()
                .to_latex()
                .contains("a\\_b\\textbar{}\\textless{}c\\textgreater{},\"d\" & 90.1 $\\pm$ 2.0")
        );
        assert!(table().to_latex().contains("e & 100\\% \\\\"));
    }

    #[test]
    fn a_spreadsheet_finds_no_formula_and_a_terminal_no_orders() {
        let mut table = Table::new("t", "T", &["name", ">accuracy"]);
        for cell in ["=cmd()|x", "-1.5e-3", "-rf", "@SUM(A1)", "a=b", " =1", "\u{1b}]0;x\u{7}\nb", "–"] {
            table.push(vec![cell.to_owned(), "0.5".to_owned()]);
        }
        let csv = table.to_csv();
        let names: Vec<&str> = csv.lines().skip(1).filter_map(|line| line.strip_suffix(",0.5")).collect();
        let escaped = "\\u001b]0;x\\u0007\\u000ab";
        assert_eq!(names, ["'=cmd()|x", "-1.5e-3", "'-rf", "'@SUM(A1)", "a=b", "' =1", escaped, "–"]);
        assert!(table.to_text().contains(escaped) && table.to_text().contains("\n=cmd()|x"));
        assert!(table.to_latex().contains("\\textbackslash{}u001b]0;x"));
    }

    #[test]
    fn text_columns_line_up() {
        assert_eq!(
            table().to_text(),
            "name           accuracy\na_b|<c>,\"d\"  90.1 ± 2.0\ne                  100%\n"
        );
    }
}
