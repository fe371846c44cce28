//! `supermask completions` and `supermask man`: what shells and manuals know of the commands.

use super::output::{self, Failure};
use clap::{Args, Command};
use clap_complete::Shell;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell to complete in
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into this folder, in place of printing the first
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn completions(args: &CompletionsArgs, mut commands: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut commands, "supermask", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())
}

pub fn man(args: &ManArgs, commands: Command) -> Result<(), Failure> {
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(commands).render(&mut page).map_err(Failure::work)?;
        return output::print(String::from_utf8_lossy(&page).trim_end());
    };
    output::check_folder("--out", folder)?;
    let made = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(commands, folder));
    made.map_err(|error| {
        Failure::Work(format!("--out {}: cannot write the pages: {error}", folder.display()))
    })
}
