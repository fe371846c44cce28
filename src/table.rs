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
        self.to_text_within(None)
    }

    /// The same in no more than `limit` characters a line, as far as that can be: names are broken between words, and
    /// cells on the left where that leaves fewer blocks; then columns that find no place stand below, behind the columns
    /// on the left again; at last each row is a list.
    pub fn to_text_within(&self, limit: Option<usize>) -> String {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let natural: Vec<usize> =
            all.iter().map(|&column| self.width(column, &self.columns[column].name)).collect();
        let limit = limit.unwrap_or(usize::MAX);
        if taken(&natural) <= limit {
            return self.block(&all, &natural);
        }
        let longest_word = |text: &str| text.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
        let narrow: Vec<usize> = all
            .iter()
            .map(|&column| {
                let words = self.columns[column].name.split(' ');
                words.map(|word| self.width(column, word)).max().unwrap_or(0)
            })
            .collect();
        let left = self.columns.iter().take_while(|column| column.align == Align::Left).count();
        let mut narrowest = narrow.clone();
        for (column, width) in narrowest.iter_mut().enumerate().take(left) {
            let words = self.rows.iter().map(|row| longest_word(&row[column]));
            *width = words.chain([longest_word(&self.columns[column].name)]).max().unwrap_or(0);
        }
        let whole = self.blocks(left, &narrow, limit);
        let broken = self.blocks(left, &narrowest, limit);
        let (blocks, mut widths) = match (whole, broken) {
            (Some(whole), Some(broken)) if whole.len() <= broken.len() => (whole, narrow),
            (_, Some(broken)) => (broken, narrowest),
            (Some(whole), None) => (whole, narrow),
            (None, None) => return self.list(limit),
        };
        // What room is left goes to the columns on the left, those first that lack least.
        let widest = blocks.iter().map(|block| taken(block.iter().map(|&column| &widths[column]))).max();
        let mut room = limit.saturating_sub(widest.unwrap_or(limit));
        let mut lacking: Vec<usize> = (0..left).collect();
        lacking.sort_by_key(|&column| natural[column].saturating_sub(widths[column]));
        for column in lacking {
            let wanted = natural[column].saturating_sub(widths[column]).min(room);
            widths[column] += wanted;
            room -= wanted;
        }
        blocks.iter().map(|block| self.block(block, &widths)).collect::<Vec<_>>().join("\n")
    }

    /// The columns of each block of at most `limit` characters; those on the `left` stand in every one of them. None where
    /// a column finds no place beside those.
    fn blocks(&self, left: usize, widths: &[usize], limit: usize) -> Option<Vec<Vec<usize>>> {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let (fixed, others) = all.split_at(left.min(all.len()));
        let mut blocks: Vec<Vec<usize>> = Vec::new();
        let fits = |columns: &[usize]| taken(columns.iter().map(|&column| &widths[column])) <= limit;
        if others.is_empty() && fits(fixed) {
            return Some(vec![fixed.to_vec()]);
        }
        for &column in others {
            match blocks.last_mut() {
                Some(block) if fits(&[&block[..], &[column]].concat()) => block.push(column),
                _ => blocks.push([fixed, &[column]].concat()),
            }
        }
        (!blocks.is_empty() && blocks.iter().all(|block| fits(block))).then_some(blocks)
    }

    /// Characters of the widest cell of a column, or of `name` where that is wider.
    fn width(&self, column: usize, name: &str) -> usize {
        let cells = self.rows.iter().map(|row| row[column].chars().count());
        cells.chain([name.chars().count()]).max().unwrap_or(0)
    }

    /// Some columns side by side, in these widths.
    fn block(&self, columns: &[usize], widths: &[usize]) -> String {
        let names: Vec<Vec<String>> =
            columns.iter().map(|&column| broken(&self.columns[column].name, widths[column])).collect();
        let height = names.iter().map(Vec::len).max().unwrap_or(0);
        // The last line of every name stands above its cells.
        let name_line = |line: usize| -> Vec<&str> {
            names
                .iter()
                .map(|lines| (line + lines.len()).checked_sub(height).map_or("", |line| lines[line].as_str()))
                .collect()
        };
        let mut text = String::new();
        let mut write = |line: &[&str]| {
            let cells = line.iter().zip(columns).map(|(cell, &column)| {
                let width = widths[column];
                match self.columns[column].align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                }
            });
            text += cells.collect::<Vec<_>>().join("  ").trim_end();
            text.push('\n');
        };
        (0..height).for_each(|line| write(&name_line(line)));
        for row in &self.rows {
            let cells: Vec<Vec<String>> =
                columns.iter().map(|&column| broken(&row[column], widths[column])).collect();
            for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
                let part = |cell: &Vec<String>| cell.get(line).cloned().unwrap_or_default();
                let parts: Vec<String> = cells.iter().map(part).collect();
                write(&parts.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
        text
    }

    /// Each row as lines of a name and a cell.
    fn list(&self, limit: usize) -> String {
        let longest = self.columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            for (column, cell) in self.columns.iter().zip(row) {
                let name = &column.name;
                let lines = broken(cell, limit.saturating_sub(longest + GAP).max(LEAST_WIDTH));
                for (number, line) in lines.iter().enumerate() {
                    let name = if number == 0 { name.as_str() } else { "" };
                    text += format!("{name:<longest$}  {line}").trim_end();
                    text.push('\n');
                }
            }
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

/// Characters between two columns.
const GAP: usize = 2;

/// A line narrower than this is not broken.
const LEAST_WIDTH: usize = 8;

/// Characters of columns of these widths side by side.
fn taken<'a>(widths: impl IntoIterator<Item = &'a usize>) -> usize {
    widths.into_iter().map(|width| width + GAP).sum::<usize>().saturating_sub(GAP)
}

/// A text in lines of at most `width` characters, broken between words; a longer word has a line of its own.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Lines of at most `width` characters, broken between words; what follows a break is indented by two more.
pub fn wrapped(text: &str, width: usize) -> String {
    let line = |line: &str| -> String {
        let words = line.trim_start_matches(' ');
        let indent = line.len() - words.len();
        if line.chars().count() <= width {
            return line.to_owned();
        }
        let broken = broken(words, width.saturating_sub(indent + GAP).max(LEAST_WIDTH));
        let (first, second) = (" ".repeat(indent), " ".repeat(indent + GAP));
        format!("{first}{}", broken.join(&format!("\n{second}")))
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
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
    fn a_narrow_terminal_has_broken_names_then_blocks_then_lists() {
        let mut table = Table::new("t", "T", &["cell", ">test accuracy %", ">best", ">sparsity %"]);
        table.push(vec!["moons [75] GA".into(), "99.81 ± 0.12".into(), "99.99".into(), "64.00".into()]);
        table.push(vec!["b".into(), "1".into(), "2".into(), "3".into()]);
        let of = |limit| table.to_text_within(Some(limit));
        assert_eq!(of(80), table.to_text());
        assert!(of(46).lines().count() == 4 && !of(46).contains("\n\n"), "{}", of(46));
        let blocks = of(34);
        assert!(blocks.split("\n\n").count() == 2, "{blocks}");
        assert!(blocks.split("\n\n").all(|block| block.contains("moons [75] GA")), "{blocks}");
        assert!(of(24).contains("\nmoons    99.81 ± 0.12\n[75] GA\n"), "{}", of(24));
        assert!(of(18).starts_with("cell             moons\n                 [75] GA\n"), "{}", of(18));
        for limit in [46, 34, 24] {
            let text = of(limit);
            assert!(text.lines().all(|line| line.chars().count() <= limit), "{limit}\n{text}");
            let words = table.rows.iter().flatten().flat_map(|cell| cell.split(' '));
            assert!(words.into_iter().all(|word| text.contains(word)), "{limit}\n{text}");
        }
    }

    #[test]
    fn long_cells_on_the_left_take_a_second_line_before_columns_go_below() {
        let mut table = Table::new("t", "T", &["algorithm", ">n", ">accuracy %"]);
        table.push(vec!["GA population=10 rate=0.05".into(), "3".into(), "88.92 ± 0.76".into()]);
        let narrow = table.to_text_within(Some(36));
        assert_eq!(
            narrow,
            "algorithm            n    accuracy %\nGA population=10     3  88.92 ± 0.76\nrate=0.05\n"
        );
    }

    #[test]
    fn prose_is_broken_between_words_and_indented() {
        assert_eq!(wrapped("cpu: x\n  one two three four", 14), "cpu: x\n  one two\n    three four");
        assert_eq!(wrapped("short", 14), "short");
    }

    #[test]
    fn text_columns_line_up() {
        assert_eq!(
            table().to_text(),
            "name           accuracy\na_b|<c>,\"d\"  90.1 ± 2.0\ne                  100%\n"
        );
    }
}
