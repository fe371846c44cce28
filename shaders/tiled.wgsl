// The tiled kernel: one layer of many masked networks, as a register-tiled matrix product.
//
// A workgroup computes TILE_ROWS neurons of one mask (of several masks in the first layer, which all read
// the same features) for TILE_QUADS * 4 samples. Each thread keeps ROWS neurons by QUADS vectors of four
// samples in registers. Inputs are visited in ascending order, DEPTH at a time.
// src/evaluate/gpu/tiled.rs replaces the names in double braces.

override INPUTS: u32;
override OUTPUTS: u32;
// Where the layer's weights and biases begin among the network's, [weights of all layers, biases].
override FIRST_WEIGHT: u32;
override FIRST_BIAS: u32;
override NETWORK_PARAMETERS: u32;
override MASK_WORDS: u32;
// Hidden layers apply ReLU.
override HIDDEN: bool;
// The first layer reads the features, which all masks share.
override FIRST_LAYER: bool;

// [networks, NETWORK_PARAMETERS]
@group(1) @binding(0) var<storage, read> parameters: array<f32>;
// [inputs, stride]
@group(2) @binding(0) var<storage, read> features: array<vec4<f32>>;
// [masks, INPUTS, vectors of the window] and [masks, OUTPUTS, vectors of the window]
@group(3) @binding(0) var<storage, read> inputs: array<vec4<f32>>;
@group(3) @binding(1) var<storage, read_write> outputs: array<vec4<f32>>;

const TILE_ROWS: u32 = SIDE * ROWS;
const TILE_QUADS: u32 = SIDE * QUADS;
const DEPTH_QUADS: u32 = DEPTH / 4u;

// [row, quad of inputs]
var<workgroup> weight_tile: array<vec4<f32>, TILE_ROWS * DEPTH_QUADS>;
// [input, vector of samples]
var<workgroup> input_tile: array<vec4<f32>, DEPTH * TILE_QUADS>;

struct Neuron {
    // Index among the window's masks.
    mask: u32,
    output: u32,
}

fn neuron_of(row: u32, group_mask: u32) -> Neuron {
    if FIRST_LAYER {
        return Neuron(row / OUTPUTS, row % OUTPUTS);
    }
    return Neuron(group_mask, row);
}

// The weights of four successive inputs, zero where the mask has none and behind the last input.
fn masked_weights(neuron: Neuron, input: u32) -> vec4<f32> {
    let uploaded = window.first_mask + neuron.mask;
    let first_word = uploaded * MASK_WORDS;
    let network = mask_networks[uploaded] * NETWORK_PARAMETERS;
    let four = vec4(input) + vec4(0u, 1u, 2u, 3u);
    let bit = vec4(FIRST_WEIGHT + neuron.output * INPUTS) + min(four, vec4(INPUTS - 1u));
    let weights = vec4(
        parameters[network + bit.x], parameters[network + bit.y],
        parameters[network + bit.z], parameters[network + bit.w]
    );
    let word = bit >> vec4(5u);
    let words = vec4(
        masks[first_word + word.x], masks[first_word + word.y],
        masks[first_word + word.z], masks[first_word + word.w]
    );
    let kept = ((words >> (bit & vec4(31u))) & vec4(1u)) == vec4(1u);
    return select(vec4(0.0), weights, kept & (four < vec4(INPUTS)));
}

fn bias(neuron: Neuron) -> vec4<f32> {
    let network = mask_networks[window.first_mask + neuron.mask] * NETWORK_PARAMETERS;
    return vec4(parameters[network + FIRST_BIAS + neuron.output]);
}

// Four samples of one input; `vector` counts from the window's first.
fn input_samples(group_mask: u32, input: u32, vector: u32, vectors: u32) -> vec4<f32> {
    if input >= INPUTS {
        return vec4(0.0);
    }
    let at = min(vector, vectors - 1u);
    if FIRST_LAYER {
        return features[input * window.stride + window.first_vector + at];
    }
    return inputs[(group_mask * INPUTS + input) * vectors + at];
}

fn store(neuron: Neuron, vector: u32, vectors: u32, value: vec4<f32>) {
    if vector < vectors {
        outputs[(neuron.mask * OUTPUTS + neuron.output) * vectors + vector] =
            select(value, max(value, vec4(0.0)), HIDDEN);
    }
}

@compute @workgroup_size(SIDE, SIDE)
fn multiply(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let vectors = window.end_vector - window.first_vector;
    let rows = select(OUTPUTS, OUTPUTS * window.masks, FIRST_LAYER);
    let first_row = group.y * TILE_ROWS;
    let first_vector = group.x * TILE_QUADS;
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
    {{initialise}}
    for (var input = 0u; input < INPUTS; input += DEPTH) {
        for (var slot = thread; slot < TILE_ROWS * DEPTH_QUADS; slot += SIDE * SIDE) {
            let row = min(first_row + slot / DEPTH_QUADS, rows - 1u);
            weight_tile[slot] = masked_weights(neuron_of(row, group.z), input + slot % DEPTH_QUADS * 4u);
        }
        for (var slot = thread; slot < DEPTH * TILE_QUADS; slot += SIDE * SIDE) {
            input_tile[slot] = input_samples(
                group.z, input + slot / TILE_QUADS, first_vector + slot % TILE_QUADS, vectors
            );
        }
        workgroupBarrier();
        for (var quad = 0u; quad < DEPTH_QUADS; quad++) {
            {{accumulate}}
        }
        workgroupBarrier();
    }
    {{store}}
}
