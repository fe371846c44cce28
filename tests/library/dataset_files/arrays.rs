//! NumPy's arrays and archives of them.

use super::{Folder, both_sets, bytes_of, error, gzip, load, npy, npy_with_header, plain};
use serde_json::json;
use supermask::dataset::{DatasetConfig, DatasetSummary};

#[test]
fn an_array_of_times_keeps_its_distinct_values_and_a_constant_column_beside_it_is_no_error() {
    let folder = Folder::new();
    let rows = 64;
    let times: Vec<i64> = (0..rows).flat_map(|n| [1_700_000_000 + n, 5]).collect();
    let features = folder.write("x.npy", npy("<i8", "False", "(64, 2)", &bytes_of(&times, i64::to_le_bytes)));
    let labels: Vec<u8> = (0..rows).map(|n| (n % 2) as u8).collect();
    let labels = folder.write("y.npy", npy("|u1", "False", "(64,)", &labels));
    let files = both_sets(&features, &labels);
    let by_feature = json!({"method": "min_max", "scope": "feature"});
    let mut config = files.clone();
    config["normalization"] = by_feature;
    let data = load(config).expect("good data");
    let mut values: Vec<u32> = data.train.features.iter().step_by(2).map(|x| x.to_bits()).collect();
    values.dedup();
    assert_eq!(values.len(), 64);
    assert!(data.train.features.iter().skip(1).step_by(2).all(|&x| x == 0.0));
    // Without normalisation, rounding to single precision merges them, which is said.
    let config: DatasetConfig = serde_json::from_value(plain(files)).expect("a valid configuration");
    let (summary, _) = DatasetSummary::load(&config).expect("good data");
    assert_eq!(summary.notes.len(), 1);
    assert!(summary.notes[0].starts_with("feature 0: of 64 values that differ"), "{:?}", summary.notes);
}

#[test]
fn npy_files_of_every_type_and_both_orders_are_read() {
    let folder = Folder::new();
    let labels =
        folder.write("y.npy", npy("<i8", "False", "(3,)", &bytes_of(&[-1i64, 5, -1], i64::to_le_bytes)));
    let values = [1u8, 2, 3, 4, 5, 6];
    let wide = values.map(f64::from);
    let numbers = values.map(i32::from);
    let columns = [1.0f32, 3.0, 5.0, 2.0, 4.0, 6.0];
    for file in [
        npy("|u1", "False", "(3, 2)", &values),
        npy("<f8", "False", "(3, 2)", &bytes_of(&wide, f64::to_le_bytes)),
        npy(">f8", "False", "(3, 2, 1)", &bytes_of(&wide, f64::to_be_bytes)),
        npy(">i4", "False", "(3, 1, 2)", &bytes_of(&numbers, i32::to_be_bytes)),
        npy("<f4", "True", "(3, 2)", &bytes_of(&columns, f32::to_le_bytes)),
    ] {
        let features = folder.write("x.npy", file);
        let data = load(plain(both_sets(&features, &labels))).expect("good data");
        assert_eq!(data.train.features, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(data.test.labels, [0, 1, 0]);
        assert_eq!(data.schema.class_names, ["-1", "5"]);
    }
}

#[test]
fn bad_npy_files_are_refused() {
    let folder = Folder::new();
    let labels = folder.write("y.npy", npy("|b1", "False", "(2,)", &[0, 1]));
    let nan = bytes_of(&[1.0, 2.0, f32::NEG_INFINITY, 4.0], f32::to_le_bytes);
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    for (features, expected) in [
        (vec![], "empty"),
        (b"not numpy at all".to_vec(), "not a NumPy"),
        (b"\x93NUMPY\x09\x00".to_vec(), "version 9"),
        (long, "a header of 4294967295 bytes"),
        (npy("<c8", "False", "(2, 1)", &[0; 16]), "dtype \"<c8\""),
        (npy("<U3", "False", "(2, 1)", &[0; 24]), "features must be numbers, found texts (dtype U3)"),
        (npy("|O", "False", "(2, 1)", &[0; 24]), "dtype \"|O\""),
        (npy("é", "False", "(2, 1)", &[0; 24]), "dtype"),
        (npy("<f4", "Maybe", "(2, 1)", &[0; 8]), "fortran_order"),
        (npy("<f4", "False", "2", &[0; 8]), "the shape is no tuple"),
        (npy("<f4", "False", "(2.5, 1)", &[0; 8]), "the header cannot be read"),
        (npy("<f4', 'descr': '<f8", "False", "(2, 1)", &[0; 8]), "gives descr twice"),
        (npy("<U99999999", "False", "(2,)", &[0; 8]), "dtype \"<U99999999\""),
        (npy("<f16", "False", "(2, 1)", &[0; 32]), "astype('float64')"),
        (npy("<f4", "True", "(2, 1073741824)", &[0; 8]), "cut short"),
        (npy("<f4", "False", "(-2, 1)", &[0; 8]), "no size of an axis"),
        (npy("<f4", "False", "(2, 1)", &[0; 7]), "cut short"),
        (npy("<f4", "False", "()", &[0; 4]), "no axes"),
        (npy("<f4", "False", "(1152921504606846976, 8)", &[0; 4]), "does not fit into memory"),
        (npy("<f4", "False", "(1152921504606846, 8)", &[0; 4]), "cut short"),
        (npy("<f4", "False", "(2, 2)", &nan), "row 2, column 1: found -inf"),
        (npy("<f4", "True", "(2, 2)", &nan), "row 1, column 2: found -inf"),
    ] {
        let file = folder.write("x.npy", &features);
        let error = error(json!({"kind": "npy", "train_features": file, "train_labels": labels}));
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(error.contains("x.npy"), "{error}");
    }
}

#[test]
fn a_data_set_written_for_numpy_is_read_back_as_it_was() {
    let folder = Folder::new();
    let moons = json!({"kind": "moons", "train_samples": 30, "test_samples": 11});
    let data = load(moons).expect("moons");
    let file = folder.path("moons.npz");
    data.write_npz(&file).expect("a file that can be written");
    let again = load(plain(json!({"kind": "npz", "file": file}))).expect("good data");
    assert_eq!([&again.train, &again.test], [&data.train, &data.test]);
    let split = json!({"kind": "npz", "file": file, "test_features": null, "test_labels": null});
    assert_eq!(load(split).expect("good data").test.len(), 8);
    let wrong = error(json!({"kind": "npz", "file": file, "train_features": "x"}));
    assert!(wrong.contains("its arrays: x_test, x_train, y_test, y_train"), "{wrong}");
    let nowhere = data.write_npz(&file.join("moons.npz")).expect_err("a file in a folder's place");
    assert!(nowhere.to_string().contains("cannot write"));
    assert!(error(json!({"kind": "npz", "file": folder.write("bad.npz", "PK")})).contains("bad.npz"));
}

/// The features of an `.npy` file with two samples, as they stand in it.
fn npy_features(folder: &Folder, file: Vec<u8>) -> Vec<f32> {
    let features = folder.write("x.npy", file);
    let labels = folder.write("y.npy", npy("|u1", "False", "(2,)", &[0, 1]));
    load(plain(both_sets(&features, &labels))).expect("good data").train.features
}

#[test]
fn npy_headers_are_read_in_every_spelling_of_python() {
    let folder = Folder::new();
    let elements = bytes_of(&[1.0, 2.0, 3.0, 4.0], f64::to_le_bytes);
    for header in [
        r#"{"descr": "<f8", "fortran_order": False, "shape": (2, 2)}"#,
        "{ 'descr' : '<f8' , 'fortran_order' : False , 'shape' : ( 2 , 2 ) , } \n",
        "{'shape':(2,2),'fortran_order':False,'descr':'<f8'}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 2L), }",
        "{u'descr': u'<f8', b'fortran_order': False, 'shape': (2, 2,)}",
        "{'descr': 'f8', 'fortran_order': False, 'shape': (2, 2), }",
        "{'descr': '=f8', 'fortran_order': False, 'shape': (2, 2), }",
        "{'descr': 'd', 'fortran_order': False, 'shape': (2, 2), }",
        "{'descr': 'float64', 'fortran_order': False, 'shape': (2, 2), }",
    ] {
        let features = npy_features(&folder, npy_with_header(header, &elements));
        assert_eq!(features, [1.0, 2.0, 3.0, 4.0], "{header}");
    }
    for (descr, elements) in [
        ("?", vec![1, 0, 0, 1]),
        ("bool", vec![1, 0, 0, 7]),
        ("b", vec![1, 0, 0, 1]),
        ("uint8", vec![1, 0, 0, 1]),
        ("<f2", [0x3c00u16, 0, 0, 0x3c00].iter().flat_map(|bits| bits.to_le_bytes()).collect()),
        (">f2", [0x3c00u16, 0, 0, 0x3c00].iter().flat_map(|bits| bits.to_be_bytes()).collect()),
        (">h", bytes_of(&[1i16, 0, 0, 1], i16::to_be_bytes)),
    ] {
        let features = npy_features(&folder, npy(descr, "False", "(2, 2)", &elements));
        assert_eq!(features, [1.0, 0.0, 0.0, 1.0], "{descr}");
    }
}

#[test]
fn arrays_in_fortran_order_with_more_than_two_axes_are_read() {
    let folder = Folder::new();
    // numpy.arange(24).reshape(2, 3, 2, 2), saved in Fortran order.
    let elements: Vec<u8> = (0..24u8)
        .map(|i| {
            let (sample, rest) = (i % 2, i / 2);
            let (a, b, c) = (rest % 3, rest / 3 % 2, rest / 6);
            12 * sample + 4 * a + 2 * b + c
        })
        .collect();
    let features = npy_features(&folder, npy("|u1", "True", "(2, 3, 2, 2)", &elements));
    assert_eq!(features, (0..24).map(|i| i as f32).collect::<Vec<_>>());
}

#[test]
fn labels_of_arrays_may_be_whole_floating_point_numbers_texts_or_rows() {
    let folder = Folder::new();
    let features = folder.write("x.npy", npy("|u1", "False", "(3, 1)", &[1, 2, 3]));
    let labels = |file: Vec<u8>| {
        let labels = folder.write("y.npy", file);
        load(both_sets(&features, &labels))
            .map(|data| (data.schema.class_names, data.train.labels))
            .map_err(|error| error.to_string())
    };
    let whole = bytes_of(&[2.0, -1.0, 2.0], f64::to_le_bytes);
    let unicode: Vec<u8> = "bé\0a\0\0bé\0".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
    let integers = bytes_of(&[2i64, -1, 2], i64::to_le_bytes);
    let named = |names: [&str; 2]| Ok((names.map(str::to_owned).to_vec(), vec![1, 0, 1]));
    assert_eq!(labels(npy("<f8", "False", "(3,)", &whole)), named(["-1", "2"]));
    assert_eq!(labels(npy("<i8", "False", "(1, 3)", &integers)), named(["-1", "2"]));
    assert_eq!(labels(npy("<i8", "True", "(3, 1, 1)", &integers)), named(["-1", "2"]));
    assert_eq!(labels(npy("<U3", "False", "(3,)", &unicode)), named(["a", "bé"]));
    assert_eq!(labels(npy("|S2", "False", "(3,)", b"b\0a\0b\0")), named(["a", "b"]));
    for (file, part) in [
        (
            npy("<f8", "False", "(3,)", &bytes_of(&[0.0, 0.5, 1.0], f64::to_le_bytes)),
            "row 2, column 1: labels",
        ),
        (npy("<f8", "False", "(3,)", &bytes_of(&[0.0, f64::NAN, 1.0], f64::to_le_bytes)), "found NaN"),
        (npy("|u1", "False", "(3, 2)", &[0, 1, 1, 0, 0, 1]), "numpy.argmax(labels, axis=1)"),
        (npy("|S2", "False", "(3,)", b"b\0\0\0b\0"), "row 2, column 1: the label is empty"),
        (npy("|S1", "False", "(3,)", b"b\xffb"), "row 2, column 1: the label is no text"),
        (npy("<U1", "False", "(3,)", &[0xff; 12]), "row 1, column 1: the label is no text"),
        (npy("|S0", "False", "(3,)", &[]), "empty texts"),
        (npy("|O", "False", "(3,)", &[0; 24]), "pickled Python objects"),
    ] {
        let error = labels(file).expect_err(part);
        assert!(error.contains(part) && error.contains("y.npy"), "{part}: {error}");
    }
}

/// A zip archive of uncompressed entries.
fn zip(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, contents) in entries {
        let mut sum = flate2::Crc::new();
        sum.update(contents);
        let size = (contents.len() as u32).to_le_bytes();
        let sizes = [sum.sum().to_le_bytes(), size, size].concat();
        let facts =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0], &sizes[..], &(name.len() as u16).to_le_bytes(), &[0, 0]]
                .concat();
        let offset = (archive.len() as u32).to_le_bytes();
        directory.extend([b"PK\x01\x02\x14\0", &facts[..], &[0; 10], &offset, name.as_bytes()].concat());
        archive.extend([b"PK\x03\x04", &facts[..], name.as_bytes(), contents].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let ends = [(directory.len() as u32).to_le_bytes(), (archive.len() as u32).to_le_bytes()].concat();
    [archive, directory, b"PK\x05\x06\0\0\0\0".to_vec(), count.to_vec(), count.to_vec(), ends, vec![0, 0]]
        .concat()
}

#[test]
fn arrays_of_an_archive_are_found_with_and_without_their_ending() {
    let folder = Folder::new();
    let x = npy("|u1", "False", "(2, 1)", &[1, 2]);
    let y = npy("|u1", "False", "(2,)", &[0, 1]);
    let file = folder.write("data.npz", zip(&[("x_train", x.clone()), ("y_train.npy", y.clone())]));
    let config = json!({"kind": "npz", "file": file, "test_features": null, "test_labels": null});
    let mut whole = plain(config.clone());
    whole["split"] = json!({"test_fraction": 0.5, "stratify": false, "shuffle": false});
    assert!(load(whole).expect_err("one sample to train on").to_string().contains("class"));
    let twice = [("x_train", x.clone()), ("x_train.npy", x.clone()), ("y_train.npy", y.clone())];
    folder.write("data.npz", zip(&twice));
    assert!(error(config.clone()).contains("2 arrays called \"x_train\""));
    let mut damaged = zip(&[("x_train", x.clone()), ("y_train", y.clone())]);
    let element = damaged.windows(2).position(|pair| pair == [1, 2]).expect("the elements");
    damaged[element] = 9;
    folder.write("data.npz", damaged);
    assert!(error(config.clone()).contains("checksum"), "{}", error(config.clone()));
    folder.write("data.npz", &x);
    assert!(error(config.clone()).contains("\"kind\": \"npy\""));
    folder.write("data.npz", gzip(&zip(&[("x_train", x), ("y_train", y)])));
    assert!(error(config.clone()).contains("compressed by gzip"));
    folder.write("data.npz", zip(&[]));
    assert!(error(config).contains("it holds none"));
}
