// Counts predictions from the last layer's outputs: the largest output, ties to the lowest index.
// Sums up losses too, where they are wanted.

override OUTPUTS: u32;
override THREADS: u32;

alias Samples = vec4<f32>;
alias Labels = vec4<u32>;
alias Wholes = vec4<i32>;

// [stride]; padding has a label that no prediction equals.
@group(2) @binding(1) var<storage, read> labels: array<vec4<u32>>;
// [masks, OUTPUTS, vectors of the window]
@group(3) @binding(0) var<storage, read> outputs: array<vec4<f32>>;

var<workgroup> group_count: atomic<u32>;
// Is the mask given up?
var<workgroup> group_rests: bool;

@compute @workgroup_size(THREADS)
fn count(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let mask = window.first_mask + group.y;
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
    workgroupBarrier();
    let vectors = window.end_vector - window.first_vector;
    let vector = group.x * THREADS + thread;
    var ones = vec4(0u);
    var steps = vec4(0u);
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
        let label = labels[window.first_vector + vector];
        ones = counted(prediction, label);
        if LOSS {
            var right = outputs[first];
            for (var class_index = 1u; class_index < OUTPUTS; class_index++) {
                right = select(right, outputs[first + class_index * vectors], label == vec4(class_index));
            }
            var sum = vec4(0.0);
            if CROSS_ENTROPY {
                for (var class_index = 0u; class_index < OUTPUTS; class_index++) {
                    sum = add_exponential(sum, outputs[first + class_index * vectors], best);
                }
                steps = cross_entropy_steps(sum, best, right, label);
            } else {
                let margin = margin_of(mask);
                let least = least_of(right, margin);
                for (var class_index = 0u; class_index < OUTPUTS; class_index++) {
                    sum = add_class(sum, outputs[first + class_index * vectors], least, class_index, label, margin);
                }
                steps = steps_of(sum, label, margin);
            }
        }
    }
    let sum = subgroup_sum(ones.x + ones.y + ones.z + ones.w);
    if speaks() {
        atomicAdd(&group_count, sum);
    }
    if LOSS {
        let lower = steps & vec4(0xffffu);
        let upper = steps >> vec4(16u);
        add_to_group_loss(lower.x + lower.y + lower.z + lower.w, upper.x + upper.y + upper.z + upper.w);
    }
    workgroupBarrier();
    if thread == 0u {
        let at = window.first_count + mask;
        atomicAdd(&counts[at], atomicLoad(&group_count));
        if LOSS {
            add_group_loss(at);
        }
    }
}
