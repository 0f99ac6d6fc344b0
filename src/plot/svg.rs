//! SVG: a drawing as text, without anything from elsewhere.

use std::fmt::Write as _;

use crate::plot::{Anchor, Color, Drawing, Shape};

const FONT: &str = "system-ui, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif";

/// Text as it stands in XML and HTML, in elements and in attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML 1.0 has no other control characters, not even escaped.
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

impl Drawing {
    /// The drawing as SVG: an element that can stand in a page, or be a file.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let (width, height) = (Number(self.width), Number(self.height));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"{FONT}\">\n"
        );
        for shape in &self.shapes {
            element(&mut svg, shape).expect("a String takes whatever is written");
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn element(svg: &mut String, shape: &Shape) -> std::fmt::Result {
    match shape {
        Shape::Rect { area, fill, hint } => {
            let (x, y) = (Number(area.x), Number(area.y));
            let (width, height) = (Number(area.width), Number(area.height));
            write!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {}", paint("fill", *fill))?;
            close(svg, "rect", hint.as_deref())
        }
        Shape::Dot { at, radius, fill, hint } => {
            let (x, y, radius) = (Number(at.0), Number(at.1), Number(*radius));
            write!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" {}", paint("fill", *fill))?;
            close(svg, "circle", hint.as_deref())
        }
        Shape::Line { points, color, width, dashed } => {
            let dash = if *dashed { " stroke-dasharray=\"5 4\"" } else { "" };
            writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" {} stroke-width=\"{}\" stroke-linejoin=\"round\"{dash}/>",
                list(points),
                paint("stroke", *color),
                Number(*width)
            )
        }
        Shape::Polygon { points, fill } => {
            writeln!(svg, "<polygon points=\"{}\" {}/>", list(points), paint("fill", *fill))
        }
        Shape::Text { at, text, size, anchor, color } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"{anchor}\" {}>{}</text>",
                Number(at.0),
                Number(at.1),
                Number(*size),
                paint("fill", *color),
                escape(text)
            )
        }
        Shape::Image { area, image } => writeln!(
            svg,
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
             href=\"data:image/png;base64,{}\"/>",
            Number(area.x),
            Number(area.y),
            Number(area.width),
            Number(area.height),
            base64(&image.to_png())
        ),
    }
}

fn close(svg: &mut String, name: &str, hint: Option<&str>) -> std::fmt::Result {
    match hint {
        Some(hint) => writeln!(svg, "><title>{}</title></{name}>", escape(hint)),
        None => svg.write_str("/>\n"),
    }
}

fn paint(what: &str, color: Color) -> String {
    let [red, green, blue] = color.rgb;
    let opaque = format!("{what}=\"#{red:02x}{green:02x}{blue:02x}\"");
    match color.alpha {
        255 => opaque,
        alpha => format!("{opaque} {what}-opacity=\"{}\"", Number(f64::from(alpha) / 255.0)),
    }
}

fn list(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{},{}", Number(*x), Number(*y))).collect::<Vec<_>>().join(" ")
}

/// A number in at most two places, as short as can be; what is none stands as 0.
struct Number(f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rounded = (self.0 * 100.0).round() / 100.0;
        if rounded.is_finite() && rounded != 0.0 { write!(f, "{rounded}") } else { f.write_str("0") }
    }
}

/// Base64 (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for n in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * n)) as usize & 63];
            text.push(if n <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Area, Image};

    #[test]
    fn base64_as_the_rfc_shows_it() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn what_files_are_called_does_not_break_out_of_the_text() {
        assert_eq!(escape("<a b=\"c\">&'\u{1}"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;\u{fffd}");
    }

    #[test]
    fn a_drawing_is_well_formed() {
        let mut drawing = Drawing::new(20.0, 10.5);
        drawing.bar(
            Area { x: 1.0, y: 2.0, width: 3.333_33, height: 4.0 },
            Color::rgb(1, 2, 255).faint(0.5),
            "a<b".into(),
        );
        drawing.dashed(vec![(0.0, f64::NAN), (-0.001, 2.5)], Color::rgb(0, 0, 0), 1.0);
        drawing.text((1.0, 1.0), "a & b", 9.0, Anchor::End, Color::rgb(0, 0, 0));
        drawing.image(
            Area { x: 0.0, y: 0.0, width: 2.0, height: 1.0 },
            Image { width: 2, height: 1, rgb: vec![0, 0, 0, 255, 255, 255] },
        );
        let svg = drawing.to_svg();
        assert!(
            svg.contains("width=\"3.33\" height=\"4\" fill=\"#0102ff\" fill-opacity=\"0.5\"><title>a&lt;b</title>")
        );
        assert!(svg.contains("points=\"0,0 0,2.5\""), "{svg}");
        let mut reader = quick_xml::Reader::from_str(&svg);
        let mut elements = 0;
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Eof => break,
                quick_xml::events::Event::Start(_) | quick_xml::events::Event::Empty(_) => elements += 1,
                _ => {}
            }
        }
        assert_eq!(elements, 6, "svg, rect, title, polyline, text, image");
    }
}
