//! `supermask bench --calibrate`: what the parts of a batch's time cost on this adapter.

use super::output::{self, Failure};
use crate::cost::{self, Calibration, Effort, Fit};
use crate::evaluate::Backend;
use crate::report::Table;

/// Calibrates thoroughly, remembers the costs and prints them.
pub fn calibrate(device: &dyn Backend, json: bool) -> Result<(), Failure> {
    let calibration = measure(device, Effort::Thorough)?;
    if json {
        return output::print_json(&calibration);
    }
    output::print(format_args!(
        "{}, {} threads, {} build, {:.1} s",
        device.info().name,
        calibration.threads,
        calibration.build,
        calibration.took_s
    ))?;
    for fit in &calibration.fits {
        output::print("")?;
        output::print(costs(fit).to_text().trim_end())?;
        output::print("")?;
        output::print(held_out(fit).to_text().trim_end())?;
        output::print(summary(fit))?;
    }
    Ok(())
}

/// The costs of `device`: as remembered, else from a quick calibration, which the user is told of.
pub fn recalled(device: &dyn Backend) -> Result<Calibration, Failure> {
    let remembered = cost::cache_file().and_then(|file| cost::recall(&file, device));
    remembered.map_or_else(
        || {
            output::tell(format_args!(
                "no calibration of {} is remembered: a short one is made now, a few seconds long; \
                 `supermask bench --calibrate` makes a better one",
                device.info().name
            ));
            measure(device, Effort::Quick)
        },
        Ok,
    )
}

/// Calibrates and remembers. Where the costs cannot be kept, the user is told why.
fn measure(device: &dyn Backend, effort: Effort) -> Result<Calibration, Failure> {
    let calibration = cost::calibrate(device, effort).map_err(Failure::work)?;
    match cost::cache_file() {
        Some(file) => match cost::remember(&file, device, &calibration) {
            Ok(()) => output::tell(format_args!("the costs are remembered in {}", file.display())),
            Err(error) => {
                output::tell(format_args!("the costs are not remembered: {}: {error}", file.display()));
            }
        },
        None => output::tell("the costs are not remembered: this system names no cache folder"),
    }
    Ok(calibration)
}

/// How far a fit is off where it was checked.
pub fn summary(fit: &Fit) -> String {
    fit.errors().map_or_else(
        || format!("{}: no held-out points", fit.family),
        |errors| {
            format!(
                "{}: {} points fitted; error on {} held-out points: median {:.0}%, worst {:.0}%",
                fit.family,
                fit.fitted.len(),
                fit.held_out.len(),
                100.0 * errors.median,
                100.0 * errors.max
            )
        },
    )
}

fn costs(fit: &Fit) -> Table {
    let mut table = Table::new("costs", "Costs", &["part", ">cost of one"]);
    for (term, seconds) in &fit.costs {
        let name = serde_json::to_value(term).expect("a term serialises");
        table.push(vec![name.as_str().unwrap_or_default().replace('_', " "), output::short_time(*seconds)]);
    }
    table
}

fn held_out(fit: &Fit) -> Table {
    let columns = ["network", ">masks", ">samples", ">density", ">predicted", ">measured", ">error %"];
    let mut table = Table::new("held-out", "Held-out points", &columns);
    for check in &fit.held_out {
        table.push(vec![
            check.shape.network.to_string(),
            check.shape.masks.to_string(),
            check.shape.samples.to_string(),
            check.shape.density.to_string(),
            output::short_time(check.predicted_s),
            output::short_time(check.measured_s),
            format!("{:+.1}", 100.0 * check.error()),
        ]);
    }
    table
}
