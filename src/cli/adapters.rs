//! `supermask adapters`: what can score masks here.

use super::output::Failure;
use clap::Args;

#[derive(Debug, Args)]
pub struct AdaptersArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn adapters(_args: &AdaptersArgs) -> Result<(), Failure> {
    Ok(())
}
