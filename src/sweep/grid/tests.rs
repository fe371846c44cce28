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
fn a_section_that_every_cell_replaces_is_refused() {
    let base = json!({"dataset": "moons", "network": {"hidden": [5]}, "algorithm": {"kind": "ga", "population": 50}});
    let kinds = json!({"algorithm": {"paper": "ga"}});
    let error = runs(json!({"base": base, "grid": kinds})).expect_err("a population that no run has");
    assert_eq!(error.key(), "base.algorithm");
    assert!(error.to_string().contains("grid.algorithm"), "{error}");
    // Where a grid of several leaves it alone, it has an effect.
    assert_eq!(runs(json!({"base": base, "grid": [kinds, {}]})).expect("a sweep").len(), 2);
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
    assert_eq!(runs[15].cell.to_string(), "blobs classes=3 [5] GA (adaptive AB) algorithm.population=100");
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
