//! The fused kernel's text: every stage written out for one architecture and shape.

use super::{ALWAYS_KEPT, Fused, FusedShape, QUAD, Stage, quads};
use crate::evaluate::gpu::wgsl::{DetailLayout, components, line, with_constants};
use crate::network::Layer;
use crate::objective::Needs;
use std::ops::Range;

const TEMPLATE: &str = include_str!("../../../../shaders/fused.wgsl");
const SCORE: &str = include_str!("../../../../shaders/fused_score.wgsl");
const DETAIL: &str = include_str!("../../../../shaders/fused_detail.wgsl");

impl FusedShape {
    /// Declares a zero that compilers do not see through, as no index of a vector is so large: one of each thread's
    /// own where they are to address the parameters each for itself, and else of each block's, so that compilers do
    /// not move all loads of parameters out of the loop over blocks, for which registers do not suffice.
    fn declaration_of_nothing(&self) -> &'static str {
        match (self.scattered, self.blocks) {
            (true, _) => "let nothing = first >> 31u;",
            (false, 1) => "",
            (false, _) => "let nothing = (window.first_vector + block) >> 31u;",
        }
    }

    /// What stands in front of an index of a parameter.
    fn plus(&self) -> &'static str {
        if self.declaration_of_nothing().is_empty() { "" } else { "nothing + " }
    }
}

impl Fused {
    /// The kernel's WGSL, to be put where [`judging`](crate::evaluate::gpu::wgsl::judging) puts it; its entry point is `score`.
    pub fn text(&self, shape: &FusedShape) -> String {
        let sum = |name: &str| {
            components(shape.lanes).iter().map(|c| format!("{name}{c}")).collect::<Vec<_>>().join(" + ")
        };
        let score = SCORE
            .replace("{{sum of count}}", &sum("count"))
            .replace("{{sum of lower}}", &sum("lower"))
            .replace("{{sum of upper}}", &sum("upper"));
        self.completed(shape, &score, |text, outputs, set| self.judging_text(text, outputs, set))
    }

    /// The WGSL of the kernel that keeps `kept`, to be put where [`DetailLayout::text`] puts it; its entry point is `detail`.
    pub fn detail_text(&self, shape: &FusedShape, kept: &DetailLayout) -> String {
        self.completed(shape, DETAIL, |text, outputs, set| self.keeping_text(text, outputs, set, kept))
    }

    /// The kernel with its `end`, and what becomes of the outputs of each set.
    fn completed(
        &self,
        shape: &FusedShape,
        end: &str,
        each_set: impl Fn(&mut String, &Named, usize),
    ) -> String {
        let vector = |component: &str| match shape.lanes {
            1 => component.to_owned(),
            lanes => format!("vec{lanes}<{component}>"),
        };
        let constants = [
            ("THREADS", shape.threads),
            ("SETS", shape.sets),
            ("BLOCKS", shape.blocks),
            ("STAGED", self.staged_quads()),
            ("ROW_BITS", self.staged_quads().next_power_of_two() - 1),
            ("MASK_WORDS", self.mask_words),
            ("ALWAYS_KEPT", ALWAYS_KEPT as usize),
        ];
        let each_block = match shape.blocks {
            1 => "const block = 0u;",
            _ => "for (var block = 0u; block < BLOCKS; block++)",
        };
        let end = end
            .replace("{{for each block}}", each_block)
            .replace("{{nothing}}", shape.declaration_of_nothing())
            .replace("{{layers}}", &self.layers_text(shape, each_set));
        let aliases: String = [("Samples", "f32"), ("Labels", "u32"), ("Wholes", "i32")]
            .map(|(name, component)| format!("alias {name} = {};\n", vector(component)))
            .concat();
        with_constants(&constants, &format!("{aliases}{TEMPLATE}{end}"))
    }

    fn layers_text(&self, shape: &FusedShape, each_set: impl Fn(&mut String, &Named, usize)) -> String {
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
        (0..shape.sets).for_each(|set| each_set(&mut text, &from, set));
        text
    }

    fn prediction_text(&self, text: &mut String, outputs: &Named, set: usize) {
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
    }

    fn label_text(text: &mut String, set: usize) {
        line(
            text,
            format_args!(
                "let label_{set} = select(Labels(NO_CLASS), labels[at_{set}], vector_{set} < window.end_vector);"
            ),
        );
    }

    fn judging_text(&self, text: &mut String, outputs: &Named, set: usize) {
        self.prediction_text(text, outputs, set);
        Self::label_text(text, set);
        line(text, format_args!("count += counted(prediction_{set}, label_{set});"));
        self.loss_text(text, outputs, set);
    }

    fn keeping_text(&self, text: &mut String, outputs: &Named, set: usize, kept: &DetailLayout) {
        let [vector, prediction, label] =
            ["vector", "prediction", "label"].map(|name| format!("{name}_{set}"));
        if kept.needs != Needs::Outputs {
            self.prediction_text(text, outputs, set);
        }
        if kept.needs == Needs::Confusion {
            Self::label_text(text, set);
        }
        line(text, format_args!("if {vector} < window.end_vector {{"));
        text.push_str(&kept.keep("group.x", &vector, &prediction, &label));
        if kept.needs == Needs::Outputs {
            line(text, format_args!("let place = place(group.x, {vector});"));
            for (lane, component) in components(kept.lanes).iter().enumerate() {
                for o in 0..self.outputs {
                    let (at, value) = (lane * self.outputs + o, outputs.value(o, set));
                    line(text, format_args!("details[place + {at}u] = {value}{component};"));
                }
            }
        }
        line(text, format_args!("}}"));
    }

    fn loss_text(&self, text: &mut String, outputs: &Named, set: usize) {
        line(
            text,
            format_args!("if LOSS {{\nlet label = label_{set};\nvar steps: Labels;\nvar sum = Samples(0.0);"),
        );
        line(text, format_args!("var right = {};", outputs.value(0, set)));
        for o in 1..self.outputs {
            let value = outputs.value(o, set);
            line(text, format_args!("right = select(right, {value}, label == Labels({o}u));"));
        }
        line(text, format_args!("if CROSS_ENTROPY {{"));
        for o in 0..self.outputs {
            line(text, format_args!("sum = add_exponential(sum, {}, best_{set});", outputs.value(o, set)));
        }
        line(text, format_args!("steps = cross_entropy_steps(sum, best_{set}, right, label);\n}} else {{"));
        line(text, format_args!("let least = least_of(right, margin);"));
        for o in 0..self.outputs {
            let value = outputs.value(o, set);
            line(text, format_args!("sum = add_class(sum, {value}, least, {o}u, label, margin);"));
        }
        line(text, format_args!("steps = steps_of(sum, label, margin);\n}}"));
        line(text, format_args!("lower += steps & Labels(0xffffu);\nupper += steps >> Labels(16u);\n}}"));
    }
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
    shape: &'a FusedShape,
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

    /// Where row `index` of `row` vectors each begins, the first at `first`: a number, or the name of a value that
    /// is declared here.
    ///
    /// That it is below a power of two, which it always is, tells compilers that no sum of it and a number wraps, so
    /// that the numbers become offsets of the loads: else each load's address is two instructions of its own.
    fn row_start(&self, text: &mut String, first: usize, row: usize, index: &str) -> String {
        let plus = self.shape.plus();
        if let Some(n) = index.strip_suffix('u').and_then(|n| n.parse::<usize>().ok()) {
            return format!("{plus}{}u", first + n * row);
        }
        line(text, format_args!("let row = ({plus}{index} * {row}u + {first}u) & ROW_BITS;"));
        "row".to_owned()
    }

    /// Loads some `vectors` of the row that begins at `start`.
    fn load_vectors(&self, text: &mut String, start: &str, vectors: Range<usize>) {
        for q in vectors {
            line(text, format_args!("let w{q} = staged[{start} + {q}u];"));
        }
    }

    /// Declares `values` and sets them to the parameters of the row at `first`.
    fn start(&self, text: &mut String, values: &Named, first: usize) {
        for neuron in 0..values.count {
            let at = first + neuron / QUAD;
            let component = ["x", "y", "z", "w"][neuron % QUAD];
            let plus = self.shape.plus();
            for set in 0..self.shape.sets {
                let value = values.value(neuron, set);
                line(text, format_args!("var {value} = Samples(staged[{plus}{at}u].{component});"));
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
            let start = self.row_start(text, self.base + row, row, i);
            self.load_vectors(text, &start, 0..row);
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
            let start = self.row_start(text, self.base + quads(next.outputs), row, h);
            // Of a neuron that nothing reads, no more than its outgoing weights is loaded.
            self.load_vectors(text, &start, outgoing..row);
            if !self.shape.unrolled {
                let silent: Vec<String> =
                    (0..next.outputs).map(|o| format!("{} == 0.0", parameter(first_outgoing + o))).collect();
                line(text, format_args!("if {} {{ continue; }}", silent.join(" && ")));
            }
            self.load_vectors(text, &start, 0..outgoing);
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
            self.load_vectors(text, &format!("{}{}u", self.shape.plus(), self.base + o * row), 0..row);
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
    use crate::evaluate::gpu::fused::tests::fused;
    use crate::evaluate::gpu::wgsl::judging;
    use crate::evaluate::gpu::wgsl::tests::validate;

    #[test]
    fn every_text_is_valid_wgsl() {
        for widths in [&[2, 1, 1][..], &[2, 20, 2], &[2, 50, 50, 2], &[64, 20, 10], &[3, 5, 4, 6, 2]] {
            for (lanes, sets, blocks, unrolled) in [(1, 1, 1, true), (2, 1, 3, false), (4, 2, 2, false)] {
                let shape = FusedShape { threads: 64, lanes, sets, blocks, unrolled, scattered: blocks == 2 };
                for subgroups in [false, true] {
                    validate(&judging(&fused(widths).text(&shape), subgroups));
                }
                for needs in [Needs::Predictions, Needs::Outputs, Needs::Confusion] {
                    let kept = DetailLayout {
                        needs,
                        outputs: widths[widths.len() - 1],
                        lanes,
                        group_cells: 4 * (sets - 1),
                    };
                    validate(&kept.text(&fused(widths).detail_text(&shape, &kept)));
                }
            }
        }
    }

    #[test]
    fn a_hidden_neuron_that_nothing_reads_is_known_by_its_outgoing_weights_alone() {
        // A row is a bias, 50 incoming and 2 outgoing weights: 14 vectors, of which the last two go out.
        let shape =
            FusedShape { threads: 64, lanes: 2, sets: 1, blocks: 1, unrolled: false, scattered: false };
        let text = fused(&[2, 50, 50, 2]).text(&shape);
        let (_, pair) = text.split_once("for (var h = 0u").expect("a loop over hidden neurons");
        let (tested, rest) = pair.split_once("continue").expect("a test");
        assert_eq!(tested.matches(" = staged[").count(), 2);
        assert_eq!(rest.matches(" = staged[").count(), 12);
    }
}
