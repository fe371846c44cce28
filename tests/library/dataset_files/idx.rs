//! The format of MNIST.

use super::{Folder, bytes_of, error, gzip, idx, load, plain};
use serde_json::json;

#[test]
fn idx_files_are_read_from_a_folder_compressed_or_not() {
    let folder = Folder::new();
    folder.write("train-images-idx3-ubyte.gz", gzip(&idx(8, &[3, 1, 2], &[0, 255, 3, 4, 5, 6])));
    folder.write("train-labels-idx1-ubyte", idx(8, &[3], &[7, 2, 7]));
    folder.write("t10k-images-idx3-ubyte", idx(8, &[1, 1, 2], &[9, 10]));
    folder.write("t10k-labels-idx1-ubyte.gz", gzip(&idx(8, &[1], &[2])));
    let data = load(plain(json!({"kind": "idx", "folder": folder.0.path()}))).expect("good data");
    assert_eq!(data.schema.class_names, ["2", "7"]);
    assert_eq!(data.train.features, [0.0, 255.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(data.train.labels, [1, 0, 1]);
    assert_eq!((data.test.features, data.test.labels), (vec![9.0, 10.0], vec![0]));
}

#[test]
fn bad_idx_files_are_refused_and_a_huge_header_allocates_nothing() {
    let folder = Folder::new();
    let labels = folder.write("labels", idx(8, &[2], &[0, 1]));
    let max = u32::MAX;
    for (images, expected) in [
        (vec![], "empty"),
        (b"P5 28 28".to_vec(), "not an IDX file"),
        (vec![0, 0], "cut short"),
        (vec![0, 0, 8, 3, 0, 0], "cut short"),
        (idx(7, &[2, 1], &[1, 2]), "element type 0x07"),
        (idx(8, &[2, 2], &[1, 2, 3]), "cut short"),
        (idx(8, &[2, 2], &[1, 2, 3, 4, 5]), "more data"),
        (idx(8, &[1 << 30, 1 << 30], &[1, 2]), "cut short"),
        (idx(8, &[max, max, max], &[1, 2]), "does not fit into memory"),
        (idx(8, &[0, max, max, max], &[]), "does not fit into memory"),
        (idx(8, &[], &[1]), "no axes"),
        (idx(8, &[0, 2], &[]), "2 labels for the 0 samples"),
        (idx(8, &[2, 0], &[]), "no features"),
        (idx(8, &[3, 1], &[1, 2, 3]), "2 labels for the 3 samples"),
        (idx(13, &[2, 1], &bytes_of(&[1.0, f32::NAN], f32::to_be_bytes)), "row 2, column 1: found NaN"),
        (gzip(&idx(8, &[2, 1], &[1, 2]))[..20].to_vec(), "cut short"),
        ([&[0x1f, 0x8b], [0u8; 40].as_slice()].concat(), "damaged"),
    ] {
        let file = folder.write("images", &images);
        let error = error(json!({"kind": "idx", "train_images": file, "train_labels": labels}));
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let images = folder.write("images", idx(8, &[2, 1], &[1, 2]));
    let with = |labels: &[u8]| {
        let labels = folder.write("labels", labels);
        error(json!({"kind": "idx", "train_images": images, "train_labels": labels}))
    };
    let halves = bytes_of(&[0.0, 0.5], f32::to_be_bytes);
    assert!(with(&idx(13, &[2], &halves)).contains("row 2, column 1: labels must be whole numbers"));
    assert!(with(&idx(8, &[2, 2], &[0; 4])).contains("shape [samples]"));
    assert!(with(&idx(8, &[2], &[0; 2])).contains("one class only"));
    assert!(error(json!({"kind": "idx"})).contains("folder"));
    assert!(error(json!({"kind": "idx", "folder": folder.0.path()})).contains("train-images"));
}

#[test]
fn idx_files_are_found_under_the_names_that_programs_give_them() {
    let parts = [
        ("train", "images", idx(8, &[2, 1], &[1, 2])),
        ("train", "labels", idx(8, &[2], &[0, 1])),
        ("t10k", "images", idx(8, &[1, 1], &[3])),
        ("t10k", "labels", idx(8, &[1], &[1])),
    ];
    let named = |set: &str, what: &str, dot: &str| {
        let axes = if what == "images" { 3 } else { 1 };
        format!("{set}-{what}{dot}idx{axes}-ubyte")
    };
    let load_folder = |folder: &Folder| load(plain(json!({"kind": "idx", "folder": folder.0.path()})));
    let check = |folder: &Folder| {
        let data = load_folder(folder).expect("good data");
        assert_eq!((data.train.features, data.test.features), (vec![1.0, 2.0], vec![3.0]));
    };
    let (dots, nested, emnist) = (Folder::new(), Folder::new(), Folder::new());
    for (set, what, bytes) in &parts {
        dots.write(&named(set, what, "."), bytes);
        let name = named(set, what, "-");
        std::fs::create_dir(nested.path(&name)).expect("a folder");
        nested.write(&format!("{name}/{name}"), bytes);
        let set = set.replace("t10k", "test");
        emnist.write(&format!("emnist-letters-{}.gz", named(&set, what, "-")), gzip(bytes));
    }
    [&dots, &nested, &emnist].into_iter().for_each(check);
    for (set, what, bytes) in &parts {
        emnist.write(&format!("emnist-digits-{}", named(&set.replace("t10k", "test"), what, "-")), bytes);
    }
    let two = load_folder(&emnist).expect_err("two sets").to_string();
    assert!(two.contains("emnist-digits-train") && two.contains("emnist-letters-train"), "{two}");
    std::fs::remove_file(dots.path("t10k-labels.idx1-ubyte")).expect("removed");
    let missing = load_folder(&dots).expect_err("a part is missing").to_string();
    assert!(missing.contains("neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz"), "{missing}");
}
