//! Figures as PNG: the same SVG, drawn by `resvg` with a font of our own, so that a machine without fonts
//! gives the same picture.

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};
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

/// An SVG that this program drew, as it is understood.
pub fn tree(svg: &str) -> Result<Tree, RasterError> {
    let options =
        Options { fontdb: Arc::clone(&FONTS), font_family: "sans-serif".to_owned(), ..Options::default() };
    Ok(Tree::from_str(svg, &options)?)
}

#[cfg(test)]
mod tests {
    use super::png;

    #[test]
    fn text_is_drawn_without_any_font_of_the_machine() {
        let svg = |text: &str| {
            format!(
                "<svg width=\"60\" height=\"20\" xmlns=\"http://www.w3.org/2000/svg\">\
                 <text x=\"2\" y=\"15\" font-family=\"sans-serif\" font-size=\"13\">{text}</text></svg>"
            )
        };
        let (one, other) = (png(&svg("Aé±×")).expect("drawn"), png(&svg("")).expect("drawn"));
        assert_eq!(&one[1..4], b"PNG");
        assert_ne!(one, other);
    }
}
