//! Figures as PNG: the same SVG, drawn by `resvg` with a font of our own, so that a machine without fonts
//! gives the same picture.

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Group, Node, Options, Tree};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

/// Pixels per unit of the SVG.
const SCALE: f32 = 2.0;

/// DejaVu Sans without the scripts that axes do not use; see `data/fonts/LICENSE`.
static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(include_bytes!("../../data/fonts/DejaVuSans-subset.ttf").to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    Arc::new(fonts)
});

/// Why a drawing gives no picture.
#[derive(Debug, thiserror::Error)]
pub enum RasterError {
    #[error(transparent)]
    Svg(#[from] resvg::usvg::Error),
    #[error("a picture without extent")]
    NoExtent,
    #[error("too large a picture")]
    TooLarge,
    #[error("the picture cannot be encoded: {0}")]
    Encode(String),
}

/// The PNG file of an SVG that this program drew, on white.
///
/// # Errors
/// Says why it cannot be drawn: only a size that does not fit into memory.
pub fn png(svg: &str) -> Result<Vec<u8>, RasterError> {
    let tree = tree(svg)?;
    let size = tree.size().to_int_size().scale_by(SCALE).ok_or(RasterError::NoExtent)?;
    let mut pixels = Pixmap::new(size.width(), size.height()).ok_or(RasterError::TooLarge)?;
    pixels.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| RasterError::Encode(error.to_string()))
}

/// Stands for a character that the font lacks.
const REPLACEMENT: char = '□';

/// An SVG that this program drew, as it is understood. What the font lacks is replaced, so that nothing vanishes.
pub fn tree(svg: &str) -> Result<Tree, RasterError> {
    let lacking = characters_lacking(svg);
    if lacking.is_empty() {
        return parsed(svg);
    }
    parsed(&svg.replace(|c| lacking.contains(&c), REPLACEMENT.encode_utf8(&mut [0; 4])))
}

/// Characters of an SVG that the font does not have.
pub fn characters_lacking(svg: &str) -> BTreeSet<char> {
    let others: BTreeSet<char> = svg.chars().filter(|c| !c.is_ascii()).collect();
    others.into_iter().filter(|&c| !is_in_font(c)).collect()
}

fn is_in_font(c: char) -> bool {
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\"><text font-family=\"sans-serif\">{c}</text></svg>"
    );
    let glyphs = parsed(&svg).map_or_else(|_| Vec::new(), |tree| glyphs(tree.root()));
    // The font's first glyph, an empty one, stands for what it lacks.
    c.is_whitespace() || !glyphs.is_empty() && !glyphs.contains(&0)
}

/// The numbers of all glyphs.
fn glyphs(group: &Group) -> Vec<u32> {
    let of = |node: &Node| match node {
        Node::Group(inner) => glyphs(inner),
        Node::Text(text) => {
            text.layouted().iter().flat_map(|span| &span.positioned_glyphs).map(|glyph| glyph.id.0).collect()
        }
        Node::Path(_) | Node::Image(_) => Vec::new(),
    };
    group.children().iter().flat_map(of).collect()
}

fn parsed(svg: &str) -> Result<Tree, RasterError> {
    let options =
        Options { fontdb: Arc::clone(&FONTS), font_family: "sans-serif".to_owned(), ..Options::default() };
    Ok(Tree::from_str(svg, &options)?)
}

#[cfg(test)]
mod tests {
    use super::{REPLACEMENT, characters_lacking, is_in_font, png};

    fn svg(text: &str) -> String {
        format!(
            "<svg width=\"60\" height=\"20\" xmlns=\"http://www.w3.org/2000/svg\">\
             <text x=\"2\" y=\"15\" font-family=\"sans-serif\" font-size=\"13\">{text}</text></svg>"
        )
    }

    #[test]
    fn text_is_drawn_without_any_font_of_the_machine() {
        let (one, other) = (png(&svg("Aé±×")).expect("drawn"), png(&svg("")).expect("drawn"));
        assert_eq!(&one[1..4], b"PNG");
        assert_ne!(one, other);
    }

    #[test]
    fn what_the_font_lacks_is_drawn_as_a_box_and_named() {
        assert!(is_in_font(REPLACEMENT) && "é±×–…⁹αЖ".chars().all(is_in_font));
        let lacking: String = characters_lacking(&svg("花é的 rate=0.1 ± 花")).into_iter().collect();
        assert_eq!(lacking, "的花");
        let drawn = |text: &str| png(&svg(text)).expect("drawn");
        assert_eq!(drawn("a花b"), drawn("a□b"));
        assert_ne!(drawn("a花b"), drawn("ab"));
    }
}
