//! Chromium's compiler of WGSL, Tint, asked for every kernel under the limits that any browser grants. npm's package
//! `webgpu` has it; `SUPERMASK_TINT` names the package's folder, and node runs it.

use super::super::fused::Fused;
use super::super::kernel::{Maker, candidates};
use super::super::neighbours::texts;
use super::super::plan::BatchPlan;
use super::super::sources::{KernelSource, Variant};
use super::super::{arithmetic, peak};
use super::{HARDWARE, KernelText, NETWORKS, architecture, kernels};
use crate::objective::Needs;
use crate::objective::margin::Margin;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::process::{Command, Stdio};

/// Reads kernels, and says which of them were refused, and why.
const SCRIPT: &str = include_str!("tint.mjs");
/// Bytes of workgroup memory that WebGPU grants everywhere.
const WORKGROUP_BYTES: usize = 16 << 10;

#[derive(Serialize)]
struct TintKernel<'a> {
    name: &'a str,
    entry_point: &'a str,
    text: String,
    constants: Vec<(&'a str, f64)>,
}

impl<'a> TintKernel<'a> {
    /// naga knows subgroups without being told.
    fn new(kernel: &'a KernelText) -> Self {
        let enable = if kernel.text.contains("subgroup") { "enable subgroups;\n" } else { "" };
        Self {
            name: &kernel.name,
            entry_point: kernel.entry_point,
            text: format!("{enable}{}", kernel.text),
            constants: kernel.constants.clone(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct TintRefusal {
    name: String,
    why: String,
}

#[derive(Deserialize)]
struct TintAnswer {
    compiled: usize,
    refused: Vec<TintRefusal>,
}

/// What Tint says of `kernels`.
fn ask(package: &str, kernels: &[KernelText]) -> TintAnswer {
    let mut node = Command::new("node")
        .args(["--input-type=module", "--eval", SCRIPT, package])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node, which SUPERMASK_TINT needs");
    let questions: Vec<TintKernel<'_>> = kernels.iter().map(TintKernel::new).collect();
    let questions = serde_json::to_vec(&questions).expect("JSON");
    node.stdin.take().expect("a pipe").write_all(&questions).expect("node reads");
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success(), "node: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("an answer")
}

/// What [`kernels`] has not: first kernels for devices without subgroups, what keeps more than counts, margin losses of
/// neighbours, and what measures a device.
fn more_kernels() -> Vec<KernelText> {
    let kernel = |name: String, entry_point, text, constants| KernelText {
        name,
        entry_point,
        text,
        constants,
        is_first: false,
    };
    let mut all = Vec::new();
    for widths in NETWORKS {
        let architecture = architecture(widths);
        let shape = candidates(&architecture, &HARDWARE, Maker::Other).expect("kernels")[0];
        let plan = BatchPlan::new(&architecture, &HARDWARE, shape).expect("a plan");
        for source in KernelSource::all(&architecture, &plan.kernel, false) {
            let name = format!("{architecture} {} without subgroups", source.label);
            let constants = source.constants(Variant::Margins);
            all.push(kernel(name, source.entry_point, source.text, constants));
        }
        for needs in [Needs::Predictions, Needs::Outputs, Needs::Confusion] {
            let name = format!("{architecture} {needs:?}");
            let text = KernelSource::detail(&plan.kernel, &plan.kept(needs));
            all.push(kernel(name, "detail", text, Vec::new()));
        }
    }
    let margin = Margin::new(0.7).expect("a margin");
    let losses = texts::costs_by(Some(margin)).to_vec();
    all.push(kernel("neighbours screen, losses".to_owned(), "screen", texts::screen(), losses));
    let measuring = [("probe", arithmetic::text()), ("multiply_add", peak::text()), ("copy", peak::text())];
    all.extend(
        measuring.map(|(entry_point, text)| kernel(entry_point.to_owned(), entry_point, text, Vec::new())),
    );
    all
}

#[test]
fn chromiums_compiler_takes_every_kernel() {
    let Ok(package) = std::env::var("SUPERMASK_TINT") else {
        println!("not asked: SUPERMASK_TINT names no package");
        return;
    };
    let mut kernels = kernels();
    kernels.extend(more_kernels());
    let TintAnswer { compiled, refused } = ask(&package, &kernels);
    println!("{compiled} of {} kernels compiled, refused {refused:?}", kernels.len());
    // Known: the parameters of this network do not fit the workgroup memory that every browser grants.
    let is_large = |name: &str| name.starts_with("[64, 75, 10]");
    let bytes = Fused::new(&architecture(&[64, 75, 10])).map(|fused| fused.workgroup_bytes());
    assert!(bytes > Some(WORKGROUP_BYTES), "it fits, and nothing is known");
    let is_known =
        |refusal: &&TintRefusal| is_large(&refusal.name) && refusal.why.contains("workgroup storage");
    let others: Vec<_> = refused.iter().filter(|refusal| !is_known(refusal)).collect();
    assert!(others.is_empty(), "{others:#?}");
    let is_fused = |kernel: &&KernelText| ["score", "detail"].contains(&kernel.entry_point);
    let known = kernels.iter().filter(is_fused).filter(|kernel| is_large(&kernel.name)).count();
    assert_eq!((compiled, refused.len()), (kernels.len() - known, known));
    let wrong = KernelText { text: "fn wrong() -> u32 { return 1.5; }".to_owned(), ..kernels.swap_remove(0) };
    assert_eq!(ask(&package, &[wrong]).refused.len(), 1, "what is no WGSL is refused");
}
