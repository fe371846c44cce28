// Costs of kept parents with some bits flipped, by what the flips change: a thread takes one sample through
// the changes of one proposal, and a workgroup one tile. Put behind margin.wgsl; the constants are those of
// src/evaluate/gpu/neighbours/.

override MARGIN: bool;
override TAU: f32;
override SCALE: f32;
override ENOUGH: f32;

const LARGEST: f32 = 0x1.fffffep+127f;

alias Samples = f32;
alias Labels = u32;

struct Call {
    // Samples from one row to the next.
    stride: u32,
    // Rows of a parent: neurons of all layers.
    rows: u32,
    classes: u32,
    // Slots of a proposal in `moved`.
    slots: u32,
    // The tile, of all, that the first workgroup takes.
    first_tile: u32,
    // Tiles of a proposal in `costs`.
    tiles: u32,
    // 1: the parents become what was proposed.
    commit: u32,
    // The sample, of the chunk, that the first thread takes.
    first_sample: u32,
}

struct Proposal {
    parent: u32,
    // Tiles, the first ones, that its parent looks at.
    tiles: u32,
    // Where its changes begin in `plan`, and how many they are: pairs of a row and one past its last term.
    first_change: u32,
    changes: u32,
    // Where its terms begin: pairs of a source and a weight.
    first_term: u32,
    // Where its outputs begin: where each class is read from, a row, or a slot with CHANGED.
    first_output: u32,
}

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> proposals: array<Proposal>;
@group(0) @binding(2) var<storage, read> plan: array<u32>;
// [inputs, stride]
@group(0) @binding(3) var<storage, read> features: array<f32>;
// [stride]; padding has the label NO_CLASS.
@group(0) @binding(4) var<storage, read> labels: array<u32>;
// [parents, rows, stride]: pre-activations.
@group(0) @binding(5) var<storage, read_write> kept: array<f32>;
// [proposals, slots, stride]: pre-activations as they become, and differences of activations. A thread reads
// what it wrote itself.
@group(0) @binding(6) var<storage, read_write> moved: array<vec2<f32>>;
// [proposals, tiles]: the cost of each tile, in two words.
@group(0) @binding(7) var<storage, read_write> costs: array<vec2<u32>>;

// The sum of the lower LOW_BITS bits of the costs of a tile's samples, and the sum of the bits above.
var<workgroup> tile_cost: array<atomic<u32>, 2>;

@compute @workgroup_size(THREADS)
fn screen(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    if thread < 2u {
        atomicStore(&tile_cost[thread], 0u);
    }
    workgroupBarrier();
    let sample = call.first_sample + id.x;
    let tile = call.first_tile + group.x;
    let proposal = proposals[group.y];
    if tile < proposal.tiles {
        let first_row = proposal.parent * call.rows;
        let first_slot = group.y * call.slots;
        var term = 0u;
        for (var slot = 0u; slot < proposal.changes; slot++) {
            let row = (first_row + plan[proposal.first_change + 2u * slot]) * call.stride + sample;
            let end = plan[proposal.first_change + 2u * slot + 1u];
            let before = kept[row];
            var sum = before;
            // Four at a time, so that their values are fetched together.
            for (; term + 4u <= end; term += 4u) {
                let first = proposal.first_term + 2u * term;
                let value_0 = value_of(plan[first], first_row, first_slot, sample);
                let value_1 = value_of(plan[first + 2u], first_row, first_slot, sample);
                let value_2 = value_of(plan[first + 4u], first_row, first_slot, sample);
                let value_3 = value_of(plan[first + 6u], first_row, first_slot, sample);
                sum = fma(bitcast<f32>(plan[first + 1u]), max(value_0, least_value(plan[first])), sum);
                sum = fma(bitcast<f32>(plan[first + 3u]), max(value_1, least_value(plan[first + 2u])), sum);
                sum = fma(bitcast<f32>(plan[first + 5u]), max(value_2, least_value(plan[first + 4u])), sum);
                sum = fma(bitcast<f32>(plan[first + 7u]), max(value_3, least_value(plan[first + 6u])), sum);
            }
            for (; term < end; term++) {
                let first = proposal.first_term + 2u * term;
                let value = max(value_of(plan[first], first_row, first_slot, sample), least_value(plan[first]));
                sum = fma(bitcast<f32>(plan[first + 1u]), value, sum);
            }
            moved[(first_slot + slot) * call.stride + sample] =
                vec2(sum, max(sum, 0.0) - max(before, 0.0));
        }
        let label = labels[sample];
        if label != NO_CLASS {
            let cost = cost_of(proposal, first_row, first_slot, sample, label);
            atomicAdd(&tile_cost[0], cost & ((1u << LOW_BITS) - 1u));
            atomicAdd(&tile_cost[1], cost >> LOW_BITS);
        }
        if call.commit == 1u {
            for (var slot = 0u; slot < proposal.changes; slot++) {
                let row = (first_row + plan[proposal.first_change + 2u * slot]) * call.stride + sample;
                kept[row] = moved[(first_slot + slot) * call.stride + sample].x;
            }
        }
    }
    workgroupBarrier();
    if thread == 0u {
        costs[group.y * call.tiles + tile] = vec2(atomicLoad(&tile_cost[0]), atomicLoad(&tile_cost[1]));
    }
}

// What a term multiplies, before ReLU.
fn value_of(source: u32, first_row: u32, first_slot: u32, sample: u32) -> f32 {
    let index = source & ~SOURCE;
    switch source & SOURCE {
        case FEATURE: { return features[index * call.stride + sample]; }
        case BEFORE: { return kept[(first_row + index) * call.stride + sample]; }
        case AFTER: { return moved[(first_slot + index) * call.stride + sample].x; }
        default: { return moved[(first_slot + index) * call.stride + sample].y; }
    }
}

// ReLU is a maximum with this: zero for pre-activations, for all else less than every value.
fn least_value(source: u32) -> f32 {
    let kind = source & SOURCE;
    return select(-LARGEST, 0.0, kind == BEFORE || kind == AFTER);
}

fn output(proposal: Proposal, first_row: u32, first_slot: u32, sample: u32, class_index: u32) -> f32 {
    let place = plan[proposal.first_output + class_index];
    if (place & CHANGED) == CHANGED {
        return moved[(first_slot + (place & ~CHANGED)) * call.stride + sample].x;
    }
    return kept[(first_row + place) * call.stride + sample];
}

// Steps of the margin loss, or 1 for a wrong prediction, ties going to the lowest class.
fn cost_of(proposal: Proposal, first_row: u32, first_slot: u32, sample: u32, label: u32) -> u32 {
    let margin = Margin(TAU, SCALE, ENOUGH);
    let right = output(proposal, first_row, first_slot, sample, label);
    let least = least_of(right, margin);
    var loss = 0.0;
    var beaten = false;
    for (var class_index = 0u; class_index < call.classes; class_index++) {
        let value = output(proposal, first_row, first_slot, sample, class_index);
        loss = add_class(loss, value, least, class_index, label, margin);
        beaten = beaten || value > right || (value == right && class_index < label);
    }
    if MARGIN {
        return steps_of(loss, label, margin);
    }
    return select(0u, 1u, beaten);
}
