//! What a user should know of an archive: what does not count, and why, in a line each.

use super::{Archive, Below};
use crate::printable::counted;

/// Files that are named one by one.
const SHOWN: usize = 5;

/// Folders that one line names.
const FOLDERS: usize = 4;

/// The first of `lines`, and how many more there are.
fn first_of<T>(lines: &[T], line: impl Fn(&T) -> String, more: &str) -> Vec<String> {
    let mut shown: Vec<String> = lines.iter().take(SHOWN).map(line).collect();
    if lines.len() > SHOWN {
        shown.push(format!("{more}: {} more", lines.len() - SHOWN));
    }
    shown
}

impl Archive {
    /// What does not count, and what was told apart.
    pub fn remarks(&self) -> Vec<String> {
        let mut lines = first_of(&self.problems, |problem| format!("left out: {problem}"), "left out");
        lines.extend(first_of(
            &self.contradictions,
            |problem| format!("left out: {}: it contradicts itself: {}", problem.file, problem.what),
            "left out: records that contradict themselves",
        ));
        if !self.contradictions.is_empty() {
            lines.push("note: --unchecked counts records that contradict themselves".to_owned());
        }
        if let Some(problem) = &self.without_counts {
            lines.push(format!(
                "warning: no record's accuracies are those of its counts; all count as they are written; the first is \
                 {problem}"
            ));
        }
        lines.extend(first_of(&self.conflicts, |conflict| format!("left out: {conflict}"), "left out"));
        if let Some(first) = self.interrupted.first() {
            let runs = counted(self.interrupted.len(), "interrupted run");
            lines.push(format!("left out: {runs}, the first is {first} (--include-interrupted counts them)"));
        }
        let mut counting = self.runs.iter().filter(|run| run.is_interrupted());
        if let Some(first) = counting.next() {
            let runs = counted(1 + counting.count(), "interrupted run");
            lines.push(format!(
                "note: {runs} counted that did not come to an end, the first is {}",
                first.file
            ));
        }
        if let Some(first) = self.copies.first() {
            let copies = counted(self.copies.len(), "copy");
            lines.push(format!(
                "left out: {copies} of records that count already, the first is {} of {}",
                first.file, first.of
            ));
        }
        if !self.failed.is_empty() {
            lines.push(format!("{} failed", counted(self.failed.len(), "run")));
        }
        if !self.below.is_empty() {
            lines.push(format!("note: not read: {}", below(&self.below)));
        }
        lines.extend(first_of(&self.told_apart, |what| format!("note: {what}"), "note: told apart"));
        lines
    }

    /// Why an archive has no record that counts: the end of a sentence.
    pub(super) fn details(&self) -> String {
        let mut details = String::new();
        if !self.below.is_empty() {
            details += &format!("; {}", below(&self.below));
        }
        if let Some(problem) = self.problems.first() {
            let files = counted(self.problems.len(), "file");
            details += &format!("; {files} cannot be used, the first is {problem}");
        }
        if let Some(problem) = self.contradictions.first() {
            let records = counted(self.contradictions.len(), "record");
            details += &format!(
                "; {records} left out that contradict themselves (--unchecked counts them), the first is {problem}"
            );
        }
        if let Some(conflict) = self.conflicts.first() {
            details += &format!("; {conflict}");
        }
        if !self.interrupted.is_empty() {
            let runs = counted(self.interrupted.len(), "interrupted run");
            details += &format!("; {runs} left out (--include-interrupted counts them)");
        }
        if let Some(failed) = self.failed.first() {
            let runs = counted(self.failed.len(), "run");
            details += &format!("; {runs} failed, the first is {}: {}", failed.file, failed.error);
        }
        details
    }
}

/// Where records are in folders below.
fn below(folders: &[Below]) -> String {
    let listed = folders.iter().take(FOLDERS).map(|below| {
        let Below { folder, records } = below;
        format!("{folder} ({})", counted(*records, "record"))
    });
    let mut text = listed.collect::<Vec<_>>().join(", ");
    if folders.len() > FOLDERS {
        text += &format!(" and {} more", folders.len() - FOLDERS);
    }
    format!("records in folders below: {text}; give these folders to read them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{CopiedRecord, LeftOutFile};

    #[test]
    fn what_is_left_out_takes_a_line_a_kind() {
        let problem = |n: usize| LeftOutFile { file: format!("{n}.json"), what: "not a record".into() };
        let archive = Archive {
            problems: (0..7).map(problem).collect(),
            interrupted: vec!["a.json".into(), "b.json".into()],
            copies: vec![CopiedRecord { file: "x (1).json".into(), of: "x.json".into() }],
            below: vec![Below { folder: "res/1".into(), records: 2 }],
            told_apart: vec!["csv: easy.csv, hard.csv".into()],
            ..Archive::default()
        };
        let lines = archive.remarks();
        assert_eq!(lines[0], "left out: 0.json: not a record");
        assert_eq!(lines[5], "left out: 2 more");
        assert_eq!(
            lines[6..],
            [
                "left out: 2 interrupted runs, the first is a.json (--include-interrupted counts them)",
                "left out: 1 copy of records that count already, the first is x (1).json of x.json",
                "note: not read: records in folders below: res/1 (2 records); give these folders to read them",
                "note: csv: easy.csv, hard.csv",
            ]
        );
    }
}
