// The fused kernel: a workgroup takes one mask and a block of samples through all layers. What it makes of the outputs
// is in fused_score.wgsl and fused_detail.wgsl, of which one is put behind this.
//
// The text is completed for one architecture and shape by src/evaluate/gpu/fused/text.rs, which replaces the
// names in double braces; the masked parameters lie in the order in which the layers read them.

// [networks, STAGED]: parameters in reading order, four at a time.
@group(1) @binding(0) var<storage, read> parameters: array<vec4<f32>>;
// [STAGED]: the mask bit of each parameter, or ALWAYS_KEPT.
@group(1) @binding(1) var<storage, read> mask_bits: array<vec4<u32>>;
// [inputs, stride]
@group(2) @binding(0) var<storage, read> features: array<Samples>;
// [stride]; padding has a label that no prediction equals.
@group(2) @binding(1) var<storage, read> labels: array<Labels>;

var<workgroup> staged: array<vec4<f32>, STAGED>;

// `values` with zeros where the mask has none. ALWAYS_KEPT is a bit that no mask reaches; without it
// nothing is left, so that the look-up stays inside the mask.
fn masked(first_word: u32, values: vec4<f32>, bits: vec4<u32>) -> vec4<f32> {
    let at = (bits & vec4(~ALWAYS_KEPT)) >> vec4(5u);
    let words = vec4(
        masks[first_word + at.x], masks[first_word + at.y], masks[first_word + at.z], masks[first_word + at.w]
    );
    let kept = ((words >> (bits & vec4(31u))) & vec4(1u)) == vec4(1u);
    return select(vec4(0.0), values, kept | (bits == vec4(ALWAYS_KEPT)));
}

// Stages the masked parameters, each thread some of them.
fn stage(mask: u32, thread: u32) {
    let network = mask_networks[mask];
    for (var slot = thread; slot < STAGED; slot += THREADS) {
        staged[slot] = masked(mask * MASK_WORDS, parameters[network * STAGED + slot], mask_bits[slot]);
    }
}
