//! The compiled kernels of one architecture, and how they are dispatched on a window.

use super::device::GpuDevice;
use super::plan::{COUNT_THREADS, Kernel};
use super::resident::BatchBuffers;
use super::{Window, fused, tiled};
use crate::evaluate::margin;
use crate::network::{Architecture, Layer};

const BATCH: &str = include_str!("../../../shaders/batch.wgsl");
const MARGIN: &str = include_str!("../../../shaders/margin.wgsl");

#[derive(Debug)]
pub(super) struct Pipelines {
    pub batch_layout: wgpu::BindGroupLayout,
    pub network_layout: wgpu::BindGroupLayout,
    pub samples_layout: wgpu::BindGroupLayout,
    family: Family,
}

#[derive(Debug)]
enum Family {
    Fused { shape: fused::Shape, score: Judge },
    Tiled(Tiled),
}

/// The kernel that makes sums of predictions: counts alone, or losses too.
#[derive(Debug)]
struct Judge {
    label: &'static str,
    entry_point: &'static str,
    layout: wgpu::PipelineLayout,
    module: wgpu::ShaderModule,
    constants: Vec<(&'static str, f64)>,
    counts: wgpu::ComputePipeline,
    /// Built where it is wanted.
    losses: Option<wgpu::ComputePipeline>,
}

impl Judge {
    fn new(
        device: &GpuDevice,
        (label, entry_point): (&'static str, &'static str),
        layout: &wgpu::PipelineLayout,
        module: wgpu::ShaderModule,
        mut constants: Vec<(&'static str, f64)>,
    ) -> Self {
        constants.push(("LIMIT", f64::from(margin::LIMIT)));
        constants.push(("IMPOSSIBLE_LABEL", f64::from(fused::IMPOSSIBLE_LABEL)));
        let layout = layout.clone();
        let counts = Self::compile(device, label, entry_point, &layout, &module, &constants, false);
        Self { label, entry_point, layout, module, constants, counts, losses: None }
    }

    fn prepare_losses(&mut self, device: &GpuDevice) {
        let Self { label, entry_point, layout, module, constants, .. } = self;
        self.losses.get_or_insert_with(|| {
            Self::compile(device, label, entry_point, layout, module, constants, true)
        });
    }

    fn compile(
        device: &GpuDevice,
        label: &str,
        entry_point: &str,
        layout: &wgpu::PipelineLayout,
        module: &wgpu::ShaderModule,
        constants: &[(&str, f64)],
        loss: bool,
    ) -> wgpu::ComputePipeline {
        let constants = [constants, &[("LOSS", f64::from(u8::from(loss)))]].concat();
        pipeline(device, label, layout, module, entry_point, &constants)
    }

    /// The pipeline for counts, or, once they were prepared, for losses too.
    fn pipeline(&self, losses: bool) -> &wgpu::ComputePipeline {
        self.losses.as_ref().filter(|_| losses).unwrap_or(&self.counts)
    }
}

/// The tiled kernel, once per layer, and the count that follows.
#[derive(Debug)]
pub(super) struct Tiled {
    shape: tiled::Shape,
    layers: Vec<(Layer, wgpu::ComputePipeline)>,
    count: Judge,
    pub activations_layout: wgpu::BindGroupLayout,
    /// The widest output of the even and of the odd layers.
    pub widths: [usize; 2],
}

/// What a binding is to a kernel.
#[derive(Clone, Copy)]
enum Access {
    Uniform,
    Read,
    Write,
}

impl Pipelines {
    /// `checked` shaders check every index and bound every loop.
    pub fn new(device: &GpuDevice, architecture: &Architecture, kernel: &Kernel, checked: bool) -> Self {
        use Access::{Read, Uniform, Write};
        let batch_layout = layout(device, "batch", &[Uniform, Read, Read, Write]);
        let samples_layout = layout(device, "samples", &[Read, Read]);
        match kernel {
            Kernel::Fused(fused, shape) => {
                let network_layout = layout(device, "parameters", &[Read, Read]);
                let layouts = pipeline_layout(device, &[&batch_layout, &network_layout, &samples_layout]);
                let text = format!("{BATCH}{MARGIN}{}", fused.text(shape));
                let module = module(device, "fused", &text, checked);
                let score = Judge::new(device, ("fused", "score"), &layouts, module, Vec::new());
                let family = Family::Fused { shape: *shape, score };
                Self { batch_layout, network_layout, samples_layout, family }
            }
            Kernel::Tiled(shape) => {
                let network_layout = layout(device, "parameters", &[Read]);
                let activations_layout = layout(device, "activations", &[Read, Write]);
                let groups = [&batch_layout, &network_layout, &samples_layout, &activations_layout];
                let layouts = pipeline_layout(device, &groups);
                let tiled = Tiled::new(device, architecture, *shape, checked, &layouts, activations_layout);
                Self { batch_layout, network_layout, samples_layout, family: Family::Tiled(tiled) }
            }
        }
    }

    pub fn tiled(&self) -> Option<&Tiled> {
        match &self.family {
            Family::Fused { .. } => None,
            Family::Tiled(tiled) => Some(tiled),
        }
    }

    /// Builds what sums up losses, if that was not done before.
    pub fn prepare_losses(&mut self, device: &GpuDevice) {
        match &mut self.family {
            Family::Fused { score, .. } => score.prepare_losses(device),
            Family::Tiled(tiled) => tiled.count.prepare_losses(device),
        }
    }

    /// Dispatches all layers on `window`; with `losses`, which must be prepared, losses are summed up beside
    /// the counts.
    pub fn encode(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        window: &Window,
        batch: &BatchBuffers,
        [network, samples]: [&wgpu::BindGroup; 2],
        stamps: Option<wgpu::ComputePassTimestampWrites<'_>>,
        losses: bool,
    ) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("score"),
            timestamp_writes: stamps,
        });
        pass.set_bind_group(0, &batch.binding, &[]);
        pass.set_bind_group(1, network, &[]);
        pass.set_bind_group(2, samples, &[]);
        let vectors = (window.end_vector - window.first_vector) as usize;
        match &self.family {
            Family::Fused { shape, score } => {
                pass.set_pipeline(score.pipeline(losses));
                pass.dispatch_workgroups(window.masks, groups(vectors, shape.group_vectors()), 1);
            }
            Family::Tiled(tiled) => {
                if let Some(activations) = &batch.activations {
                    tiled.encode(&mut pass, window, vectors, &activations.bindings, losses);
                }
            }
        }
    }
}

impl Tiled {
    fn new(
        device: &GpuDevice,
        architecture: &Architecture,
        shape: tiled::Shape,
        checked: bool,
        layouts: &wgpu::PipelineLayout,
        activations_layout: wgpu::BindGroupLayout,
    ) -> Self {
        let multiply = module(device, "tiled", &format!("{BATCH}{}", shape.text()), checked);
        let last = architecture.layer_count() - 1;
        let layers: Vec<(Layer, wgpu::ComputePipeline)> = architecture
            .layers()
            .enumerate()
            .map(|(depth, layer)| {
                let constants = [
                    ("INPUTS", layer.inputs as f64),
                    ("OUTPUTS", layer.outputs as f64),
                    ("FIRST_WEIGHT", layer.first_weight as f64),
                    ("FIRST_BIAS", (architecture.weights() + layer.first_bias) as f64),
                    ("NETWORK_PARAMETERS", (architecture.weights() + architecture.biases()) as f64),
                    ("MASK_WORDS", architecture.mask_words() as f64),
                    ("HIDDEN", f64::from(u8::from(depth < last))),
                    ("FIRST_LAYER", f64::from(u8::from(depth == 0))),
                ];
                let label = format!("tiled, layer {depth}");
                (layer, pipeline(device, &label, layouts, &multiply, "multiply", &constants))
            })
            .collect();
        let counting = module(device, "count", &format!("{BATCH}{MARGIN}{}", tiled::COUNT), checked);
        let constants = vec![("OUTPUTS", architecture.outputs() as f64), ("THREADS", COUNT_THREADS as f64)];
        let count = Judge::new(device, ("count", "count"), layouts, counting, constants);
        let widest = |parity: usize| {
            layers.iter().skip(parity).step_by(2).map(|(layer, _)| layer.outputs).max().unwrap_or(1)
        };
        Self { shape, widths: [widest(0), widest(1)], layers, count, activations_layout }
    }

    /// Layer `n` writes buffer `n % 2` and reads the other.
    fn encode(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        window: &Window,
        vectors: usize,
        bindings: &[wgpu::BindGroup; 2],
        losses: bool,
    ) {
        for (depth, (layer, pipeline)) in self.layers.iter().enumerate() {
            let (rows, masks) = match depth {
                0 => (layer.outputs * window.masks as usize, 1),
                _ => (layer.outputs, window.masks),
            };
            pass.set_pipeline(pipeline);
            pass.set_bind_group(3, &bindings[(depth + 1) % 2], &[]);
            pass.dispatch_workgroups(
                groups(vectors, self.shape.tile_vectors()),
                groups(rows, self.shape.tile_rows()),
                masks,
            );
        }
        pass.set_pipeline(self.count.pipeline(losses));
        pass.set_bind_group(3, &bindings[(self.layers.len() + 1) % 2], &[]);
        pass.dispatch_workgroups(groups(vectors, COUNT_THREADS), window.masks, 1);
    }
}

fn groups(work: usize, of_group: usize) -> u32 {
    work.div_ceil(of_group) as u32
}

fn layout(device: &GpuDevice, label: &str, accesses: &[Access]) -> wgpu::BindGroupLayout {
    let entries: Vec<wgpu::BindGroupLayoutEntry> = (0..)
        .zip(accesses)
        .map(|(binding, access)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: match access {
                    Access::Uniform => wgpu::BufferBindingType::Uniform,
                    Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                    Access::Write => wgpu::BufferBindingType::Storage { read_only: false },
                },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    device
        .device
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries })
}

fn pipeline_layout(device: &GpuDevice, groups: &[&wgpu::BindGroupLayout]) -> wgpu::PipelineLayout {
    let groups: Vec<Option<&wgpu::BindGroupLayout>> = groups.iter().copied().map(Some).collect();
    device.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some("score"),
        bind_group_layouts: &groups,
        immediate_size: 0,
    })
}

fn module(device: &GpuDevice, label: &str, text: &str, checked: bool) -> wgpu::ShaderModule {
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some(label), source: wgpu::ShaderSource::Wgsl(text.into()) };
    if checked {
        return device.device.create_shader_module(descriptor);
    }
    // SAFETY: every loop counts up to a constant or to a bound fixed before it. Indices stay in range:
    // masks and networks of a batch are checked on upload, mask bits lie below the weights, samples are
    // clamped to the window, windows are cut to the activations' buffers, rows are clamped to the layer.
    // tests/conformance_gpu.rs runs the same texts with checks. The reason: bounding each loop has cost
    // an order of magnitude on hardware (gfx-rs/wgpu#7698).
    unsafe { device.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}

fn pipeline(
    device: &GpuDevice,
    label: &str,
    layout: &wgpu::PipelineLayout,
    module: &wgpu::ShaderModule,
    entry_point: &str,
    constants: &[(&str, f64)],
) -> wgpu::ComputePipeline {
    device.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(label),
        layout: Some(layout),
        module,
        entry_point: Some(entry_point),
        // Every kernel writes its workgroup memory before it reads it.
        compilation_options: wgpu::PipelineCompilationOptions {
            constants,
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    })
}
