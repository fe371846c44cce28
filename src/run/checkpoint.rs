//! The file that an unfinished run goes on from: a line with its checksum, then JSON.
//!
//! A run that goes on must end as an undisturbed one, and so a checkpoint is taken only whole, and only for the very
//! run that wrote it: the same configuration, data and arithmetic. Anything else begins anew, and says why.

use crate::dataset::Dataset;
use crate::evaluate::Arithmetic;
use crate::files;
use crate::flaw::Flaw;
use crate::meter::Taken;
use crate::run::config::ResolvedConfig;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// The version of the states in checkpoints. Another number means other states.
const VERSION: u32 = 5;

/// Sixteen hexadecimal digits and the end of the line.
const CHECKSUM_BYTES: usize = 17;

/// The checkpoint of one run, whether it is there or not.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    config: ResolvedConfig,
    /// The checksum of the data.
    data: String,
    arithmetic: Arithmetic,
}

/// What a run begins with.
#[derive(Debug)]
pub enum Resume<S> {
    /// There is no checkpoint.
    Fresh,
    /// The state to go on from.
    From(S),
    /// There is a checkpoint, and this is why the run does not go on from it.
    Anew(String),
}

impl<S> Resume<S> {
    /// The state to go on from, if any; `note` is told why there is none where there might have been one.
    pub fn state(self, note: impl FnOnce(String)) -> Option<S> {
        match self {
            Self::Fresh => None,
            Self::From(state) => Some(state),
            Self::Anew(reason) => {
                note(reason);
                None
            }
        }
    }
}

#[derive(Deserialize)]
struct Contents<D, T, S> {
    config: ResolvedConfig,
    data: D,
    arithmetic: Arithmetic,
    taken: T,
    state: S,
}

/// The same, borrowed.
#[derive(Serialize)]
struct ContentsOf<'a, S> {
    version: u32,
    config: &'a ResolvedConfig,
    data: &'a str,
    arithmetic: Arithmetic,
    taken: &'a Taken,
    state: &'a S,
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default)]
    version: u32,
}

impl Checkpoint {
    /// The checkpoint at `path` of the run with this resolved configuration on `dataset`.
    pub fn at(path: PathBuf, config: &ResolvedConfig, dataset: &Dataset, arithmetic: Arithmetic) -> Self {
        Self { path, config: config.clone(), data: dataset.checksum().to_owned(), arithmetic }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the state of the run, and what it has taken so far.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, taken: &Taken, state: &impl Serialize) -> io::Result<()> {
        let Self { config, data, arithmetic, .. } = self;
        let contents = ContentsOf { version: VERSION, config, data, arithmetic: *arithmetic, taken, state };
        let contents = serde_json::to_vec(&contents).expect("checkpoints serialise");
        let mut bytes = format!("{:016x}\n", xxh3_64(&contents)).into_bytes();
        bytes.extend(contents);
        files::write(&self.path, &bytes)
    }

    /// What the run begins with; `check` says what is impossible in a state.
    pub fn load<S: DeserializeOwned>(
        &self,
        check: impl FnOnce(&S) -> Result<(), Flaw>,
    ) -> Resume<(Taken, S)> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Resume::Fresh,
            Err(error) => return self.anew(&format!("cannot be read ({error})")),
        };
        match self.read(&bytes) {
            Ok((taken, state)) => match check(&state) {
                Ok(()) => Resume::From((taken, state)),
                Err(reason) => self.anew(&format!("contradicts itself ({reason})")),
            },
            Err(reason) => self.anew(&reason.to_string()),
        }
    }

    fn anew<S>(&self, reason: &str) -> Resume<S> {
        Resume::Anew(format!("the run begins anew: its checkpoint {} {reason}", self.path.display()))
    }

    fn read<S: DeserializeOwned>(&self, bytes: &[u8]) -> Result<(Taken, S), Flaw> {
        let contents = match bytes.split_at_checked(CHECKSUM_BYTES) {
            Some((sum, contents)) if sum == format!("{:016x}\n", xxh3_64(contents)).as_bytes() => contents,
            _ => return Err("is damaged".into()),
        };
        let unreadable = |error: serde_json::Error| Flaw::from(format!("cannot be read ({error})"));
        let Versioned { version } = serde_json::from_slice(contents).map_err(unreadable)?;
        if version != VERSION {
            return Err("was written by another version of the program".into());
        }
        let around: Contents<String, IgnoredAny, IgnoredAny> =
            serde_json::from_slice(contents).map_err(unreadable)?;
        let is_on_these_data = around.data == self.data;
        let config = if is_on_these_data { around.config.with_files_of(&self.config) } else { around.config };
        if config.with_end_of(&self.config) != self.config {
            return Err("is of another configuration".into());
        }
        if !is_on_these_data {
            return Err("is of other data: they have changed since".into());
        }
        if around.arithmetic != self.arithmetic {
            return Err("is of another arithmetic".into());
        }
        let whole: Contents<IgnoredAny, Taken, S> = serde_json::from_slice(contents).map_err(unreadable)?;
        Ok((whole.taken, whole.state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(seed: u64) -> ResolvedConfig {
        let value = json!({
            "name": "a", "seed": seed, "dataset": {"kind": "moons"}, "network": {"layers": [2, 4, 2]},
            "algorithm": crate::run::algorithm::Algorithm::default()
        });
        serde_json::from_value(value).expect("a configuration")
    }

    fn data(noise: f64) -> Dataset {
        let mut config = config(0);
        config.dataset = serde_json::from_value(
            json!({"kind": "moons", "train_samples": 20, "test_samples": 10, "noise": noise}),
        )
        .expect("a data set");
        config.dataset.load().expect("moons")
    }

    /// Accepts even numbers.
    fn even(state: &u32) -> Result<(), Flaw> {
        if state.is_multiple_of(2) { Ok(()) } else { Err(format!("{state} is odd").into()) }
    }

    fn reason(resume: Resume<(Taken, u32)>) -> String {
        match resume {
            Resume::Anew(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_checkpoint_is_gone_on_from_by_the_very_run_that_wrote_it_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("checkpoint.json");
        let (ours, theirs, here, there) = (config(1), config(2), data(0.1), data(0.2));
        let at = |config, data, arithmetic| Checkpoint::at(path.clone(), config, data, arithmetic);
        let own = at(&ours, &here, Arithmetic::Fused);
        assert!(matches!(own.load(even), Resume::Fresh));
        own.save(&Taken::default(), &4_u32).expect("a checkpoint");
        assert!(matches!(own.load(even), Resume::From((_, 4))));
        for (other, why) in [
            (at(&theirs, &here, Arithmetic::Fused), "another configuration"),
            (at(&ours, &there, Arithmetic::Fused), "other data"),
            (at(&ours, &here, Arithmetic::Separate), "another arithmetic"),
        ] {
            let reason = reason(other.load(even));
            assert!(reason.contains(why) && reason.contains("checkpoint.json"), "{reason}");
        }
    }

    #[test]
    fn a_damaged_or_impossible_checkpoint_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("checkpoint.json");
        let (config, data) = (config(1), data(0.1));
        let own = Checkpoint::at(path.clone(), &config, &data, Arithmetic::Fused);
        own.save(&Taken::default(), &5_u32).expect("a checkpoint");
        assert!(reason(own.load(even)).contains("5 is odd"));
        own.save(&Taken::default(), &"four").expect("a checkpoint");
        assert!(reason(own.load(even)).contains("cannot be read"));
        own.save(&Taken::default(), &4_u32).expect("a checkpoint");
        let whole = fs::read_to_string(&path).expect("a checkpoint");
        let later = whole[CHECKSUM_BYTES..].replace(&format!("\"version\":{VERSION}"), "\"version\":99");
        fs::write(&path, format!("{:016x}\n{later}", xxh3_64(later.as_bytes()))).expect("a file");
        assert!(reason(own.load(even)).contains("was written by another version of the program"));
        own.save(&Taken::default(), &4_u32).expect("a checkpoint");
        let whole = fs::read(&path).expect("a checkpoint");
        for change in [&whole[..whole.len() - 1], &whole[..3], b""] {
            fs::write(&path, change).expect("a file");
            assert!(reason(own.load(even)).contains("is damaged"));
        }
    }
}
