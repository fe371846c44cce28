//! The compiled kernels of one architecture, and how they are dispatched on a window.

use super::batch_buffers::Activations;
use super::device::GpuDevice;
use super::fused;
use super::kernel::{COUNT_THREADS, Kernel};
use super::plan::BatchPlan;
use super::scoring::Window;
use super::sources::{KernelSource, PIPELINES, Variant};
use super::tiled::LayerPart;
use super::wgsl::DetailLayout;
use crate::network::Architecture;
use crate::objective::Needs;

/// How texts are compiled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compilation {
    /// Check every index and bound every loop.
    pub checked: bool,
    /// Sum over subgroups before a workgroup's threads add to one word.
    pub subgroups: bool,
}

#[derive(Debug)]
pub(super) struct Pipelines {
    pub batch_layout: wgpu::BindGroupLayout,
    pub network_layout: wgpu::BindGroupLayout,
    pub samples_layout: wgpu::BindGroupLayout,
    family: Family,
    details: DetailPipelines,
}

#[derive(Debug)]
enum Family {
    Fused { shape: fused::FusedShape, score: Variants },
    Tiled(Tiled),
}

/// A kernel, compiled for counts at once and for other variants where they are wanted.
#[derive(Debug)]
struct Variants {
    source: PipelineSource,
    /// By [`Variant::place`].
    pipelines: [Option<wgpu::ComputePipeline>; PIPELINES],
}

/// The last kernel where more than counts is wanted.
#[derive(Debug)]
struct DetailPipelines {
    kernel: Kernel,
    /// Of what is kept all but the kind.
    kept: DetailLayout,
    layout: wgpu::PipelineLayout,
    checked: bool,
    /// By kind, compiled where it is wanted.
    pipelines: [Option<wgpu::ComputePipeline>; 3],
}

impl DetailPipelines {
    fn prepare(&mut self, device: &GpuDevice, needs: Needs) {
        let (kernel, layout) = (&self.kernel, &self.layout);
        let kept = DetailLayout { needs, ..self.kept };
        let label = format!("{needs:?}");
        self.pipelines[needs as usize].get_or_insert_with(|| {
            let module = device.module(&label, &KernelSource::detail(kernel, &kept), self.checked);
            compile(device, &label, layout, (&module, "detail"), &[])
        });
    }

    /// The pipeline for `needs`, which must be prepared.
    fn pipeline(&self, needs: Needs) -> &wgpu::ComputePipeline {
        self.pipelines[needs as usize].as_ref().expect("a kind that was prepared")
    }
}

/// What a pipeline is made of.
#[derive(Debug)]
struct PipelineSource {
    kernel: KernelSource,
    layout: wgpu::PipelineLayout,
    module: wgpu::ShaderModule,
}

impl PipelineSource {
    fn new(
        device: &GpuDevice,
        kernel: KernelSource,
        layout: &wgpu::PipelineLayout,
        compilation: Compilation,
    ) -> Self {
        let module = device.module(&kernel.label, &kernel.text, compilation.checked);
        Self { kernel, layout: layout.clone(), module }
    }

    fn compile(&self, device: &GpuDevice, variant: Variant) -> wgpu::ComputePipeline {
        let KernelSource { label, entry_point, .. } = &self.kernel;
        let constants = self.kernel.constants(variant);
        compile(device, label, &self.layout, (&self.module, entry_point), &constants)
    }
}

fn compile(
    device: &GpuDevice,
    label: &str,
    layout: &wgpu::PipelineLayout,
    (module, entry_point): (&wgpu::ShaderModule, &str),
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

impl Variants {
    fn new(device: &GpuDevice, source: PipelineSource) -> Self {
        let mut variants = Self { source, pipelines: [const { None }; PIPELINES] };
        variants.prepare(device, Variant::Counts);
        variants
    }

    fn prepare(&mut self, device: &GpuDevice, variant: Variant) {
        let variant = self.source.kernel.serving(variant);
        self.pipelines[variant.place()].get_or_insert_with(|| self.source.compile(device, variant));
    }

    /// The pipeline for `variant`, which must be prepared.
    fn pipeline(&self, variant: Variant) -> &wgpu::ComputePipeline {
        self.pipelines[self.source.kernel.serving(variant).place()]
            .as_ref()
            .expect("a variant that was prepared")
    }
}

/// The tiled kernel, once per part of a layer, and the count that follows.
#[derive(Debug)]
pub(super) struct Tiled {
    parts: Vec<(LayerPart, Variants)>,
    /// Number of layers.
    depth: usize,
    count: Variants,
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
    pub fn new(
        device: &GpuDevice,
        architecture: &Architecture,
        plan: &BatchPlan,
        compilation: Compilation,
    ) -> Self {
        use Access::{Read, Uniform, Write};
        let batch_layout = layout(device, "batch", &[Uniform, Read, Read, Write]);
        let samples_layout = layout(device, "samples", &[Read, Read]);
        let (network_layout, family, layouts) = match &plan.kernel {
            Kernel::Fused(fused, shape) => {
                let network_layout = layout(device, "parameters", &[Read, Read]);
                let layouts = pipeline_layout(device, &[&batch_layout, &network_layout, &samples_layout]);
                let kernel = KernelSource::fused(fused, shape, compilation.subgroups);
                let source = PipelineSource::new(device, kernel, &layouts, compilation);
                let score = Variants::new(device, source);
                (network_layout, Family::Fused { shape: *shape, score }, layouts)
            }
            Kernel::Tiled(parts) => {
                let network_layout = layout(device, "parameters", &[Read]);
                let activations_layout = layout(device, "activations", &[Read, Write]);
                let groups = [&batch_layout, &network_layout, &samples_layout, &activations_layout];
                let layouts = pipeline_layout(device, &groups);
                let tiled =
                    Tiled::new(device, architecture, parts, compilation, &layouts, activations_layout);
                (network_layout, Family::Tiled(tiled), layouts)
            }
        };
        let details = DetailPipelines {
            kernel: plan.kernel.clone(),
            kept: plan.kept(Needs::Predictions),
            layout: layouts,
            checked: compilation.checked,
            pipelines: [const { None }; 3],
        };
        Self { batch_layout, network_layout, samples_layout, family, details }
    }

    pub fn tiled(&self) -> Option<&Tiled> {
        match &self.family {
            Family::Fused { .. } => None,
            Family::Tiled(tiled) => Some(tiled),
        }
    }

    /// Builds what `variant` takes, if that was not done before.
    pub fn prepare(&mut self, device: &GpuDevice, variant: Variant) {
        if let Variant::Detail(needs) = variant {
            self.details.prepare(device, needs);
            return;
        }
        match &mut self.family {
            Family::Fused { score, .. } => score.prepare(device, variant),
            Family::Tiled(tiled) => {
                tiled.parts.iter_mut().for_each(|(_, multiply)| multiply.prepare(device, variant));
                tiled.count.prepare(device, variant);
            }
        }
    }

    /// Dispatches all layers on `window`, for `variant`, which must be prepared. Bindings are those of the batch, of the
    /// samples; `networks` are those of a shard, buffer by buffer.
    pub fn encode(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        window: &Window,
        activations: Option<&Activations>,
        (batch, networks, samples): (&wgpu::BindGroup, &[wgpu::BindGroup], &wgpu::BindGroup),
        variant: Variant,
    ) {
        pass.set_bind_group(0, batch, &[]);
        pass.set_bind_group(1, &networks[0], &[]);
        pass.set_bind_group(2, samples, &[]);
        let vectors = (window.end_vector - window.first_vector) as usize;
        let last = |judged: &'_ Variants| match variant {
            Variant::Detail(needs) => self.details.pipeline(needs).clone(),
            Variant::Counts | Variant::Margins | Variant::CrossEntropy | Variant::Minimum => {
                judged.pipeline(variant).clone()
            }
        };
        match &self.family {
            Family::Fused { shape, score } => {
                pass.set_pipeline(&last(score));
                pass.dispatch_workgroups(window.masks, groups(vectors, shape.group_vectors()), 1);
            }
            Family::Tiled(tiled) => {
                if let Some(activations) = activations {
                    let last = &last(&tiled.count);
                    tiled.encode(pass, window, (&activations.bindings, networks), variant, last);
                }
            }
        }
    }
}

impl Tiled {
    fn new(
        device: &GpuDevice,
        architecture: &Architecture,
        parts: &[LayerPart],
        compilation: Compilation,
        layouts: &wgpu::PipelineLayout,
        activations_layout: wgpu::BindGroupLayout,
    ) -> Self {
        let compiled = |kernel: KernelSource| {
            Variants::new(device, PipelineSource::new(device, kernel, layouts, compilation))
        };
        let part = |part: &LayerPart| (*part, compiled(KernelSource::tiled(architecture, part)));
        let parts = parts.iter().map(part).collect();
        let count = compiled(KernelSource::count(architecture, compilation.subgroups));
        let widest = |parity: usize| {
            architecture.layers().skip(parity).step_by(2).map(|layer| layer.outputs).max().unwrap_or(1)
        };
        let depth = architecture.layers().count();
        Self { widths: [widest(0), widest(1)], parts, depth, count, activations_layout }
    }

    /// Layer `n` writes buffer `n % 2` and reads the other.
    fn encode(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        window: &Window,
        (activations, networks): (&[wgpu::BindGroup; 2], &[wgpu::BindGroup]),
        variant: Variant,
        last: &wgpu::ComputePipeline,
    ) {
        let vectors = (window.end_vector - window.first_vector) as usize;
        let mut depth = 0;
        for ((LayerPart { layer, first, neurons, tile }, multiply), network) in
            self.parts.iter().zip(networks)
        {
            // A part that begins with its layer's first neuron is another layer's than the one before.
            depth += usize::from(*first == 0);
            let (rows, masks) = match layer.first_bias {
                0 => (neurons * window.masks as usize, 1),
                _ => (*neurons, window.masks),
            };
            pass.set_pipeline(multiply.pipeline(variant));
            pass.set_bind_group(1, network, &[]);
            pass.set_bind_group(3, &activations[depth % 2], &[]);
            pass.dispatch_workgroups(
                groups(rows, tile.tile_rows()),
                groups(vectors, tile.tile_vectors()),
                masks,
            );
        }
        pass.set_pipeline(last);
        pass.set_bind_group(3, &activations[(self.depth + 1) % 2], &[]);
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
