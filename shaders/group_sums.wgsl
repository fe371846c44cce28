// What a workgroup makes of predictions: a count, and the sum of losses. Put between subgroup.wgsl or
// alone.wgsl and a kernel's text.
//
// Sums of losses have two words, the low one first. Every addition to a low word that wraps adds one to the high
// one, in whatever order threads come.

// Sum up losses, or count only?
override LOSS: bool;
// That of cross-entropy, or that of the masks' margins?
override CROSS_ENTROPY: bool;

// Samples to count: those predicted correctly, or, where masks have a minimum, wrongly. Padding is neither.
fn counted(prediction: Labels, label: Labels) -> Labels {
    let wrong = (prediction != label) & (label != Labels(NO_CLASS));
    return select(Labels(0u), Labels(1u), select(prediction == label, wrong, MINIMUM));
}

fn margin_of(mask: u32) -> Margin {
    let at = window.first_extra + mask * 3u;
    return Margin(
        bitcast<f32>(mask_networks[at]), bitcast<f32>(mask_networks[at + 1u]), bitcast<f32>(mask_networks[at + 2u])
    );
}

var<workgroup> group_loss: array<atomic<u32>, 2>;

fn clear_group_loss() {
    atomicStore(&group_loss[0], 0u);
    atomicStore(&group_loss[1], 0u);
}

// Adds the steps of every thread's samples: the sums of their lower and of their upper 16 bits. A subgroup of
// 128 threads at most, the largest that WGSL has, sums up at most 65536 samples (src/evaluate/gpu/kernel.rs):
// 65536 * 65535 of the lower bits and 65536 * 2^14 of the upper ones, as LIMIT is 2^30, fit a word.
fn add_to_group_loss(own_lower: u32, own_upper: u32) {
    let lower = subgroup_sum(own_lower);
    let upper = subgroup_sum(own_upper);
    if speaks() {
        let low = lower + (upper << 16u);
        let before = atomicAdd(&group_loss[0], low);
        let carries = u32(low < lower) + u32(before + low < before);
        atomicAdd(&group_loss[1], (upper >> 16u) + carries);
    }
}

// Adds the workgroup's sum to that of the mask whose count is at `count`.
fn add_group_loss(count: u32) {
    let at = window.first_loss + 2u * count;
    let low = atomicLoad(&group_loss[0]);
    let before = atomicAdd(&counts[at], low);
    atomicAdd(&counts[at + 1u], atomicLoad(&group_loss[1]) + u32(before + low < before));
}
