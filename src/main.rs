use std::process::ExitCode;

fn main() -> ExitCode {
    keep_drivers_quiet();
    ExitCode::from(supermask::cli::main(std::env::args_os()))
}

/// Without a desktop session, a layer of Mesa's Vulkan drivers prints errors about the session while it
/// looks for the desktop's GPU. supermask ranks adapters itself and does not need that layer.
fn keep_drivers_quiet() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the program has one thread yet, so that nothing else reads the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
