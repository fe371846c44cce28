//! The tiled kernel's text: one layer of many masked networks as a register-tiled matrix product.

use super::wgsl::{line, with_constants};
use serde::{Deserialize, Serialize};

const TEMPLATE: &str = include_str!("../../../shaders/tiled.wgsl");

/// The kernel that follows the last layer, to be put where [`judging`](super::wgsl::judging) puts it.
pub const COUNT: &str = include_str!("../../../shaders/count.wgsl");

/// Samples in one vector.
pub const LANES: usize = 4;

/// How the kernel is cut to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TiledShape {
    /// A workgroup has `side * side` threads.
    pub side: usize,
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
        self.side * self.rows
    }

    /// Vectors of samples of a workgroup.
    pub fn tile_vectors(&self) -> usize {
        self.side * self.quads
    }

    pub fn threads(&self) -> usize {
        self.side * self.side
    }

    /// Bytes of workgroup memory: a tile of weights and a tile of inputs.
    pub fn workgroup_bytes(&self) -> usize {
        (self.tile_rows() + self.tile_vectors() * LANES) * self.depth * 4
    }

    /// The kernel's WGSL, to be put behind `batch.wgsl`; its entry point is `multiply`.
    pub fn text(&self) -> String {
        let constants =
            [("SIDE", self.side), ("ROWS", self.rows), ("QUADS", self.quads), ("DEPTH", self.depth)];
        let kernel = TEMPLATE
            .replace("{{initialise}}", &self.initialise())
            .replace("{{accumulate}}", &self.accumulate())
            .replace("{{store}}", &self.store());
        with_constants(&constants, &kernel)
    }

    fn initialise(&self) -> String {
        let mut text = String::new();
        for r in 0..self.rows {
            line(&mut text, format_args!("let row_{r} = first_row + local.y + {r}u * SIDE;"));
            line(&mut text, format_args!("let neuron_{r} = neuron_of(min(row_{r}, rows - 1u), group.z);"));
            for q in 0..self.quads {
                line(&mut text, format_args!("var acc_{r}_{q} = bias(neuron_{r});"));
            }
        }
        text
    }

    fn accumulate(&self) -> String {
        let mut text = String::new();
        for r in 0..self.rows {
            line(
                &mut text,
                format_args!("let w{r} = weight_tile[(local.y + {r}u * SIDE) * DEPTH_QUADS + quad];"),
            );
        }
        for (k, component) in ["x", "y", "z", "w"].into_iter().enumerate() {
            for q in 0..self.quads {
                line(
                    &mut text,
                    format_args!(
                        "let x{k}_{q} = input_tile[(quad * 4u + {k}u) * TILE_QUADS + local.x + {q}u * SIDE];"
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
                        "store(neuron_{r}, first_vector + local.x + {q}u * SIDE, vectors, acc_{r}_{q});"
                    ),
                );
            }
            line(&mut text, format_args!("}}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::gpu::wgsl::tests::validate;
    use crate::evaluate::gpu::wgsl::{BATCH, judging};

    #[test]
    fn every_text_is_valid_wgsl() {
        for (side, rows, quads) in [(16, 8, 2), (16, 4, 1), (8, 4, 1), (4, 1, 1)] {
            validate(&format!("{BATCH}{}", TiledShape { side, rows, quads, depth: 16 }.text()));
        }
        for subgroups in [false, true] {
            validate(&judging(COUNT, subgroups));
        }
    }
}
