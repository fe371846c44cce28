//! The documentation, tried out: every command and every JSON block of the README and of `docs/`, as they stand
//! there, in a folder that holds the repository's `configs` and `data` and what a reader brings along.
//!
//! A block of JSON whose fence names a file (`json flowers.json`) is saved under that name before the commands run.

use crate::place::Place;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use supermask::run::config::RunConfig;
use supermask::sweep::Sweep;

/// Commands that search are stopped after this time, as by a signal that asks for it: that they begin is what is tested.
const ALLOWED: Duration = Duration::from_millis(700);

/// How long a command may take from the signal to its end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lines that are no command of ours, or need what the tests do not have, and why.
const LEFT_OUT: [(&str, &str); 6] = [
    ("supermask check", "takes minutes; its quick form has tests of its own"),
    ("bash tests/run.sh", "runs this test"),
    ("sbatch ", "needs a Slurm cluster"),
    ("pip install ./python", "builds the package for release; its tests are the Python ones"),
    ("jq ", "another program, on records that a sweep left"),
    ("mkdir all && cp ", "copies the records of two machines"),
];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block of a page.
struct Block {
    page: String,
    line: usize,
    language: String,
    /// The file that the block is to be saved as.
    file: Option<String>,
    text: String,
}

impl Block {
    fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

/// The README and every page of `docs/`, with their names.
fn pages() -> Vec<(String, String)> {
    let mut paths = vec![PathBuf::from("README.md")];
    let docs = std::fs::read_dir(repository().join("docs")).expect("the folder of pages");
    let names = docs.map(|entry| PathBuf::from("docs").join(entry.expect("an entry").file_name()));
    let mut names: Vec<PathBuf> =
        names.filter(|name| name.extension().is_some_and(|ending| ending == "md")).collect();
    names.sort();
    paths.extend(names);
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(repository().join(&path)).expect("a page");
        (path.display().to_string(), text)
    };
    paths.into_iter().map(read).collect()
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for (page, text) in pages() {
        let mut open: Option<Block> = None;
        for (line, content) in (1..).zip(text.lines()) {
            match (content.trim_start().strip_prefix("```"), open.take()) {
                (Some(_), Some(block)) => blocks.push(block),
                (Some(info), None) => {
                    let mut words = info.split_whitespace().map(str::to_owned);
                    let language = words.next().unwrap_or_default();
                    let (page, text) = (page.clone(), String::new());
                    open = Some(Block { page, line, language, file: words.next(), text });
                }
                (None, Some(mut block)) => {
                    block.text.push_str(content);
                    block.text.push('\n');
                    open = Some(block);
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{page}: a block is not closed");
    }
    blocks
}

/// The commands of a shell block, without comments; what runs the program through cargo runs it directly.
fn commands(block: &Block) -> Vec<String> {
    let without_comment = |line: &str| line.split(" #").next().unwrap_or_default().trim().to_owned();
    let lines = block.text.lines().filter(|line| !line.trim_start().starts_with('#')).map(without_comment);
    let direct = lines.map(|line| line.replace("cargo run --release -- ", "supermask "));
    direct.filter(|line| !line.is_empty()).collect()
}

fn is_left_out(command: &str) -> bool {
    LEFT_OUT.iter().any(|(start, _)| command.starts_with(start))
}

/// Does this configuration describe many runs?
fn is_sweep(text: &str) -> bool {
    text.contains("\"grid\":") || text.contains("\"base\":")
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// A reader's folder: the repository's configurations and data, and files of the reader's own.
fn reader() -> Place {
    let place = Place::new();
    for folder in ["configs", "data"] {
        copy_folder(&repository().join(folder), &place.path(folder));
    }
    let species = ["setosa", "versicolor", "virginica"];
    let row = |n: usize| {
        let (class, step) = (n % 3, (n / 3) as f64);
        let (length, width) =
            (1.4 + 2.0 * class as f64 + 0.05 * step, 0.2 + 0.7 * class as f64 + 0.01 * step);
        format!("{length:.2},{width:.2},{}\n", species[class])
    };
    let flowers: String = (0..60).map(row).collect();
    place.write("flowers.csv", format!("petal_length,petal_width,species\n{flowers}"));
    place.write("new.csv", "0.5,0.25\n-1.0,0.0\n");
    for block in blocks() {
        if let Some(file) = &block.file {
            place.write(file, &block.text);
        }
    }
    place
}

/// Runs a line of a page, which must succeed; one that searches may also be stopped in good order.
fn try_out(place: &Place, command: &str, at: &str) {
    let words: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(
        words[0], "supermask",
        "{at}: {command:?} is neither a command of ours nor left out with a reason"
    );
    // No test machine has a GPU; what asks for one is tried with the CPU evaluator.
    let words: Vec<&str> = words[1..].iter().map(|&word| if word == "gpu" { "cpu" } else { word }).collect();
    let mut child = place.command(&words);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let begun = Instant::now();
    let searches = ["run", "sweep", "tune"].contains(&words[0]);
    let mut stopped = false;
    while child.try_wait().expect("a child").is_none() {
        if searches && !stopped && begun.elapsed() > ALLOWED {
            stopped = true;
            let interrupted = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            assert!(interrupted.expect("kill").success() || child.try_wait().expect("a child").is_some());
        }
        if begun.elapsed() > ALLOWED + PATIENCE {
            child.kill().expect("a child to end");
            panic!("{at}: {command} did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended: crate::place::Ended = child.wait_with_output().expect("its output").into();
    let fine = ended.code == Some(0) || (stopped && ended.code == Some(130));
    assert!(fine, "{at}: {command}\nexit code {:?}\n{}", ended.code, ended.stderr);
}

/// What a reader has after the searches of the pages have ended: the sweep of Figure 3 in small.
fn finished_sweep(place: &Place) {
    let _ = std::fs::remove_dir_all(place.path("results/figure-3"));
    let sweep = r#"{"name": "figure-3", "seeds": 3,
        "base": {"dataset": {"kind": "moons", "train_samples": 200, "test_samples": 80}},
        "grid": {"network.hidden": {"A": [4], "B": [6]}, "algorithm": {
            "GA": {"kind": "ga", "population": 20, "termination":
                {"min_generations": 2, "patience": 2, "max_generations": 3}},
            "GA (adaptive AB)": {"kind": "ga_adaptive_ab", "population": 20, "accuracy_bound": {"start": 0.51},
                "termination": {"min_generations": 2, "patience": 2, "max_generations": 3}}}}}"#;
    place.write("in-small.json", sweep);
    place.succeed(&["sweep", "in-small.json", "--out", "results/figure-3", "--adapter", "cpu"]);
}

#[test]
fn every_command_of_the_pages_works_as_it_stands_there() {
    let place = reader();
    let shell: Vec<Block> = blocks().into_iter().filter(|block| block.language == "sh").collect();
    let lines =
        || shell.iter().flat_map(|block| commands(block).into_iter().map(|line| (block.place(), line)));
    let (searches, readers): (Vec<_>, Vec<_>) =
        lines().filter(|(_, line)| !is_left_out(line)).partition(|(_, line)| {
            ["run", "sweep", "tune"].contains(&line.split(' ').nth(1).unwrap_or_default())
        });
    assert!(searches.len() >= 10 && readers.len() >= 5, "{} and {}", searches.len(), readers.len());
    for (at, command) in &searches {
        try_out(&place, command, at);
    }
    finished_sweep(&place);
    for (at, command) in &readers {
        try_out(&place, command, at);
    }
    for (start, why) in LEFT_OUT {
        assert!(lines().any(|(_, line)| line.starts_with(start)), "no line starts with {start:?} ({why})");
    }
}

#[test]
fn every_json_block_of_the_pages_is_a_configuration_that_works() {
    let place = reader();
    let blocks: Vec<Block> = blocks().into_iter().filter(|block| block.language == "json").collect();
    assert!(blocks.len() >= 2);
    for (n, block) in blocks.iter().enumerate() {
        let name = format!("block{n}.json");
        place.write(&name, &block.text);
        let verb = if is_sweep(&block.text) { "sweep" } else { "run" };
        try_out(&place, &format!("supermask {verb} {name} --adapter cpu --out out{n}"), &block.place());
    }
}

/// What stands between single backquotes on the pages.
fn inline_code() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (page, text) in pages() {
        let mut fenced = false;
        let prose: Vec<&str> = text
            .lines()
            .filter(|line| {
                let fence = line.trim_start().starts_with("```");
                fenced ^= fence;
                !fenced && !fence
            })
            .collect();
        let prose = prose.join(" ");
        found.extend(prose.split('`').skip(1).step_by(2).map(|code| (page.clone(), code.to_owned())));
    }
    found
}

#[test]
fn commands_in_the_text_have_subcommands_flags_and_files_that_exist() {
    let place = reader();
    let mut tried = BTreeSet::new();
    for (page, code) in inline_code() {
        let Some(rest) = code.strip_prefix("supermask ") else { continue };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let help = place.succeed(&[words[0], "--help"]).stdout;
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{page}: `{code}`: {} has no {flag}", words[0]);
        }
        for file in words.iter().filter(|word| word.starts_with("configs/") && !word.contains("NAME")) {
            assert!(repository().join(file).exists(), "{page}: `{code}`: there is no {file}");
        }
        tried.insert(code);
    }
    assert!(tried.len() >= 10, "{tried:?}");
}

#[test]
fn cargo_commands_in_the_text_name_tests_benches_and_examples_that_exist() {
    let mut tried = 0;
    for (page, code) in inline_code() {
        let words: Vec<&str> = code.split_whitespace().collect();
        if words.first() != Some(&"cargo") {
            continue;
        }
        for pair in words.windows(2) {
            let folder = match pair[0] {
                "--test" => "tests",
                "--bench" => "benches",
                "--example" => "examples",
                _ => continue,
            };
            let place = repository().join(folder).join(pair[1]);
            let exists = place.with_extension("rs").exists() || place.join("main.rs").exists();
            assert!(exists, "{page}: `{code}`: there is no {}", place.display());
            tried += 1;
        }
    }
    assert!(tried >= 4, "{tried}");
}

#[test]
fn sources_in_the_text_are_where_it_says() {
    let mut tried = 0;
    // The results name sources of the revisions that they were measured at.
    for (page, code) in inline_code().into_iter().filter(|(page, _)| page != "docs/RESULTS.md") {
        let is_source = code.ends_with(".rs") || code.ends_with(".wgsl");
        if is_source && code.contains('/') && !code.contains(' ') {
            let places = ["", "src", "src/evaluate"].map(|folder| repository().join(folder).join(&code));
            assert!(places.iter().any(|place| place.exists()), "{page}: there is no {code}");
            tried += 1;
        }
    }
    assert!(tried >= 10, "{tried}");
}

#[test]
fn every_configuration_of_the_repository_is_valid() {
    let folder = std::fs::read_dir(repository().join("configs")).expect("configurations");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    let paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    assert!(paths.len() > 50, "{}", paths.len());
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("a configuration");
        let failure = match is_sweep(&text) {
            true => Sweep::read(path).err().map(|error| error.to_string()),
            false => RunConfig::read(path).err().map(|error| error.to_string()),
        };
        assert_eq!(failure, None);
    }
}

#[test]
fn the_page_of_records_says_which_version_this_program_writes() {
    let (_, page) = pages().into_iter().find(|(name, _)| name.ends_with("RECORD.md")).expect("the page");
    let version = supermask::run::record::SCHEMA_VERSION;
    assert!(page.contains(&format!("This program writes {version}.")), "version {version}");
    assert!(page.contains(&format!("\n| {version} |")), "a row of the table for version {version}");
}
