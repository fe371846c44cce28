// Pre-activations of one layer of kept parents, or of some of its neurons whose weights one binding holds, in the
// evaluators' order of summation.
//
// A workgroup computes NEURONS neurons of one parent for one tile of samples: COLUMNS threads side by side take four
// samples each, LINES below one another some of the neurons. Masked weights are staged DEPTH inputs at a time. Weights
// that the mask lacks are multiplied as zero, which changes no sum.

struct Layer {
    inputs: u32,
    // Neurons, whose weights are those bound.
    outputs: u32,
    // The bit of the first weight in a mask.
    first_weight: u32,
    // Of the first neuron: its row and its place among the biases.
    first_bias: u32,
    // Row of the layer below's first neuron; unused in the first layer.
    below: u32,
    // 1 in the first layer, whose inputs are features.
    reads_features: u32,
    // Rows of a parent: neurons of all layers.
    rows: u32,
    // Samples from one row to the next.
    stride: u32,
    mask_words: u32,
    // What the first workgroup takes: one dispatch may have a part of the layer.
    first_sample: u32,
    first_neuron: u32,
    first_parent: u32,
}

const COLUMNS: u32 = 16u;
const LINES: u32 = THREADS / COLUMNS;
// Each thread stages four weights, and has four neurons.
const DEPTH: u32 = THREADS * 4u / NEURONS;
const QUADS: u32 = DEPTH / 4u;
const LARGEST: f32 = 0x1.fffffep+127f;

@group(0) @binding(0) var<uniform> layer: Layer;
// [parents to compute]
@group(0) @binding(1) var<storage, read> parents: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> biases: array<f32>;
// [parents, mask_words]
@group(0) @binding(4) var<storage, read> masks: array<u32>;
// [inputs, stride / 4]
@group(0) @binding(5) var<storage, read> features: array<vec4<f32>>;
// [parents, rows, stride / 4]
@group(0) @binding(6) var<storage, read_write> kept: array<vec4<f32>>;

// [neuron, quad of inputs]
var<workgroup> weight_tile: array<vec4<f32>, THREADS>;

// The weight from `input` to `neuron`; zero where the mask has none, behind the last input, and of no neuron.
fn masked_weight(parent: u32, neuron: u32, input: u32) -> f32 {
    if input >= layer.inputs || neuron >= layer.outputs {
        return 0.0;
    }
    let weight = neuron * layer.inputs + input;
    let bit = layer.first_weight + weight;
    let is_kept = ((masks[parent * layer.mask_words + (bit >> 5u)] >> (bit & 31u)) & 1u) == 1u;
    return select(0.0, weights[weight], is_kept);
}

fn bias(neuron: u32) -> vec4<f32> {
    return vec4(biases[layer.first_bias + min(neuron, layer.outputs - 1u)]);
}

// `sum` with the products of four successive inputs.
fn four(
    weights: vec4<f32>, x_0: vec4<f32>, x_1: vec4<f32>, x_2: vec4<f32>, x_3: vec4<f32>, sum: vec4<f32>
) -> vec4<f32> {
    let first = fma(vec4(weights.x), x_0, sum);
    let second = fma(vec4(weights.y), x_1, first);
    return fma(vec4(weights.w), x_3, fma(vec4(weights.z), x_2, second));
}

// Keeps the sums of a neuron that there is.
fn keep(neuron: u32, first: u32, pitch: u32, sum: vec4<f32>) {
    if neuron < layer.outputs {
        kept[first + neuron * pitch] = sum;
    }
}

@compute @workgroup_size(THREADS)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let parent = parents[layer.first_parent + group.z];
    let first_neuron = layer.first_neuron + group.y * NEURONS;
    let line = (thread / COLUMNS) & (LINES - 1u);
    let pitch = layer.stride / 4u;
    let vector = layer.first_sample / 4u + group.x * COLUMNS + thread % COLUMNS;
    // What a thread reads of its inputs: features as they are, pre-activations from zero on.
    let reads_features = layer.reads_features == 1u;
    let least = vec4(select(0.0, -LARGEST, reads_features));
    let first_input = select((parent * layer.rows + layer.below) * pitch, 0u, reads_features) + vector;
    let neuron = first_neuron + line;
    var sum_0 = bias(neuron);
    var sum_1 = bias(neuron + LINES);
    var sum_2 = bias(neuron + 2u * LINES);
    var sum_3 = bias(neuron + 3u * LINES);
    for (var input = 0u; input < layer.inputs; input += DEPTH) {
        let staged_neuron = first_neuron + thread / QUADS;
        let staged_input = input + thread % QUADS * 4u;
        weight_tile[thread] = vec4(
            masked_weight(parent, staged_neuron, staged_input),
            masked_weight(parent, staged_neuron, staged_input + 1u),
            masked_weight(parent, staged_neuron, staged_input + 2u),
            masked_weight(parent, staged_neuron, staged_input + 3u),
        );
        workgroupBarrier();
        for (var quad = 0u; quad < QUADS && input + quad * 4u < layer.inputs; quad++) {
            // Behind the last input the weights are zero.
            let last = layer.inputs - 1u;
            let first = input + quad * 4u;
            let at = vec4(first_input) + min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(last)) * pitch;
            var x_0: vec4<f32>;
            var x_1: vec4<f32>;
            var x_2: vec4<f32>;
            var x_3: vec4<f32>;
            if reads_features {
                x_0 = features[at.x];
                x_1 = features[at.y];
                x_2 = features[at.z];
                x_3 = features[at.w];
            } else {
                x_0 = kept[at.x];
                x_1 = kept[at.y];
                x_2 = kept[at.z];
                x_3 = kept[at.w];
            }
            x_0 = max(x_0, least);
            x_1 = max(x_1, least);
            x_2 = max(x_2, least);
            x_3 = max(x_3, least);
            let row = line * QUADS + quad;
            sum_0 = four(weight_tile[row], x_0, x_1, x_2, x_3, sum_0);
            sum_1 = four(weight_tile[row + LINES * QUADS], x_0, x_1, x_2, x_3, sum_1);
            sum_2 = four(weight_tile[row + 2u * LINES * QUADS], x_0, x_1, x_2, x_3, sum_2);
            sum_3 = four(weight_tile[row + 3u * LINES * QUADS], x_0, x_1, x_2, x_3, sum_3);
        }
        workgroupBarrier();
    }
    let to = (parent * layer.rows + layer.first_bias) * pitch + vector;
    keep(neuron, to, pitch, sum_0);
    keep(neuron + LINES, to, pitch, sum_1);
    keep(neuron + 2u * LINES, to, pitch, sum_2);
    keep(neuron + 3u * LINES, to, pitch, sum_3);
}
