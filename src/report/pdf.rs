//! Figures as PDF, for papers: the same SVG, as `usvg` reads it. Letters are outlines, so that no font is needed.

use super::raster::{RasterError, tree};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref};
use resvg::tiny_skia::PathSegment;
use resvg::usvg::{FillRule, Group, Node, Paint, Path, Transform};
use std::collections::BTreeSet;
use std::io::Write as _;

/// Points per unit of the SVG, which is a pixel of 1/96 inch.
const SCALE: f32 = 0.75;

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
/// The first of the opacities; the others follow.
const FIRST_OPACITY: i32 = 5;

/// The PDF file of an SVG that this program drew: one page of its size.
///
/// # Errors
/// Says why it cannot be drawn: it is no SVG, or it has colours that are not plain.
pub fn pdf(svg: &str) -> Result<Vec<u8>, RasterError> {
    let tree = tree(svg)?;
    let (width, height) = (SCALE * tree.size().width(), SCALE * tree.size().height());
    let mut page = PageContent { content: Content::new(), opacities: BTreeSet::new() };
    // PDF counts upwards from the lower left corner.
    page.content.transform([SCALE, 0.0, 0.0, -SCALE, 0.0, height]);
    page.group(tree.root(), 1.0)?;
    let PageContent { content, opacities } = page;

    let mut compressed = ZlibEncoder::new(Vec::new(), Compression::best());
    let bytes = compressed.write_all(&content.finish()).and_then(|()| compressed.finish());
    let bytes = bytes.map_err(|error| RasterError::Encode(error.to_string()))?;
    let mut pdf = Pdf::new();
    pdf.catalog(CATALOG).pages(PAGES);
    pdf.pages(PAGES).kids([PAGE]).count(1);
    let mut sheet = pdf.page(PAGE);
    sheet.media_box(Rect::new(0.0, 0.0, width, height)).parent(PAGES).contents(CONTENT);
    let references = || (FIRST_OPACITY..).map(Ref::new);
    let mut resources = sheet.resources();
    let mut states = resources.ext_g_states();
    for (opacity, reference) in opacities.iter().zip(references()) {
        states.pair(Name(name(*opacity).as_bytes()), reference);
    }
    states.finish();
    resources.finish();
    sheet.finish();
    for (&opacity, reference) in opacities.iter().zip(references()) {
        let share = f32::from(opacity) / f32::from(u8::MAX);
        pdf.ext_graphics(reference).stroking_alpha(share).non_stroking_alpha(share);
    }
    pdf.stream(CONTENT, &bytes).filter(Filter::FlateDecode);
    Ok(pdf.finish())
}

/// The name of an opacity among the resources.
fn name(opacity: u8) -> String {
    format!("opacity{opacity}")
}

struct PageContent {
    content: Content,
    /// Those that occur, in 255ths.
    opacities: BTreeSet<u8>,
}

impl PageContent {
    /// A group's opacity is that of each of its paths, which in drawings of ours do not overlap.
    fn group(&mut self, group: &Group, opacity: f32) -> Result<(), RasterError> {
        let opacity = opacity * group.opacity().get();
        for node in group.children() {
            match node {
                Node::Group(inner) => self.group(inner, opacity)?,
                Node::Path(path) if path.is_visible() => self.path(path, opacity)?,
                Node::Text(text) => self.group(text.flattened(), opacity)?,
                Node::Path(_) | Node::Image(_) => {}
            }
        }
        Ok(())
    }

    fn path(&mut self, path: &Path, opacity: f32) -> Result<(), RasterError> {
        let Transform { sx, kx, ky, sy, tx, ty } = path.abs_transform();
        self.content.save_state().transform([sx, ky, kx, sy, tx, ty]);
        if let Some(fill) = path.fill() {
            let [red, green, blue] = rgb(fill.paint())?;
            self.opacity(opacity * fill.opacity().get());
            self.content.set_fill_rgb(red, green, blue);
            self.outline(path);
            match fill.rule() {
                FillRule::NonZero => self.content.fill_nonzero(),
                FillRule::EvenOdd => self.content.fill_even_odd(),
            };
        }
        if let Some(stroke) = path.stroke() {
            let [red, green, blue] = rgb(stroke.paint())?;
            self.opacity(opacity * stroke.opacity().get());
            self.content.set_stroke_rgb(red, green, blue).set_line_width(stroke.width().get());
            self.outline(path);
            self.content.stroke();
        }
        self.content.restore_state();
        Ok(())
    }

    fn opacity(&mut self, share: f32) {
        let opacity = (share * f32::from(u8::MAX)).round() as u8;
        self.opacities.insert(opacity);
        self.content.set_parameters(Name(name(opacity).as_bytes()));
    }

    fn outline(&mut self, path: &Path) {
        let mut at = (0.0, 0.0);
        for segment in path.data().segments() {
            match segment {
                PathSegment::MoveTo(to) => {
                    self.content.move_to(to.x, to.y);
                    at = (to.x, to.y);
                }
                PathSegment::LineTo(to) => {
                    self.content.line_to(to.x, to.y);
                    at = (to.x, to.y);
                }
                PathSegment::QuadTo(by, to) => {
                    // The cubic curve that is the same.
                    let near = |end: f32, by: f32| end + 2.0 / 3.0 * (by - end);
                    let (first, second) =
                        ((near(at.0, by.x), near(at.1, by.y)), (near(to.x, by.x), near(to.y, by.y)));
                    self.content.cubic_to(first.0, first.1, second.0, second.1, to.x, to.y);
                    at = (to.x, to.y);
                }
                PathSegment::CubicTo(first, second, to) => {
                    self.content.cubic_to(first.x, first.y, second.x, second.y, to.x, to.y);
                    at = (to.x, to.y);
                }
                PathSegment::Close => {
                    self.content.close_path();
                }
            }
        }
    }
}

fn rgb(paint: &Paint) -> Result<[f32; 3], RasterError> {
    match paint {
        Paint::Color(colour) => {
            Ok([colour.red, colour.green, colour.blue].map(|part| f32::from(part) / f32::from(u8::MAX)))
        }
        _ => Err(RasterError::Encode("a colour that is not plain".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::pdf;

    #[test]
    fn a_drawing_is_a_page_of_its_size_with_what_is_drawn() {
        let page = |inside: &str| {
            let svg = format!(
                "<svg width=\"80\" height=\"40\" xmlns=\"http://www.w3.org/2000/svg\">{inside}</svg>"
            );
            pdf(&svg).expect("drawn")
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let circle = page("<circle cx=\"9\" cy=\"9\" r=\"4\" opacity=\"0.2\" fill=\"#0072B2\"/>");
        assert!(circle.starts_with(b"%PDF-"));
        assert!(text(&circle).contains("/MediaBox [0 0 60 30]"), "{}", text(&circle));
        assert!(text(&circle).contains("/ca 0.2"), "{}", text(&circle));
        let letters = page("<text x=\"2\" y=\"15\" font-family=\"sans-serif\" font-size=\"13\">Aé±×</text>");
        assert!(letters.len() > page("").len() + 100, "letters are outlines");
        assert!(!text(&letters).contains("/Font"));
    }
}
