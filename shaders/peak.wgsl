// The most that an adapter can do: multiply-adds from registers to registers, and a copy.

@group(0) @binding(0) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> sink: array<vec4<f32>>;

// Eight vectors of independent sums hide the latency of a multiply-add. Factor and addend come from memory,
// so that no compiler knows the result.
@compute @workgroup_size(THREADS)
fn multiply_add(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let w = source[0];
    let x = source[1];
    let start = source[2u + thread % 2u];
    var a = start;
    var b = start + x;
    var c = start - x;
    var d = start * x;
    var e = start + w;
    var f = start - w;
    var g = start * w;
    var h = x * w;
    for (var round = 0u; round < ROUNDS; round++) {
        a = fma(w, a, x);
        b = fma(w, b, x);
        c = fma(w, c, x);
        d = fma(w, d, x);
        e = fma(w, e, x);
        f = fma(w, f, x);
        g = fma(w, g, x);
        h = fma(w, h, x);
        a = fma(w, a, x);
        b = fma(w, b, x);
        c = fma(w, c, x);
        d = fma(w, d, x);
        e = fma(w, e, x);
        f = fma(w, f, x);
        g = fma(w, g, x);
        h = fma(w, h, x);
    }
    sink[(group.x * THREADS + thread) % arrayLength(&sink)] = a + b + c + d + e + f + g + h;
}

@compute @workgroup_size(THREADS)
fn copy(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&source) {
        sink[id.x] = source[id.x];
    }
}
