// How does this adapter round fma? One call on vectors, as the kernels do, and four on scalars.

@group(0) @binding(0) var<storage, read> triples: array<array<vec4<f32>, 3>>;
// [triples, vector and scalar form]
@group(0) @binding(1) var<storage, read_write> results: array<array<vec4<f32>, 2>>;

@compute @workgroup_size(THREADS)
fn probe(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= arrayLength(&triples) {
        return;
    }
    let t = triples[id.x];
    results[id.x][0] = fma(t[0], t[1], t[2]);
    results[id.x][1] = vec4(
        fma(t[0].x, t[1].x, t[2].x), fma(t[0].y, t[1].y, t[2].y),
        fma(t[0].z, t[1].z, t[2].z), fma(t[0].w, t[1].w, t[2].w)
    );
}
