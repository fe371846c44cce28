//! A run's progress in one small line, for pages of thousands of runs.

use super::figures::places;
use super::plot::strip;
use super::style::colour;
use crate::archive::ArchivedRun;
use maud::{Markup, PreEscaped, html};

/// Points of the line at most.
const POINTS: usize = 40;

/// The best training accuracy over generations, from the first (left) to the last, without axes; its ends
/// are said in words. Nothing for a run without a history.
pub fn progress_line(run: &ArchivedRun) -> Markup {
    let accuracy = run.best_accuracy();
    let (Some(first), Some(last)) = (accuracy.first(), accuracy.last()) else { return html! {} };
    if accuracy.len() < 2 {
        return html! {};
    }
    let points: Vec<(f64, f64)> =
        places(accuracy.len(), POINTS).into_iter().map(|place| (place as f64, accuracy[place])).collect();
    html! {
        p.line {
            (PreEscaped(strip((240, 40), &points, colour(0))))
            (format!(" best training accuracy {:.2}% to {:.2}% in {} generations", 100.0 * first, 100.0 * last, accuracy.len() - 1))
        }
    }
}
