// Sums over a workgroup where the device has no subgroups: every thread speaks for itself. The text to take
// instead is subgroup.wgsl.

fn subgroup_sum(value: u32) -> u32 {
    return value;
}

fn speaks() -> bool {
    return true;
}
