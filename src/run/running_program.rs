//! A program that judges masks: started once, shown each batch on its standard input, heard on its standard output.
//!
//! A batch is a line of JSON, `{"masks": 100, "samples": 1347, "classes": 10, "split": "train"}`, and an array in NumPy's
//! NPY format: `[masks, samples]` predicted classes as bytes, `[masks, samples, classes]` outputs as 32-bit floats, or
//! `[masks, classes, classes]` confusion counts as 32-bit integers. The first line of each split also has
//! `"labels"`, the class of every sample. The answer is a line for each mask with its score.

use crate::dataset::Split;
use crate::evaluate::{EvaluateError, Evidence, Exhibit, Judge, JudgeError};
use crate::excerpt;
use crate::objective::{JudgeProgram, Needs};
use crate::printable;
use npyz::WriterBuilder;
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Lines of what a program says of its faults that are shown.
const LAST_LINES: usize = 12;

/// How long a program that ended may take to have said why.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A program that was started. It is ended with this.
pub struct RunningProgram {
    needs: Needs,
    timeout: Duration,
    /// For messages.
    name: String,
    conversation: Mutex<Conversation>,
}

/// The two directions of talk with a program, and what it says beside.
struct Conversation {
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<io::Result<String>>,
    faults: Arc<Mutex<VecDeque<String>>>,
    /// `[split]`: were its labels told?
    told: [bool; 3],
}

/// The line before an array.
#[derive(Serialize)]
struct BatchHeading<'a> {
    masks: usize,
    samples: usize,
    classes: usize,
    split: Split,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<&'a [u32]>,
}

impl RunningProgram {
    /// Starts the program of `settings`.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] where it cannot be started.
    pub fn start(settings: &JudgeProgram) -> Result<Self, EvaluateError> {
        let name = settings.program.join(" ");
        let (command, arguments) = settings.program.split_first().expect("a command, which was checked");
        let started = Command::new(command)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = started.map_err(|error| {
            EvaluateError::Unsupported(format!("algorithm.fitness.program: cannot start {name:?}: {error}"))
        })?;
        let (Some(output), Some(error)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(EvaluateError::Judge(format!("{name:?} has no output to be read")));
        };
        let input = child.stdin.take();
        let faults = Arc::new(Mutex::new(VecDeque::new()));
        let said = Arc::clone(&faults);
        thread::spawn(move || keep_last_lines(error, &said));
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let conversation = Conversation { child, input, answers, faults, told: [false; 3] };
        Ok(Self {
            needs: settings.needs,
            timeout: Duration::from_secs_f64(settings.timeout_s),
            name,
            conversation: Mutex::new(conversation),
        })
    }
}

fn keep_last_lines(from: impl Read, to: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(from).lines().map_while(Result::ok) {
        let mut lines = to.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

impl Judge for RunningProgram {
    fn needs(&self) -> Needs {
        self.needs
    }

    fn judge(&self, exhibit: &Exhibit<'_>) -> Result<Vec<f64>, JudgeError> {
        let mut conversation = self.conversation.lock().unwrap_or_else(PoisonError::into_inner);
        let told = std::mem::replace(&mut conversation.told[exhibit.split as usize], true);
        let shown =
            shown(exhibit, !told).map_err(|error| JudgeError(format!("cannot write an array: {error}")))?;
        let begun = Instant::now();
        // A program that reads nothing must not keep this one from seeing that it is late.
        let input = conversation.input.take();
        let writer = thread::spawn(move || -> Option<ChildStdin> {
            let mut input = input?;
            input.write_all(&shown).and_then(|()| input.flush()).ok().map(|()| input)
        });
        let mut scores = Vec::with_capacity(exhibit.masks);
        while scores.len() < exhibit.masks {
            let rest = self.timeout.saturating_sub(begun.elapsed());
            match conversation.score(rest) {
                Ok(score) => scores.push(score),
                Err(fault) => return Err(self.error(&mut conversation, scores.len(), exhibit.masks, &fault)),
            }
        }
        conversation.input = writer.join().ok().flatten();
        Ok(scores)
    }
}

/// Why there is no score.
enum Silence {
    Ended,
    Late,
    NoNumber(String),
}

impl Conversation {
    /// The next score that comes within `time`.
    fn score(&self, time: Duration) -> Result<f64, Silence> {
        match self.answers.recv_timeout(time) {
            Ok(Ok(line)) => line.trim().parse().map_err(|_| Silence::NoNumber(line)),
            Ok(Err(error)) => Err(Silence::NoNumber(error.to_string())),
            Err(RecvTimeoutError::Timeout) => Err(Silence::Late),
            Err(RecvTimeoutError::Disconnected) => Err(Silence::Ended),
        }
    }
}

impl RunningProgram {
    /// What went wrong after so many of a batch's scores, with what the program said last. Ends it.
    fn error(
        &self,
        conversation: &mut Conversation,
        came: usize,
        masks: usize,
        fault: &Silence,
    ) -> JudgeError {
        let what = match fault {
            Silence::Late => format!("gave {came} of {masks} scores within {} s", self.timeout.as_secs_f64()),
            Silence::NoNumber(line) => {
                let line = excerpt::shown(&format!("{line:?}"));
                format!("answered {line} for mask {came} of {masks}, which is no number")
            }
            Silence::Ended => {
                let status = conversation.child.wait();
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                format!("ended ({status}) after {came} of {masks} scores")
            }
        };
        thread::sleep(LAST_WORDS);
        let _ = conversation.child.kill();
        let faults = conversation.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = format!("the program {:?} of algorithm.fitness {what}", self.name);
        if !faults.is_empty() {
            text += "; it said last:";
            faults.iter().for_each(|line| text += &format!("\n    {}", printable::line(line)));
        }
        JudgeError(text)
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // Its input ends, and then so does a program that reads to the end; it is given no time to.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the program reads of a batch.
fn shown(exhibit: &Exhibit<'_>, with_labels: bool) -> io::Result<Vec<u8>> {
    let &Exhibit { split, labels, masks, classes, evidence } = exhibit;
    let samples = labels.len();
    let labels = with_labels.then_some(labels);
    let mut bytes = serde_json::to_vec(&BatchHeading { masks, samples, classes, split, labels })?;
    bytes.push(b'\n');
    match evidence {
        Evidence::Predictions(values) => write_npy(&mut bytes, &[masks, samples], values),
        Evidence::Outputs(values) => write_npy(&mut bytes, &[masks, samples, classes], values),
        Evidence::Confusion(values) => write_npy(&mut bytes, &[masks, classes, classes], values),
    }?;
    Ok(bytes)
}

fn write_npy<T: npyz::AutoSerialize + Copy>(
    to: &mut Vec<u8>,
    shape: &[usize],
    values: &[T],
) -> io::Result<()> {
    let shape: Vec<u64> = shape.iter().map(|&length| length as u64).collect();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(to).begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()
}
