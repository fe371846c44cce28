// Counts correct predictions from the last layer's outputs: the largest output, ties to the lowest index.

override OUTPUTS: u32;
override THREADS: u32;

// [stride]; padding has a label that no prediction equals.
@group(2) @binding(1) var<storage, read> labels: array<vec4<u32>>;
// [masks, OUTPUTS, vectors of the window]
@group(3) @binding(0) var<storage, read> outputs: array<vec4<f32>>;

var<workgroup> group_correct: atomic<u32>;

@compute @workgroup_size(THREADS)
fn count(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if thread == 0u {
        atomicStore(&group_correct, 0u);
    }
    workgroupBarrier();
    let vectors = window.end_vector - window.first_vector;
    let vector = group.x * THREADS + thread;
    if vector < vectors {
        let first = group.y * OUTPUTS * vectors + vector;
        var best = outputs[first];
        var prediction = vec4(0u);
        for (var class_index = 1u; class_index < OUTPUTS; class_index++) {
            let value = outputs[first + class_index * vectors];
            let better = value > best;
            prediction = select(prediction, vec4(class_index), better);
            best = select(best, value, better);
        }
        let hits = select(vec4(0u), vec4(1u), prediction == labels[window.first_vector + vector]);
        atomicAdd(&group_correct, hits.x + hits.y + hits.z + hits.w);
    }
    workgroupBarrier();
    if thread == 0u {
        atomicAdd(&counts[window.first_count + window.first_mask + group.y], atomicLoad(&group_correct));
    }
}
