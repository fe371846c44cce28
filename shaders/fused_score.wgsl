// The fused kernel's end where it counts, or sums up losses. Put behind fused.wgsl.

var<workgroup> group_count: atomic<u32>;
// Is the mask given up?
var<workgroup> group_rests: bool;

@compute @workgroup_size(THREADS)
fn score(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let mask = window.first_mask + group.x;
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
    stage(mask, thread);
    workgroupBarrier();

    var count = Labels(0u);
    // Sums of the lower and of the upper 16 bits of this thread's losses.
    var lower = Labels(0u);
    var upper = Labels(0u);
    var margin = Margin();
    if LOSS && !CROSS_ENTROPY {
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
