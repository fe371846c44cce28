//! Where axes begin and end, and which of their places have numbers.

use std::ops::Range;

/// Ticks of an axis, about.
const WANTED: f64 = 6.0;

/// With fewer ticks than this an axis has some at its ends too.
const FEW: usize = 4;

/// A range of more than this factor asks for a logarithmic axis.
const WIDE: f64 = 20.0;

/// As far as an axis may reach.
pub const FARTHEST: f64 = 1e300;

/// Does a range from the one positive number to the other ask for a logarithmic axis?
pub fn asks_for_logarithm(low: f64, high: f64) -> bool {
    low > 0.0 && high.is_finite() && high / low > WIDE
}

/// The places of a linear axis that have numbers, ascending, at least `least_step` apart.
pub fn linear(range: &Range<f64>, least_step: f64) -> Vec<f64> {
    let length = range.end - range.start;
    if !(length > 0.0 && length.is_finite()) {
        return vec![range.start];
    }
    let widest = round_step(length / WANTED).max(least_step);
    let ticks = |step: f64| -> Vec<f64> {
        let first = (range.start / step).ceil();
        let count = ((range.end / step).floor() - first).max(-1.0) as usize + 1;
        (0..count).map(|index| (first + index as f64) * step).collect()
    };
    // The next smaller step, where few ticks would leave an end bare.
    let narrower = round_step(0.4 * widest).max(least_step);
    let steps = [widest, narrower].map(ticks);
    let chosen = steps.into_iter().find(|ticks| ticks.len() >= FEW);
    with_ends(chosen.unwrap_or_else(|| ticks(narrower)), range, 0.4 * length / WANTED, FEW)
}

/// The places of an axis of logarithms to base ten that have numbers: powers of ten, and 2 and 5 between them where
/// there are few; on a short axis as on a linear one.
pub fn logarithmic(range: &Range<f64>) -> Vec<f64> {
    let decades = range.end - range.start;
    if decades < 0.7 {
        let values = linear(&(10f64.powf(range.start)..10f64.powf(range.end)), 0.0);
        return values.into_iter().filter(|&value| value > 0.0).map(f64::log10).collect();
    }
    let within = |place: &f64| (range.start - 1e-9..=range.end + 1e-9).contains(place);
    let (first, last) = (range.start.floor() as i64, range.end.ceil() as i64);
    let factors: &[f64] = if decades < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let step = if decades > 2.0 * WANTED { (decades / WANTED).ceil() as usize } else { 1 };
    let powers = (first..=last).step_by(step);
    let ticks = powers.flat_map(|power| factors.iter().map(move |factor| power as f64 + factor.log10()));
    let ticks: Vec<f64> = ticks.filter(within).collect();
    with_ends(ticks, range, 0.4 * decades / WANTED, usize::MAX)
}

/// The ticks, and where they are fewer than `few` the ends of their axis that are this far from them.
fn with_ends(mut ticks: Vec<f64>, range: &Range<f64>, distance: f64, few: usize) -> Vec<f64> {
    if ticks.len() >= few {
        return ticks;
    }
    if ticks.first().is_none_or(|first| first - range.start > distance) {
        ticks.insert(0, range.start);
    }
    if ticks.last().is_none_or(|last| range.end - last > distance) {
        ticks.push(range.end);
    }
    ticks
}

/// The smallest of 1, 2, 5, 10, … times a power of ten that is no less than `step`.
fn round_step(step: f64) -> f64 {
    let unit = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * unit >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * unit
}

/// A place's number with as many decimals as ticks this far apart need; thousands as `12k`.
pub fn number(value: f64, step: f64) -> String {
    if value.abs() >= 1e9 {
        return format!("{value:.1e}");
    }
    if value.abs() >= 1e6 {
        return format!("{}M", trimmed(value / 1e6, 2));
    }
    if step >= 500.0 {
        return if value == 0.0 { "0".to_owned() } else { format!("{}k", trimmed(value / 1e3, 1)) };
    }
    trimmed(value, (1.0 - step.log10().floor()).clamp(0.0, 6.0) as usize)
}

/// Ten to the power of `exponent`, with two digits.
pub fn power(exponent: f64) -> String {
    let value = 10f64.powf(exponent);
    if exponent < -3.0 - 1e-9 {
        return format!("{value:.0e}");
    }
    let unit = 10f64.powf(exponent.floor() - 1.0);
    number((value / unit).round() * unit, if exponent >= 3.0 - 1e-9 { unit.max(500.0) } else { unit })
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// An interval for an axis that holds `values` with some room, within `limits`.
pub fn range(values: impl IntoIterator<Item = f64>, limits: Range<f64>) -> Range<f64> {
    let (low, high) = ends(values);
    if low > high {
        return limits;
    }
    let room = (0.05 * (high - low)).max(1e-3 * high.abs()).max(1e-6);
    // A hair beyond the limits, so that a mark on the limit is not cut off.
    let hair = 2e-3 * (high - low).max(1e-6) + room / 4.0;
    (low - room).max(limits.start - hair)..(high + room).min(limits.end + hair)
}

/// Whole decades around logarithms, at least one.
pub fn decades(logarithms: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = ends(logarithms);
    if low > high {
        return 0.0..1.0;
    }
    let start = low.floor();
    start..high.ceil().max(start + 1.0)
}

/// An axis of logarithms that begins and ends at 1, 2 or 5 times a power of ten.
pub fn rounded_logarithms(low: f64, high: f64) -> Range<f64> {
    let below = |place: f64| [5.0, 2.0, 1.0].map(|factor: f64| place.floor() + factor.log10());
    let start = below(low).into_iter().find(|start| *start <= low + 1e-9).unwrap_or(low);
    let above = |place: f64| [1.0, 2.0, 5.0, 10.0].map(|factor: f64| place.floor() + factor.log10());
    let end = above(high).into_iter().find(|end| *end >= high - 1e-9).unwrap_or(high);
    start..end.max(start + 0.1)
}

/// The least and the largest of the numbers that are finite; the first is above the second where there is none.
fn ends(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    values
        .into_iter()
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_the_decimals_that_their_distance_needs() {
        assert_eq!(number(90.0, 2.0), "90");
        assert_eq!(number(99.95, 0.01), "99.95");
        assert_eq!(number(0.25, 0.1), "0.25");
        assert_eq!(number(12_500.0, 2_000.0), "12.5k");
        assert_eq!(number(-0.0, 0.1), "0");
    }

    #[test]
    fn axes_span_whole_decades() {
        assert_eq!(decades([0.3, 1.2].into_iter()), 0.0..2.0);
        assert_eq!(decades([2.0].into_iter()), 2.0..3.0);
        assert_eq!(decades([f64::NEG_INFINITY].into_iter()), 0.0..1.0);
    }

    #[test]
    fn short_axes_have_ticks_at_both_ends() {
        let shown = |ticks: Vec<f64>| ticks.into_iter().map(power).collect::<Vec<_>>();
        let near = |ticks: &[f64], end: f64| ticks.iter().any(|tick| (tick - end).abs() < 0.1);
        assert_eq!(
            shown(logarithmic(&rounded_logarithms(2.1, 3.5))),
            ["100", "200", "500", "1k", "2k", "5k"]
        );
        for range in [0.0..1.0, 0.3..0.61, 2.0..2.2, 98.9..100.1] {
            let ticks = linear(&range, 0.0);
            let reach = (range.end - range.start) / 4.0;
            assert!(
                ticks[0] - range.start <= reach && range.end - ticks[ticks.len() - 1] <= reach,
                "{ticks:?}"
            );
            assert!((3..=9).contains(&ticks.len()), "{ticks:?}");
        }
        assert_eq!([-5.7, -3.0, 0.0].map(power), ["2e-6", "0.001", "1"]);
        assert_eq!(linear(&(0.0..3.0), 1.0), [0.0, 1.0, 2.0, 3.0]);
        assert!(near(&logarithmic(&(2.0..2.4)), 2.0));
        assert!(
            asks_for_logarithm(1.0, 100.0)
                && !asks_for_logarithm(0.0, 100.0)
                && !asks_for_logarithm(5.0, 9.0)
        );
    }
}
