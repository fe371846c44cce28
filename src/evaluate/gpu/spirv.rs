//! What naga makes of the kernels, as counts of SPIR-V instructions: without checks nothing guards a loop or
//! an index. `cargo test --lib spirv -- --nocapture` prints the table of docs/PERFORMANCE.md.

use super::kernel::{KernelShape, Maker, candidates};
use super::plan::{BatchPlan, Limits};
use super::sources::{KernelSource, Variant};
use super::wgsl::tests::validate;
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
pub(super) struct Guards {
    pub indices: bool,
    pub loops: bool,
}

/// The words that wgpu makes of the entry point of a text, with these constants.
pub(super) fn words(text: &str, entry_point: &str, constants: &[(&str, f64)], guards: Guards) -> Vec<u32> {
    let module = validate(text);
    let mut validator =
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::all());
    let info = validator.validate(&module).expect("valid WGSL");
    let policy = if guards.indices { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    let options = spv::Options {
        // What drivers of Vulkan 1.3 get.
        lang_version: (1, 6),
        flags: spv::WriterFlags::empty(),
        fake_missing_bindings: true,
        bounds_check_policies: BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            image_load: policy,
            binding_array: policy,
        },
        force_loop_bounding: guards.loops,
        emit_int_div_checks: guards.indices,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        ..Default::default()
    };
    let stage = naga::ShaderStage::Compute;
    let constants = constants.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
    let pipeline = naga::back::pipeline_constants::process_overrides(
        &module,
        &info,
        Some((stage, entry_point)),
        &constants,
    );
    let (module, info) = pipeline.expect("constants for all overrides");
    let entry = spv::PipelineOptions { shader_stage: stage, entry_point: entry_point.to_owned() };
    spv::write_vec(&module, &info, &options, Some(&entry)).expect("SPIR-V")
}

/// What an H100 reports through Vulkan, and most GPUs reach.
pub(super) const HARDWARE: Limits = Limits {
    binding_bytes: 1 << 31,
    buffer_bytes: 1 << 40,
    groups_per_dimension: 65_535,
    workgroup_bytes: 48 << 10,
    workgroup_threads: 1_024,
};

/// The kernel that hardware begins with, and the first text of it.
fn first_kernel(widths: &[usize]) -> (KernelShape, KernelSource) {
    let architecture: Architecture = widths.to_vec().try_into().expect("an architecture");
    let shape = candidates(&architecture, &HARDWARE, Maker::Other).expect("kernels")[0];
    let plan = BatchPlan::new(&architecture, &HARDWARE, shape).expect("a plan");
    let source = KernelSource::all(&architecture, &plan.kernel, true).swap_remove(0);
    (shape, source)
}

#[test]
fn nothing_guards_a_loop_or_an_index_of_an_unchecked_kernel() {
    println!(
        "network, kernel: instructions, of them fma / loads / stores / loops; added by checks of indices, loops"
    );
    for widths in [&[2, 20, 2][..], &[2, 50, 50, 2], &[64, 75, 10], &[784, 300, 100, 10]] {
        let (shape, source) = first_kernel(widths);
        let constants = source.constants(Variant::Counts);
        let counts = |guards| counts(&words(&source.text, source.entry_point, &constants, guards));
        let free = counts(Guards::default());
        let indices = counts(Guards { indices: true, loops: false });
        let loops = counts(Guards { indices: false, loops: true });
        println!(
            "{widths:?}, {shape:?}: {}, {} / {} / {} / {}; {}, {}",
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
