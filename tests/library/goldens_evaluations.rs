//! Given masks of given weights: the counts of float64, and the adapter's counts on the CPU.

use crate::adapter;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use supermask::dataset::{Dataset, Split};
use supermask::evaluate::{Arithmetic, Backend, Batch, BatchFile, CpuBackend, Problem};
use supermask::network::Network;

fn golden_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    let entries = std::fs::read_dir(folder).expect("the goldens");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("evaluations_"))
    });
    files.sort();
    assert_eq!(files.len(), 7, "{files:?}");
    files
}

fn counts(
    device: &dyn Backend,
    network: &Network,
    dataset: &Arc<Dataset>,
    masks: &[u32],
    split: Split,
) -> Vec<u32> {
    let networks = vec![0; masks.len() / network.architecture().mask_words()];
    let mut evaluator = device.evaluator(&Problem::of(network, dataset)).expect("an evaluator");
    evaluator.score(split, Batch { masks, networks: &networks }).expect("counts")
}

#[test]
fn both_evaluators_give_the_counts_of_float64_on_every_mask() {
    let adapter = adapter::open();
    let adapter = adapter.without_tuning().unwrap_or_else(|| Arc::new(adapter));
    let same_arithmetic = CpuBackend(adapter.arithmetic());
    let (fused, separate) = (CpuBackend(Arithmetic::Fused), CpuBackend(Arithmetic::Separate));
    let devices: [&dyn Backend; 3] = [&fused, &separate, &*adapter];
    let mut compared = 0;
    for path in golden_files() {
        let golden: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).expect("a golden")).expect("JSON");
        let file: BatchFile = serde_json::from_value(golden.clone()).expect("a file of masks");
        let (network, masks) = (file.network().expect("weights"), file.masks().expect("masks"));
        let cases = golden["cases"].as_array().expect("cases");
        for (name, dataset) in file.datasets().expect("data sets") {
            let dataset = Arc::new(dataset);
            for (split, key) in [(Split::Train, "train"), (Split::Test, "test")] {
                let place = format!("{} {name} {key}", path.display());
                for device in devices {
                    let found = counts(device, &network, &dataset, &masks, split);
                    assert_eq!(found.len(), cases.len(), "{place}");
                    for (index, (found, case)) in found.iter().zip(cases).enumerate() {
                        let expected = &case["results"][&name][key];
                        let number = |key: &str| expected[key].as_u64().expect("a count");
                        // Each ambiguous sample may fall on either side.
                        let allowed = number("ambiguous");
                        let off = u64::from(*found).abs_diff(number("correct_f64"));
                        assert!(off <= allowed, "{place}, mask {index}, {}: {off} off", device.info().name);
                        compared += 1;
                    }
                }
                let on_adapter = counts(&*adapter, &network, &dataset, &masks, split);
                let on_cpu = counts(&same_arithmetic, &network, &dataset, &masks, split);
                assert_eq!(on_adapter, on_cpu, "{place}");
            }
        }
    }
    // Four files with two data sets, three with one; 20 masks, two sets of samples, three devices.
    assert_eq!(compared, (4 * 2 + 3) * 20 * 2 * 3);
}
