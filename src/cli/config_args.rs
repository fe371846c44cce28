//! The configuration that a command is given, and what is set in place of its own settings.

use super::output::{self, Failure};
use crate::dataset::{DatasetConfig, DatasetError};
use crate::network::NetworkError;
use crate::run::config::{Assignment, ConfigFile, RunConfig};
use crate::sweep::Sweep;
use clap::Args;
use std::fmt::Display;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Configuration (JSON; comments are allowed), such as configs/moons-b.json; - is standard input
    pub config: PathBuf,

    /// Set a key in place of the configuration's, such as algorithm.population=500; may be repeated
    ///
    /// The key is a path as in messages; the value is JSON, and what is none is a text. Of a sweep, keys of a run hold for
    /// all runs, and seeds=3, base.KEY and grid.KEY change the sweep itself.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Assignment>,
}

impl ConfigArgs {
    /// The configuration of a run.
    pub fn run(&self) -> Result<RunConfig, Failure> {
        let mut file = self.file()?;
        file.set(&self.set).map_err(|error| self.about(error))?;
        let config = file.run().map_err(|error| self.about(error))?;
        tell_notes(&config.notes);
        Ok(config)
    }

    /// The configuration of a sweep.
    pub fn sweep(&self) -> Result<Sweep, Failure> {
        let sweep = Sweep::of(self.file()?, &self.set).map_err(|error| self.about(error))?;
        tell_notes(&sweep.notes);
        Ok(sweep)
    }

    /// The configuration of data, which may be all that the file holds.
    pub fn dataset(&self) -> Result<DatasetConfig, Failure> {
        let mut file = self.file()?;
        file.as_dataset();
        file.set(&self.set).map_err(|error| self.about(error))?;
        let (config, notes) = file.dataset().map_err(|error| self.about(error))?;
        tell_notes(&notes);
        Ok(config)
    }

    fn file(&self) -> Result<ConfigFile, Failure> {
        ConfigFile::read(&self.config).map_err(Failure::usage)
    }

    /// An error of the configuration, with its file, or the option that gave the key.
    pub fn about(&self, error: impl Display) -> Failure {
        let name = ConfigFile::name(&self.config);
        let error = error.to_string();
        let error = error.strip_prefix(&format!("{}: ", name.display())).unwrap_or(&error);
        let concerns = |set: &&Assignment| {
            let rest = error.strip_prefix(&set.key);
            rest.is_some_and(|rest| rest.starts_with([':', '.', '[', ' ']))
        };
        Failure::Usage(match self.set.iter().rev().find(concerns) {
            Some(_) => format!("--set {error}"),
            None => format!("{}: {error}", name.display()),
        })
    }

    /// An error of the data, which is about a file of data or a setting.
    pub fn dataset_failure(&self, error: DatasetError) -> Failure {
        if error.names_its_file() { Failure::usage(error) } else { self.about(error) }
    }

    /// An error of the network, which is about a file of weights or a setting.
    pub fn network_failure(&self, error: NetworkError) -> Failure {
        if matches!(error, NetworkError::File { .. }) { Failure::usage(error) } else { self.about(error) }
    }
}

/// An error of another file of settings.
pub fn about(file: &Path, error: impl Display) -> Failure {
    Failure::Usage(format!("{}: {error}", file.display()))
}

fn tell_notes(notes: &[String]) {
    notes.iter().for_each(|note| output::tell(format_args!("note: {note}")));
}
