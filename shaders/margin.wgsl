// What a prediction is worth: a count, and the margin loss as src/objective/margin.rs defines it. Put between
// subgroup.wgsl or alone.wgsl and a kernel's text, which says what `Samples` and `Labels` are.
//
// Sums have two words, the low one first. Every addition to a low word that wraps adds one to the high one,
// in whatever order threads come.

// Sum up losses, or count only?
override LOSS: bool;

// A sample's loss saturates at this many steps.
override LIMIT: f32;
// The label of padding, which is neither counted nor has a loss.
override IMPOSSIBLE_LABEL: u32;

// Samples to count: those predicted correctly, or, where masks have a minimum, wrongly.
fn counted(prediction: Labels, label: Labels) -> Labels {
    let wrong = (prediction != label) & (label != Labels(IMPOSSIBLE_LABEL));
    return select(Labels(0u), Labels(1u), select(prediction == label, wrong, MINIMUM));
}

struct Margin {
    tau: f32,
    scale: f32,
    // A hinge of this much saturates; it is cut there, so that no infinity arises.
    enough: f32,
}

var<workgroup> group_loss: array<atomic<u32>, 2>;

fn margin_of(mask: u32) -> Margin {
    let at = window.first_extra + mask * 3u;
    return Margin(
        bitcast<f32>(mask_networks[at]), bitcast<f32>(mask_networks[at + 1u]), bitcast<f32>(mask_networks[at + 2u])
    );
}

// `loss` with what the output of `class_index` adds, which is nothing if that is the right one.
fn add_class(
    loss: Samples, output: Samples, least: Samples, class_index: u32, label: Labels, margin: Margin
) -> Samples {
    let hinge = min(max(output - least, Samples(0.0)), Samples(margin.enough));
    return select(fma(hinge, hinge, loss), loss, label == Labels(class_index));
}

// The loss in whole steps.
fn steps_of(loss: Samples, label: Labels, margin: Margin) -> Labels {
    let steps = Labels(min(loss * margin.scale, Samples(LIMIT)));
    return select(steps, Labels(0u), label == Labels(IMPOSSIBLE_LABEL));
}

fn clear_group_loss() {
    atomicStore(&group_loss[0], 0u);
    atomicStore(&group_loss[1], 0u);
}

// Adds the steps of every thread's samples: the sums of their lower and of their upper 16 bits. A subgroup of
// 128 threads at most, the largest that WGSL has, sums up at most 65536 samples (src/evaluate/gpu/plan.rs):
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
