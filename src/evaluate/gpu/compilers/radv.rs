//! Mesa's compiler for AMD's GPUs, asked for a family of which no card is there.
//!
//! With `RADV_FORCE_FAMILY` RADV has one device, which compiles and does nothing else: wgpu needs more of a device, so
//! that Vulkan is called here.

use ash::vk;
use std::ffi::CStr;

/// What the driver says of a compiled kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compiled {
    /// Vector registers of a thread.
    pub registers: usize,
    /// Registers that do not fit: scalar ones, and vector ones.
    pub spilled: [usize; 2],
    /// Bytes of memory of a thread where registers did not suffice.
    pub scratch: usize,
    /// Subgroups that a processor keeps at a time.
    pub waves: usize,
    /// As [`share`](super::isa::share).
    pub share: usize,
}

/// A device without hardware.
pub struct NullDevice {
    _entry: ash::Entry,
    instance: ash::Instance,
    device: ash::Device,
    executables: ash::khr::pipeline_executable_properties::Device,
    set_layouts: Vec<vk::DescriptorSetLayout>,
    layout: vk::PipelineLayout,
}

/// Bindings of a group, at most.
const BINDINGS: u32 = 8;
/// Groups of bindings of a kernel, at most.
const GROUPS: usize = 4;

impl NullDevice {
    /// The device of the family that `RADV_FORCE_FAMILY` names, of the driver that `VK_ICD_FILENAMES` does.
    pub fn open() -> Result<Self, vk::Result> {
        // SAFETY: every structure outlives the call that it is given to, and handles are of the device that they are
        // used with.
        unsafe {
            let entry = ash::Entry::load().expect("Vulkan's loader");
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let create = vk::InstanceCreateInfo::default().application_info(&application);
            let instance = entry.create_instance(&create, None)?;
            let physical = instance.enumerate_physical_devices()?[0];
            let extensions = [ash::khr::pipeline_executable_properties::NAME.as_ptr()];
            let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let mut executables = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
                .pipeline_executable_info(true);
            let mut subgroups = vk::PhysicalDeviceVulkan13Features::default()
                .subgroup_size_control(true)
                .compute_full_subgroups(true);
            let robust = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true);
            let create = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .enabled_features(&robust)
                .push_next(&mut executables)
                .push_next(&mut subgroups);
            let device = instance.create_device(physical, &create, None)?;
            let mut set_layouts = Vec::new();
            for group in 0..GROUPS {
                let bindings: Vec<vk::DescriptorSetLayoutBinding<'_>> =
                    (0..BINDINGS).map(|binding| self::binding(group, binding)).collect();
                let create = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
                set_layouts.push(device.create_descriptor_set_layout(&create, None)?);
            }
            let create = vk::PipelineLayoutCreateInfo::default().set_layouts(&set_layouts);
            let layout = device.create_pipeline_layout(&create, None)?;
            let executables = ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
            Ok(Self { _entry: entry, instance, device, executables, set_layouts, layout })
        }
    }

    /// Compiles a kernel as wgpu does where there are subgroups. Returns its assembly, too.
    pub fn compile(&self, words: &[u32], entry_point: &CStr) -> Result<(Compiled, String), vk::Result> {
        // SAFETY: as in `open`.
        unsafe {
            let create = vk::ShaderModuleCreateInfo::default().code(words);
            let module = self.device.create_shader_module(&create, None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .flags(vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE)
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(entry_point);
            let create = vk::ComputePipelineCreateInfo::default()
                .flags(
                    vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                        | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
                )
                .stage(stage)
                .layout(self.layout);
            let compiled = self.device.create_compute_pipelines(vk::PipelineCache::null(), &[create], None);
            self.device.destroy_shader_module(module, None);
            let pipeline = compiled.map_err(|(_, error)| error)?[0];
            let described = self.described(pipeline);
            self.device.destroy_pipeline(pipeline, None);
            described
        }
    }

    fn described(&self, pipeline: vk::Pipeline) -> Result<(Compiled, String), vk::Result> {
        let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
        let mut compiled = Compiled::default();
        // SAFETY: as in `open`.
        for statistic in unsafe { self.executables.get_pipeline_executable_statistics(&info)? } {
            // SAFETY: this driver's statistics are whole numbers of 64 bits.
            let value = unsafe { statistic.value.u64 } as usize;
            match statistic.name_as_c_str().map(CStr::to_bytes) {
                Ok(b"VGPRs") => compiled.registers = value,
                Ok(b"Spilled SGPRs") => compiled.spilled[0] = value,
                Ok(b"Spilled VGPRs") => compiled.spilled[1] = value,
                Ok(b"Scratch size") => compiled.scratch = value,
                Ok(b"Subgroups per SIMD") => compiled.waves = value,
                _ => {}
            }
        }
        let assembly = self.assembly(&info)?;
        compiled.share = super::isa::share(&assembly);
        Ok((compiled, assembly))
    }

    /// The text that the driver has under that name.
    fn assembly(&self, info: &vk::PipelineExecutableInfoKHR<'_>) -> Result<String, vk::Result> {
        let ask = self.executables.fp().get_pipeline_executable_internal_representations_khr;
        // SAFETY: the first call says how many texts there are, the second how long each is, and the third fills
        // buffers of those lengths.
        unsafe {
            let mut texts = self.executables.get_pipeline_executable_internal_representations(info)?;
            let mut buffers: Vec<Vec<u8>> = texts.iter().map(|text| vec![0; text.data_size]).collect();
            for (text, buffer) in texts.iter_mut().zip(&mut buffers) {
                text.p_data = buffer.as_mut_ptr().cast();
            }
            let mut count = texts.len() as u32;
            ask(self.device.handle(), info, &mut count, texts.as_mut_ptr()).result()?;
            let named = |text: &vk::PipelineExecutableInternalRepresentationKHR<'_>| {
                text.name_as_c_str().is_ok_and(|name| name.to_bytes() == b"Assembly")
            };
            let place = texts.iter().position(named).expect("RADV gives its assembly");
            Ok(String::from_utf8_lossy(&buffers[place]).trim_end_matches('\0').to_owned())
        }
    }
}

/// The first binding of the first group is uniform, all others are storage.
fn binding(group: usize, binding: u32) -> vk::DescriptorSetLayoutBinding<'static> {
    let kind = match (group, binding) {
        (0, 0) => vk::DescriptorType::UNIFORM_BUFFER,
        _ => vk::DescriptorType::STORAGE_BUFFER,
    };
    vk::DescriptorSetLayoutBinding::default()
        .binding(binding)
        .descriptor_type(kind)
        .descriptor_count(1)
        .stage_flags(vk::ShaderStageFlags::COMPUTE)
}

impl Drop for NullDevice {
    fn drop(&mut self) {
        // SAFETY: nothing of the device is in use, and nothing is used after it.
        unsafe {
            self.device.destroy_pipeline_layout(self.layout, None);
            for &layout in &self.set_layouts {
                self.device.destroy_descriptor_set_layout(layout, None);
            }
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}
