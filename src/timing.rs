//! Times of runs, as their records have them, and what several runs took together.

use crate::meter::{Stretch, Taken, covered_seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the run took, in seconds. What a record of version 1 does not say is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timing {
    /// The run's share of the processor's time: its own, and of what the evaluator's threads took for the batches
    /// that it shared with others a share by masks. Made on many threads, it can be more than `wall_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_s: Option<f64>,
    /// What of it a genetic search itself took: selection, crossover, mutation, migration and bookkeeping (in records
    /// of version 1, by the clock on the wall).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_s: Option<f64>,
    /// The run's share, by masks, of the time that a device other than the processor was at its batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_s: Option<f64>,
    /// From the run's first to its last moment by the clock on the wall, other runs in its batches included and
    /// pauses left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_s: Option<f64>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stretches: Vec<Stretch>,
    /// Runs that shared the evaluator's batches at most.
    #[serde(default)]
    pub lockstep: usize,
    /// What `wall_s` is called in records of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_s: Option<f64>,
    /// In records of version 1, the run's share by masks of the evaluator's wall time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate_s: Option<f64>,
}

impl Timing {
    /// Wall time in seconds, whatever the record calls it.
    pub fn wall(&self) -> Option<f64> {
        self.wall_s.or(self.total_s)
    }

    /// The run's shares in few words: `1.2 s of processors, 0.4 s of devices`.
    pub fn shares(&self) -> String {
        let share = |seconds: Option<f64>, of: &str| seconds.map(|seconds| format!("{seconds:.1} s of {of}"));
        let shares = [share(self.processor_s, "processors"), share(self.device_s, "devices")];
        let shares: Vec<String> = shares.into_iter().flatten().collect();
        if shares.is_empty() {
            format!("{:.1} s by the wall clock", self.wall().unwrap_or_default())
        } else {
            shares.join(", ")
        }
    }

    /// Of a run that has `taken` so much, and of whose batches others had a part, `lockstep` runs in all.
    pub fn of(taken: Taken, lockstep: usize) -> Self {
        Self {
            processor_s: Some(taken.processor.as_secs_f64()),
            device_s: Some(taken.device.as_secs_f64()).filter(|&seconds| seconds > 0.0),
            wall_s: Some(taken.wall_seconds()),
            stretches: taken.stretches,
            lockstep,
            ..Self::default()
        }
    }
}

/// What several runs took together, in seconds, as far as their records say it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TotalTime {
    processor: f64,
    device: f64,
    stretches: Vec<Stretch>,
    /// Wall time of records of version 1, which do not say when it was.
    undated: f64,
}

impl TotalTime {
    /// One more run.
    pub fn add(&mut self, timing: &Timing) {
        self.processor += timing.processor_s.unwrap_or(0.0);
        self.device += timing.device_s.unwrap_or(0.0);
        match timing.stretches[..] {
            [] => self.undated += timing.wall().unwrap_or_default(),
            _ => self.stretches.extend(&timing.stretches),
        }
    }

    /// The times that are known, by name. Time in which several runs were under way counts once, but that of older
    /// records, whose runs count the time of the batches that they shared once each.
    pub fn named(&self) -> Vec<(&'static str, f64)> {
        let times = [
            ("processor time", self.processor),
            ("device time", self.device),
            ("wall time", covered_seconds(self.stretches.iter().copied())),
            ("wall time of runs of older records, shared batches counted for each", self.undated),
        ];
        times.into_iter().filter(|&(_, seconds)| seconds > 0.0).collect()
    }
}

impl<'a> Extend<&'a Timing> for TotalTime {
    fn extend<T: IntoIterator<Item = &'a Timing>>(&mut self, timings: T) {
        timings.into_iter().for_each(|timing| self.add(timing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_side_by_side_share_the_wall_clock_and_add_up_their_processor_time() {
        let run = |begun: f64, ended: f64| Timing {
            processor_s: Some(3.0),
            wall_s: Some(ended - begun),
            stretches: vec![Stretch { begun, ended }],
            ..Timing::default()
        };
        let mut total = TotalTime::default();
        total.extend(&[run(0.0, 8.0), run(1.0, 9.0), run(5.0, 10.0)]);
        assert_eq!(total.named(), [("processor time", 9.0), ("wall time", 10.0)]);
        assert_eq!(run(0.0, 8.0).shares(), "3.0 s of processors");
    }

    #[test]
    fn a_record_of_version_1_keeps_its_time_under_the_name_of_what_it_is() {
        let text = r#"{"total_s": 4.5, "evaluate_s": 4.0, "host_s": 0.5, "lockstep": 3}"#;
        let timing: Timing = serde_json::from_str(text).expect("a timing");
        assert_eq!((timing.wall(), timing.processor_s, timing.device_s), (Some(4.5), None, None));
        assert_eq!(serde_json::to_string(&timing).expect("text").len(), text.replace(' ', "").len());
        assert_eq!(timing.shares(), "4.5 s by the wall clock");
        let mut total = TotalTime::default();
        total.extend([&timing, &timing]);
        let [(name, seconds)] = total.named()[..] else { panic!("one time: {total:?}") };
        assert!(name.contains("older records") && seconds == 9.0);
    }
}
