// The fused kernel: a workgroup takes one mask and a block of samples through all layers, and counts or sums
// up losses.
//
// The text is completed for one architecture and shape by src/evaluate/gpu/fused.rs, which replaces the
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
var<workgroup> group_count: atomic<u32>;
// Is the mask given up?
var<workgroup> group_rests: bool;

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

@compute @workgroup_size(THREADS)
fn score(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let mask = window.first_mask + group.x;
    let network = mask_networks[mask];
    if MINIMUM {
        if thread == 0u {
            group_rests = is_given_up(mask);
        }
        if workgroupUniformLoad(&group_rests) {
            return;
        }
    }
    if thread == 0u {
        atomicStore(&group_count, 0u);
        if LOSS {
            clear_group_loss();
        }
    }
    for (var slot = thread; slot < STAGED; slot += THREADS) {
        staged[slot] = masked(mask * MASK_WORDS, parameters[network * STAGED + slot], mask_bits[slot]);
    }
    workgroupBarrier();

    var count = Labels(0u);
    // Sums of the lower and of the upper 16 bits of this thread's losses.
    var lower = Labels(0u);
    var upper = Labels(0u);
    var margin = Margin();
    if LOSS {
        margin = margin_of(mask);
    }
    {{for each block}} {
        let first = window.first_vector + (group.y * BLOCKS + block) * (THREADS * SETS) + thread;
        {{nothing}}
        {{layers}}
    }
    let sum = subgroup_sum({{sum of count}});
    if speaks() {
        atomicAdd(&group_count, sum);
    }
    if LOSS {
        add_to_group_loss({{sum of lower}}, {{sum of upper}});
    }
    workgroupBarrier();
    if thread == 0u {
        atomicAdd(&counts[window.first_count + mask], atomicLoad(&group_count));
        if LOSS {
            add_group_loss(window.first_count + mask);
        }
    }
}
