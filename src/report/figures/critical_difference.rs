//! The diagram of Demšar 2006: algorithms on a line of mean ranks, those that are not told apart being joined by a bar.

use crate::report::plot::{drawing, shortened};
use crate::report::style::{INK, MUTED};
use crate::stats::all_pairs::MeanRanks;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const WIDTH: i32 = 1100;
/// Where the axis begins and ends.
const AXIS: [i32; 2] = [400, 700];
const AXIS_Y: i32 = 52;
/// From one bar of a group to the next, and from one name to the next.
const BAR_STEP: i32 = 9;
const NAME_STEP: i32 = 22;
const TEXT: u32 = 14;
/// Characters of a name that there is room for beside the axis.
const ROOM: usize = 52;
const IN_MEMORY: &str = "a drawing in memory";

/// Draws the diagram of `ranks`; returns SVG text. The best algorithm is on the left.
pub fn critical_difference(ranks: &MeanRanks) -> String {
    let count = ranks.algorithms.len();
    let names_y = AXIS_Y + 20 + BAR_STEP * ranks.groups.len() as i32;
    let height = names_y + NAME_STEP * count.div_ceil(2) as i32 + 40;
    let x = |rank: f64| {
        let share = (rank - 1.0) / (count as f64 - 1.0).max(1.0);
        AXIS[0] + (share * f64::from(AXIS[1] - AXIS[0])).round() as i32
    };
    drawing((WIDTH as u32, height as u32), |root| {
        let line = |points: [(i32, i32); 2], width: u32| {
            root.draw(&PathElement::new(points.to_vec(), INK.stroke_width(width))).expect(IN_MEMORY);
        };
        let text = |words: &str, at: (i32, i32), across: HPos, colour: &RGBColor| {
            let style = ("sans-serif", TEXT).into_font().color(colour).pos(Pos::new(across, VPos::Center));
            root.draw(&Text::new(words.to_owned(), at, style)).expect(IN_MEMORY);
        };
        text("mean rank (1 is best)", (WIDTH / 2, 12), HPos::Center, &MUTED);
        line([(AXIS[0], AXIS_Y), (AXIS[1], AXIS_Y)], 1);
        let step = count.div_ceil(12);
        for rank in (1..=count).step_by(step) {
            let x = x(rank as f64);
            line([(x, AXIS_Y - 6), (x, AXIS_Y)], 1);
            text(&rank.to_string(), (x, AXIS_Y - 16), HPos::Center, &INK);
        }
        for (row, group) in ranks.groups.iter().enumerate() {
            let places = ranks.algorithms.iter().filter(|rank| group.contains(&rank.algorithm));
            let at: Vec<i32> = places.map(|rank| x(rank.mean_rank)).collect();
            let y = AXIS_Y + 10 + BAR_STEP * row as i32;
            if let (Some(first), Some(last)) = (at.first(), at.last()) {
                line([(first - 4, y), (last + 4, y)], 5);
            }
        }
        for (place, rank) in ranks.algorithms.iter().enumerate() {
            let is_left = place < count.div_ceil(2);
            let row = if is_left { place } else { count - 1 - place };
            let (x, y) = (x(rank.mean_rank), names_y + NAME_STEP * row as i32);
            let (end, name_x, across) = match is_left {
                true => (AXIS[0] - 10, AXIS[0] - 14, HPos::Right),
                false => (AXIS[1] + 10, AXIS[1] + 14, HPos::Left),
            };
            line([(x, AXIS_Y), (x, y)], 1);
            line([(x, y), (end, y)], 1);
            text(&shortened(&rank.algorithm, ROOM), (name_x, y), across, &INK);
        }
        let about = format!(
            "Bars join what Wilcoxon\u{2019}s test with Holm\u{2019}s correction does not tell apart at {} ({} blocks).",
            ranks.alpha, ranks.blocks
        );
        text(&about, (WIDTH / 2, height - 14), HPos::Center, &MUTED);
    })
}
