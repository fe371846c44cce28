//! What is fuzzed: a maker of inputs, and what reads them, for each format.

use crate::mutate::{self, Rng};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use supermask::archive::{self, ReadOptions};
use supermask::dataset::{Dataset, DatasetConfig};
use supermask::evaluate::{Arithmetic, Backend, BatchFile, CpuBackend};
use supermask::export::Ticket;
use supermask::network::{Architecture, safetensors};
use supermask::report::Report;
use supermask::run::config::RunConfig;
use supermask::run::record::Record;
use supermask::sweep::{self, Folder, Queue, Sweep, work};
use xxhash_rust::xxh3::xxh3_64;

/// A format.
pub struct Target {
    pub name: &'static str,
    /// What the file of an input is called, for readers that look at the name.
    pub file: &'static str,
    pub input: fn(&mut Rng, &Valid) -> Vec<u8>,
    /// Reads the input, which is in the file. An error is as good as an answer.
    pub read: fn(&mut Rng, &Valid, &Path),
}

pub const TARGETS: [Target; 10] = [
    Target { name: "csv", file: "data.csv", input: csv_input, read: read_csv },
    Target { name: "npy", file: "x.npy", input: npy_input, read: read_npy },
    Target { name: "npz", file: "data.npz", input: npz_input, read: read_npz },
    Target { name: "idx", file: "images-idx3-ubyte", input: idx_input, read: read_idx },
    Target { name: "safetensors", file: "w.safetensors", input: safetensors_input, read: read_safetensors },
    Target { name: "configuration", file: "run.json", input: configuration_input, read: read_configuration },
    Target { name: "record", file: "record.json", input: record_input, read: read_record },
    Target { name: "checkpoint", file: "checkpoint", input: checkpoint_input, read: read_checkpoint },
    Target { name: "masks", file: "masks.json", input: masks_input, read: read_masks },
    Target { name: "program", file: "input", input: program_input, read: run_program },
];

/// Valid inputs of every format.
pub struct Valid {
    csv: Vec<Vec<u8>>,
    npy: Vec<Vec<u8>>,
    npz: Vec<Vec<u8>>,
    idx: Vec<Vec<u8>>,
    safetensors: Vec<Vec<u8>>,
    configurations: Vec<Value>,
    records: Vec<Value>,
    checkpoints: Vec<Value>,
    masks: Vec<Value>,
    /// Where the readers work.
    place: PathBuf,
    data: Dataset,
    device: Arc<dyn Backend>,
}

/// A run of an instant.
fn small_run(algorithm: Value) -> Value {
    json!({
        "dataset": {"kind": "moons", "train_samples": 40, "test_samples": 20},
        "network": {"hidden": [3]},
        "algorithm": algorithm
    })
}

fn algorithms() -> [Value; 4] {
    let ends = json!({"min_generations": 1, "patience": 60, "max_generations": 60});
    [
        json!({"kind": "ga", "population": 20, "termination": ends}),
        json!({"kind": "ga_adaptive_ab", "population": 20, "termination": ends}),
        json!({"kind": "local_search", "proposals": 500, "chains": 2}),
        json!({"kind": "edge_popup", "epochs": 1}),
    ]
}

impl Valid {
    /// Makes all of them; `place` is an empty folder.
    pub fn new(place: &Path) -> Self {
        let folder = place.join("valid");
        std::fs::create_dir(&folder).expect("a folder");
        let data = RunConfig::from_value(with_name(small_run(json!("ga")))).expect("a configuration");
        let data = data.dataset.load().expect("data");
        let archive = folder.join("data.npz");
        data.write_npz(&archive).expect("an archive");
        let mut valid = Self {
            csv: csv_files(),
            npy: npy_files(),
            npz: vec![std::fs::read(&archive).expect("an archive")],
            idx: idx_files(),
            safetensors: Vec::new(),
            configurations: configurations(),
            records: Vec::new(),
            checkpoints: Vec::new(),
            masks: vec![json!({
                "layers": [1, 1, 2], "weights_f4": ["AACAPw==", "AAAAAAAAAAA="],
                "biases_f4": ["AAAAAA==", "AAAAAAAAAAA="], "datasets": {},
                "cases": [{"mask_hex": "07"}, {"mask_hex": "01"}]
            })],
            place: place.to_owned(),
            data,
            device: Arc::new(CpuBackend(Arithmetic::Fused)),
        };
        let sweep = folder.join("sweep.json");
        let mut base = small_run(Value::Null);
        base.as_object_mut().expect("an object").remove("algorithm");
        let written = json!({"base": base, "grid": {"algorithm": algorithms()}});
        std::fs::write(&sweep, written.to_string()).expect("a sweep");
        let out = folder.join("out");
        valid.checkpoints = valid.checkpoints_of(&sweep, &out);
        valid.records =
            json_files(&out).iter().map(|path| parsed(std::fs::read(path).expect("a record"))).collect();
        assert!(!valid.records.is_empty() && !valid.checkpoints.is_empty(), "a sweep leaves records");
        let architecture = architecture();
        for seed in 0..2 {
            let config = RunConfig::from_value(with_name(small_run(json!("ga")))).expect("a configuration");
            let network =
                config.resolve(&valid.data).expect("resolves").network.build(seed).expect("a network");
            let mask = vec![0x5555_5555; architecture.mask_words()];
            valid.safetensors.push(supermask::export::safetensors(&Ticket { network, mask }, [].into()));
        }
        valid
    }

    /// Does a sweep; what it saves on the way is seen as it passes by.
    fn checkpoints_of(&self, sweep: &Path, out: &Path) -> Vec<Value> {
        let mut seen = BTreeMap::new();
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                self.sweep(sweep, out);
                ended.store(true, Relaxed);
            });
            while !ended.load(Relaxed) {
                for path in json_files(&out.join("checkpoints")) {
                    if let Ok(bytes) = std::fs::read(&path) {
                        seen.entry(path).or_insert(bytes);
                    }
                }
            }
        });
        seen.values().filter_map(|bytes| bytes.get(17..)).map(parsed).collect()
    }

    fn sweep(&self, sweep: &Path, out: &Path) {
        let Ok(sweep) = Sweep::read(sweep) else { return };
        let folder = Folder::at(out);
        let Ok(prepared) = Queue::prepare(&sweep, &folder) else { return };
        let (sender, _events) = mpsc::channel();
        let options = sweep::SweepOptions {
            checkpoint_every: Some(1),
            checkpoint_interval: Duration::from_secs(5),
            memory: 1 << 28,
            contest: None,
            ticket: supermask::export::beside_record,
            observers: Vec::new(),
        };
        let devices = std::slice::from_ref(&self.device);
        let _ = work(&folder, &prepared.queue, devices, options, &AtomicBool::new(false), &sender);
    }
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    files
}

fn parsed(bytes: impl AsRef<[u8]>) -> Value {
    serde_json::from_slice(bytes.as_ref()).expect("JSON of our own")
}

fn with_name(mut run: Value) -> Value {
    run["name"] = json!("fuzz");
    run
}

fn architecture() -> Architecture {
    vec![2, 3, 2].try_into().expect("an architecture")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("into memory");
    encoder.finish().expect("into memory")
}

/// Compressed now and then, so that changes lie inside the compression as well as in it.
fn sometimes_gzip(rng: &mut Rng, bytes: Vec<u8>) -> Vec<u8> {
    if rng.one_in(8) { gzip(&bytes) } else { bytes }
}

fn load(config: Value) {
    if let Ok(config) = serde_json::from_value::<DatasetConfig>(config) {
        let _ = config.load();
    }
}

fn csv_files() -> Vec<Vec<u8>> {
    let texts = [
        "x,y,class\n1.5,2,a\n-3,4e-2,b\n5,6,a\n7,8,b\n",
        "1;2;0\r\n3;4;1\r\n5;6;0\r\n7;8;1\r\n",
        "\u{feff}\"a b\",\"c\"\"d\",label\n\"1\",\" 2 \",\"x,y\"\n3,4,\"z\"\n",
        "# comment\n\n1 2 0\n3 4 1\n\n",
        "a\tb\tc\n1\t?\t0\n2\tNA\t1\n",
    ];
    let mut files: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    files.push(gzip(texts[0].as_bytes()));
    files
}

fn csv_input(rng: &mut Rng, valid: &Valid) -> Vec<u8> {
    let tokens: [&[u8]; 14] = [
        b",",
        b"\n",
        b"\r",
        b"\"",
        b"\"\"",
        b";",
        b"\t",
        b" ",
        b"#",
        b"\0",
        b"nan",
        b"\xef\xbb\xbf",
        b"1e308",
        b"\n\n",
    ];
    let bytes = mutate::bytes(rng, &valid.csv, &tokens);
    sometimes_gzip(rng, bytes)
}

fn read_csv(rng: &mut Rng, _: &Valid, path: &Path) {
    let label = rng.pick(&[json!(-1), json!(0), json!("class"), json!(1)]).clone();
    let delimiter = rng.pick(&[",", ",", ",", ";", "\t", " "]);
    let header = rng.pick(&[json!("auto"), json!(true), json!(false)]).clone();
    let mut config =
        json!({"kind": "csv", "train": path, "label": label, "delimiter": delimiter, "header": header});
    if rng.one_in(4) {
        config["test"] = json!(path);
    }
    if rng.one_in(3) {
        config["normalization"] =
            rng.pick(&[json!({"method": "standard"}), json!({"method": "none"})]).clone();
    }
    load(config);
}

/// An `.npy` file of this header.
fn npy(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(elements);
    bytes
}

fn npy_files() -> Vec<Vec<u8>> {
    let floats: Vec<u8> = (0..24).flat_map(|x| (x as f64).to_le_bytes()).collect();
    vec![
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (8, 3), }\n", &floats),
        npy("{'descr': '<f8', 'fortran_order': True, 'shape': (8, 3, 1), }\n", &floats),
        npy("{\"shape\": (8L, 3L), \"fortran_order\": False, \"descr\": \">i2\"}\n", &floats[..48]),
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (8,), }\n", &[0, 1, 0, 1, 2, 0, 1, 2]),
        npy("{'descr': '<U2', 'fortran_order': False, 'shape': (8,), }\n", &b"a\0\0\0b\0\0\0".repeat(8)),
        npy("{'descr': '|S4', 'fortran_order': False, 'shape': (8, 1), }\n", &b"ab\0\0cde\0".repeat(4)),
        npy("{'descr': '<f2', 'fortran_order': False, 'shape': (8, 1), }\n", &floats[..16]),
    ]
}

fn npy_input(rng: &mut Rng, valid: &Valid) -> Vec<u8> {
    let tokens: [&[u8]; 17] = [
        b"'",
        b"\"",
        b"(",
        b")",
        b"[",
        b"{",
        b"}",
        b",",
        b"L",
        b"True",
        b"None",
        b"u'",
        b"\\",
        b"'<U99999999'",
        b"'|S0'",
        b"(0, 9223372036854775807)",
        b"18446744073709551615",
    ];
    let bytes = mutate::bytes(rng, &valid.npy, &tokens);
    sometimes_gzip(rng, bytes)
}

/// The input as features, as labels, and as both.
fn read_npy(rng: &mut Rng, valid: &Valid, path: &Path) {
    let other = valid.place.join("other.npy");
    std::fs::write(&other, rng.pick(&valid.npy)).expect("a file");
    for (features, labels) in [(path, other.as_path()), (&other, path), (path, path)] {
        load(json!({"kind": "npy", "train_features": features, "train_labels": labels}));
    }
}

/// The archive of the valid data, or one whose arrays are changed before they are packed.
fn npz_input(rng: &mut Rng, valid: &Valid) -> Vec<u8> {
    if rng.one_in(2) {
        return mutate::bytes(
            rng,
            &valid.npz,
            &[b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"x_train.npy"],
        );
    }
    let names = ["x_train", "y_train", "x_test", "y_test"];
    let entries: Vec<(String, Vec<u8>)> = names
        .iter()
        .map(|name| {
            let ending = if rng.one_in(4) { "" } else { ".npy" };
            (format!("{name}{ending}"), mutate::bytes(rng, &valid.npy, &[]))
        })
        .collect();
    stored_zip(&entries)
}

/// A zip archive of uncompressed entries (PKWARE's APPNOTE, sections 4.3.7, 4.3.12 and 4.3.16).
fn stored_zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, contents) in entries {
        let mut sum = flate2::Crc::new();
        sum.update(contents);
        let size = (contents.len() as u32).to_le_bytes();
        let mut facts = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        facts.extend(sum.sum().to_le_bytes());
        facts.extend([size, size].concat());
        facts.extend((name.len() as u16).to_le_bytes());
        facts.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&facts);
        directory.extend([0; 10]);
        directory.extend((archive.len() as u32).to_le_bytes());
        directory.extend(name.bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(&facts);
        archive.extend(name.bytes());
        archive.extend(contents);
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (start, size) = (archive.len() as u32, directory.len() as u32);
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([count, count].concat());
    archive.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
    archive.extend([0, 0]);
    archive
}

fn read_npz(rng: &mut Rng, _: &Valid, path: &Path) {
    let mut config = json!({"kind": "npz", "file": path});
    if rng.one_in(3) {
        config["test_features"] = Value::Null;
        config["test_labels"] = Value::Null;
    }
    load(config);
}

fn idx_files() -> Vec<Vec<u8>> {
    let idx = |element: u8, axes: &[u32], elements: &[u8]| {
        let mut bytes = vec![0, 0, element, axes.len() as u8];
        axes.iter().for_each(|axis| bytes.extend(axis.to_be_bytes()));
        bytes.extend(elements);
        bytes
    };
    let floats: Vec<u8> = (0..8).flat_map(|x| (x as f32).to_be_bytes()).collect();
    let files = vec![
        idx(8, &[8, 2, 2], &[7; 32]),
        idx(8, &[8], &[0, 1, 0, 1, 2, 0, 1, 2]),
        idx(13, &[8], &floats),
        idx(12, &[2, 1, 4], &floats),
    ];
    let compressed = [gzip(&files[0]), [gzip(&files[1]), vec![0; 100]].concat(), gzip(&gzip(&files[1]))];
    [files, compressed.to_vec()].concat()
}

fn idx_input(rng: &mut Rng, valid: &Valid) -> Vec<u8> {
    let bytes = mutate::bytes(rng, &valid.idx, &[b"\0\0\x08\x01", b"\xff\xff\xff\xff", b"\x1f\x8b\x08"]);
    sometimes_gzip(rng, bytes)
}

fn read_idx(rng: &mut Rng, valid: &Valid, path: &Path) {
    let other = valid.place.join("labels-idx1-ubyte");
    std::fs::write(&other, rng.pick(&valid.idx)).expect("a file");
    for (images, labels) in [(path, other.as_path()), (&other, path)] {
        load(json!({"kind": "idx", "train_images": images, "train_labels": labels}));
    }
}

fn safetensors_input(rng: &mut Rng, valid: &Valid) -> Vec<u8> {
    let tokens: [&[u8]; 10] = [
        b"\"0.weight\"",
        b"\"F16\"",
        b"\"shape\":[",
        b"\"data_offsets\":[0,",
        b"18446744073709551615",
        b"-1",
        b"{",
        b"}",
        b",",
        b"weight",
    ];
    mutate::bytes(rng, &valid.safetensors, &tokens)
}

fn read_safetensors(rng: &mut Rng, _: &Valid, path: &Path) {
    let order = ["0".to_owned(), "2".to_owned()];
    let _ = safetensors::load(path, &architecture(), rng.one_in(4).then_some(&order));
}

fn configurations() -> Vec<Value> {
    let mut configurations: Vec<Value> = algorithms().into_iter().map(small_run).collect();
    configurations.push(json!({
        "name": "all", "seed": 3,
        "dataset": {"kind": "idx", "folder": "nowhere", "augmentation": {"copies": 2},
            "normalization": {"method": "min_max", "scope": "feature", "range": [0, 1], "fit": "train"}},
        "network": {"layers": [2, 3, 2], "weights": {"init": "kaiming_normal", "keep_fraction": 0.5},
            "biases": {"init": "uniform", "bound": 0.5}},
        "algorithm": {"kind": "local_search", "margin": {"tau": 0.5}, "front": {}, "growth": {}}
    }));
    configurations.push(json!({
        "seeds": {"first": 2, "count": 3}, "name": "grid", "base": small_run(json!("ga")),
        "grid": [{"dataset": ["moons", {"kind": "blobs"}], "algorithm.population": {"few": 20, "many": 30}}]
    }));
    configurations
}

fn configuration_input(rng: &mut Rng, valid: &Valid) -> Vec<u8> {
    json_input(rng, &valid.configurations)
}

/// Changed as JSON, or as text.
fn json_input(rng: &mut Rng, seeds: &[Value]) -> Vec<u8> {
    if rng.below(4) > 0 {
        return mutate::json_text(rng, seeds).into_bytes();
    }
    let texts: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_string().into_bytes()).collect();
    let tokens: [&[u8]; 12] = [
        b"{",
        b"[",
        b"]",
        b"}",
        b"\"",
        b",",
        b":",
        b"null",
        b"NaN",
        b"\\u0000",
        b"\xff\xfe",
        b"\"kind\":\"csv\",",
    ];
    mutate::bytes(rng, &texts, &tokens)
}

fn read_configuration(_: &mut Rng, valid: &Valid, path: &Path) {
    let _ = Sweep::read(path).map(|sweep| sweep.runs.len());
    if let Ok(config) = RunConfig::read(path)
        && let Ok(resolved) = config.resolve(&valid.data)
        && resolved.network.layers.weights() < 1 << 20
    {
        let _ = resolved.network.build(0);
    }
}

fn record_input(rng: &mut Rng, valid: &Valid) -> Vec<u8> {
    json_input(rng, &valid.records)
}

fn read_record(rng: &mut Rng, valid: &Valid, path: &Path) {
    let folder = valid.place.join("records");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::copy(path, folder.join("record.json")).expect("a copy");
    std::fs::write(folder.join("whole.json"), valid.records[0].to_string()).expect("a record");
    let options = ReadOptions { unchecked: rng.one_in(2), with_interrupted: true };
    if let Ok(archive) = archive::read(&[folder], options) {
        let _ = Report::new(&archive).page();
    }
    let bytes = std::fs::read(path).expect("the input");
    if let Ok(record) = serde_json::from_slice::<Record>(&bytes)
        && record.check().is_ok()
    {
        let _ = record.mask();
    }
}

/// The checksum is right, as of a file that a person changed on purpose.
fn checkpoint_input(rng: &mut Rng, valid: &Valid) -> Vec<u8> {
    let state = json_input(rng, &valid.checkpoints);
    let mut bytes = format!("{:016x}\n", xxh3_64(&state)).into_bytes();
    bytes.extend(state);
    bytes
}

fn read_checkpoint(rng: &mut Rng, valid: &Valid, path: &Path) {
    let out = valid.place.join("resumed");
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(out.join("checkpoints")).expect("a folder");
    let config = rng.pick(&valid.records)["config"].clone();
    let Ok(config) = RunConfig::from_value(config) else { return };
    let name = format!("{}.json", config.stem());
    std::fs::copy(path, out.join("checkpoints").join(name)).expect("a copy");
    valid.sweep(&valid.place.join("valid/sweep.json"), &out);
}

fn masks_input(rng: &mut Rng, valid: &Valid) -> Vec<u8> {
    json_input(rng, &valid.masks)
}

fn read_masks(_: &mut Rng, _: &Valid, path: &Path) {
    let bytes = std::fs::read(path).expect("the input");
    if let Ok(file) = serde_json::from_slice::<BatchFile>(&bytes) {
        let _ = (file.network(), file.masks());
    }
}

/// Inputs of all kinds, for the program as a whole.
fn program_input(rng: &mut Rng, valid: &Valid) -> Vec<u8> {
    match rng.below(6) {
        0 => mutate::json_text(rng, &valid.records).into_bytes(),
        1 => mutate::json_text(rng, &valid.masks).into_bytes(),
        2 => mutate::json_text(rng, &valid.checkpoints).into_bytes(),
        3 => csv_input(rng, valid),
        4 => npz_input(rng, valid),
        _ => npy_input(rng, valid),
    }
}

/// Seconds that the program may take for a small input.
const PATIENCE: Duration = Duration::from_secs(40);

/// What the program says at most: an error of a few lines, and what goes on.
const MOST_BYTES_SAID: usize = 8000;

/// The program must end with a code of its own and an error of a few lines, whatever it is given.
fn run_program(rng: &mut Rng, valid: &Valid, path: &Path) {
    let record = valid.place.join("valid-record.json");
    std::fs::write(&record, valid.records[0].to_string()).expect("a record");
    let (input, record) = (path.to_str().expect("a path"), record.to_str().expect("a path"));
    let config = valid.place.join("data.json");
    let dataset = match rng.below(3) {
        0 => json!({"kind": "csv", "train": input}),
        1 => json!({"kind": "npz", "file": input}),
        _ => json!({"kind": "npy", "train_features": input, "train_labels": input}),
    };
    std::fs::write(&config, dataset.to_string()).expect("a configuration");
    let (config, out) = (config.to_str().expect("a path"), valid.place.join("out"));
    let out = out.to_str().expect("a path");
    let args: &[&str] = match rng.below(9) {
        0 => &["evaluate", input, "--adapter", "cpu"],
        1 => &["evaluate", input, "--adapter", "cpu", "--json"],
        2 => &["export", input, "--format", "onnx", "--out", out],
        3 => &["export", input, "--compact", "--format", "safetensors", "--out", out],
        4 => &["predict", record, input],
        5 => &["predict", input, input],
        6 => &["table", valid.place.to_str().expect("a path")],
        7 => &["report", valid.place.to_str().expect("a path"), "--out", out],
        _ => &["dataset", config],
    };
    let mut command = limited(args);
    command.current_dir(&valid.place).env("XDG_CACHE_HOME", &valid.place).stdin(Stdio::null());
    let said = valid.place.join("stderr");
    let stderr = std::fs::File::create(&said).expect("a file");
    let mut child = command.stdout(Stdio::null()).stderr(stderr).spawn().expect("the program starts");
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if started.elapsed() > PATIENCE {
            child.kill().expect("a child that can be killed");
            panic!("{args:?}: no end after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let said = std::fs::read(said).expect("what it said");
    let said = String::from_utf8_lossy(&said);
    assert!(matches!(status.code(), Some(0..=2)), "{args:?}: {status}: {said:.2000}");
    assert!(!said.contains("panicked"), "{args:?}: {said:.2000}");
    assert!(said.len() <= MOST_BYTES_SAID, "{args:?}: {} bytes said: {said:.2000}", said.len());
}

/// The program, with a limit on its memory where the shell can set one.
#[cfg(target_os = "linux")]
fn limited(args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 8000000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_supermask")]);
    command.args(args);
    command
}

#[cfg(not(target_os = "linux"))]
fn limited(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_supermask"));
    command.args(args);
    command
}
