//! `supermask init`: a configuration for a file of data, with comments, that runs as it is.

use super::output::{self, Failure};
use crate::dataset::{self, DatasetConfig, DatasetError, DatasetSummary};
use crate::{files, printable};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct InitArgs {
    /// A table (CSV and its like, also gzipped), an archive of arrays (.npz), or a folder of IDX files as MNIST's
    data: PathBuf,

    /// The column of the class, by name or number [default: one called label, class, target and the like, else the last]
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,

    /// Where to write the configuration; - is standard output [default: NAME.json, after the data]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

/// What columns of classes are called, in the order of preference.
const LABELS: [&str; 8] = ["label", "class", "target", "species", "category", "y", "labels", "classes"];

/// What may stand between columns, the most likely first.
const DELIMITERS: [(&str, char); 4] = [(",", ','), ("tab", '\t'), (";", ';'), ("|", '|')];

/// What lines begin with that are for people alone.
const COMMENTS: [char; 2] = ['#', '%'];

/// More training samples than this make local search begin on some of them.
const MANY_SAMPLES: usize = 10_000;

pub fn init(args: &InitArgs) -> Result<(), Failure> {
    if args.data.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        let (file, needed) =
            (args.data.display(), "init looks at a table (CSV), an .npz or a folder of IDX files");
        let reason =
            format!("{file}: JSON, and no data; {needed}. If it is a configuration: supermask run {file}");
        return Err(Failure::Usage(reason));
    }
    let out =
        args.out.clone().unwrap_or_else(|| PathBuf::from(stem(&args.data)).with_added_extension("json"));
    output::check_place("--out", &out)?;
    output::refuse_inputs("--out", &out, std::slice::from_ref(&args.data))?;
    if out.is_file() && !args.force {
        let reason = "is there already; give another --out, or write over it with --force";
        return Err(Failure::Usage(format!("{} {reason}", out.display())));
    }
    let (settings, summary) =
        look(args).and_then(|found| without_numbers(args, found)).map_err(Failure::usage)?;
    summary.notes.iter().for_each(|note| output::tell(format_args!("note: {note}")));
    let is_beside = out == Path::new("-") || files::folder_of(&out) == Path::new(".");
    let place = if is_beside {
        args.data.clone()
    } else {
        std::path::absolute(&args.data).map_err(Failure::usage)?
    };
    output::write(&out, text(&settings, &place, &summary).as_bytes())?;
    if out == Path::new("-") {
        return Ok(());
    }
    let (about, out) = (about(&summary), out.display());
    output::print(format_args!(
        "{}: {about}\nwritten to {out}; try it: supermask run {out}",
        args.data.display()
    ))
}

/// The name of a file without any ending: `flowers` of `data/flowers.csv.gz`.
fn stem(data: &Path) -> String {
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("data");
    stem.to_owned()
}

/// The settings that the data can be read with, beside where they are, and what they are then.
fn look(args: &InitArgs) -> Result<(Value, DatasetSummary), DatasetError> {
    let data = &args.data;
    let load = |settings: &Value| load(data, settings);
    let ending = data.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if data.is_dir() || ending == "npz" {
        let settings = json!({ "kind": if data.is_dir() { "idx" } else { "npz" } });
        return load(&settings).map(|summary| (settings, summary));
    }
    let lines = dataset::first_lines(data, &COMMENTS)?;
    let (first, before) =
        lines.split_last().map_or(("", &lines[..]), |(last, before)| (last.as_str(), before));
    let (delimiter, mut cells) = cells_of(first);
    let comment = before.last().and_then(|line| line.chars().next());
    // A line of as many cells that stands alone before the others has the names of columns, as NumPy writes them.
    let names = before.first().filter(|line| before.len() == 1 && cells_of(line).1.len() == cells.len());
    if let Some(names) = names {
        cells = cells_of(names).1;
    }
    let comment = comment.filter(|_| names.is_none());
    let of_name = LABELS.iter().find_map(|name| cells.iter().find(|cell| cell.eq_ignore_ascii_case(name)));
    let mut settings = json!({ "kind": "csv" });
    if delimiter != "," {
        settings["delimiter"] = delimiter.into();
    }
    if let Some(comment) = comment {
        settings["comment"] = comment.to_string().into();
    }
    let asked =
        args.label.as_ref().map(|label| label.parse::<i64>().map_or_else(|_| json!(label), Value::from));
    if let Some(label) = asked.or_else(|| of_name.map(|name| json!(name))) {
        settings["label"] = label;
        return load(&settings).map(|summary| (settings, summary));
    }
    settings["label"] = json!(-1);
    match load(&settings) {
        Err(error @ DatasetError::NoClasses { .. }) => {
            settings["label"] = json!(0);
            // What is wrong with the last column says more than what is wrong with the first.
            load(&settings).map_err(|_| error).map(|summary| (settings, summary))
        }
        result => result.map(|summary| (settings, summary)),
    }
}

/// What separates the cells of a line, most likely, and these.
fn cells_of(line: &str) -> (&'static str, Vec<&str>) {
    let found = DELIMITERS.iter().map(|(word, sign)| (line.matches(*sign).count(), *word, *sign));
    let best = found.rev().max_by_key(|(count, ..)| *count).filter(|(count, ..)| *count > 0);
    let (delimiter, cells): (_, Vec<&str>) = match best {
        Some((_, word, sign)) => (word, line.split(sign).collect()),
        None => ("whitespace", line.split_whitespace().collect()),
    };
    (delimiter, cells.into_iter().map(|cell| cell.trim().trim_matches('"')).collect())
}

/// The same without the first column where it only numbers the rows.
fn without_numbers(
    args: &InitArgs,
    (mut settings, summary): (Value, DatasetSummary),
) -> Result<(Value, DatasetSummary), DatasetError> {
    if !summary.notes.iter().any(|note| note.contains("\"drop\": [0]")) {
        return Ok((settings, summary));
    }
    settings["drop"] = json!([0]);
    load(&args.data, &settings).map(|summary| (settings, summary))
}

/// What the data at `place` are, read by these settings.
fn load(place: &Path, settings: &Value) -> Result<DatasetSummary, DatasetError> {
    let mut whole = settings.clone();
    whole[key_of(settings)] = json!(place);
    let config: DatasetConfig = serde_json::from_value(whole).expect("settings of our own making");
    DatasetSummary::load(&config).map(|(summary, _)| summary)
}

/// The key that says where the data are.
fn key_of(settings: &Value) -> &'static str {
    match settings["kind"].as_str() {
        Some("csv") => "train",
        Some("npz") => "file",
        _ => "folder",
    }
}

/// Class names that are shown.
const SHOWN: usize = 5;

/// What the data are, in a line.
fn about(summary: &DatasetSummary) -> String {
    let (train, test, names) = (&summary.train, &summary.test, &summary.class_names);
    let shown = printable::line(&names[..names.len().min(SHOWN)].join(", ")).into_owned();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let (features, classes) = (train.features, names.len());
    let samples = format!("{} training and {} test samples", train.samples, test.samples);
    format!("{features} features, {classes} classes ({shown}{more}), {samples}")
}

/// The configuration.
fn text(settings: &Value, place: &Path, summary: &DatasetSummary) -> String {
    let (train, names) = (&summary.train, &summary.class_names);
    let mut lines = vec![
        format!("// {}.", about(summary)),
        "// Every key, with its default: supermask schema --markdown".to_owned(),
        "{".to_owned(),
        "  \"dataset\": {".to_owned(),
        format!("    \"kind\": {},", settings["kind"]),
        format!(
            "    {:?}: {},  // relative paths begin in this file's folder",
            key_of(settings),
            json!(place)
        ),
    ];
    for (key, about) in [
        ("delimiter", ""),
        ("comment", "  // lines that begin so are passed over"),
        ("label", "  // the column of the class, by name or number"),
        ("drop", "  // it numbers the rows, and so is no feature"),
    ] {
        if let Some(value) = settings.get(key) {
            lines.push(format!("    {key:?}: {value},{about}"));
        }
    }
    if settings["kind"] == "csv" {
        if settings.get("drop").is_none() {
            lines.push("    // \"drop\": [\"id\"],  // columns that are no features".to_owned());
        }
        lines.push(
            "    // \"test\": \"test.csv\",  // in place of a stratified quarter of the rows".to_owned(),
        );
    }
    lines.push(
        "    // \"validation\": 0.2,  // a share of the training samples, to choose settings by".to_owned(),
    );
    lines.push("  },".to_owned());
    lines
        .push("  // Widths of hidden layers; the data say how many inputs and outputs there are.".to_owned());
    lines.push("  \"network\": {\"hidden\": [75]},".to_owned());
    lines.extend(algorithm(names.len(), train.samples).map(str::to_owned));
    lines.push("}".to_owned());
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What finds a good ticket on so many classes.
fn algorithm(classes: usize, samples: usize) -> impl Iterator<Item = &'static str> {
    let lines: &[&str] = match (classes, samples) {
        (2, _) => &[
            "  // The paper's genetic algorithm; ga_adaptive_ab, local_search, edge_popup and backprop are others.",
            "  \"algorithm\": {",
            "    \"kind\": \"ga\",",
            "    \"population\": 100,",
            "    \"mutation_rate\": 0.1,",
            "    // \"termination\": {\"max_generations\": 1000},",
            "  },",
        ],
        (_, ..=MANY_SAMPLES) => &[
            "  // Local search carries to more classes than the paper's genetic algorithm (\"ga\").",
            "  \"algorithm\": {",
            "    \"kind\": \"local_search\",",
            "    \"proposals\": 400000,  // what it may take: no time ends a search",
            "    \"swap_rate\": 0.5,",
            "    \"temperature\": {\"start\": 0.001, \"end\": 0.000001},",
            "  },",
        ],
        _ => &[
            "  // Local search carries to more classes than the paper's genetic algorithm (\"ga\").",
            "  \"algorithm\": {",
            "    \"kind\": \"local_search\",",
            "    \"proposals\": 400000,  // what it may take: no time ends a search",
            "    \"swap_rate\": 0.5,",
            "    \"batch\": 32,  // flips that are scored at once",
            "    \"growth\": {\"samples\": 4096, \"until\": 0.5},  // on few samples at first",
            "  },",
        ],
    };
    lines.iter().copied()
}
