//! All cases of a check.

use super::case::{EvaluationCase, counts, minimums, mixed_masks, network};
use super::check_case::{CaseGroup, CheckCase};
use super::scores::Asked;
use super::{Fault, Subject, neighbours, tickets};
use crate::dataset::Split;
use crate::evaluate::gpu::{GpuDevice, GpuEvaluator, GpuOptions, KernelShape, Limits, Maker, candidates};
use crate::evaluate::{Arithmetic, EvaluateError};
use crate::objective::Score;
use std::sync::{Arc, OnceLock};

/// A case that several kernels are asked, and the plain form once.
struct Posed {
    case: EvaluationCase,
    arithmetic: Arithmetic,
    /// `[split, masks]`
    answers: OnceLock<[Vec<Score>; 3]>,
    /// Are predictions, outputs and confusion counts asked for too?
    with_details: bool,
    /// `[masks, samples, outputs]` of the training set.
    outputs: OnceLock<Vec<f32>>,
}

impl Posed {
    fn new(subject: &Subject, case: EvaluationCase) -> Arc<Self> {
        Arc::new(Self {
            case,
            arithmetic: subject.backend().arithmetic(),
            answers: OnceLock::new(),
            with_details: true,
            outputs: OnceLock::new(),
        })
    }

    /// `masks` of all kinds, of so many `networks`.
    fn mixed(subject: &Subject, widths: &[usize], train: usize, networks: usize, masks: usize) -> Arc<Self> {
        Self::new(subject, EvaluationCase::new(widths, train, networks, mixed_masks(widths, masks)))
    }

    /// The same without details where they are not wanted.
    fn with_details(self: Arc<Self>, with_details: bool) -> Arc<Self> {
        let (answers, outputs) = Default::default();
        Arc::new(Self {
            case: self.case.clone(),
            arithmetic: self.arithmetic,
            answers,
            with_details,
            outputs,
        })
    }

    fn answers(&self) -> &[Vec<Score>; 3] {
        self.answers.get_or_init(|| self.case.plain_answers(self.arithmetic))
    }

    /// An evaluator on the device with these options, or the backend's own.
    fn asked(&self, subject: &Subject, options: Option<GpuOptions>) -> Result<Asked, EvaluateError> {
        let problem = self.case.problem();
        Ok(match (subject.device(), options) {
            (Some(device), Some(options)) => {
                Asked::OnDevice(Box::new(GpuEvaluator::new(device, &problem, options)?))
            }
            _ => Asked::Other(subject.with_default_kernels().evaluator(&problem)?),
        })
    }

    fn everything(&self, subject: &Subject, options: Option<GpuOptions>) -> Result<(), Fault> {
        let mut asked = self.asked(subject, options)?;
        asked.everything(&self.case, self.answers())?;
        if !self.with_details {
            return Ok(());
        }
        asked.details(
            &self.case,
            self.outputs.get_or_init(|| self.case.plain_outputs(Split::Train, self.arithmetic)),
        )
    }

    /// Every question to an evaluator with each of `options`, a case each.
    fn cases(
        self: &Arc<Self>,
        group: CaseGroup,
        name: &str,
        options: impl IntoIterator<Item = Option<GpuOptions>>,
    ) -> Vec<CheckCase> {
        let architecture = self.case.architecture();
        let new = |options: Option<GpuOptions>| {
            let posed = Arc::clone(self);
            let kernel = options.map(|options| format!(", {}", title(&options)));
            let name = format!("{architecture}{name}{}", kernel.unwrap_or_default());
            CheckCase::new(group, name, move |subject| posed.everything(subject, options))
        };
        options.into_iter().map(new).collect()
    }
}

/// How an evaluator is built, where that is not left to the device.
fn title(options: &GpuOptions) -> String {
    let words = [
        options.shape.map(|shape| format!("{shape:?}")),
        options.checked.map(|checked| if checked { "checked" } else { "unchecked" }.to_owned()),
        options.subgroups.map(|with| if with { "with subgroups" } else { "without subgroups" }.to_owned()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// All cases that `subject` is to pass; some of them where it is to be `quick`.
pub fn cases(subject: &Subject, quick: bool) -> Vec<CheckCase> {
    let mut cases = Vec::new();
    if let Some(device) = subject.device() {
        cases.extend(kernels(subject, device, quick));
    }
    cases.extend(shapes(subject, quick));
    cases.extend(sizes(subject, quick));
    cases.extend(neighbourhoods(quick));
    cases.extend(searches(quick));
    cases
}

/// The kernels that a hardware or a software adapter like this may choose for `case`; none that is there twice.
fn all_kernels(device: &GpuDevice, case: &EvaluationCase) -> Vec<KernelShape> {
    let limits = device.description().limits;
    let mut shapes = Vec::new();
    for maker in [Maker::Other, Maker::Software] {
        let more = candidates(case.architecture(), &limits, maker).unwrap_or_default();
        shapes.extend(more.into_iter().filter(|shape| !shapes.contains(shape)).collect::<Vec<_>>());
    }
    shapes
}

/// The first kernel of either family.
fn first_kernels(shapes: &[KernelShape]) -> Vec<KernelShape> {
    let first = |fused: bool| shapes.iter().find(|shape| matches!(shape, KernelShape::Fused(_)) == fused);
    [first(true), first(false)].into_iter().flatten().copied().collect()
}

/// The kernels that this device takes by default, one of either family; of a backend without kernels, what it makes.
fn default_kernels(subject: &Subject, case: &EvaluationCase) -> Vec<Option<GpuOptions>> {
    let Some(device) = subject.device() else { return vec![None] };
    let limits = device.description().limits;
    let shapes = candidates(case.architecture(), &limits, device.maker()).unwrap_or_default();
    first_kernels(&shapes).into_iter().map(|shape| Some(with_shape(shape))).collect()
}

fn with_shape(shape: KernelShape) -> GpuOptions {
    GpuOptions { shape: Some(shape), ..GpuOptions::default() }
}

fn kernels(subject: &Subject, device: &GpuDevice, quick: bool) -> Vec<CheckCase> {
    let networks: [(&[usize], usize); 4] =
        [(&[3, 5, 6, 5, 4], 90), (&[2, 9, 2], 2_100), (&[5, 6, 7, 3], 300), (&[18, 6, 5], 300)];
    let mut cases = Vec::new();
    for (place, (widths, train)) in
        networks.into_iter().take(if quick { 1 } else { networks.len() }).enumerate()
    {
        // What is kept of outputs goes by a kernel's cut alone: a network with every kind of stage shows it.
        let posed = Posed::mixed(subject, widths, train, 2, 6).with_details(place == 0);
        let mut shapes = all_kernels(device, &posed.case);
        if quick {
            shapes = first_kernels(&shapes);
        }
        let options = shapes.into_iter().enumerate().flat_map(|(n, shape)| {
            // As the program compiles it; some of them also the other way.
            let other = (n % 3 == 0 && !quick).then_some(GpuOptions {
                checked: Some(!device.is_software()),
                subgroups: Some(false),
                ..with_shape(shape)
            });
            [Some(with_shape(shape)), other].into_iter().flatten().map(Some)
        });
        cases.extend(posed.cases(CaseGroup::Kernels, "", options));
    }
    cases
}

fn shapes(subject: &Subject, quick: bool) -> Vec<CheckCase> {
    // Widths, samples, masks. Two are too wide for the fused kernel.
    let networks: [(&[usize], usize, usize); 15] = [
        (&[2, 20, 2], 333, 40),
        (&[20, 300, 130, 5], 70, 4),
        (&[17, 5, 6, 3], 129, 6),
        (&[2, 1, 1], 5, 3),
        (&[2, 1, 2], 40, 4),
        (&[1, 3, 2], 33, 5),
        (&[33, 33, 33], 70, 4),
        (&[33, 33, 33, 33], 70, 4),
        (&[3, 9, 8, 7, 4], 65, 6),
        (&[2, 100, 2], 300, 6),
        (&[2, 50, 50, 2], 90, 5),
        (&[64, 50, 50, 10], 150, 5),
        (&[20, 130, 70, 5], 70, 4),
        // More confusion counts than a workgroup sums up, and more classes than a byte tells apart.
        (&[3, 4, 40], 70, 5),
        (&[2, 3, 300], 40, 3),
    ];
    let mut cases = Vec::new();
    for (widths, train, masks) in networks.into_iter().take(if quick { 2 } else { networks.len() }) {
        let posed = Posed::mixed(subject, widths, train, 2, masks);
        let options = default_kernels(subject, &posed.case);
        cases.extend(posed.cases(CaseGroup::Shapes, "", options));
    }
    cases
}

fn sizes(subject: &Subject, quick: bool) -> Vec<CheckCase> {
    let mut cases = small_limits(subject, quick);
    cases.extend(large_losses(subject, quick));
    cases.extend(signed_zeros(subject));
    cases.extend(layers_in_parts(subject));
    cases.push(replaced_network(subject));
    if quick {
        return cases;
    }
    let sizes: [(&[usize], usize, usize, usize, &str); 2] = [
        (&[2, 20, 2], 1, 1, 1, ", one sample and one mask"),
        (&[2, 7, 2], 40, 7, 1_000, ", a thousand masks of seven networks"),
    ];
    for (widths, train, networks, masks, name) in sizes {
        let posed = Posed::mixed(subject, widths, train, networks, masks);
        let options = default_kernels(subject, &posed.case);
        cases.extend(posed.cases(CaseGroup::Sizes, name, options));
    }
    cases.push(many_samples(subject));
    cases
}

/// More samples than 16 bits count: scores, and a minimum for some of the masks.
fn many_samples(subject: &Subject) -> CheckCase {
    const SAMPLES: usize = 65_537;
    let posed = Posed::mixed(subject, &[2, 3, 2], SAMPLES, 1, 3);
    CheckCase::new(CaseGroup::Sizes, format!("{SAMPLES} samples"), move |subject| {
        let expected = posed.case.plain_scores(Split::Train, posed.arithmetic);
        let counts = counts(&expected);
        // Just reached, just missed, or nothing asked.
        let mixed = &minimums(&counts, SAMPLES as u32)[2];
        for options in default_kernels(subject, &posed.case) {
            let mut asked = posed.asked(subject, options)?;
            asked.scores(&posed.case, Split::Train, &expected)?;
            asked.reaching(&posed.case, &counts, mixed)?;
        }
        Ok(())
    })
}

/// A device of which little is asked splits everything, and nothing changes.
fn small_limits(subject: &Subject, quick: bool) -> Vec<CheckCase> {
    let Some(device) = subject.device() else { return Vec::new() };
    let limits = Limits {
        binding_bytes: 1_200,
        buffer_bytes: 1 << 20,
        groups_per_dimension: 3,
        workgroup_bytes: 8 << 10,
        workgroup_threads: device.description().limits.workgroup_threads.min(256),
    };
    let posed = Posed::mixed(subject, &[3, 12, 3], 500, 5, 20);
    let shapes = |maker| {
        let shapes = candidates(posed.case.architecture(), &limits, maker).unwrap_or_default();
        first_kernels(&shapes)
    };
    let mut all = shapes(device.maker());
    if !quick {
        let more = [Maker::Other, Maker::Software].into_iter().flat_map(shapes);
        all.extend(more.filter(|shape| !all.contains(shape)).collect::<Vec<_>>());
    }
    let new = |shape: KernelShape| {
        let options = GpuOptions { most_work: Some(20_000), subgroups: Some(false), ..with_shape(shape) };
        let (posed, name) = (Arc::clone(&posed), format!("small limits, {}", title(&options)));
        CheckCase::new(CaseGroup::Sizes, name, move |subject| match subject.device() {
            Some(device) => posed.everything(&subject.with_device(device.within(limits)), Some(options)),
            None => Ok(()),
        })
    };
    all.into_iter().map(new).collect()
}

/// A network of several bindings, whose layers come in parts: rows of an odd length, and ones that begin at multiples of
/// four.
fn layers_in_parts(subject: &Subject) -> Vec<CheckCase> {
    let Some(device) = subject.device() else { return Vec::new() };
    let limits = Limits { binding_bytes: 1_024, ..device.description().limits };
    let mut cases = Vec::new();
    for widths in [&[7, 40, 21, 3][..], &[8, 32, 20, 4]] {
        let posed = Posed::mixed(subject, widths, 50, 3, 9);
        let shapes = candidates(posed.case.architecture(), &limits, device.maker()).unwrap_or_default();
        let shapes = shapes.into_iter().filter(|shape| matches!(shape, KernelShape::Tiled(_))).take(1);
        cases.extend(shapes.map(|shape| {
            let posed = Arc::clone(&posed);
            let name = format!("{}, layers in parts", posed.case.architecture());
            CheckCase::new(CaseGroup::Sizes, name, move |subject| match subject.device() {
                Some(device) => {
                    posed.everything(&subject.with_device(device.within(limits)), Some(with_shape(shape)))
                }
                None => Ok(()),
            })
        }));
    }
    cases
}

/// Every sample saturates: 2^30 steps each, so that workgroups and masks wrap often.
pub fn losses_beyond_a_word() -> EvaluationCase {
    let mut case = EvaluationCase::new(&[2, 3, 2], 5_001, 1, mixed_masks(&[2, 3, 2], 7));
    case.networks[0].weights_mut().iter_mut().for_each(|weight| *weight *= 1e15);
    case
}

fn large_losses(subject: &Subject, quick: bool) -> Vec<CheckCase> {
    let posed = Posed::new(subject, losses_beyond_a_word());
    let options = default_kernels(subject, &posed.case).into_iter().flat_map(|options| {
        let without = options.filter(|_| !quick);
        let without = without.map(|options| GpuOptions { subgroups: Some(false), ..options });
        [Some(options), without.map(Some)].into_iter().flatten()
    });
    posed.cases(CaseGroup::Sizes, ", losses beyond 32 bits", options)
}

/// Sums that are zeros of either sign, in hidden layers and in the last one.
fn signed_zeros(subject: &Subject) -> Vec<CheckCase> {
    let mut case = EvaluationCase::new(&[2, 3, 2], 40, 1, mixed_masks(&[2, 3, 2], 5));
    case.networks[0].biases_mut().fill(-0.0);
    let posed = Posed::new(subject, case);
    let options = default_kernels(subject, &posed.case);
    posed.cases(CaseGroup::Sizes, ", zeros of either sign", options)
}

/// Three networks, and the same when the second was replaced.
pub fn before_and_after() -> [EvaluationCase; 2] {
    let widths = [2, 9, 3];
    let before = EvaluationCase::new(&widths, 100, 3, mixed_masks(&widths, 12));
    let mut after = before.clone();
    after.networks[1] = network(&widths, 99);
    [before, after]
}

/// The network that replaces another is the one that is scored.
fn replaced_network(subject: &Subject) -> CheckCase {
    let [before, after] = before_and_after().map(|case| Posed::new(subject, case));
    CheckCase::new(CaseGroup::Sizes, "a replaced network", move |subject| {
        for options in default_kernels(subject, &before.case) {
            let mut asked = before.asked(subject, options)?;
            asked.scores(&before.case, Split::Train, &before.answers()[Split::Train as usize])?;
            asked.set_network(1, &after.case.networks[1])?;
            asked.scores(&after.case, Split::Train, &after.answers()[Split::Train as usize])?;
        }
        Ok(())
    })
}

fn neighbourhoods(quick: bool) -> Vec<CheckCase> {
    let group = CaseGroup::Neighbours;
    let name = |widths: &[usize]| format!("{widths:?}");
    let mut cases = Vec::new();
    for widths in
        neighbours::SHAPES.into_iter().skip(if quick { 2 } else { 0 }).take(if quick { 1 } else { 4 })
    {
        for objective in neighbours::objectives() {
            let name = format!("{}, flips by {}", name(widths), judged_by(objective));
            cases.push(CheckCase::new(group, name, move |subject| {
                neighbours::walk(subject, widths, objective).map(drop)
            }));
        }
        if !quick {
            for (count, objective) in [1, 64, 200].into_iter().zip(neighbours::objectives()) {
                let name = format!("{}, masks on {count} samples", name(widths));
                let check = move |subject: &Subject| neighbours::masks(subject, widths, count, objective);
                cases.push(CheckCase::new(group, name, check));
            }
        }
    }
    cases.push(CheckCase::new(group, "chunks, and pre-activations computed anew", neighbours::cut));
    // Chunks of one tile, and of eight.
    for samples in [600, 9_000].into_iter().take(if quick { 1 } else { 2 }) {
        let name = format!("races on {samples} samples");
        cases.push(CheckCase::new(group, name, move |subject| neighbours::races(subject, samples).map(drop)));
    }
    cases
}

fn judged_by(objective: crate::objective::Objective) -> String {
    objective.margin().map_or("accuracy".to_owned(), |margin| format!("margin loss, tau {}", margin.tau()))
}

fn searches(quick: bool) -> Vec<CheckCase> {
    let kinds = tickets::kinds().into_iter();
    let new = |(name, settings): (&str, serde_json::Value)| {
        CheckCase::new(CaseGroup::Tickets, name, move |subject| {
            tickets::same_as_on_the_cpu(subject, &settings)
        })
    };
    kinds.take(if quick { 6 } else { 7 }).map(new).collect()
}
