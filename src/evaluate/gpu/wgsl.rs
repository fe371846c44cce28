//! The kernels' texts: WGSL of `shaders/` behind the constants that it shares with the host.

use crate::objective::{Needs, cross_entropy, margin};
use std::f32::consts::{LOG2_E, SQRT_2};
use std::fmt::{Arguments, Write};

/// What stands in front of every kernel that scores masks of a batch.
pub(super) const BATCH: &str = concat!(
    include_str!("../../../shaders/batch.wgsl"),
    include_str!("../../../shaders/counts.wgsl"),
    include_str!("../../../shaders/minimum.wgsl")
);
/// What stands in front of those that keep more of them, before what says what that is.
const UNJUDGED: &str = include_str!("../../../shaders/batch.wgsl");
const PREDICTIONS: &str = include_str!("../../../shaders/predictions.wgsl");
const OUTPUTS: &str = include_str!("../../../shaders/outputs.wgsl");
const CONFUSION: &str = include_str!("../../../shaders/confusion.wgsl");
const SUBGROUP: &str = include_str!("../../../shaders/subgroup.wgsl");
const ALONE: &str = include_str!("../../../shaders/alone.wgsl");
const MARGIN: &str = include_str!("../../../shaders/margin.wgsl");
const CROSS_ENTROPY: &str = include_str!("../../../shaders/cross_entropy.wgsl");
const GROUP_SUMS: &str = include_str!("../../../shaders/group_sums.wgsl");

/// The label of padding: no class has it.
pub(super) const NO_CLASS: u32 = u32::MAX;

/// Appends a line.
pub(super) fn line(text: &mut String, content: Arguments<'_>) {
    writeln!(text, "{content}").expect("writing to a string");
}

/// `text` behind constants of these names and values.
pub(super) fn with_constants(constants: &[(&str, usize)], text: &str) -> String {
    let mut all = String::new();
    for (name, value) in constants {
        line(&mut all, format_args!("const {name}: u32 = {value}u;"));
    }
    all + text
}

/// `kernel` behind the margin loss of a sample, for which it is to say what `Samples` and `Labels` are.
pub(super) fn with_margin_loss(kernel: &str) -> String {
    let limit = format!("const LIMIT: f32 = {:?};\n", f64::from(margin::LIMIT));
    with_constants(&[("NO_CLASS", NO_CLASS as usize)], &(limit + MARGIN + kernel))
}

/// `kernel`, which judges predictions of a batch's masks, with what stands in front of it.
pub(super) fn judging(kernel: &str, subgroups: bool) -> String {
    let sums = if subgroups { SUBGROUP } else { ALONE };
    let numbers = cross_entropy_constants();
    format!("{BATCH}{sums}{}", with_margin_loss(&format!("{numbers}{CROSS_ENTROPY}{GROUP_SUMS}{kernel}")))
}

/// The numbers of the cross-entropy, which the host has the same.
fn cross_entropy_constants() -> String {
    let single = [
        ("STEPS_PER_NAT", cross_entropy::STEPS_PER_NAT),
        ("FARTHEST", cross_entropy::FARTHEST),
        ("CUT", cross_entropy::CUT),
        ("LOG2_E", LOG2_E),
        ("SQRT_2", SQRT_2),
    ];
    let single = single.into_iter().map(|(name, value)| (name.to_owned(), value));
    let several = [("POWER", &cross_entropy::POWER[..]), ("LOGARITHM", &cross_entropy::LOGARITHM)];
    let several = several.into_iter().flat_map(|(name, values)| {
        values.iter().enumerate().map(move |(n, &value)| (format!("{name}_{n}"), value))
    });
    let mut text = format!("const STEPS_OF_LN_2: i32 = {};\n", cross_entropy::STEPS_OF_LN_2 as i32);
    for (name, value) in single.chain(several) {
        line(&mut text, format_args!("const {name}: f32 = {:?};", f64::from(value)));
    }
    text
}

/// The parts of a vector of so many samples.
pub(super) fn components(lanes: usize) -> &'static [&'static str] {
    match lanes {
        1 => &[""],
        2 => &[".x", ".y"],
        _ => &[".x", ".y", ".z", ".w"],
    }
}

/// What a kernel keeps of every mask's outputs beside counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct DetailLayout {
    pub needs: Needs,
    /// Outputs of the network.
    pub outputs: usize,
    /// Samples in one vector.
    pub lanes: usize,
    /// Confusion counts that a workgroup sums up in memory of its own; none where it has no room for them.
    pub group_cells: usize,
}

impl DetailLayout {
    /// `kernel`, which keeps this, with what stands in front of it.
    pub fn text(&self, kernel: &str) -> String {
        let constants = [
            ("NO_CLASS", NO_CLASS as usize),
            ("OUTPUTS", self.outputs),
            ("LANES", self.lanes),
            ("GROUP_CELLS", self.group_cells),
        ];
        let keeping = match self.needs {
            Needs::Predictions => PREDICTIONS,
            Needs::Outputs => OUTPUTS,
            Needs::Confusion => CONFUSION,
        };
        with_constants(&constants, &format!("{UNJUDGED}{keeping}{kernel}"))
    }

    /// What keeps the values of these names of a vector's samples, of the window's mask at `row`; nothing of outputs,
    /// which are kept one by one.
    pub fn keep(&self, row: &str, vector: &str, prediction: &str, label: &str) -> String {
        let components = components(self.lanes).iter();
        match self.needs {
            Needs::Predictions => {
                let byte = |(n, c): (usize, &&str)| format!("({prediction}{c} << {}u)", 8 * n);
                let bytes = components.enumerate().map(byte).collect::<Vec<_>>().join(" | ");
                format!("keep({row}, {vector}, {bytes});\n")
            }
            Needs::Confusion => {
                components.map(|c| format!("keep({row}, {label}{c}, {prediction}{c});\n")).collect()
            }
            Needs::Outputs => String::new(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    /// Parses and validates WGSL without a device.
    pub fn validate(text: &str) -> naga::Module {
        let module = naga::front::wgsl::parse_str(text)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::SUBGROUP)
            .validate(&module)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
        module
    }

    /// Asserts that the struct `name` of `text` lies in memory as one of `size` bytes with these `fields` at these
    /// offsets does; padding, whose fields are called unused, has no counterpart.
    pub fn assert_lies_as(text: &str, name: &str, size: usize, fields: &[(&str, usize)]) {
        let module = validate(text);
        let layout = |ty: &naga::Type| match &ty.inner {
            naga::TypeInner::Struct { members, span } if ty.name.as_deref() == Some(name) => {
                let field = |member: &naga::StructMember| {
                    (member.name.clone().unwrap_or_default(), member.offset as usize)
                };
                Some((members.iter().map(field).collect::<Vec<_>>(), *span as usize))
            }
            _ => None,
        };
        let found = module.types.iter().find_map(|(_, ty)| layout(ty));
        let (theirs, span) = found.unwrap_or_else(|| panic!("no struct {name}"));
        let used = theirs.iter().map(|(field, offset)| (field.as_str(), *offset));
        let used: Vec<(&str, usize)> = used.filter(|(field, _)| !field.starts_with("unused")).collect();
        assert_eq!((span, &used[..]), (size, fields), "{name}");
    }

    /// The fields of a struct with their offsets, as [`assert_lies_as`] takes them.
    macro_rules! offsets {
        ($host:ty: $($field:ident),+ $(,)?) => {
            &[$((stringify!($field), std::mem::offset_of!($host, $field))),+]
        };
    }
    pub(in crate::evaluate::gpu) use offsets;
}
