use std::process::ExitCode;

fn main() -> ExitCode {
    supermask::cli::main()
}
