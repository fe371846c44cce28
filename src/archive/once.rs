//! Each run counts once, and runs that were stopped before their end do not count.

use super::run::without;
use super::{Archive, ArchivedRun, Conflict, CopiedRecord};
use std::collections::{BTreeMap, HashSet};

/// What says that two records are of one run: everything that decides what a run computes. Its name and the path of
/// its data do not.
fn identity(run: &ArchivedRun) -> String {
    let config = without(&run.config, &["name", "dataset"]);
    format!("{} {config} {} {:?}", run.cell, run.data_identity, run.arithmetic)
}

/// Did two records of one run find the same? Times and the work that an adapter did may differ.
fn found_the_same(a: &ArchivedRun, b: &ArchivedRun) -> bool {
    let found = |run: &ArchivedRun| {
        let mut result = run.result.clone();
        result.multiply_adds = None;
        (result, run.mask_hex.clone())
    };
    found(a) == found(b)
}

/// The record first that counts: one that is under the name that its run gave it, else the one of the shortest name.
fn preference(run: &ArchivedRun) -> (bool, usize, String) {
    let stem = format!("{}-seed{}.json", run.name, run.seed);
    (!run.file.ends_with(&stem), run.file.len(), run.file.clone())
}

impl Archive {
    /// Leaves out what must not count: interrupted runs, unless `with_interrupted`, copies of records, and records that
    /// contradict each other; of interrupted runs, those that a record of their end is there of, or of more generations.
    /// A failure of a run of which a record is there was an earlier attempt's.
    pub(super) fn count_once(&mut self, with_interrupted: bool) {
        let ended: HashSet<String> = self.runs.iter().map(|run| run.config.to_string()).collect();
        self.failed.retain(|failed| {
            failed.config.as_ref().is_none_or(|config| !ended.contains(&config.to_string()))
        });

        let mut runs: BTreeMap<String, Vec<ArchivedRun>> = BTreeMap::new();
        for run in self.runs.drain(..) {
            runs.entry(identity(&run)).or_default().push(run);
        }
        for (_, same) in runs {
            let (interrupted, mut ended): (Vec<ArchivedRun>, Vec<ArchivedRun>) =
                same.into_iter().partition(ArchivedRun::is_interrupted);
            let furthest = interrupted.iter().max_by_key(|run| run.result.generations);
            let counts =
                furthest.filter(|_| with_interrupted && ended.is_empty()).map(|run| run.file.clone());
            for run in interrupted {
                if counts.as_ref() == Some(&run.file) {
                    self.runs.push(run);
                } else {
                    self.interrupted.push(run.file);
                }
            }
            ended.sort_by_cached_key(preference);
            let mut rest = ended.into_iter();
            let Some(first) = rest.next() else { continue };
            let rest: Vec<ArchivedRun> = rest.collect();
            if let Some(other) = rest.iter().find(|other| !found_the_same(&first, other)) {
                let files = [first.file.clone(), other.file.clone()];
                self.conflicts.push(Conflict { cell: first.cell, seed: first.seed, files });
                continue;
            }
            self.copies
                .extend(rest.into_iter().map(|run| CopiedRecord { file: run.file, of: first.file.clone() }));
            self.runs.push(first);
        }
        self.runs.sort_by(|a, b| a.file.cmp(&b.file));
        self.interrupted.sort();
    }
}
