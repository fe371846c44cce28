// What does this adapter make of the operations that the kernels are made of? Put behind margin.wgsl.

alias Samples = vec4<f32>;
alias Labels = vec4<u32>;

@group(0) @binding(0) var<storage, read> operands: array<array<vec4<f32>, 3>>;
// [operands, operations]
@group(0) @binding(1) var<storage, read_write> results: array<array<vec4<f32>, OPERATIONS>>;

@compute @workgroup_size(THREADS)
fn probe(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= arrayLength(&operands) {
        return;
    }
    let a = operands[id.x][0];
    let b = operands[id.x][1];
    let c = operands[id.x][2];
    results[id.x][0] = fma(a, b, c);
    results[id.x][1] = vec4(
        fma(a.x, b.x, c.x), fma(a.y, b.y, c.y), fma(a.z, b.z, c.z), fma(a.w, b.w, c.w)
    );
    results[id.x][2] = a - b;
    results[id.x][3] = max(a, vec4(0.0));
    results[id.x][4] = select(vec4(0.0), vec4(1.0), a > b);
    let margin = Margin(c.x, 1.0, 1e30);
    results[id.x][5] = hinge_of(a, least_of(b, margin), margin);
}
