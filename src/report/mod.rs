//! From a folder of records to tables, figures and a page. Records are read, nothing is searched again.

pub mod all_pairs;
pub mod cells;
pub mod comparison;
pub mod ensembles;
mod figures;
mod heat_map;
mod page;
mod paper;
mod pdf;
mod per_run;
mod plot;
mod progress_line;
mod raster;
mod results;
mod style;
mod ticks;

pub use figures::{Figure, Figures, Panel, scaling, slopes, throughput_and_roofline};
pub use per_run::{runs, runs_in_numbers};
pub use results::{results, results_in_numbers};

use crate::archive::{Archive, ArchivedRun};
use crate::files;
use crate::flaw::Flaw;
use crate::table::Table;
use cells::CellRuns;
pub use raster::RasterError;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is made of an SVG.
type Drawn = fn(&str) -> Result<Vec<u8>, RasterError>;

/// Files beside each SVG, by their endings.
const DRAWN: [(&str, Drawn); 2] = [("png", raster::png), ("pdf", pdf::pdf)];

/// A drawing as a file of this name holds it: PNG or PDF where it ends so, else SVG; see [`check_figure_name`].
///
/// # Errors
/// If it is too large for memory.
pub fn drawn_for(path: &Path, svg: String) -> Result<Vec<u8>, RasterError> {
    match DRAWN.iter().find(|(ending, _)| ends_in(path, ending)) {
        Some((_, draw)) => draw(&svg),
        None => Ok(svg.into_bytes()),
    }
}

/// What is to be told of the letters of drawings (SVG) that are written as PNG or PDF, if anything.
pub fn replaced_characters<'a>(svgs: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lacking: BTreeSet<char> = svgs.into_iter().flat_map(raster::characters_lacking).collect();
    let named: Vec<String> = lacking.iter().map(char::to_string).collect();
    let what =
        "not in the font of PNG and PDF figures, which have □ in their place; SVG has them as they are";
    (!named.is_empty()).then(|| format!("{}: {what}", named.join(" ")))
}

/// Everything that a page shows, or a folder of figures holds.
pub struct Report<'a> {
    pub archive: &'a Archive,
    pub cells: Vec<CellRuns<'a>>,
    pub figures: Figures,
}

/// Why figures could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{}: {reason}", path.display())]
    Draw { path: PathBuf, reason: RasterError },
}

impl<'a> Report<'a> {
    /// Summarises the records of a folder, and draws the figures.
    pub fn new(archive: &'a Archive) -> Self {
        let cells = cells::cells(archive);
        let figures = figures::figures(&cells, &archive.benches);
        Self { archive, cells, figures }
    }

    /// The page as HTML text.
    pub fn page(&self) -> String {
        page::page(self)
    }

    /// Writes each panel as SVG, PNG and PDF, each table as CSV and LaTeX. Returns the number of files.
    ///
    /// # Errors
    /// Names the file that could not be drawn or written.
    pub fn write_figures(&self, dir: &Path) -> Result<usize, WriteError> {
        let mut panels: Vec<(PathBuf, &str)> = Vec::new();
        for figure in &self.figures.drawn {
            for (index, panel) in figure.panels.iter().enumerate() {
                panels.push((
                    dir.join(format!("{}-{:02}-{}", figure.name, index + 1, slug(&panel.title))),
                    &panel.svg,
                ));
            }
        }
        panels.par_iter().try_for_each(|(path, svg)| {
            for (ending, draw) in DRAWN {
                let target = path.with_added_extension(ending);
                let bytes = draw(svg).map_err(|reason| WriteError::Draw { path: target.clone(), reason })?;
                write(&target, &bytes)?;
            }
            write(&path.with_added_extension("svg"), svg.as_bytes())
        })?;
        let tables = self.figures.drawn.iter().flat_map(|figure| &figure.tables);
        let mut files = (DRAWN.len() + 1) * panels.len();
        for table in tables {
            files += write_table(dir, &table.name, &table.to_csv(), table)?;
        }
        let numbers = results_in_numbers(&self.cells).to_csv();
        files += write_table(dir, "results", &numbers, &results(&self.cells))?;
        Ok(files)
    }
}

fn write_table(dir: &Path, name: &str, csv: &str, table: &Table) -> Result<usize, WriteError> {
    write(&dir.join(format!("{name}.csv")), csv.as_bytes())?;
    write(&dir.join(format!("{name}.tex")), table.to_latex().as_bytes())?;
    Ok(2)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    files::write(path, bytes).map_err(|source| WriteError::Write { path: path.to_owned(), source })
}

/// Is a drawing written to this file as it is?
pub fn is_svg(path: &Path) -> bool {
    DRAWN.iter().all(|(ending, _)| !ends_in(path, ending))
}

/// Refuses a name that ends as no figure's does; what has no ending, such as a device, is given SVG.
///
/// # Errors
/// Says how it must end.
pub fn check_figure_name(path: &Path) -> Result<(), Flaw> {
    let is_known = ends_in(path, "svg") || DRAWN.iter().any(|(ending, _)| ends_in(path, ending));
    match is_known || path.extension().is_none() {
        true => Ok(()),
        false => Err("a figure is an SVG, a PNG or a PDF; end the name in .svg, .png or .pdf".into()),
    }
}

fn ends_in(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// The drawings of one run, as SVG: its network, where there is a ticket, and its progress, where it has a history.
pub fn drawings(run: &ArchivedRun) -> Vec<String> {
    let progress = (run.best_accuracy().len() > 1).then(|| figures::accuracy_of_run(run));
    figures::network(run, &[run]).into_iter().chain(progress).collect()
}

/// A title as part of a file's name.
fn slug(title: &str) -> String {
    const LONGEST: usize = 60;
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.map(str::to_lowercase).collect::<Vec<_>>().join("-");
    slug.chars().take(LONGEST).collect::<String>().trim_end_matches('-').to_owned()
}
