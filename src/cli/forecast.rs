//! What `supermask sweep --dry-run` predicts.

use super::calibrate;
use super::output::{self, Failure};
use crate::cost::forecast::{Forecast, Means, Range, forecast};
use crate::evaluate::Backend;
use crate::sweep::Outline;
use std::sync::Arc;

/// Prints what the waiting runs will take on `devices`.
pub fn print(groups: &[Outline], devices: &[Arc<dyn Backend>], memory: u64) -> Result<(), Failure> {
    for device in devices {
        let calibration = calibrate::recalled(&**device)?;
        let means = Means { device: &**device, calibration: &calibration, memory };
        let forecast = forecast(groups, means).map_err(Failure::work)?;
        let info = device.info();
        let alone = if devices.len() > 1 { ", if it had to do all runs alone" } else { "" };
        output::print(format_args!(
            "\nprediction for {} ({}), {} threads{alone}",
            info.name, info.driver, calibration.threads
        ))?;
        for (name, value) in rows(&forecast) {
            output::print(format_args!("  {name:<13}{value}"))?;
        }
        for fit in &calibration.fits {
            output::print(format_args!("  {:<13}{}", "costs", calibrate::summary(fit)))?;
        }
    }
    Ok(())
}

fn rows(forecast: &Forecast) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if forecast.searches > 0 {
        let unknown =
            if forecast.has_bound { ", and candidates below the accuracy bound none to all" } else { "" };
        rows.extend([
            ("searches", format!("{} runs of genetic search", forecast.searches)),
            ("generations", format!("of each run, {}", between(forecast.generations, |n| format!("{n:.0}")))),
            ("evaluations", between(forecast.evaluations, grouped)),
            ("time", between(forecast.seconds, output::long_time)),
            (
                "",
                format!(
                    "{} for each generation of all searches, of it {} of one thread on the host",
                    output::short_time(forecast.seconds_per_generation),
                    output::short_time(forecast.host_seconds_per_generation)
                ),
            ),
            ("memory", memory(forecast)),
            ("assumed", format!("masks half full, no two of a run alike{unknown}; compilation of kernels, files and a busy machine come on top")),
        ]);
    }
    for (kind, other) in &forecast.others {
        let (runs, steps) = (other.runs, grouped(other.steps as f64));
        let what = if *kind == "local_search" { "proposals" } else { "epochs" };
        rows.push((
            "others",
            format!("{runs} runs of {kind}, {steps} {what} in all at most; their time is not predicted"),
        ));
    }
    rows
}

fn memory(forecast: &Forecast) -> String {
    let mebibytes = |bytes: u64| format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20));
    let host = format!("at most {} on the host", mebibytes(forecast.host_bytes));
    match forecast.device_bytes {
        0 => host,
        bytes => format!("{host}, {} on the device", mebibytes(bytes)),
    }
}

/// A range in words.
fn between(range: Range, text: impl Fn(f64) -> String) -> String {
    let least = text(range.least);
    match range.most.map(text) {
        Some(most) if most == least => most,
        Some(most) => format!("{least} to {most}"),
        None => format!("{least} at least; the configuration sets no most"),
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
        assert_eq!(text(999.0, None), "999 at least; the configuration sets no most");
    }
}
