//! The fused kernel's text and the order of its parameters, for one architecture.
//!
//! The layers are cut into [`Stage`]s such that no activation is ever indexed by a variable: values that
//! one stage hands to the next lie in named registers. A wide hidden layer never exists as a whole: a
//! [`Stage::Pair`] computes one hidden neuron at a time and adds its contribution to every neuron of the
//! layer behind it.

use crate::mask;
use crate::network::{Architecture, Layer};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::ops::Range;

const TEMPLATE: &str = include_str!("../../../shaders/fused.wgsl");

/// Parameters are staged in vectors of this many.
const QUAD: usize = 4;
/// A network of at most this many features keeps a sample's features in registers.
const MAX_NAMED_FEATURES: usize = 16;
/// Values that a thread holds in registers at once, for one sample.
const MAX_NAMED_VALUES: usize = 128;
/// The mark of a parameter that no mask removes, in the place of its mask bit.
pub const ALWAYS_KEPT: u32 = 1 << 31;
/// The label of padding: no prediction equals it.
pub const IMPOSSIBLE_LABEL: u32 = u32::MAX;

/// How the kernel is cut to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Threads of a workgroup.
    pub threads: usize,
    /// Samples in one vector: 1, 2 or 4.
    pub lanes: usize,
    /// Vectors that a thread carries through the layers together.
    pub sets: usize,
    /// Blocks of `threads * sets` vectors that a workgroup takes one after the other.
    pub blocks: usize,
    /// Write every neuron out instead of looping over them.
    pub unrolled: bool,
}

impl Shape {
    /// Vectors of samples that a workgroup covers.
    pub fn group_vectors(&self) -> usize {
        self.threads * self.sets * self.blocks
    }
}

/// A step through the layers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// The features become named values.
    Features,
    /// The first layer, input by input, with all its neurons as named values.
    Outer(Layer),
    /// Two layers: each neuron of the first, then its contributions to the neurons of the second, which
    /// are the named values.
    Pair(Layer, Layer),
    /// The last layer, neuron by neuron, all of them named values.
    Dense(Layer),
}

/// A parameter in the order in which the kernel reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    Weight(usize),
    Bias(usize),
    Padding,
}

/// A kernel for one architecture, or `None` where too many values would have to be held in registers.
#[derive(Clone, Debug)]
pub struct Fused {
    stages: Vec<Stage>,
    outputs: usize,
    inputs: usize,
    mask_words: usize,
}

/// The vectors that hold `count` parameters.
fn quads(count: usize) -> usize {
    count.div_ceil(QUAD)
}

impl Fused {
    pub fn new(architecture: &Architecture) -> Option<Self> {
        let mut layers: Vec<Layer> = architecture.layers().rev().collect();
        let mut stages = Vec::new();
        let named_features = layers.len().is_multiple_of(2) && architecture.inputs() <= MAX_NAMED_FEATURES;
        if named_features {
            stages.push(Stage::Features);
        } else {
            stages.push(Stage::Outer(layers.pop()?));
        }
        while let Some(layer) = layers.pop() {
            stages.push(match layers.pop() {
                Some(next) => Stage::Pair(layer, next),
                None => Stage::Dense(layer),
            });
        }
        let fused = Self {
            stages,
            outputs: architecture.outputs(),
            inputs: architecture.inputs(),
            mask_words: architecture.mask_words(),
        };
        (fused.named_values() <= MAX_NAMED_VALUES).then_some(fused)
    }

    /// The most values that a thread holds at once, for one sample.
    pub fn named_values(&self) -> usize {
        let mut held = 0;
        let mut most = 0;
        for stage in &self.stages {
            let made = match stage {
                Stage::Features => self.inputs,
                Stage::Outer(layer) | Stage::Dense(layer) => layer.outputs,
                Stage::Pair(_, layer) => layer.outputs + 1,
            };
            most = most.max(held + made);
            held = made;
        }
        most
    }

    /// The parameters in the order in which the kernel reads them; a multiple of four.
    pub fn slots(&self) -> Vec<Slot> {
        let mut slots = Vec::new();
        for stage in &self.stages {
            match *stage {
                Stage::Features => {}
                Stage::Outer(layer) => {
                    push_row(&mut slots, (0..layer.outputs).map(|o| Slot::Bias(layer.first_bias + o)));
                    for i in 0..layer.inputs {
                        push_row(&mut slots, (0..layer.outputs).map(|o| weight(&layer, o, i)));
                    }
                }
                Stage::Pair(layer, next) => {
                    push_row(&mut slots, (0..next.outputs).map(|o| Slot::Bias(next.first_bias + o)));
                    for h in 0..layer.outputs {
                        let incoming = (0..layer.inputs).map(|i| weight(&layer, h, i));
                        let outgoing = (0..next.outputs).map(|o| weight(&next, o, h));
                        let bias = [Slot::Bias(layer.first_bias + h)];
                        push_row(&mut slots, bias.into_iter().chain(incoming).chain(outgoing));
                    }
                }
                Stage::Dense(layer) => {
                    for o in 0..layer.outputs {
                        let bias = [Slot::Bias(layer.first_bias + o)];
                        let incoming = (0..layer.inputs).map(|i| weight(&layer, o, i));
                        push_row(&mut slots, bias.into_iter().chain(incoming));
                    }
                }
            }
        }
        slots
    }

    /// Vectors of four parameters that [`slots`](Self::slots) fills.
    pub fn staged_quads(&self) -> usize {
        let of = |stage: &Stage| match stage {
            Stage::Features => 0,
            Stage::Outer(layer) => quads(layer.outputs) * (1 + layer.inputs),
            Stage::Pair(layer, next) => {
                quads(next.outputs) + layer.outputs * quads(1 + layer.inputs + next.outputs)
            }
            Stage::Dense(layer) => layer.outputs * quads(1 + layer.inputs),
        };
        self.stages.iter().map(of).sum()
    }

    /// Multiply-adds per sample that a kernel of `shape` executes for `mask`. Loops skip hidden neurons whose
    /// outgoing weights are all masked, where two layers are taken together; nothing else is skipped.
    pub fn multiply_adds(&self, shape: &Shape, mask: &[u32]) -> u64 {
        let of = |stage: &Stage| match stage {
            Stage::Features => 0,
            Stage::Outer(layer) | Stage::Dense(layer) => layer.weights(),
            Stage::Pair(layer, next) => {
                let is_read = |h: usize| {
                    let mut outgoing = (0..next.outputs).map(|o| next.first_weight + o * next.inputs + h);
                    shape.unrolled || outgoing.any(|bit| mask::get(mask, bit))
                };
                (0..layer.outputs).filter(|&h| is_read(h)).count() * (layer.inputs + next.outputs)
            }
        };
        self.stages.iter().map(of).sum::<usize>() as u64
    }

    /// Bytes of workgroup memory: the masked parameters, the workgroup's count, its loss, and whether it rests.
    pub fn workgroup_bytes(&self) -> usize {
        self.staged_quads() * 16 + 16
    }

    /// The kernel's WGSL, to be put where `pipelines::judging` puts it; its entry point is `score`.
    pub fn text(&self, shape: &Shape) -> String {
        let (samples, labels, components) = match shape.lanes {
            1 => ("f32", "u32", &[""][..]),
            2 => ("vec2<f32>", "vec2<u32>", &[".x", ".y"][..]),
            _ => ("vec4<f32>", "vec4<u32>", &[".x", ".y", ".z", ".w"][..]),
        };
        let sum =
            |name: &str| components.iter().map(|c| format!("{name}{c}")).collect::<Vec<_>>().join(" + ");
        let mut text = String::new();
        for (name, value) in [
            ("THREADS", shape.threads),
            ("SETS", shape.sets),
            ("BLOCKS", shape.blocks),
            ("STAGED", self.staged_quads()),
            ("MASK_WORDS", self.mask_words),
            ("ALWAYS_KEPT", ALWAYS_KEPT as usize),
        ] {
            line(&mut text, format_args!("const {name}: u32 = {value}u;"));
        }
        line(&mut text, format_args!("alias Samples = {samples};\nalias Labels = {labels};"));
        let each_block = match shape.blocks {
            1 => "const block = 0u;",
            _ => "for (var block = 0u; block < BLOCKS; block++)",
        };
        text + &TEMPLATE
            .replace("{{for each block}}", each_block)
            .replace("{{sum of count}}", &sum("count"))
            .replace("{{sum of lower}}", &sum("lower"))
            .replace("{{sum of upper}}", &sum("upper"))
            .replace("{{layers}}", &self.layers_text(shape))
    }

    fn layers_text(&self, shape: &Shape) -> String {
        let mut text = String::new();
        for set in 0..shape.sets {
            line(&mut text, format_args!("let vector_{set} = first + {set}u * THREADS;"));
            line(&mut text, format_args!("let at_{set} = min(vector_{set}, window.end_vector - 1u);"));
        }
        let mut from = Named { stem: String::from("x"), count: self.inputs };
        let mut base = 0;
        for (n, stage) in self.stages.iter().enumerate() {
            let last = n + 1 == self.stages.len();
            let writer = Writer { shape, from: &from, base };
            let to = match *stage {
                Stage::Features => writer.features(&mut text),
                Stage::Outer(layer) => writer.outer(&mut text, &layer, n),
                Stage::Pair(layer, next) => writer.pair(&mut text, &layer, &next, n),
                Stage::Dense(layer) => writer.dense(&mut text, &layer, n),
            };
            if !last && *stage != Stage::Features {
                relu(&mut text, &to, shape.sets);
            }
            base += Self { stages: vec![*stage], ..self.clone() }.staged_quads();
            from = to;
        }
        self.prediction_text(&mut text, &from, shape.sets);
        text
    }

    fn prediction_text(&self, text: &mut String, outputs: &Named, sets: usize) {
        for set in 0..sets {
            line(text, format_args!("var best_{set} = {};", outputs.value(0, set)));
            line(text, format_args!("var prediction_{set} = Labels(0u);"));
            for o in 1..self.outputs {
                let value = outputs.value(o, set);
                line(
                    text,
                    format_args!(
                        "prediction_{set} = select(prediction_{set}, Labels({o}u), {value} > best_{set});"
                    ),
                );
                line(text, format_args!("best_{set} = select(best_{set}, {value}, {value} > best_{set});"));
            }
            line(
                text,
                format_args!(
                    "let label_{set} = select(Labels(IMPOSSIBLE_LABEL), labels[at_{set}], vector_{set} < window.end_vector);"
                ),
            );
            line(text, format_args!("count += counted(prediction_{set}, label_{set});"));
            self.loss_text(text, outputs, set);
        }
    }

    fn loss_text(&self, text: &mut String, outputs: &Named, set: usize) {
        line(text, format_args!("if LOSS {{\nlet label = label_{set};\nvar loss = Samples(0.0);"));
        line(text, format_args!("var right = {};", outputs.value(0, set)));
        for o in 1..self.outputs {
            let value = outputs.value(o, set);
            line(text, format_args!("right = select(right, {value}, label == Labels({o}u));"));
        }
        line(text, format_args!("let least = right - Samples(margin.tau);"));
        for o in 0..self.outputs {
            let value = outputs.value(o, set);
            line(text, format_args!("loss = add_class(loss, {value}, least, {o}u, label, margin);"));
        }
        line(text, format_args!("let steps = steps_of(loss, label, margin);"));
        line(text, format_args!("lower += steps & Labels(0xffffu);\nupper += steps >> Labels(16u);\n}}"));
    }
}

/// Adds `row`, filled up to whole vectors.
fn push_row(slots: &mut Vec<Slot>, row: impl Iterator<Item = Slot>) {
    slots.extend(row);
    slots.resize(quads(slots.len()) * QUAD, Slot::Padding);
}

fn weight(layer: &Layer, output: usize, input: usize) -> Slot {
    Slot::Weight(layer.first_weight + output * layer.inputs + input)
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("writing to a string");
}

fn relu(text: &mut String, values: &Named, sets: usize) {
    for value in values.all(sets) {
        line(text, format_args!("{value} = max({value}, Samples(0.0));"));
    }
}

/// Values in registers: one variable per neuron and set.
struct Named {
    stem: String,
    count: usize,
}

impl Named {
    fn value(&self, neuron: usize, set: usize) -> String {
        format!("{}_{neuron}_{set}", self.stem)
    }

    fn all(&self, sets: usize) -> impl Iterator<Item = String> + '_ {
        (0..self.count).flat_map(move |neuron| (0..sets).map(move |set| self.value(neuron, set)))
    }
}

/// The parameter at `index` of a row whose vectors are called `w0`, `w1`, …
fn parameter(index: usize) -> String {
    format!("w{}.{}", index / QUAD, ["x", "y", "z", "w"][index % QUAD])
}

/// Writes one stage, whose parameters begin at vector `base`.
struct Writer<'a> {
    shape: &'a Shape,
    from: &'a Named,
    base: usize,
}

impl Writer<'_> {
    /// Runs `body` for `index` in `0..count`: as a loop, or written out.
    fn repeat(&self, text: &mut String, index: &str, count: usize, body: impl Fn(&mut String, &str)) {
        if self.shape.unrolled {
            for n in 0..count {
                line(text, format_args!("{{"));
                body(text, &format!("{n}u"));
                line(text, format_args!("}}"));
            }
        } else {
            line(text, format_args!("for (var {index} = 0u; {index} < {count}u; {index}++) {{"));
            body(text, index);
            line(text, format_args!("}}"));
        }
    }

    /// Names the vectors of row `index` of `row` vectors each, the first at `first`.
    fn load_row(&self, text: &mut String, first: usize, row: usize, index: &str) {
        self.load_vectors(text, first, row, index, 0..row);
    }

    /// As [`load_row`](Self::load_row), some `vectors` of the row only.
    fn load_vectors(&self, text: &mut String, first: usize, row: usize, index: &str, vectors: Range<usize>) {
        for q in vectors {
            let at = match index.strip_suffix('u').and_then(|n| n.parse::<usize>().ok()) {
                Some(n) => format!("{}u", first + n * row + q),
                None => format!("{}u + {index} * {row}u", first + q),
            };
            line(text, format_args!("let w{q} = staged[{at}];"));
        }
    }

    /// Declares `values` and sets them to the parameters of the row at `first`.
    fn start(&self, text: &mut String, values: &Named, first: usize) {
        for neuron in 0..values.count {
            let at = first + neuron / QUAD;
            let component = ["x", "y", "z", "w"][neuron % QUAD];
            for set in 0..self.shape.sets {
                let value = values.value(neuron, set);
                line(text, format_args!("var {value} = Samples(staged[{at}u].{component});"));
            }
        }
    }

    /// `acc = fma(parameter, input, acc)`.
    fn accumulate(&self, text: &mut String, acc: &str, index: usize, input: &str) {
        line(text, format_args!("{acc} = fma(Samples({}), {input}, {acc});", parameter(index)));
    }

    fn features(&self, text: &mut String) -> Named {
        for i in 0..self.from.count {
            for set in 0..self.shape.sets {
                let value = self.from.value(i, set);
                line(text, format_args!("let {value} = features[{i}u * window.stride + at_{set}];"));
            }
        }
        Named { stem: self.from.stem.clone(), count: self.from.count }
    }

    fn outer(&self, text: &mut String, layer: &Layer, n: usize) -> Named {
        let to = Named { stem: format!("a{n}"), count: layer.outputs };
        let row = quads(layer.outputs);
        self.start(text, &to, self.base);
        self.repeat(text, "i", layer.inputs, |text, i| {
            for set in 0..self.shape.sets {
                line(text, format_args!("let x_{set} = features[{i} * window.stride + at_{set}];"));
            }
            self.load_row(text, self.base + row, row, i);
            for o in 0..layer.outputs {
                for set in 0..self.shape.sets {
                    self.accumulate(text, &to.value(o, set), o, &format!("x_{set}"));
                }
            }
        });
        to
    }

    fn pair(&self, text: &mut String, layer: &Layer, next: &Layer, n: usize) -> Named {
        let to = Named { stem: format!("a{n}"), count: next.outputs };
        let first_outgoing = 1 + layer.inputs;
        self.start(text, &to, self.base);
        self.repeat(text, "h", layer.outputs, |text, h| {
            let row = quads(first_outgoing + next.outputs);
            let outgoing = first_outgoing / QUAD;
            let load = |text: &mut String, vectors| {
                self.load_vectors(text, self.base + quads(next.outputs), row, h, vectors);
            };
            // Of a neuron that nothing reads, no more than its outgoing weights is loaded.
            load(text, outgoing..row);
            if !self.shape.unrolled {
                let silent: Vec<String> =
                    (0..next.outputs).map(|o| format!("{} == 0.0", parameter(first_outgoing + o))).collect();
                line(text, format_args!("if {} {{ continue; }}", silent.join(" && ")));
            }
            load(text, 0..outgoing);
            for set in 0..self.shape.sets {
                line(text, format_args!("var hidden_{set} = Samples({});", parameter(0)));
            }
            for i in 0..layer.inputs {
                for set in 0..self.shape.sets {
                    self.accumulate(text, &format!("hidden_{set}"), 1 + i, &self.from.value(i, set));
                }
            }
            for set in 0..self.shape.sets {
                line(text, format_args!("hidden_{set} = max(hidden_{set}, Samples(0.0));"));
            }
            for o in 0..next.outputs {
                for set in 0..self.shape.sets {
                    self.accumulate(text, &to.value(o, set), first_outgoing + o, &format!("hidden_{set}"));
                }
            }
        });
        to
    }

    fn dense(&self, text: &mut String, layer: &Layer, n: usize) -> Named {
        let to = Named { stem: format!("a{n}"), count: layer.outputs };
        let row = quads(1 + layer.inputs);
        for value in to.all(self.shape.sets) {
            line(text, format_args!("var {value}: Samples;"));
        }
        for o in 0..layer.outputs {
            line(text, format_args!("{{"));
            self.load_row(text, self.base, row, &format!("{o}u"));
            for set in 0..self.shape.sets {
                line(text, format_args!("{} = Samples({});", to.value(o, set), parameter(0)));
            }
            for i in 0..layer.inputs {
                for set in 0..self.shape.sets {
                    self.accumulate(text, &to.value(o, set), 1 + i, &self.from.value(i, set));
                }
            }
            line(text, format_args!("}}"));
        }
        to
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::gpu::tests::{judging, validate};

    fn fused(widths: &[usize]) -> Fused {
        let architecture: Architecture = widths.to_vec().try_into().expect("a valid architecture");
        Fused::new(&architecture).expect("few enough values")
    }

    #[test]
    fn every_parameter_is_staged_exactly_once() {
        for widths in [&[2, 20, 2][..], &[2, 50, 50, 2], &[64, 20, 10], &[64, 50, 50, 10], &[3, 5, 4, 6, 2]] {
            let architecture: Architecture = widths.to_vec().try_into().expect("a valid architecture");
            let slots = fused(widths).slots();
            assert_eq!(slots.len(), fused(widths).staged_quads() * QUAD);
            for (kind, count) in [(0, architecture.weights()), (1, architecture.biases())] {
                let mut seen: Vec<usize> = slots
                    .iter()
                    .filter_map(|slot| match (kind, *slot) {
                        (0, Slot::Weight(n)) | (1, Slot::Bias(n)) => Some(n),
                        _ => None,
                    })
                    .collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..count).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn every_text_is_valid_wgsl() {
        for widths in [&[2, 1, 1][..], &[2, 20, 2], &[2, 50, 50, 2], &[64, 20, 10], &[3, 5, 4, 6, 2]] {
            for (lanes, sets, blocks, unrolled) in [(1, 1, 1, true), (2, 1, 3, false), (4, 2, 2, false)] {
                let shape = Shape { threads: 64, lanes, sets, blocks, unrolled };
                for subgroups in [false, true] {
                    validate(&judging(&fused(widths).text(&shape), subgroups));
                }
            }
        }
    }

    #[test]
    fn loops_skip_hidden_neurons_that_nothing_reads() {
        let fused = fused(&[2, 3, 2]);
        let mut mask = vec![0];
        // The second hidden neuron feeds output 0.
        mask::flip(&mut mask, 6 + 1);
        let shape = Shape { threads: 64, lanes: 4, sets: 1, blocks: 1, unrolled: false };
        assert_eq!(fused.multiply_adds(&shape, &mask), 4);
        assert_eq!(fused.multiply_adds(&Shape { unrolled: true, ..shape }, &mask), 12);
    }

    #[test]
    fn a_hidden_neuron_that_nothing_reads_is_known_by_its_outgoing_weights_alone() {
        // A row is a bias, 50 incoming and 2 outgoing weights: 14 vectors, of which the last two go out.
        let shape = Shape { threads: 64, lanes: 2, sets: 1, blocks: 1, unrolled: false };
        let text = fused(&[2, 50, 50, 2]).text(&shape);
        let (_, pair) = text.split_once("for (var h = 0u").expect("a loop over hidden neurons");
        let (tested, rest) = pair.split_once("continue").expect("a test");
        assert_eq!(tested.matches(" = staged[").count(), 2);
        assert_eq!(rest.matches(" = staged[").count(), 12);
    }

    #[test]
    fn a_layer_too_wide_for_registers_has_no_fused_kernel() {
        let architecture: Architecture = vec![64, 512, 512, 10].try_into().expect("a valid architecture");
        assert!(Fused::new(&architecture).is_none());
    }
}
