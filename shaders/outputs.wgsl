// Keeps the outputs of every sample. Put behind batch.wgsl, in the place of counts.wgsl.

// [masks of the window, samples of the window, OUTPUTS]
@group(0) @binding(3) var<storage, read_write> details: array<f32>;

fn begin(thread: u32) {}

// Where the outputs of the LANES samples of a vector begin, of the window's mask at `row`.
fn place(row: u32, vector: u32) -> u32 {
    let vectors = window.end_vector - window.first_vector;
    return (row * vectors + vector - window.first_vector) * (LANES * OUTPUTS);
}

fn end(row: u32, thread: u32) {}
