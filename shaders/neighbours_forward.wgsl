// Pre-activations of one layer of kept parents, in the evaluators' order of summation.

struct Layer {
    inputs: u32,
    outputs: u32,
    first_weight: u32,
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
    unused_0: u32,
    unused_1: u32,
    unused_2: u32,
}

@group(0) @binding(0) var<uniform> layer: Layer;
// [parents to compute]
@group(0) @binding(1) var<storage, read> parents: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> biases: array<f32>;
// [parents, mask_words]
@group(0) @binding(4) var<storage, read> masks: array<u32>;
// [inputs, stride]
@group(0) @binding(5) var<storage, read> features: array<f32>;
// [parents, rows, stride]
@group(0) @binding(6) var<storage, read_write> kept: array<f32>;

@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    let sample = id.x;
    let neuron = id.y;
    let parent = parents[id.z];
    if sample >= layer.stride {
        return;
    }
    let first_row = parent * layer.rows;
    let first_bit = layer.first_weight + neuron * layer.inputs;
    var sum = biases[layer.first_bias + neuron];
    for (var input = 0u; input < layer.inputs; input++) {
        let bit = first_bit + input;
        if ((masks[parent * layer.mask_words + (bit >> 5u)] >> (bit & 31u)) & 1u) == 1u {
            var value: f32;
            if layer.reads_features == 1u {
                value = features[input * layer.stride + sample];
            } else {
                value = max(kept[(first_row + layer.below + input) * layer.stride + sample], 0.0);
            }
            sum = fma(weights[bit], value, sum);
        }
    }
    kept[(first_row + layer.first_bias + neuron) * layer.stride + sample] = sum;
}
