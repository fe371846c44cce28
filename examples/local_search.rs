//! Local searches of one configuration over several seeds, a line each, then their mean.
//!
//! `cargo run --release --example local_search -- SEEDS CONFIG [SETTING=VALUE…]`, where CONFIG is a file as
//! in `configs/` or JSON text, and a setting is a path such as `algorithm.proposals=100000`, or
//! `dataset.validation=0.2`, which holds samples out that settings can be chosen by.

use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use supermask::dataset::DatasetConfig;
use supermask::evaluate::{Arithmetic, CpuBackend};
use supermask::run::config::RunConfig;
use supermask::run::{self, Control, Run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(seeds), Some(text)) = (args.next(), args.next()) else {
        return Err("usage: local_search SEEDS CONFIG [SETTING=VALUE…]".into());
    };
    let text = if text.trim_start().starts_with('{') { text } else { std::fs::read_to_string(text)? };
    let mut config: Value = serde_json::from_str(&text)?;
    for setting in args {
        let (path, value) = setting.split_once('=').ok_or("a setting is PATH=VALUE")?;
        set(&mut config, path, serde_json::from_str(value).unwrap_or(json!(value)));
    }
    set(&mut config, "name", json!("local_search"));
    set(&mut config, "algorithm.kind", json!("local_search"));
    let dataset: DatasetConfig = serde_json::from_value(config["dataset"].clone())?;
    let dataset = Arc::new(dataset.load()?);
    let never = AtomicBool::new(false);
    let mut tests = Vec::new();
    let mut trains = Vec::new();
    let (first, last) = seeds.split_once("..").ok_or("seeds are FIRST..END")?;
    for seed in first.parse::<u64>()?..last.parse::<u64>()? {
        set(&mut config, "seed", json!(seed));
        let config = RunConfig::from_value(config.clone())?.resolve(&dataset)?;
        let run = Run { cell: config.cell(), config };
        let device = CpuBackend(Arithmetic::Fused);
        let record = run::run(&run, &dataset, &device, &Control::stopping_at(&never))?;
        let record = record.ok_or("nothing was found")?;
        let (found, facts) = (&record.result, record.local_search.as_ref().ok_or("no local search")?);
        let seconds = record.timing.wall().unwrap_or_default();
        let percent = |count: u32, of: usize| 100.0 * f64::from(count) / of as f64;
        let (train, test) = (100.0 * found.train_accuracy, 100.0 * found.test_accuracy);
        println!(
            "seed {seed}: train {train:.2} test {test:.2} validation {:.2} sparsity {:.3} tau {:?} {seconds:.2} s, {} proposals ({:.3} us \
             each), {} accepted, {:.2e} multiply-adds, members {:?}",
            100.0 * found.validation_accuracy.unwrap_or(0.0),
            found.sparsity,
            facts.tau,
            facts.work.proposals,
            1e6 * seconds / facts.work.proposals as f64,
            facts.work.accepted,
            facts.work.multiply_adds as f64,
            facts.members_train_correct,
        );
        if std::env::var_os("HISTORY").is_some() {
            let h = &facts.history;
            for n in 0..h.cost.len() {
                println!(
                    "  {} {:.2} s cost {} wrong {} kept {}",
                    h.proposals[n], h.seconds[n], h.cost[n], h.wrong[n], h.weights_kept[n]
                );
            }
        }
        for point in &facts.front {
            println!(
                "  price {:.2e} sparsity {:.3} train {:.2} test {:.2}",
                point.price,
                point.sparsity,
                percent(point.train_correct, dataset.train.len()),
                percent(point.test_correct, dataset.test.len())
            );
        }
        tests.push(test);
        trains.push(train);
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    println!("mean of {}: train {:.3} test {:.3}", tests.len(), mean(&trains), mean(&tests));
    Ok(())
}

/// Sets the value at a dotted `path`, making objects on the way.
fn set(value: &mut Value, path: &str, to: Value) {
    let mut place = value;
    for key in path.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[key];
    }
    *place = to;
}
