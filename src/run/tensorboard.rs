//! Progress of runs as event files, which TensorBoard reads: what `--tensorboard` writes.
//!
//! An event file is records of a length, its checksum, the bytes of an `Event` message and their checksum (CRC32C, masked as
//! TensorFlow's `record_writer.h` has it). Every run has a folder, and every start of the program a file in it; a run that begins anew
//! takes the place of what is there of it.

use super::log::result;
use super::record::Record;
use super::steps::{RunStep, Untold};
use super::{Begun, Observer, Progress, Run};
use crc::{CRC_32_ISCSI, Crc};
use prost::Message;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

/// Writes events of runs into folders of their own, `DIR/NAME-seedN`.
pub struct TensorBoardEvents {
    folder: PathBuf,
    runs: Mutex<HashMap<String, EventFile>>,
    failure: OnceLock<io::Error>,
}

/// The file of one run.
struct EventFile {
    file: File,
    untold: Untold,
    last: u64,
}

/// Those fields of TensorFlow's `event.proto` and `summary.proto` that scalars need.
#[derive(Clone, PartialEq, Message)]
struct EventProto {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<SummaryProto>,
}

#[derive(Clone, PartialEq, Message)]
struct SummaryProto {
    #[prost(message, repeated, tag = "1")]
    value: Vec<SummaryValue>,
}

#[derive(Clone, PartialEq, Message)]
struct SummaryValue {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// The version of event files, which the first event says.
const FILE_VERSION: &str = "brain.Event:2";

/// How the tags of results begin.
const RESULT: &str = "result/";

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The checksum as records have it.
fn masked_crc(bytes: &[u8]) -> [u8; 4] {
    CRC32C.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

fn framed(event: &EventProto) -> Vec<u8> {
    let event = event.encode_to_vec();
    let length = (event.len() as u64).to_le_bytes();
    [&length[..], &masked_crc(&length), &event, &masked_crc(&event)].concat()
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

impl EventFile {
    fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let name = format!("events.out.tfevents.{:.6}.supermask.{}", now(), std::process::id());
        let mut file = File::create_new(folder.join(name))?;
        let first = EventProto {
            wall_time: now(),
            file_version: Some(FILE_VERSION.to_owned()),
            ..EventProto::default()
        };
        file.write_all(&framed(&first))?;
        Ok(Self { file, untold: Untold::default(), last: 0 })
    }

    fn write(&mut self, prefix: &str, steps: Vec<RunStep>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for RunStep { number, values, .. } in steps {
            self.last = number;
            let number_of = |value: &Value| value.as_f64().filter(|value| value.is_finite());
            let values = values.iter().filter_map(|(name, value)| Some((name, number_of(value)?)));
            let value = values.map(|(name, value)| SummaryValue {
                tag: format!("{prefix}{name}"),
                simple_value: Some(value as f32),
            });
            bytes.extend(framed(&EventProto {
                wall_time: now(),
                step: number as i64,
                file_version: None,
                summary: Some(SummaryProto { value: value.collect() }),
            }));
        }
        self.file.write_all(&bytes)
    }
}

impl TensorBoardEvents {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, runs: Mutex::default(), failure: OnceLock::new() }
    }

    /// Why an event could not be written.
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.get()
    }

    /// Does something with the file of the run `name`, which is made where this start of the program has none: of one
    /// that `goes_on` beside earlier ones. After a failure no more is written.
    fn with_file(&self, name: &str, goes_on: bool, act: impl FnOnce(&mut EventFile) -> io::Result<()>) {
        let mut runs = self.lock();
        if self.failure.get().is_some() {
            return;
        }
        if !runs.contains_key(name) {
            let folder = self.folder.join(name);
            if !goes_on {
                // A file that cannot be removed is only told twice.
                own_files(&folder).for_each(|file| drop(fs::remove_file(file)));
            }
            match EventFile::new(&folder) {
                Ok(file) => drop(runs.insert(name.to_owned(), file)),
                Err(error) => return drop(self.failure.set(error)),
            }
        }
        if let Some(Err(error)) = runs.get_mut(name).map(act) {
            // The first failure is told.
            let _ = self.failure.set(error);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, EventFile>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last step in the event files of a run's folder, those of earlier starts of the program.
fn last_step(folder: &Path) -> Option<u64> {
    own_files(folder).filter_map(|file| fs::read(file).ok()).filter_map(|bytes| last_step_of(&bytes)).max()
}

/// The event files in a run's folder that this program has written.
fn own_files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_name().to_string_lossy().contains(".supermask."));
    files.map(|file| file.path())
}

/// The last step of a file's events, results apart.
fn last_step_of(mut bytes: &[u8]) -> Option<u64> {
    let mut last = None;
    while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length) as usize;
        // A kill may have cut the last one short.
        let Some(event) = rest.get(4..).and_then(|rest| rest.get(..length)) else { break };
        if let Ok(EventProto { step, summary: Some(summary), .. }) = EventProto::decode(event)
            && !summary.value.iter().any(|value| value.tag.starts_with(RESULT))
        {
            last = last.max(u64::try_from(step).ok());
        }
        bytes = rest.get(4 + length + 4..).unwrap_or_default();
    }
    last
}

impl Observer for TensorBoardEvents {
    fn begun(&self, run: &Run, begun: Begun) {
        if let Begun::GoesOn(_) = begun {
            let last = last_step(&self.folder.join(run.config.stem()));
            self.with_file(&run.config.stem(), true, |file| {
                file.untold = last.map(Untold::behind).unwrap_or_default();
                Ok(())
            });
        }
    }

    fn progress(&self, run: &Run, progress: &Progress<'_>) {
        self.with_file(&run.config.stem(), false, |file| {
            let steps = file.untold.of(progress);
            file.write("", steps)
        });
    }

    fn ended(&self, record: &Record) {
        self.with_file(&record.config.stem(), false, |file| {
            let steps = file.untold.of_record(record);
            file.write("", steps)?;
            let values = result(record);
            file.write(RESULT, vec![RunStep { unit: "end", number: file.last, values }])
        });
        self.lock().remove(&record.config.stem());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_those_of_tensorboards_own_writer() {
        let value = SummaryValue { tag: "a".to_owned(), simple_value: Some(0.5) };
        let event = EventProto {
            wall_time: 2.5,
            step: 3,
            file_version: None,
            summary: Some(SummaryProto { value: vec![value] }),
        };
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        // Python's tensorboard 2: RecordWriter.write(Event(…).SerializeToString()).
        assert_eq!(
            hex(framed(&event)),
            "1700000000000000e7cef81e09000000000000044010032a0a0a080a0161150000003f8c0e4d18"
        );
    }

    #[test]
    fn the_last_step_is_found_behind_results_and_before_what_was_cut_short() {
        let event = |step: i64, tag: &str| {
            let value = vec![SummaryValue { tag: tag.to_owned(), simple_value: Some(0.5) }];
            let summary = Some(SummaryProto { value });
            framed(&EventProto { step, summary, ..EventProto::default() })
        };
        let mut file = [event(0, "loss"), event(7, "loss"), event(9, "result/loss")].concat();
        assert_eq!(last_step_of(&file), Some(7));
        file.extend(&event(8, "loss")[..20]);
        assert_eq!(last_step_of(&file), Some(7));
        assert_eq!(last_step_of(&[]), None);
    }
}
