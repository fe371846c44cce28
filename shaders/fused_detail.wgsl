// The fused kernel's end where predictions, outputs or confusion counts are wanted. Put behind fused.wgsl.

@compute @workgroup_size(THREADS)
fn detail(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    begin(thread);
    stage(window.first_mask + group.x, thread);
    workgroupBarrier();
    {{for each block}} {
        let first = window.first_vector + (group.y * BLOCKS + block) * (THREADS * SETS) + thread;
        {{nothing}}
        {{layers}}
    }
    end(group.x, thread);
}
