// The tiled kernel: one layer of many masked networks, as a register-tiled matrix product.
//
// The layer may come in parts of some of its neurons, each with a buffer of parameters of its own.
//
// A workgroup computes TILE_ROWS neurons of one mask (of several masks in the first layer, which all read
// the same features) for TILE_VECTORS * 4 samples. Each thread keeps ROWS neurons by QUADS vectors of four
// samples in registers. Inputs are visited in ascending order, DEPTH at a time.
// src/evaluate/gpu/tiled.rs replaces the names in double braces.

override INPUTS: u32;
override OUTPUTS: u32;
// The part's neurons: the first among the layer's, and how many.
override FIRST_NEURON: u32;
override NEURONS: u32;
// The bit of the part's first weight in a mask.
override FIRST_BIT: u32;
// Of one network, [weights of the part, its biases], filled up.
override PART_PARAMETERS: u32;
override MASK_WORDS: u32;
// Hidden layers apply ReLU.
override HIDDEN: bool;
// The first layer reads the features, which all masks share.
override FIRST_LAYER: bool;

// [inputs, stride]
@group(2) @binding(0) var<storage, read> features: array<vec4<f32>>;
// [masks, INPUTS, vectors of the window] and [masks, OUTPUTS, vectors of the window]
@group(3) @binding(0) var<storage, read> inputs: array<vec4<f32>>;
@group(3) @binding(1) var<storage, read_write> outputs: array<vec4<f32>>;

const THREADS: u32 = COLUMNS * LINES;
const TILE_ROWS: u32 = LINES * ROWS;
const TILE_VECTORS: u32 = COLUMNS * QUADS;
const DEPTH_QUADS: u32 = DEPTH / 4u;

// [row, quad of inputs]
var<workgroup> weight_tile: array<vec4<f32>, TILE_ROWS * DEPTH_QUADS>;
// [input, vector of samples]
var<workgroup> input_tile: array<vec4<f32>, DEPTH * TILE_VECTORS>;

struct Neuron {
    // Index among the window's masks.
    mask: u32,
    // Index among the part's neurons.
    neuron: u32,
}

fn neuron_of(row: u32, group_mask: u32) -> Neuron {
    if FIRST_LAYER {
        return Neuron(row / NEURONS, row % NEURONS);
    }
    return Neuron(group_mask, row);
}

// Where a neuron's weights and their bits lie.
struct WeightRow {
    // The first weight's index in `parameters`, counted in weights.
    weight: u32,
    // The first bit's index in `masks`, counted in bits, which an upload has fewer of than a word can number.
    bit: u32,
}

fn weight_row(neuron: Neuron) -> WeightRow {
    let uploaded = window.first_mask + neuron.mask;
    let first = neuron.neuron * INPUTS;
    return WeightRow(
        mask_networks[uploaded] * PART_PARAMETERS + first, uploaded * MASK_WORDS * 32u + FIRST_BIT + first
    );
}

{{weights}}

fn bias(neuron: Neuron) -> vec4<f32> {
    let first = mask_networks[window.first_mask + neuron.mask] * PART_PARAMETERS;
    return vec4(parameter(first + NEURONS * INPUTS + neuron.neuron));
}

// Four samples of an input.
fn input_samples(at: u32) -> vec4<f32> {
    if FIRST_LAYER {
        return features[at];
    }
    return inputs[at];
}

fn store(neuron: Neuron, vector: u32, vectors: u32, value: vec4<f32>) {
    if vector < vectors {
        outputs[(neuron.mask * OUTPUTS + FIRST_NEURON + neuron.neuron) * vectors + vector] =
            select(value, max(value, vec4(0.0)), HIDDEN);
    }
}

@compute @workgroup_size(COLUMNS, LINES)
fn multiply(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    // What compilers know to be small they add to constants without fear of a sum that wraps, so that addresses of
    // workgroup memory are one value and constants.
    let column = local.x & (COLUMNS - 1u);
    let line = local.y & (LINES - 1u);
    let vectors = window.end_vector - window.first_vector;
    let rows = select(NEURONS, NEURONS * window.masks, FIRST_LAYER);
    // Workgroups that follow one another read the same samples.
    let first_row = group.x * TILE_ROWS;
    let first_vector = group.y * TILE_VECTORS;
    if MINIMUM {
        if thread == 0u {
            let last = neuron_of(min(first_row + TILE_ROWS, rows) - 1u, group.z).mask;
            var rests = true;
            for (var mask = neuron_of(first_row, group.z).mask; mask <= last; mask++) {
                rests = rests && is_given_up(window.first_mask + mask);
            }
            // A variable of its own would be one word too many where a workgroup has 16 KiB.
            weight_tile[0] = vec4(select(0.0, 1.0, rests));
        }
        if workgroupUniformLoad(&weight_tile[0]).x == 1.0 {
            return;
        }
    }
    // From one input to the next, and the first input of the workgroup's mask.
    let pitch = select(vectors, window.stride, FIRST_LAYER);
    let origin = select(group.z * INPUTS * vectors, window.first_vector, FIRST_LAYER);
    {{initialise}}
    var input = 0u;
    for (; input + DEPTH <= INPUTS; input += DEPTH) {
        {{stage}}
        workgroupBarrier();
        for (var quad = 0u; quad < DEPTH_QUADS; quad++) {
            {{accumulate}}
        }
        workgroupBarrier();
    }
    if INPUTS % DEPTH != 0u {
        {{stage rest}}
        workgroupBarrier();
        for (var quad = 0u; quad < (INPUTS % DEPTH + 3u) / 4u; quad++) {
            {{accumulate}}
        }
    }
    {{store}}
}
