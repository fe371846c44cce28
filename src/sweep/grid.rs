//! A sweep's configuration: a grid of run configurations.

use crate::excerpt;
use crate::printable;
use crate::run::config::{Assignment, ConfigError, ConfigFile, RunConfig, set_key};
use crate::run::record::Cell;
use crate::settings::{self, BadSetting};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::Path;

/// The runs of a sweep, cell by cell, seeds ascending.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(with = "Written")]
pub struct Sweep {
    pub name: String,
    pub runs: Vec<PlannedRun>,
    /// What is to be told of how the configuration was read.
    pub notes: Vec<String>,
}

/// One run of a sweep, not yet resolved against its data.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRun {
    pub config: RunConfig,
    pub cell: Cell,
}

/// A sweep as it is written: runs over a grid of settings.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = settings::optional("seeds"), transform = settings::optional("grid"))]
struct Written {
    /// Names the folder of the records, `results/NAME`. By default the configuration file's name.
    name: Option<String>,
    /// The runs of each cell of the grid: so many from seed 0 on, a list of seeds, or `{"first": n, "count": n}`.
    #[serde(default = "one_seed")]
    #[schemars(!default, extend("default" = 1))]
    seeds: Seeds,
    /// Settings that all runs share, as in a run's configuration.
    #[serde(default)]
    base: Map<String, Value>,
    /// Per setting, by its path (`dataset`, `network.hidden`, `algorithm.population`): its values, as a
    /// list or by name. A list of grids stands for their runs one after the other.
    #[serde(default)]
    #[schemars(!default)]
    grid: Grids,
    /// Settings of every run, given beside the file.
    #[serde(skip)]
    set: Vec<Assignment>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a grid (settings and their values), or a list of grids")]
enum Grids {
    One(Map<String, Value>),
    Many(Vec<Map<String, Value>>),
}

impl Default for Grids {
    fn default() -> Self {
        Self::One(Map::new())
    }
}

impl Grids {
    fn as_slice(&self) -> &[Map<String, Value>] {
        match self {
            Self::One(grid) => std::slice::from_ref(grid),
            Self::Many(grids) => grids,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a number of seeds, a list of seeds, or {\"first\": n, \"count\": n}")]
enum Seeds {
    Count(u64),
    List(Vec<u64>),
    Range { first: u64, count: u64 },
}

fn one_seed() -> Seeds {
    Seeds::Count(1)
}

/// Runs of a sweep at most. All are held in memory, with a file of a folder each; a slip of the pen makes such numbers.
const MAX_RUNS: usize = 100_000;

impl Sweep {
    /// Reads a sweep's configuration: every run of it is checked, as far as that needs no data.
    ///
    /// # Errors
    /// Names the file, and the cell or the key.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::of(ConfigFile::read(path)?, &[])
    }

    /// The sweep of a file, with settings given beside it: keys of the sweep itself (`seeds`, `base.seed`,
    /// `grid.algorithm.population`), or keys of a run, which then hold for all runs.
    ///
    /// # Errors
    /// Names the file, and the cell or the key.
    pub fn of(mut file: ConfigFile, assignments: &[Assignment]) -> Result<Self, ConfigError> {
        let (own, of_runs): (Vec<_>, Vec<_>) =
            assignments.iter().cloned().partition(|Assignment { key, .. }| is_of_sweep(key));
        for Assignment { key, value } in own {
            set_in_sweep(&mut file.value, &key, value).map_err(|error| file.error(error))?;
        }
        file.refuse_another(
            ["dataset", "network", "algorithm"],
            "a run's configuration: supermask run makes it",
        )?;
        let mut written: Written = settings::read(file.value.clone()).map_err(|error| file.error(error))?;
        written.set = of_runs;
        let name = written.name.clone().unwrap_or_else(|| file.stem.clone());
        if let Some(problem) = crate::run::config::problem_with_name(&name) {
            return Err(file.error(BadSetting::new("name", problem)));
        }
        let mut runs = written.runs().map_err(|error| file.error(error))?;
        let mut notes = Vec::new();
        for note in runs.iter_mut().flat_map(|run| file.place(&mut run.config)) {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        Ok(Self { name, runs, notes })
    }

    /// Every `count`-th run, beginning with the `shard`-th (counted from 1).
    pub fn shard(&mut self, shard: usize, count: usize) {
        let mut index = 0;
        self.runs.retain(|_| {
            index += 1;
            (index - 1) % count == shard - 1
        });
    }
}

/// Is the key one of a sweep's own, and none of its runs'?
fn is_of_sweep(key: &str) -> bool {
    let section = key.split('.').next().unwrap_or_default();
    ["name", "seeds", "base", "grid"].contains(&section)
}

/// Sets a key of the sweep itself. What follows `grid.` is one key, the path of a run's setting.
fn set_in_sweep(sweep: &mut Value, key: &str, value: Value) -> Result<(), BadSetting> {
    let Some(setting) = key.strip_prefix("grid.") else {
        return match key.strip_prefix("base.") {
            Some(setting) => {
                if sweep.is_object() && sweep.get("base").is_none() {
                    sweep["base"] = json!({});
                }
                match sweep.get_mut("base") {
                    Some(base) => set_key(base, setting, value).map_err(|error| error.below("base")),
                    None => Ok(()),
                }
            }
            None => settings::set(sweep, key, value),
        };
    };
    match sweep.as_object_mut().map(|sweep| sweep.entry("grid").or_insert_with(|| json!({}))) {
        Some(Value::Object(grid)) => {
            grid.insert(setting.to_owned(), value);
            Ok(())
        }
        Some(_) => {
            Err(of_grid(setting, "the grid is no object of settings, but a list of grids; change the file"))
        }
        None => Ok(()),
    }
}

impl Written {
    fn runs(&self) -> Result<Vec<PlannedRun>, BadSetting> {
        let count = match &self.seeds {
            Seeds::Count(count) | Seeds::Range { count, .. } => *count,
            Seeds::List(seeds) => seeds.len() as u64,
        };
        if count > MAX_RUNS as u64 {
            let reason =
                format!("found {count}, but a sweep has at most {MAX_RUNS} runs; divide it into several");
            return Err(BadSetting::new("seeds", reason));
        }
        let seeds: Vec<u64> = match &self.seeds {
            Seeds::Count(count) => (0..*count).collect(),
            Seeds::List(seeds) => seeds.clone(),
            Seeds::Range { first, count } => match first.checked_add(count.saturating_sub(1)) {
                Some(_) => (0..*count).map(|n| first + n).collect(),
                None => {
                    let reason = format!("{count} from {first} on go beyond {}, the last seed", u64::MAX);
                    return Err(BadSetting::new("seeds", reason));
                }
            },
        };
        if seeds.is_empty() {
            return Err(BadSetting::new("seeds", "at least one is needed"));
        }
        self.refuse_replaced_sections()?;
        let mut configs = Vec::new();
        for grid in self.grid.as_slice() {
            let axes = axes(grid)?;
            let cells = axes.iter().try_fold(1usize, |product, axis| product.checked_mul(axis.values.len()));
            let all = cells.and_then(|cells| (configs.len() + cells).checked_mul(seeds.len()));
            let (Some(cells), Some(_)) = (cells, all.filter(|&runs| runs <= MAX_RUNS)) else {
                let runs = "the grid and the seeds make more than";
                let reason = format!("{runs} {MAX_RUNS} runs, the most of a sweep; divide it into several");
                return Err(BadSetting::new("grid", reason));
            };
            for index in 0..cells {
                configs.push(self.cell(&axes, index)?);
            }
        }
        if configs.is_empty() {
            return Err(BadSetting::new(
                "grid",
                "an empty list makes no runs; leave the key out for a single cell",
            ));
        }
        let mut runs = Vec::new();
        let mut taken = HashMap::new();
        for (config, cell) in configs {
            for &seed in &seeds {
                let config = RunConfig { seed, ..config.clone() };
                if let Some(other) = taken.insert(config.stem(), cell.to_string()) {
                    let stem = config.stem();
                    let reason = format!(
                        "{cell} and {other} would both be recorded as {stem}.json: give their values other names, or list seeds once"
                    );
                    return Err(BadSetting::new("", reason));
                }
                runs.push(PlannedRun { config, cell: cell.clone() });
            }
        }
        Ok(runs)
    }

    /// Refuses what no run has: settings of a section whose every cell brings a section of its own.
    fn refuse_replaced_sections(&self) -> Result<(), BadSetting> {
        let grids = self.grid.as_slice();
        let is_replaced =
            |section: &&String| !grids.is_empty() && grids.iter().all(|grid| grid.contains_key(*section));
        match self.base.keys().find(is_replaced) {
            Some(section) => {
                let reason = format!(
                    "no run would have it, as each takes its {section} from grid.{section}; write it into the values there, or \
                     leave {section} here and let the grid have single settings of it, such as {section}.…"
                );
                Err(BadSetting::new(section.as_str(), reason).below("base"))
            }
            None => Ok(()),
        }
    }

    /// The run configuration (seed 0) of the cell with this index, the last axis varying fastest.
    fn cell(&self, axes: &[Axis<'_>], mut index: usize) -> Result<(RunConfig, Cell), BadSetting> {
        let mut chosen: Vec<(&str, &str, &Value)> = Vec::new();
        for axis in axes.iter().rev() {
            let (label, value) = &axis.values[index % axis.values.len()];
            chosen.push((axis.setting, label, value));
            index /= axis.values.len();
        }
        chosen.reverse();
        let mut config = Value::Object(self.base.clone());
        // Whole sections first, then settings inside them.
        let mut by_depth = chosen.clone();
        by_depth.sort_by_key(|(setting, ..)| setting.matches('.').count());
        for (setting, _, value) in by_depth {
            set_key(&mut config, setting, value.clone()).map_err(|error| error.below("grid"))?;
        }
        for Assignment { key, value } in &self.set {
            let holds = |setting: &str| {
                setting
                    .strip_prefix(key.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            if let Some((setting, ..)) = chosen.iter().find(|(setting, ..)| holds(setting)) {
                let reason = format!("the grid has values for {setting}; set grid.{setting} in its place");
                return Err(BadSetting::new(key.as_str(), reason));
            }
            set_key(&mut config, key, value.clone())?;
        }
        let labelled = |settings: &[&str]| {
            chosen
                .iter()
                .find(|(setting, ..)| settings.contains(setting))
                .map(|(_, label, _)| label.to_string())
        };
        // What all runs share needs no settings in its name.
        let section = |name: &str| {
            let value = config.get(name).unwrap_or(&Value::Null);
            value.get("kind").and_then(Value::as_str).map_or_else(|| label(value), str::to_owned)
        };
        const SECTIONS: [&str; 4] = ["dataset", "network.layers", "network.hidden", "algorithm"];
        let cell = Cell {
            dataset: labelled(&["dataset"]).unwrap_or_else(|| section("dataset")),
            architecture: labelled(&["network.layers", "network.hidden"]).unwrap_or_else(|| {
                let network = config.get("network");
                let layers = network.and_then(|network| network.get("layers").or(network.get("hidden")));
                label(layers.unwrap_or(&Value::Null))
            }),
            algorithm: labelled(&["algorithm"]).unwrap_or_else(|| match config.get("algorithm") {
                None => "ga".into(),
                Some(_) => section("algorithm"),
            }),
            settings: chosen
                .iter()
                .filter(|(setting, ..)| !SECTIONS.contains(setting))
                .map(|(setting, label, _)| format!("{setting}={label}"))
                .collect(),
        };
        config["name"] = json!(slug(&cell.to_string()));
        let config = RunConfig::from_value(config).map_err(|error| {
            let is_below = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
            let concerns = |setting: &str| error.key().strip_prefix(setting).is_some_and(is_below);
            let part = if self.set.iter().any(|set| concerns(&set.key)) {
                ""
            } else if chosen.iter().any(|(setting, ..)| concerns(setting)) {
                "grid"
            } else {
                "base"
            };
            error.below(part).noting(format_args!("in the cell {}", excerpt::shown(&cell.to_string())))
        })?;
        Ok((config, cell))
    }
}

/// The axes of a grid, in the order written.
fn axes(grid: &Map<String, Value>) -> Result<Vec<Axis<'_>>, BadSetting> {
    let mut axes = Vec::new();
    for (setting, values) in grid {
        let values: Vec<(String, &Value)> = match values {
            Value::Array(values) => values.iter().map(|value| (label(value), value)).collect(),
            Value::Object(values) => values.iter().map(|(name, value)| (name.clone(), value)).collect(),
            other => {
                let hint = "give a list of values, or an object of named values";
                let found = excerpt::shown(&other.to_string());
                return Err(of_grid(setting, format!("{hint}, found {found}")));
            }
        };
        if values.is_empty() {
            return Err(of_grid(setting, "no values"));
        }
        if let Some((label, _)) = values.iter().find(|(label, _)| printable::is_unprintable(label)) {
            let hint = "which no terminal and no drawing shows; give the value a name without them";
            return Err(of_grid(setting, format!("{label:?} has control characters, {hint}")));
        }
        if setting == "seed" || setting == "name" {
            return Err(of_grid(setting, "use \"seeds\" and \"name\" of the sweep itself"));
        }
        axes.push(Axis { setting, values });
    }
    Ok(axes)
}

fn of_grid(setting: &str, reason: impl Into<String>) -> BadSetting {
    BadSetting::new(format!("grid.{setting}"), reason)
}

struct Axis<'a> {
    setting: &'a str,
    values: Vec<(String, &'a Value)>,
}

/// How a value is called in tables: `moons`, `[20]`, `blobs classes=3`, `0.1`.
fn label(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(settings) => {
            let kind = settings.get("kind").and_then(Value::as_str).map(str::to_owned);
            let others = settings.iter().filter(|(key, _)| *key != "kind");
            let others = others.map(|(key, value)| format!("{key}={}", label(value)));
            kind.into_iter().chain(others).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// A label as part of a file's name.
fn slug(label: &str) -> String {
    let mut slug = String::new();
    for c in label.chars() {
        if c.is_alphanumeric() || c == '.' {
            slug.extend(c.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests;
