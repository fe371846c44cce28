//! What naga makes of the kernels, as counts of SPIR-V instructions: without checks nothing guards a loop or
//! an index. `cargo test --lib spirv -- --nocapture` prints the table of docs/PERFORMANCE.md.

use super::kernel::{Kernel, candidates};
use super::plan::{BatchPlan, Limits};
use super::wgsl::tests::validate;
use super::wgsl::{BATCH, judging};
use crate::network::Architecture;
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};

/// Instructions of one module.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    all: usize,
    multiply_adds: usize,
    loads: usize,
    stores: usize,
    loops: usize,
    /// Lengths of bindings: what indices are checked against.
    array_lengths: usize,
}

const EXTENDED: u32 = 12;
const FMA: u32 = 50;
const LOAD: u32 = 61;
const STORE: u32 = 62;
const ARRAY_LENGTH: u32 = 68;
const LOOP: u32 = 246;

fn counts(words: &[u32]) -> Counts {
    const HEADER: usize = 5;
    let mut counts = Counts::default();
    let mut at = HEADER;
    while at < words.len() {
        let (length, code) = (words[at] as usize >> 16, words[at] & 0xffff);
        counts.all += 1;
        match code {
            EXTENDED if words[at + 4] == FMA => counts.multiply_adds += 1,
            LOAD => counts.loads += 1,
            STORE => counts.stores += 1,
            ARRAY_LENGTH => counts.array_lengths += 1,
            LOOP => counts.loops += 1,
            _ => {}
        }
        at += length;
    }
    counts
}

/// Guards that naga may put in.
#[derive(Clone, Copy, Default)]
struct Guards {
    indices: bool,
    loops: bool,
}

fn translate(text: &str, guards: Guards) -> Counts {
    let module = validate(text);
    let mut validator =
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::all());
    let info = validator.validate(&module).expect("valid WGSL");
    let policy = if guards.indices { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    let options = spv::Options {
        flags: spv::WriterFlags::empty(),
        fake_missing_bindings: true,
        bounds_check_policies: BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            image_load: policy,
            binding_array: policy,
        },
        force_loop_bounding: guards.loops,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        ..Default::default()
    };
    // What the pipeline sets does not change the instructions.
    let unset = module.overrides.iter().filter(|(_, constant)| constant.init.is_none());
    let constants = unset.filter_map(|(_, constant)| Some((constant.name.clone()?, 16.0))).collect();
    let pipeline = naga::back::pipeline_constants::process_overrides(&module, &info, None, &constants);
    let (module, info) = pipeline.expect("constants for all overrides");
    counts(&spv::write_vec(&module, &info, &options, None).expect("SPIR-V"))
}

/// The kernel that hardware begins with.
fn kernel(widths: &[usize]) -> (Architecture, BatchPlan) {
    let architecture: Architecture = widths.to_vec().try_into().expect("an architecture");
    // What an H100 reports through Vulkan, and most GPUs reach.
    let limits = Limits {
        binding_bytes: 1 << 31,
        buffer_bytes: 1 << 40,
        groups_per_dimension: 65_535,
        workgroup_bytes: 48 << 10,
        workgroup_threads: 1_024,
    };
    let shape = candidates(&architecture, &limits, false).expect("kernels")[0];
    let plan = BatchPlan::new(&architecture, &limits, shape).expect("a plan");
    (architecture, plan)
}

fn text(plan: &BatchPlan) -> String {
    match &plan.kernel {
        Kernel::Fused(fused, shape) => judging(&fused.text(shape), true),
        Kernel::Tiled(shape) => format!("{BATCH}{}", shape.text()),
    }
}

#[test]
fn nothing_guards_a_loop_or_an_index_of_an_unchecked_kernel() {
    println!(
        "network, kernel: instructions, of them fma / loads / stores / loops; added by checks of indices, loops"
    );
    for widths in [&[2, 20, 2][..], &[2, 50, 50, 2], &[64, 75, 10], &[784, 300, 100, 10]] {
        let (architecture, plan) = kernel(widths);
        let text = text(&plan);
        let free = translate(&text, Guards::default());
        let indices = translate(&text, Guards { indices: true, loops: false });
        let loops = translate(&text, Guards { indices: false, loops: true });
        println!(
            "{architecture}, {:?}: {}, {} / {} / {} / {}; {}, {}",
            plan.shape,
            free.all,
            free.multiply_adds,
            free.loads,
            free.stores,
            free.loops,
            indices.all - free.all,
            loops.all - free.all
        );
        assert_eq!(free.array_lengths, 0, "an unchecked index is not compared with a length");
        assert!(indices.array_lengths > 0, "a checked one is");
        assert!(free.loops > 0 && loops.all >= free.all + free.loops, "each loop's guard takes instructions");
        assert!(free.multiply_adds > 0);
    }
}
