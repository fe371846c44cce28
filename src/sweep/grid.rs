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
mod tests {
    use super::*;

    fn runs(value: Value) -> Result<Vec<PlannedRun>, BadSetting> {
        settings::read::<Written>(value)?.runs()
    }

    #[test]
    fn settings_beside_the_file_are_the_sweeps_own_or_those_of_every_run() {
        let sweep = |set: &[&str]| {
            let value = json!({
                "seeds": 3,
                "base": {"dataset": "moons", "network": {"hidden": [5]}},
                "grid": {"algorithm": {"GA": "ga", "AB": "ga_adaptive_ab"}, "algorithm.mutation_rate": [0.1, 0.2]}
            });
            let set: Vec<Assignment> = set.iter().map(|text| text.parse().expect("an assignment")).collect();
            Sweep::of(ConfigFile::held(Path::new("a.json"), value), &set)
        };
        let populations = |set: &[&str]| -> Vec<usize> {
            let runs = sweep(set).expect("a sweep").runs;
            runs.into_iter()
                .map(|mut run| run.config.algorithm.genetic_mut().expect("a search").population)
                .collect()
        };
        assert_eq!(populations(&["algorithm.population=50"]), [50; 12]);
        assert_eq!(populations(&["seeds=1", "grid.algorithm.population=[20,30]"]), [20, 30].repeat(4));
        assert_eq!(populations(&["base.dataset.noise=0.2", "seeds=[4]"]).len(), 4);
        for (set, part) in [
            ("algorithm.mutation_rate=0.3", "a.json: algorithm.mutation_rate: the grid has values for "),
            ("algorithm=ga", "a.json: algorithm: the grid has values for algorithm; set grid.algorithm"),
            ("algorithm.pop=3", "a.json: algorithm.pop: unknown key"),
            ("seeds=many", "a.json: seeds: "),
            ("seeds.count=3", "a.json: seeds.count: count cannot be set inside 3"),
        ] {
            let error = sweep(&[set]).expect_err(set).to_string();
            assert!(error.starts_with(part), "{error}");
        }
    }

    #[test]
    fn a_grid_of_no_cells_is_refused() {
        let sweep = json!({"seeds": 1, "base": {"dataset": "moons", "network": {"hidden": [5]}}, "grid": []});
        assert_eq!(runs(sweep).expect_err("no runs").key(), "grid");
    }

    #[test]
    fn a_grid_of_settings_of_no_named_algorithm_is_of_the_default_one() {
        let base = json!({"dataset": "moons", "network": {"hidden": [5]}});
        let runs = runs(json!({"base": base, "grid": {"algorithm.population": [20, 30]}})).expect("a sweep");
        let names: Vec<String> = runs.iter().map(|run| run.cell.to_string()).collect();
        assert_eq!(names, [20, 30].map(|n| format!("moons [5] ga algorithm.population={n}")));
    }

    #[test]
    fn a_grid_is_the_product_of_its_axes_in_the_order_written() {
        let runs = runs(json!({
            "seeds": 2,
            "base": {"network": {"hidden": [5]}},
            "grid": {
                "dataset": ["moons", {"kind": "blobs", "classes": 3}],
                "algorithm": {"GA": "ga", "GA (adaptive AB)": "ga_adaptive_ab"},
                "algorithm.population": [20, 100]
            }
        }))
        .expect("a valid sweep");
        let names: Vec<String> = runs.iter().map(|run| run.config.stem()).collect();
        assert_eq!(names.len(), 16);
        assert_eq!(names[0], "moons-5-ga-algorithm.population-20-seed0");
        assert_eq!(names[1], "moons-5-ga-algorithm.population-20-seed1");
        assert_eq!(names[2], "moons-5-ga-algorithm.population-100-seed0");
        assert_eq!(names[15], "blobs-classes-3-5-ga-adaptive-ab-algorithm.population-100-seed1");
        assert_eq!(runs[15].config.algorithm.kind().name, "ga_adaptive_ab");
        let population =
            |run: &PlannedRun| run.config.algorithm.clone().genetic_mut().map(|genetic| genetic.population);
        assert_eq!((population(&runs[15]), population(&runs[0])), (Some(100), Some(20)));
        assert_eq!(
            runs[15].cell.to_string(),
            "blobs classes=3 [5] GA (adaptive AB) algorithm.population=100"
        );
    }

    #[test]
    fn a_list_of_grids_gives_their_runs_one_after_the_other() {
        let grid = |dataset: &str, keep: f64| json!({"dataset": [dataset], "algorithm": {"EP": {"kind": "edge_popup", "keep_fraction": keep}}});
        let base = json!({"network": {"hidden": [5]}});
        let runs = runs(json!({"base": base, "grid": [grid("moons", 0.3), grid("circles", 0.4)]}));
        let runs = runs.expect("a valid sweep");
        let names: Vec<String> = runs.iter().map(|run| run.config.stem()).collect();
        assert_eq!(names, ["moons-5-ep-seed0", "circles-5-ep-seed0"]);
    }

    #[test]
    fn shards_share_the_runs_without_overlap() {
        let all = runs(json!({
            "seeds": {"first": 5, "count": 7},
            "base": {"dataset": "moons", "network": {"hidden": [5]}}
        }))
        .expect("a valid sweep");
        let mut seeds = Vec::new();
        for shard in 1..=3 {
            let mut sweep = Sweep { name: "s".into(), runs: all.clone(), notes: Vec::new() };
            sweep.shard(shard, 3);
            seeds.extend(sweep.runs.iter().map(|run| run.config.seed));
        }
        seeds.sort_unstable();
        assert_eq!(seeds, (5..12).collect::<Vec<u64>>());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let base = json!({"dataset": "moons", "network": {"hidden": [5]}});
        for (change, part) in [
            (json!({"grid": {"algorithm.pop_size": [1]}}), "pop_size"),
            (json!({"grid": {"dataset": []}}), "grid.dataset"),
            (json!({"grid": {"dataset": "moons"}}), "grid.dataset"),
            (json!({"grid": {"seed": [1]}}), "grid.seed"),
            (json!({"seeds": 0}), "seeds"),
            (json!({"seeds": "many"}), "seeds"),
            (json!({"seeds": [1, 1]}), "seed1.json"),
            (json!({"sedes": 1}), "sedes"),
            (json!({"seeds": 20_000_000}), "at most"),
            (json!({"seeds": u64::MAX}), "at most"),
            (json!({"seeds": {"first": 0, "count": u64::MAX}}), "at most"),
            (json!({"grid": {"dataset.noise": ["a b", "a-b"]}}), "dataset"),
            (
                json!({"grid": {"algorithm": {"a\u{1b}[31m": "ga"}}}),
                "grid.algorithm: \"a\\u{1b}[31m\" has control",
            ),
        ] {
            let mut value = json!({"base": base});
            for (key, setting) in change.as_object().expect("an object") {
                value[key] = setting.clone();
            }
            let message = runs(value).expect_err(part).to_string();
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}
