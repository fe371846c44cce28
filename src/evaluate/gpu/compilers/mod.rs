//! What other compilers than an adapter's make of the kernels, with no card at hand: Mesa's for AMD, which Debian and
//! Ubuntu package, and Chromium's for WGSL.
//!
//! `RADV_FORCE_FAMILY=navi21 VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/radeon_icd.x86_64.json cargo test --lib compilers
//! -- --nocapture` prints what it says of every candidate for one family. With `SUPERMASK_KERNELS` naming a folder,
//! the kernels are put there as SPIR-V, with their assembly.

mod isa;
mod radv;
mod tint;

use super::kernel::{Maker, candidates};
use super::neighbours::texts;
use super::plan::BatchPlan;
use super::sources::{KernelSource, Variant};
use super::spirv::{Guards, HARDWARE, words};
use crate::network::Architecture;
use radv::{Compiled, NullDevice};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// GCN of 2016, Vega, RDNA1 and RDNA2: what the oldest Mesa of a supported Debian knows.
const FAMILIES: [&str; 4] = ["polaris10", "vega10", "navi10", "navi21"];
/// The driver, where `SUPERMASK_RADV` names no other.
const DRIVER: &str = "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json";
/// A line for each kernel that hardware begins with: its name, and for each family the most registers that it may take
/// and the least share of multiply-adds, in per cent, that its hot loops may have.
const LIMITS: &str = include_str!("limits.txt");
/// Networks whose first kernels have limits. Of the last three, which have most to keep in registers, no candidate may
/// spill.
const NETWORKS: [&[usize]; 7] = [
    &[2, 20, 2],
    &[2, 75, 2],
    &[2, 100, 2],
    &[64, 512, 512, 10],
    &[2, 50, 50, 2],
    &[64, 75, 10],
    &[784, 300, 100, 10],
];
const ALL_CANDIDATES_OF_LAST: usize = 3;

/// A kernel before it is compiled.
struct KernelText {
    name: String,
    entry_point: &'static str,
    text: String,
    constants: Vec<(&'static str, f64)>,
    /// Is it what hardware begins with?
    is_first: bool,
}

impl KernelText {
    /// As wgpu hands it to Vulkan.
    fn words(&self) -> Vec<u32> {
        words(&self.text, self.entry_point, &self.constants, Guards::default())
    }
}

fn architecture(widths: &[usize]) -> Architecture {
    widths.to_vec().try_into().expect("an architecture")
}

/// The first candidates of every network, for counts, losses and minimums; others for counts; the neighbours' kernels.
fn kernels() -> Vec<KernelText> {
    let mut kernels = BTreeMap::new();
    for (place, widths) in NETWORKS.into_iter().enumerate() {
        let architecture = architecture(widths);
        let shapes = candidates(&architecture, &HARDWARE, Maker::Amd).expect("kernels");
        let all = place + ALL_CANDIDATES_OF_LAST >= NETWORKS.len();
        for (n, &shape) in shapes.iter().take(if all { shapes.len() } else { 1 }).enumerate() {
            let plan = BatchPlan::new(&architecture, &HARDWARE, shape).expect("a plan");
            let variants = [Variant::Counts, Variant::Margins, Variant::CrossEntropy, Variant::Minimum];
            for source in KernelSource::all(&architecture, &plan.kernel, true) {
                for variant in &variants[..if n == 0 { variants.len() } else { 1 }] {
                    if source.serving(*variant) != *variant {
                        continue;
                    }
                    let name = match n {
                        0 => format!("{architecture} {} {variant:?}", source.label),
                        _ => format!("{architecture} {} {shape:?}", source.label),
                    };
                    kernels.entry(name.clone()).or_insert_with(|| KernelText {
                        name,
                        entry_point: source.entry_point,
                        text: source.text.clone(),
                        constants: source.constants(*variant),
                        is_first: n == 0,
                    });
                }
            }
        }
    }
    let costs_by = texts::costs_by(None).to_vec();
    let neighbours = [("forward", texts::forward(), Vec::new()), ("screen", texts::screen(), costs_by)];
    let neighbours = neighbours.map(|(entry_point, text, constants)| KernelText {
        name: format!("neighbours {entry_point}"),
        entry_point,
        text,
        constants,
        is_first: true,
    });
    kernels.into_values().chain(neighbours).collect()
}

/// A kernel as a family's compiler leaves it.
struct Measured {
    family: String,
    name: String,
    is_first: bool,
    compiled: Compiled,
}

impl Measured {
    /// What the two processes of a test say to each other: values between tabs.
    fn line(&self) -> String {
        let Compiled { registers, waves, spilled: [scalar, vector], scratch, share } = self.compiled;
        let Self { family, name, is_first, .. } = self;
        format!(
            "RADV\t{family}\t{name}\t{is_first}\t{registers}\t{waves}\t{scalar}\t{vector}\t{scratch}\t{share}"
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let values: Vec<&str> = line.strip_prefix("RADV\t")?.split('\t').collect();
        let number = |n: usize| values[n].parse().expect("a number");
        Some(Self {
            family: values[0].to_owned(),
            name: values[1].to_owned(),
            is_first: values[2] == "true",
            compiled: Compiled {
                registers: number(3),
                waves: number(4),
                spilled: [number(5), number(6)],
                scratch: number(7),
                share: number(8),
            },
        })
    }
}

/// Compiles everything for the family that the environment names, and prints a line for each.
fn compile_all(family: &str) {
    let device = NullDevice::open().expect("RADV without hardware");
    let folder = std::env::var_os("SUPERMASK_KERNELS");
    for kernel in kernels() {
        let words = kernel.words();
        let KernelText { name, entry_point, is_first, .. } = kernel;
        let entry = CString::new(entry_point).expect("a name");
        let (compiled, assembly) = device.compile(&words, &entry).expect("a pipeline");
        if let Some(folder) = &folder {
            let file = Path::new(folder).join(name.replace(|c: char| !c.is_alphanumeric(), "_"));
            let bytes: &[u8] = bytemuck::cast_slice(&words);
            std::fs::write(file.with_extension("spv"), bytes).expect("written");
            std::fs::write(file.with_extension(format!("{family}.txt")), assembly).expect("written");
        }
        println!("{}", Measured { family: family.to_owned(), name, is_first, compiled }.line());
    }
}

/// The driver, unless there is none and nobody says that there should be.
fn driver() -> Option<PathBuf> {
    let named = std::env::var_os("SUPERMASK_RADV").map(PathBuf::from);
    let driver = named.clone().unwrap_or_else(|| DRIVER.into());
    assert!(
        named.is_none() || driver.exists(),
        "SUPERMASK_RADV names {}, which is not there",
        driver.display()
    );
    driver.exists().then_some(driver)
}

/// What the compilers of all families say. A driver reads its family once for each process, so that each has one.
fn measured(driver: &Path) -> Vec<Measured> {
    let module = module_path!();
    let module = module.split_once("::").map_or(module, |(_, inner)| inner);
    let test = format!("{module}::kernels_keep_their_limits_on_amd");
    let start = |family: &&str| {
        Command::new(std::env::current_exe().expect("this test"))
            .args([&test, "--exact", "--nocapture"])
            .env("RADV_FORCE_FAMILY", family)
            .env("VK_ICD_FILENAMES", driver)
            .env_remove("VK_DRIVER_FILES")
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test again")
    };
    let processes: Vec<Child> = FAMILIES.iter().map(start).collect();
    let outputs = processes.into_iter().map(|process| process.wait_with_output().expect("its output"));
    let lines = outputs.flat_map(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter_map(Measured::parse).collect::<Vec<_>>()
    });
    lines.collect()
}

/// The limits' table as it would be if what was measured were the limits.
fn table(measured: &[Measured]) -> String {
    let mut rows: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for Measured { family, name, compiled: Compiled { registers, share, .. }, .. } in
        measured.iter().filter(|kernel| kernel.is_first)
    {
        rows.entry(name).or_default().insert(family, format!("\t{registers} {share}%"));
    }
    let columns = |row: &BTreeMap<&str, String>| FAMILIES.map(|family| row[family].clone()).concat();
    rows.iter().map(|(name, row)| format!("{name}{}\n", columns(row))).collect()
}

/// The limits of a kernel: the most registers, and the least share.
fn limits(family: &str, name: &str) -> Option<(usize, usize)> {
    let row = LIMITS.lines().find(|line| line.split('\t').next() == Some(name))?;
    let column = 1 + FAMILIES.iter().position(|known| *known == family)?;
    let (registers, share) = row.split('\t').nth(column)?.strip_suffix('%')?.split_once(' ')?;
    Some((registers.parse().ok()?, share.parse().ok()?))
}

/// What is wrong with a kernel.
fn violation(kernel: &Measured) -> Option<String> {
    let Measured { family, name, is_first, compiled } = kernel;
    let is_spilled = compiled.spilled != [0, 0] || compiled.scratch > 0;
    let is_within = |(registers, share)| compiled.registers <= registers && compiled.share >= share;
    let keeps = !is_first || limits(family, name).is_some_and(is_within);
    (is_spilled || !keeps)
        .then(|| format!("{family} {name}: {compiled:?}, limits {:?}", limits(family, name)))
}

#[test]
fn kernels_keep_their_limits_on_amd() {
    if let Ok(family) = std::env::var("RADV_FORCE_FAMILY") {
        return compile_all(&family);
    }
    let Some(driver) = driver() else {
        println!("not asked: {DRIVER} is not there");
        return;
    };
    let measured = measured(&driver);
    let firsts = |family| measured.iter().filter(|kernel| kernel.is_first && kernel.family == family).count();
    let each = FAMILIES.map(firsts);
    assert!(each.iter().all(|&count| count == each[0] && count > 20), "kernels of each family: {each:?}");
    assert_eq!(
        LIMITS.lines().count(),
        each[0],
        "limits of kernels that are gone, or none:\n{}",
        table(&measured)
    );
    let wrong: Vec<String> = measured.iter().filter_map(violation).collect();
    assert!(wrong.is_empty(), "{}\nAs limits, what was measured is\n{}", wrong.join("\n"), table(&measured));
}

#[test]
fn a_kernel_that_spills_or_is_slower_is_found() {
    let (name, _) = LIMITS.lines().next().and_then(|line| line.split_once('\t')).expect("limits");
    let (registers, share) = limits("navi21", name).expect("limits");
    let kernel = |compiled, name: &str, is_first| Measured {
        family: "navi21".to_owned(),
        name: name.to_owned(),
        is_first,
        compiled,
    };
    let good = Compiled { registers, share, ..Compiled::default() };
    assert!(violation(&kernel(good, name, true)).is_none());
    assert!(violation(&kernel(good, "unknown", false)).is_none());
    assert!(violation(&kernel(good, "unknown", true)).is_some());
    for bad in [
        Compiled { registers: registers + 1, ..good },
        Compiled { share: share - 1, ..good },
        Compiled { spilled: [1, 0], ..good },
        Compiled { spilled: [0, 1], ..good },
        Compiled { scratch: 4, ..good },
    ] {
        assert!(violation(&kernel(bad, name, true)).is_some(), "{bad:?}");
    }
}
