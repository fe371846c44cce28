//! What `supermask run --dry-run` and `supermask sweep --dry-run` say of time.

use super::output::{self, Failure};
use super::progress::ProgressLine;
use crate::evaluate::Backend;
use crate::printable::counted;
use crate::run::procedure::Range;
use crate::sweep::Outline;
use crate::sweep::estimate::{Estimate, estimate};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Times some of the waiting runs on `devices`, and prints what all of them will take.
pub fn print(groups: &[Outline], devices: &[Arc<dyn Backend>], memory: u64) -> Result<(), Failure> {
    for device in devices {
        let (timed, all) = (AtomicUsize::new(1), AtomicUsize::new(1));
        let tell = |group, count| {
            timed.store(group, Ordering::Relaxed);
            all.store(count, Ordering::Relaxed);
        };
        let what = || {
            let [timed, all] = [&timed, &all].map(|number| number.load(Ordering::Relaxed));
            format!("timing some of group {timed} of {all}")
        };
        let timed = ProgressLine::during_steps(&what, || estimate(groups, &**device, memory, tell));
        let estimates = timed.map_err(Failure::work)?;
        let info = device.info();
        let alone = if devices.len() > 1 { ", if it had to do all runs alone" } else { "" };
        let threads = counted(rayon::current_num_threads(), "thread");
        output::print_wrapped(format_args!(
            "\nestimate for {} ({}), {threads}{alone}",
            info.name, info.driver
        ))?;
        let mut all = Range { least: 0.0, most: Some(0.0) };
        for estimate in &estimates {
            output::print_wrapped(format_args!("  {}", line(estimate)))?;
            all.least += estimate.seconds.least;
            all.most = all.most.zip(estimate.seconds.most).map(|(a, b)| a + b);
        }
        output::print_wrapped(format_args!("  {}: all of it", between(all, output::long_time)))?;
    }
    Ok(())
}

fn line(estimate: &Estimate) -> String {
    let Estimate { runs, algorithm, architecture, steps, timed, seconds } = estimate;
    let steps = between(*steps, grouped);
    let (name, unit) = (algorithm.name, algorithm.unit);
    let seconds = between(*seconds, output::long_time);
    let timed = grouped(*timed);
    format!(
        "{seconds}: {} of {name}, {architecture}, {unit} of each {steps}; {timed} were timed",
        counted(*runs, "run")
    )
}

/// A range in words.
fn between(range: Range, text: impl Fn(f64) -> String) -> String {
    let least = text(range.least);
    match range.most.map(text) {
        Some(most) if most == least => most,
        Some(most) => format!("{least} to {most}"),
        None => format!("{least} at least"),
    }
}

/// `1,234,567`.
fn grouped(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_whether_it_has_an_end() {
        let text = |least, most| between(Range { least, most }, grouped);
        assert_eq!(text(1200.0, Some(1_234_567.0)), "1,200 to 1,234,567");
        assert_eq!(text(7.0, Some(7.0)), "7");
        assert_eq!(text(999.0, None), "999 at least");
    }
}
