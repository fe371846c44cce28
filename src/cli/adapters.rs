//! `supermask adapters`: what can score masks here.

use super::output::{self, Failure};
use crate::evaluate::AdapterInfo;
use crate::evaluate::cpu::{self, instructions::Instructions};
use crate::evaluate::gpu;
use crate::printable::counted;
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub struct AdaptersArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Cpu {
    #[serde(flatten)]
    info: AdapterInfo,
    threads: usize,
}

pub fn adapters(args: &AdaptersArgs) -> Result<(), Failure> {
    let cpu = Cpu { info: cpu::describe(Instructions::best()), threads: rayon::current_num_threads() };
    let adapters = gpu::adapters();
    if args.json {
        let mut list = vec![serde_json::to_value(&cpu).expect("our own values serialise")];
        list.extend(adapters.iter().map(|adapter| serde_json::to_value(adapter).expect("likewise")));
        return output::print_json(&list);
    }
    output::print_wrapped(format_args!(
        "cpu: {}\n  {} instructions, {}",
        cpu.info.name,
        cpu.info.driver,
        counted(cpu.threads, "thread")
    ))?;
    for adapter in &adapters {
        let (info, limits) = (&adapter.info, &adapter.limits);
        let mib = |bytes: u64| bytes >> 20;
        output::print_wrapped(format_args!(
            "{}: {}\n  {} ({})\n  storage binding {} MiB, buffer {} MiB, workgroup memory {} KiB, {} threads a workgroup, {} groups a dimension\n  timestamps: {}, subgroups: {}",
            info.backend,
            info.name,
            info.kind,
            info.driver,
            mib(limits.binding_bytes),
            mib(limits.buffer_bytes),
            limits.workgroup_bytes >> 10,
            limits.workgroup_threads,
            limits.groups_per_dimension,
            if adapter.timestamps { "yes" } else { "no" },
            if adapter.subgroups { "yes" } else { "no" },
        ))?;
    }
    if adapters.is_empty() {
        output::print("no Vulkan, Metal, DX12 or OpenGL adapter that can compute was found")?;
    }
    Ok(())
}
