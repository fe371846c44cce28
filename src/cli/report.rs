//! `supermask report`: a page, and figures, of a folder of records.

use super::output::{self, Failure};
use super::records::RecordsArgs;
use crate::report::{self, Report};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    records: RecordsArgs,

    /// The page to write: one file, without anything from elsewhere
    #[arg(long, default_value = "report.html", value_name = "FILE")]
    out: PathBuf,

    /// Write each figure as SVG, PNG and PDF, and each table as CSV and LaTeX, into this folder too
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
}

pub fn report(args: &ReportArgs) -> Result<(), Failure> {
    output::check_place("--out", &args.out)?;
    if let Some(dir) = &args.figures {
        output::check_folder("--figures", dir)?;
    }
    let archive = args.records.read()?;
    let report = Report::new(&archive);
    let page = report.page();
    output::write(&args.out, page.as_bytes())?;
    for line in &report.figures.left_out {
        output::tell(line);
    }
    let mut done = format!(
        "wrote {} ({} runs in {} cells, {:.1} MB)",
        args.out.display(),
        archive.runs.len(),
        report.cells.len(),
        page.len() as f64 / 1e6
    );
    if let Some(dir) = &args.figures {
        for figure in &report.figures.drawn {
            let note = report::replaced_characters(figure.panels.iter().map(|panel| panel.svg.as_str()));
            note.iter().for_each(|note| output::tell(format_args!("note: {}: {note}", figure.name)));
        }
        let files = report.write_figures(dir).map_err(Failure::work)?;
        done += &format!("\nwrote {} ({files} files)", dir.display());
    }
    output::print(done)
}
