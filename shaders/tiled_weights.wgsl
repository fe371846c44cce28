// Weights of the tiled kernel, one by one: rows may begin anywhere. The text to take instead where they begin at
// multiples of four is tiled_aligned_weights.wgsl.

// [networks, PART_PARAMETERS]
@group(1) @binding(0) var<storage, read> parameters: array<f32>;

fn parameter(at: u32) -> f32 {
    return parameters[at];
}

// The weights of four successive inputs, zero where the mask has none and behind the last input.
fn masked_weights(row: WeightRow, input: u32) -> vec4<f32> {
    let four = vec4(input) + vec4(0u, 1u, 2u, 3u);
    let at = min(four, vec4(INPUTS - 1u));
    let weight = vec4(row.weight) + at;
    let weights =
        vec4(parameters[weight.x], parameters[weight.y], parameters[weight.z], parameters[weight.w]);
    let bit = vec4(row.bit) + at;
    let word = bit >> vec4(5u);
    let words = vec4(masks[word.x], masks[word.y], masks[word.z], masks[word.w]);
    let kept = ((words >> (bit & vec4(31u))) & vec4(1u)) == vec4(1u);
    return select(vec4(0.0), weights, kept & (four < vec4(INPUTS)));
}
