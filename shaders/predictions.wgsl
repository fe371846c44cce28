// Keeps the predicted class of every sample, a byte each. Put behind batch.wgsl, in the place of counts.wgsl.

// [masks of the window, words]: four samples a word, the first in the lowest byte; zeros before.
@group(0) @binding(3) var<storage, read_write> details: array<atomic<u32>>;

fn begin(thread: u32) {}

// Keeps the `bytes` of the LANES samples of a vector, of the window's mask at `row`.
fn keep(row: u32, vector: u32, bytes: u32) {
    let words = ((window.end_vector - window.first_vector) * LANES + 3u) / 4u;
    let sample = (vector - window.first_vector) * LANES;
    // A word may be put together by several threads.
    atomicOr(&details[row * words + sample / 4u], bytes << (sample % 4u * 8u));
}

fn end(row: u32, thread: u32) {}
