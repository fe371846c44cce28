// Weights of the tiled kernel, four at a time, whose bits lie in one word of the mask: every row of the layer begins at
// a multiple of four. The text to take elsewhere is tiled_weights.wgsl.

// [networks, PART_PARAMETERS / 4]
@group(1) @binding(0) var<storage, read> parameters: array<vec4<f32>>;

fn parameter(at: u32) -> f32 {
    return parameters[at >> 2u][at & 3u];
}

// The weights of four successive inputs, zero where the mask has none.
fn masked_weights(row: WeightRow, input: u32) -> vec4<f32> {
    let weights = parameters[(row.weight + input) >> 2u];
    let bit = row.bit + input;
    let bits = vec4(masks[bit >> 5u] >> (bit & 31u)) & vec4(1u, 2u, 4u, 8u);
    return select(vec4(0.0), weights, bits != vec4(0u));
}
