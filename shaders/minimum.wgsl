// Masks that cannot reach their minimum any more are given up. Put behind batch.wgsl.
//
// Every workgroup that judges predictions adds the samples that it finds wrong to its mask's count; one that
// starts once there are more than the mask may get wrong does nothing. Counts only grow, so that one ends
// within what is allowed if and only if the mask reaches its minimum: whatever the order, a mask that does is
// never given up, and one that does not has either been given up or been counted to its end.

// Give masks up, and count wrong samples? Else count correct ones.
override MINIMUM: bool;

// Has the uploaded `mask` more wrong samples than it may?
fn is_given_up(mask: u32) -> bool {
    return atomicLoad(&counts[window.first_count + mask]) > mask_networks[window.first_extra + mask];
}
