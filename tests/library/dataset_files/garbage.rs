//! Files that are none, and damaged ones: whatever they hold, they are read or refused.

use super::{Folder, gzip, idx, load, npy};
use proptest::prelude::*;
use serde_json::json;

/// Loads `contents` as every kind of file; a panic fails the test.
fn load_as_everything(contents: &[u8]) {
    let folder = Folder::new();
    let file = folder.write("file", contents);
    let labels = folder.write("labels", idx(8, &[2], &[0, 1]));
    let npy_labels = folder.write("labels.npy", npy("|u1", "False", "(2,)", &[0, 1]));
    for config in [
        json!({"kind": "csv", "train": file}),
        json!({"kind": "csv", "train": file, "label": "a", "delimiter": ";"}),
        json!({"kind": "csv", "train": file, "delimiter": " ", "comment": "#", "skip_rows": 1, "drop": [0]}),
        json!({"kind": "idx", "train_images": file, "train_labels": labels}),
        json!({"kind": "idx", "train_images": file, "train_labels": file}),
        json!({"kind": "npy", "train_features": file, "train_labels": npy_labels}),
        json!({"kind": "npy", "train_features": file, "train_labels": file}),
        json!({"kind": "npz", "file": file}),
    ] {
        if let Ok(data) = load(config) {
            assert!(data.train.features.iter().all(|x| x.is_finite()));
            assert!(data.train.labels.iter().all(|&label| (label as usize) < data.classes()));
        }
    }
}

/// A valid file with some bytes overwritten and its end cut off.
fn damaged(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = valid.len();
    let bytes = prop::collection::vec((0..length, any::<u8>()), 0..6);
    (Just(valid), bytes, 0..=length).prop_map(|(mut file, bytes, end)| {
        bytes.into_iter().for_each(|(at, byte)| file[at] = byte);
        file.truncate(end.max(1));
        file
    })
}

fn valid_npz() -> Vec<u8> {
    let folder = Folder::new();
    let data = load(json!({"kind": "moons", "train_samples": 4, "test_samples": 2})).expect("moons");
    data.write_npz(&folder.path("moons.npz")).expect("a file that can be written");
    std::fs::read(folder.path("moons.npz")).expect("the file just written")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn garbage_never_panics(contents in prop::collection::vec(any::<u8>(), 0..300)) {
        load_as_everything(&contents);
    }

    #[test]
    fn text_garbage_never_panics(contents in "[-0-9a,;.\"\n\r einf]{0,200}") {
        load_as_everything(contents.as_bytes());
    }

    #[test]
    fn damaged_idx_files_never_panic(contents in damaged(idx(8, &[2, 1, 2], &[1, 2, 3, 4]))) {
        load_as_everything(&contents);
    }

    #[test]
    fn damaged_npy_files_never_panic(contents in damaged(npy("<f4", "False", "(2, 1)", &[0; 8]))) {
        load_as_everything(&contents);
    }

    #[test]
    fn damaged_gzip_files_never_panic(contents in damaged(gzip(b"x,y,c\n1,2,0\n3,4,1\n"))) {
        load_as_everything(&contents);
    }

    #[test]
    fn damaged_archives_never_panic(contents in damaged(valid_npz())) {
        load_as_everything(&contents);
    }
}
