// Keeps of the last layer's outputs what is wanted of every mask, where that is more than count.wgsl makes of them.
// src/evaluate/gpu/tiled.rs replaces the name in double braces.

// [stride]; padding has a label that no prediction equals.
@group(2) @binding(1) var<storage, read> labels: array<vec4<u32>>;
// [masks, OUTPUTS, vectors of the window]
@group(3) @binding(0) var<storage, read> outputs: array<vec4<f32>>;

@compute @workgroup_size(THREADS)
fn detail(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    begin(thread);
    workgroupBarrier();
    let vectors = window.end_vector - window.first_vector;
    if group.x * THREADS + thread < vectors {
        let vector = window.first_vector + group.x * THREADS + thread;
        let first = group.y * OUTPUTS * vectors + group.x * THREADS + thread;
        {{keep}}
    }
    end(group.y, thread);
}
