//! What tells series apart: a colour, and beyond as many series as there are colours a dash and a mark.

use plotters::style::RGBColor;

/// Text, axes, outlines.
pub const INK: RGBColor = RGBColor(0x1a, 0x1a, 0x1a);
/// Lines of the grid, and connections that were pruned.
pub const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// Titles of axes.
pub const MUTED: RGBColor = RGBColor(0x55, 0x55, 0x55);

/// Okabe and Ito's colours, which colour-blind readers can tell apart; yellow, too light on white, is last.
const PALETTE: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x80, 0x80, 0x80),
    RGBColor(0xf0, 0xe4, 0x42),
];

/// The colour with this number; they come again after eight.
pub fn colour(index: usize) -> RGBColor {
    PALETTE[index % PALETTE.len()]
}

/// The shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Circle,
    Square,
    Triangle,
    Diamond,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesStyle {
    pub colour: RGBColor,
    /// Pixels of a dash and of the gap behind it; none for a line without gaps.
    pub dash: Option<(u32, u32)>,
    pub mark: Mark,
}

/// By how often the colours have come before.
const TURNS: [(Option<(u32, u32)>, Mark); 4] = [
    (None, Mark::Circle),
    (Some((9, 5)), Mark::Square),
    (Some((2, 4)), Mark::Triangle),
    (Some((16, 4)), Mark::Diamond),
];

impl SeriesStyle {
    /// The style of the series with this number: 32 differ.
    pub fn numbered(index: usize) -> Self {
        let (dash, mark) = TURNS[index / PALETTE.len() % TURNS.len()];
        Self { colour: colour(index), dash, mark }
    }

    pub fn dashed(colour: RGBColor) -> Self {
        Self { dash: TURNS[1].0, ..Self::from(colour) }
    }
}

impl From<RGBColor> for SeriesStyle {
    fn from(colour: RGBColor) -> Self {
        Self { colour, dash: TURNS[0].0, mark: TURNS[0].1 }
    }
}

#[cfg(test)]
mod tests {
    use super::SeriesStyle;

    #[test]
    fn more_series_than_colours_are_told_apart() {
        let styles: Vec<SeriesStyle> = (0..32).map(SeriesStyle::numbered).collect();
        for (index, style) in styles.iter().enumerate() {
            assert!(!styles[..index].contains(style), "{index}");
        }
    }
}
