//! The tiled kernel: one layer of many masked networks as a register-tiled matrix product, its tiles and its text.

use super::kernel::COUNT_THREADS;
use super::wgsl::{DetailLayout, line, with_constants};
use crate::network::{Layer, Network};
use crate::objective::Needs;
use serde::{Deserialize, Serialize};

const TEMPLATE: &str = include_str!("../../../shaders/tiled.wgsl");
const WEIGHTS: &str = include_str!("../../../shaders/tiled_weights.wgsl");
const ALIGNED_WEIGHTS: &str = include_str!("../../../shaders/tiled_aligned_weights.wgsl");

/// The kernel that follows the last layer, to be put where [`judging`](super::wgsl::judging) puts it.
pub const COUNT: &str = include_str!("../../../shaders/count.wgsl");
const DETAIL: &str = include_str!("../../../shaders/detail.wgsl");

/// Samples in one vector.
pub const LANES: usize = 4;
/// Weights that are loaded at a time where rows allow it.
pub const QUAD: usize = 4;

/// Threads that a device should have at work in one dispatch.
const BUSY_THREADS: usize = 1 << 15;
/// Instructions that staging a vector of four takes, roughly.
const STAGING_INSTRUCTIONS: f64 = 8.0;
/// Vectors of sums that a thread has registers for: with sixteen, compilers for Intel's GPUs spill.
const MOST_SUMS: usize = 8;

/// How the kernel is cut to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TiledShape {
    /// Threads of a workgroup along its samples, a power of two,
    pub columns: usize,
    /// and along its neurons, a power of two.
    pub lines: usize,
    /// Neurons of a thread.
    pub rows: usize,
    /// Vectors of four samples of a thread.
    pub quads: usize,
    /// Inputs staged at a time; a multiple of four.
    pub depth: usize,
}

impl TiledShape {
    /// Neurons of a workgroup.
    pub fn tile_rows(&self) -> usize {
        self.lines * self.rows
    }

    /// Vectors of samples of a workgroup.
    pub fn tile_vectors(&self) -> usize {
        self.columns * self.quads
    }

    pub fn threads(&self) -> usize {
        self.columns * self.lines
    }

    /// Bytes of workgroup memory: a tile of weights and a tile of inputs.
    pub fn workgroup_bytes(&self) -> usize {
        (self.tile_rows() + self.tile_vectors() * LANES) * self.depth * 4
    }

    /// The tile for a layer of so many `outputs` behind the first, on windows of `pairs` pairs of a mask and a vector:
    /// of those that take no more of a device than this one, what wastes least.
    pub fn for_layer(&self, outputs: usize, pairs: u64) -> Self {
        let mut best = (self.usefulness(outputs, pairs), *self);
        for lines in [2, 4, 8, 16] {
            for columns in [8, 16, 32] {
                for rows in 1..=MOST_SUMS {
                    for quads in 1..=MOST_SUMS / rows {
                        let tile = Self { columns, lines, rows, quads, depth: self.depth };
                        let usefulness = tile.usefulness(outputs, pairs);
                        if tile.is_within(self) && usefulness > 1.02 * best.0 {
                            best = (usefulness, tile);
                        }
                    }
                }
            }
        }
        best.1
    }

    /// Whole subgroups that stage evenly, and no more than the tile `most` takes.
    fn is_within(&self, most: &Self) -> bool {
        let is_even = |count: usize| count <= self.threads() || count.is_multiple_of(self.threads());
        self.staged().into_iter().all(is_even)
            && self.threads() <= most.threads()
            && self.threads() >= most.threads().min(64)
            && self.quads <= most.quads
            && self.workgroup_bytes() <= most.workgroup_bytes()
    }

    /// The share of multiply-adds for neurons that there are among a thread's instructions, less what a device is
    /// idle for.
    fn usefulness(&self, outputs: usize, pairs: u64) -> f64 {
        let tiles = outputs.div_ceil(self.tile_rows());
        let useful = outputs as f64 / (tiles * self.tile_rows()) as f64;
        // For one input: products of four samples; loads; the thread's part of staging.
        let products = (self.rows * self.quads * LANES) as f64;
        let loads = self.quads as f64 + self.rows as f64 / QUAD as f64;
        let staged = self.tile_vectors() as f64 + self.tile_rows() as f64 / QUAD as f64;
        let staging = STAGING_INSTRUCTIONS * staged / self.threads() as f64;
        let groups = tiles as u64 * pairs.div_ceil(self.tile_vectors() as u64);
        let threads = groups as f64 * self.threads() as f64;
        let busy = (threads / BUSY_THREADS as f64).min(1.0);
        useful * busy * products / (products + loads + staging)
    }

    /// The WGSL, to be put behind `batch.wgsl`; its entry point is `multiply`. Of an aligned part every row begins at a
    /// multiple of four, of parameters and of the mask's bits.
    fn text(&self, is_aligned: bool) -> String {
        let constants = [
            ("COLUMNS", self.columns),
            ("LINES", self.lines),
            ("ROWS", self.rows),
            ("QUADS", self.quads),
            ("DEPTH", self.depth),
        ];
        let kernel = TEMPLATE
            .replace("{{weights}}", if is_aligned { ALIGNED_WEIGHTS } else { WEIGHTS })
            .replace("{{initialise}}", &self.initialise())
            .replace("{{stage}}", &self.stage(false))
            .replace("{{stage rest}}", &self.stage(true))
            .replace("{{accumulate}}", &self.accumulate())
            .replace("{{store}}", &self.store());
        with_constants(&constants, &kernel)
    }

    /// Writes `body` once for each part of `count` vectors that all threads stage together.
    fn each_staged(&self, text: &mut String, count: usize, body: impl Fn(&mut String, usize)) {
        for part in 0..count.div_ceil(self.threads()) {
            let is_whole = (part + 1) * self.threads() <= count;
            if !is_whole {
                let first = part * self.threads();
                line(text, format_args!("if thread + {first}u < {count}u {{"));
            }
            body(text, part);
            if !is_whole {
                line(text, format_args!("}}"));
            }
        }
    }

    /// Vectors of the tile of weights, and of the tile of inputs.
    fn staged(&self) -> [usize; 2] {
        [self.tile_rows() * self.depth / QUAD, self.depth * self.tile_vectors()]
    }

    fn initialise(&self) -> String {
        let mut text = String::new();
        for r in 0..self.rows {
            line(&mut text, format_args!("let row_{r} = first_row + line + {r}u * LINES;"));
            line(&mut text, format_args!("let neuron_{r} = neuron_of(min(row_{r}, rows - 1u), group.z);"));
            for q in 0..self.quads {
                line(&mut text, format_args!("var acc_{r}_{q} = bias(neuron_{r});"));
            }
        }
        // What a thread stages is the same for all inputs but for where it begins.
        let [weights, inputs] = self.staged().map(|count| count.div_ceil(self.threads()));
        for part in 0..weights {
            let slot = format!("(thread + {part}u * THREADS)");
            line(
                &mut text,
                format_args!(
                    "let weights_{part} = weight_row(neuron_of(min(first_row + {slot} / DEPTH_QUADS, rows - 1u), group.z));"
                ),
            );
        }
        for part in 0..inputs {
            let slot = format!("(thread + {part}u * THREADS)");
            line(
                &mut text,
                format_args!(
                    "let samples_{part} = origin + {slot} / TILE_VECTORS * pitch \
                     + min(first_vector + {slot} % TILE_VECTORS, vectors - 1u);"
                ),
            );
        }
        text
    }

    /// Stages `DEPTH` inputs; of the `rest`, those that there are, and zeros behind them.
    fn stage(&self, rest: bool) -> String {
        let mut text = String::new();
        let [weights, inputs] = self.staged();
        let assign = |text: &mut String, to: &str, value: &str, input: &str| {
            if rest {
                line(text, format_args!("{to} = vec4(0.0);\nif {input} < INPUTS {{ {to} = {value}; }}"));
            } else {
                line(text, format_args!("{to} = {value};"));
            }
        };
        self.each_staged(&mut text, weights, |text, part| {
            let slot = format!("thread + {part}u * THREADS");
            let input = format!("input + ({slot}) % DEPTH_QUADS * 4u");
            let value = format!("masked_weights(weights_{part}, {input})");
            assign(text, &format!("weight_tile[{slot}]"), &value, &input);
        });
        self.each_staged(&mut text, inputs, |text, part| {
            let slot = format!("thread + {part}u * THREADS");
            let value = format!("input_samples(samples_{part} + input * pitch)");
            assign(text, &format!("input_tile[{slot}]"), &value, &format!("input + ({slot}) / TILE_VECTORS"));
        });
        text
    }

    fn accumulate(&self) -> String {
        let mut text = String::new();
        for r in 0..self.rows {
            line(
                &mut text,
                format_args!(
                    "let w{r} = weight_tile[line * DEPTH_QUADS + {r}u * LINES * DEPTH_QUADS + quad];"
                ),
            );
        }
        for (k, component) in ["x", "y", "z", "w"].into_iter().enumerate() {
            for q in 0..self.quads {
                line(
                    &mut text,
                    format_args!(
                        "let x{k}_{q} = input_tile[column + (quad * 4u + {k}u) * TILE_VECTORS + {q}u * COLUMNS];"
                    ),
                );
            }
            for r in 0..self.rows {
                for q in 0..self.quads {
                    line(
                        &mut text,
                        format_args!("acc_{r}_{q} = fma(vec4(w{r}.{component}), x{k}_{q}, acc_{r}_{q});"),
                    );
                }
            }
        }
        text
    }

    fn store(&self) -> String {
        let mut text = String::new();
        for r in 0..self.rows {
            line(&mut text, format_args!("if row_{r} < rows {{"));
            for q in 0..self.quads {
                line(
                    &mut text,
                    format_args!(
                        "store(neuron_{r}, first_vector + column + {q}u * COLUMNS, vectors, acc_{r}_{q});"
                    ),
                );
            }
            line(&mut text, format_args!("}}"));
        }
        text
    }
}

/// The kernel that follows the last layer where `kept` is wanted, to be put where [`DetailLayout::text`] puts it; its entry point
/// is `detail`.
pub fn detail_text(kept: &DetailLayout) -> String {
    let keep = match kept.needs {
        Needs::Outputs => "let place = place(group.y, vector);
            for (var class_index = 0u; class_index < OUTPUTS; class_index++) {
                let value = outputs[first + class_index * vectors];
                details[place + class_index] = value.x;
                details[place + OUTPUTS + class_index] = value.y;
                details[place + 2u * OUTPUTS + class_index] = value.z;
                details[place + 3u * OUTPUTS + class_index] = value.w;
            }"
        .to_owned(),
        Needs::Predictions | Needs::Confusion => format!(
            "var best = outputs[first];
            var prediction = vec4(0u);
            for (var class_index = 1u; class_index < OUTPUTS; class_index++) {{
                let value = outputs[first + class_index * vectors];
                let better = value > best;
                prediction = select(prediction, vec4(class_index), better);
                best = select(best, value, better);
            }}
            let label = labels[vector];
            {}",
            kept.keep("group.y", "vector", "prediction", "label")
        ),
    };
    with_constants(&[("THREADS", COUNT_THREADS)], &DETAIL.replace("{{keep}}", &keep))
}

/// Some neurons of a layer, or all of them: as many as one binding holds the parameters of.
#[derive(Clone, Copy, Debug)]
pub struct LayerPart {
    pub layer: Layer,
    /// The first neuron among the layer's.
    pub first: usize,
    pub neurons: usize,
    pub tile: TiledShape,
}

impl LayerPart {
    /// `layer` in parts of about equal size, with their first neurons and how many each has, of at most so many
    /// `parameters` where one neuron has no more.
    pub fn cut(layer: &Layer, parameters: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let most = (parameters / QUAD * QUAD / (layer.inputs + 1)).max(1);
        let (outputs, parts) = (layer.outputs, layer.outputs.div_ceil(most));
        let neurons = outputs.div_ceil(parts);
        (0..outputs).step_by(neurons).map(move |first| (first, neurons.min(outputs - first)))
    }

    /// The parameters of one network as this kernel stores them, weights and then biases, filled up so that each network
    /// begins at a multiple of four.
    pub fn parameters(&self) -> usize {
        (self.neurons * (self.layer.inputs + 1)).next_multiple_of(QUAD)
    }

    /// The part's parameters of `network`, as many.
    pub fn of(&self, network: &Network) -> Vec<f32> {
        let Layer { inputs, first_weight, first_bias, .. } = self.layer;
        let weights = &network.weights()[first_weight + self.first * inputs..][..self.neurons * inputs];
        let biases = &network.biases()[first_bias + self.first..][..self.neurons];
        let mut values = [weights, biases].concat();
        values.resize(self.parameters(), 0.0);
        values
    }

    /// The bit of the part's first weight in a mask.
    pub fn first_bit(&self) -> usize {
        self.layer.first_weight + self.first * self.layer.inputs
    }

    /// The WGSL, to be put behind `batch.wgsl`; its entry point is `multiply`.
    pub fn text(&self) -> String {
        let counts = [self.layer.inputs, self.first_bit()];
        self.tile.text(counts.iter().all(|count| count.is_multiple_of(QUAD)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::gpu::wgsl::tests::validate;
    use crate::evaluate::gpu::wgsl::{BATCH, judging};
    use crate::network::Architecture;

    const LARGE: TiledShape = TiledShape { columns: 16, lines: 16, rows: 4, quads: 2, depth: 16 };

    #[test]
    fn every_text_is_valid_wgsl() {
        for is_aligned in [false, true] {
            for (columns, lines, rows, quads) in [(16, 16, 4, 2), (32, 2, 5, 1), (8, 8, 4, 1), (4, 4, 1, 1)] {
                let shape = TiledShape { columns, lines, rows, quads, depth: 16 };
                validate(&format!("{BATCH}{}", shape.text(is_aligned)));
            }
        }
        for subgroups in [false, true] {
            validate(&judging(COUNT, subgroups));
        }
        for needs in [Needs::Predictions, Needs::Outputs, Needs::Confusion] {
            for group_cells in [0, 9] {
                let kept = DetailLayout { needs, outputs: 3, lanes: LANES, group_cells };
                validate(&kept.text(&detail_text(&kept)));
            }
        }
    }

    #[test]
    fn the_parts_of_a_layer_have_all_of_its_parameters_and_fit() {
        let architecture = Architecture::try_from(vec![5, 17, 3]).expect("a valid architecture");
        let values = |count: usize| (0..count).map(|n| n as f32).collect::<Vec<_>>();
        let (weights, biases) = (values(architecture.weights()), values(architecture.biases()));
        let network = Network::new(architecture.clone(), weights, biases).expect("a network");
        let [layer, _] = [architecture.layer(0), architecture.layer(1)];
        for (most, expected) in
            [(1_000, vec![17]), (102, vec![9, 8]), (30, vec![4, 4, 4, 4, 1]), (1, vec![1; 17])]
        {
            let parts: Vec<LayerPart> = LayerPart::cut(&layer, most)
                .map(|(first, neurons)| LayerPart { layer, first, neurons, tile: LARGE })
                .collect();
            assert_eq!(parts.iter().map(|part| part.neurons).collect::<Vec<_>>(), expected, "{most}");
            assert!(most < 6 || parts.iter().all(|part| part.parameters() <= most), "{most}");
            let of_parts = |range: fn(&LayerPart) -> std::ops::Range<usize>| {
                parts.iter().flat_map(|part| part.of(&network)[range(part)].to_vec()).collect::<Vec<_>>()
            };
            assert_eq!(of_parts(|part| 0..part.neurons * 5), values(85));
            assert_eq!(of_parts(|part| part.neurons * 5..part.neurons * 6), values(17));
            assert_eq!(
                parts.iter().map(LayerPart::first_bit).next_back(),
                Some(5 * (17 - expected[expected.len() - 1]))
            );
        }
    }

    #[test]
    fn a_narrow_layer_gets_a_tile_that_it_fills() {
        let plenty = 1 << 20;
        let share = |outputs: usize| {
            let tile = LARGE.for_layer(outputs, plenty);
            assert!(tile.is_within(&LARGE), "{tile:?}");
            outputs as f64 / outputs.next_multiple_of(tile.tile_rows()) as f64
        };
        assert_eq!(share(10), 1.0);
        assert!(share(100) >= 0.89, "{}", share(100));
        assert_eq!(LARGE.for_layer(512, plenty), LARGE);
    }

    #[test]
    fn a_last_layer_of_few_samples_is_cut_finer() {
        let groups = |pairs: usize| {
            let tile = LARGE.for_layer(10, pairs as u64);
            10usize.div_ceil(tile.tile_rows()) * pairs.div_ceil(tile.tile_vectors()) * tile.threads()
        };
        assert!(groups(1_024) >= 4 * 1_024, "{} threads of 1024 vectors", groups(1_024));
    }
}
