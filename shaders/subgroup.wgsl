// Sums over a workgroup where the device has subgroups: one thread of each speaks for all of it. The text to
// take instead is alone.wgsl. To be called by all threads.

// The sum of `value` over the subgroup, modulo 2^32.
fn subgroup_sum(value: u32) -> u32 {
    return subgroupAdd(value);
}

// Is this the subgroup's first thread?
fn speaks() -> bool {
    return subgroupExclusiveAdd(1u) == 0u;
}
