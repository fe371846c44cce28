// Counts how many samples of each class each class is predicted for. Put behind batch.wgsl, in the place of
// counts.wgsl.

// [masks of the window, class, predicted class]; zeros before.
@group(0) @binding(3) var<storage, read_write> details: array<atomic<u32>>;

// The workgroup's own counts, where they are so few that its threads would wait for each other at the device's.
var<workgroup> group_cells: array<atomic<u32>, max(GROUP_CELLS, 1u)>;

fn begin(thread: u32) {
    for (var cell = thread; cell < GROUP_CELLS; cell += THREADS) {
        atomicStore(&group_cells[cell], 0u);
    }
}

// Counts a sample of the window's mask at `row`; padding is none.
fn keep(row: u32, label: u32, prediction: u32) {
    if label == NO_CLASS {
        return;
    }
    let cell = label * OUTPUTS + prediction;
    if GROUP_CELLS > 0u {
        atomicAdd(&group_cells[cell], 1u);
    } else {
        atomicAdd(&details[row * (OUTPUTS * OUTPUTS) + cell], 1u);
    }
}

fn end(row: u32, thread: u32) {
    workgroupBarrier();
    for (var cell = thread; cell < GROUP_CELLS; cell += THREADS) {
        atomicAdd(&details[row * GROUP_CELLS + cell], atomicLoad(&group_cells[cell]));
    }
}
