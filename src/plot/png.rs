//! PNG: a drawing as dots, twice as many each way as the page has pixels.

use embedded_graphics::Drawable as _;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, ascii};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::text::{Alignment, Text};

use crate::plot::{Anchor, Area, Color, Drawing, Image, Shape};

/// Dots per pixel of the page.
const SCALE: f64 = 2.0;
/// Lengths of a dash and of the gap after it, in pixels.
const DASH: (f64, f64) = (5.0, 4.0);

impl Image {
    /// The image as a PNG file.
    #[must_use]
    pub fn to_png(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.rgb));
        written.expect("an image has a width, a height, and three bytes for each of its dots");
        file
    }
}

impl Drawing {
    /// The drawing as a PNG file on white. Text is of ASCII; other letters stand as question marks.
    #[must_use]
    pub fn to_png(&self) -> Vec<u8> {
        let mut canvas = Canvas::new(self.width, self.height);
        for shape in &self.shapes {
            canvas.paint(shape);
        }
        canvas.image.to_png()
    }
}

struct Canvas {
    image: Image,
}

impl Canvas {
    fn new(width: f64, height: f64) -> Self {
        let (width, height) = ((width * SCALE).ceil().max(1.0) as u32, (height * SCALE).ceil().max(1.0) as u32);
        Self { image: Image { width, height, rgb: vec![255; width as usize * height as usize * 3] } }
    }

    fn paint(&mut self, shape: &Shape) {
        match shape {
            Shape::Rect { area, fill, .. } => self.fill(*area, *fill),
            Shape::Dot { at, radius, fill, .. } => {
                let around = Area { x: at.0 - radius, y: at.1 - radius, width: 2.0 * radius, height: 2.0 * radius };
                self.cover(around, *fill, |x, y| *radius - (x - at.0).hypot(y - at.1));
            }
            Shape::Line { points, color, width, dashed } => {
                let mut gone = 0.0;
                for pair in points.windows(2) {
                    let (from, to) = (pair[0], pair[1]);
                    if *dashed {
                        for (from, to) in dashes(from, to, &mut gone) {
                            self.stroke(from, to, *color, *width);
                        }
                    } else {
                        self.stroke(from, to, *color, *width);
                    }
                }
            }
            Shape::Polygon { points, fill } => self.polygon(points, *fill),
            Shape::Text { at, text, size, anchor, color } => self.write(*at, text, *size, *anchor, *color),
            Shape::Image { area, image } => self.stretch(*area, image),
        }
    }

    /// Dots of the page within an area.
    fn dots(&self, area: Area) -> (std::ops::Range<i64>, std::ops::Range<i64>) {
        let range = |from: f64, to: f64, most: u32| {
            let from = ((from * SCALE).floor() as i64).max(0);
            from..((to * SCALE).ceil() as i64).min(i64::from(most)).max(from)
        };
        (range(area.x, area.right(), self.image.width), range(area.y, area.bottom(), self.image.height))
    }

    /// Paints what `inside` tells to be within the shape, in pixels from its edge; its edge is blurred over one dot.
    fn cover(&mut self, area: Area, color: Color, inside: impl Fn(f64, f64) -> f64) {
        let (columns, rows) = self.dots(area);
        for row in rows {
            for column in columns.clone() {
                let depth = inside((column as f64 + 0.5) / SCALE, (row as f64 + 0.5) / SCALE);
                self.blend(column, row, color, (depth * SCALE + 0.5).clamp(0.0, 1.0));
            }
        }
    }

    fn fill(&mut self, area: Area, color: Color) {
        let (columns, rows) = self.dots(area);
        let overlap = |from: f64, to: f64, dot: i64| {
            ((to * SCALE).min(dot as f64 + 1.0) - (from * SCALE).max(dot as f64)).clamp(0.0, 1.0)
        };
        for row in rows {
            let high = overlap(area.y, area.bottom(), row);
            for column in columns.clone() {
                self.blend(column, row, color, high * overlap(area.x, area.right(), column));
            }
        }
    }

    fn stroke(&mut self, from: (f64, f64), to: (f64, f64), color: Color, width: f64) {
        let half = width / 2.0;
        let (left, right) = (from.0.min(to.0) - half - 1.0, from.0.max(to.0) + half + 1.0);
        let (top, bottom) = (from.1.min(to.1) - half - 1.0, from.1.max(to.1) + half + 1.0);
        let along = (to.0 - from.0, to.1 - from.1);
        let squared = along.0 * along.0 + along.1 * along.1;
        let around = Area { x: left, y: top, width: right - left, height: bottom - top };
        self.cover(around, color, |x, y| {
            let (x, y) = (x - from.0, y - from.1);
            let share = if squared > 0.0 { ((x * along.0 + y * along.1) / squared).clamp(0.0, 1.0) } else { 0.0 };
            half - (x - share * along.0).hypot(y - share * along.1)
        });
    }

    /// Fills between the edges that each row crosses (even-odd).
    fn polygon(&mut self, points: &[(f64, f64)], color: Color) {
        let bounds = |of: fn(&(f64, f64)) -> f64| {
            points.iter().map(of).fold((f64::MAX, f64::MIN), |(least, most), at| (least.min(at), most.max(at)))
        };
        let (top, bottom) = bounds(|point| point.1);
        let (_, rows) = self.dots(Area { x: 0.0, y: top, width: 0.0, height: (bottom - top).max(0.0) });
        for row in rows {
            let y = (row as f64 + 0.5) / SCALE;
            let mut crossings: Vec<f64> = points
                .iter()
                .zip(points.iter().cycle().skip(1))
                .filter(|(a, b)| (a.1 <= y) != (b.1 <= y))
                .map(|(a, b)| a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0))
                .collect();
            crossings.sort_by(f64::total_cmp);
            for pair in crossings.chunks_exact(2) {
                let area = Area { x: pair[0], y: row as f64 / SCALE, width: pair[1] - pair[0], height: 1.0 / SCALE };
                self.fill(area, color);
            }
        }
    }

    fn write(&mut self, at: (f64, f64), text: &str, size: f64, anchor: Anchor, color: Color) {
        let font = font(size * SCALE);
        let alignment = match anchor {
            Anchor::Start => Alignment::Left,
            Anchor::Middle => Alignment::Center,
            Anchor::End => Alignment::Right,
        };
        let at = Point::new((at.0 * SCALE).round() as i32, (at.1 * SCALE).round() as i32);
        let style = MonoTextStyle::new(font, BinaryColor::On);
        let mut ink = Ink { canvas: self, color };
        match Text::with_alignment(text, at, style, alignment).draw(&mut ink) {
            Ok(_) => {}
            Err(never) => match never {},
        }
    }

    fn stretch(&mut self, area: Area, image: &Image) {
        let (columns, rows) = self.dots(area);
        for row in rows {
            let from = ((row as f64 + 0.5) / SCALE - area.y) / area.height * f64::from(image.height);
            for column in columns.clone() {
                let along = ((column as f64 + 0.5) / SCALE - area.x) / area.width * f64::from(image.width);
                let (x, y) = (along.max(0.0) as usize, from.max(0.0) as usize);
                if x < image.width as usize && y < image.height as usize {
                    let dot = (y * image.width as usize + x) * 3;
                    let rgb = [image.rgb[dot], image.rgb[dot + 1], image.rgb[dot + 2]];
                    self.blend(column, row, Color { rgb, alpha: 255 }, 1.0);
                }
            }
        }
    }

    fn blend(&mut self, column: i64, row: i64, color: Color, share: f64) {
        let (Ok(column), Ok(row)) = (u32::try_from(column), u32::try_from(row)) else { return };
        let share = share * f64::from(color.alpha) / 255.0;
        if column >= self.image.width || row >= self.image.height || share <= 0.0 {
            return;
        }
        let dot = (row as usize * self.image.width as usize + column as usize) * 3;
        for (old, new) in self.image.rgb[dot..dot + 3].iter_mut().zip(color.rgb) {
            *old = (f64::from(*old) * (1.0 - share) + f64::from(new) * share).round() as u8;
        }
    }
}

/// The dashes of a line from one point to another, of which `gone` pixels were drawn before.
fn dashes(from: (f64, f64), to: (f64, f64), gone: &mut f64) -> Vec<((f64, f64), (f64, f64))> {
    let length = (to.0 - from.0).hypot(to.1 - from.1);
    let at = |along: f64| {
        let share = if length > 0.0 { along / length } else { 0.0 };
        (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1))
    };
    let period = DASH.0 + DASH.1;
    let mut found = Vec::new();
    let mut begin = -(*gone % period);
    while begin < length {
        let (on, off) = (begin.max(0.0), (begin + DASH.0).min(length));
        if on < off {
            found.push((at(on), at(off)));
        }
        begin += period;
    }
    *gone += length;
    found
}

/// The font nearest to so many dots of height.
fn font(dots: f64) -> &'static MonoFont<'static> {
    match dots {
        dots if dots < 17.0 => &ascii::FONT_7X13,
        dots if dots < 21.0 => &ascii::FONT_8X13,
        dots if dots < 25.0 => &ascii::FONT_9X18,
        _ => &ascii::FONT_10X20,
    }
}

/// Letters in one colour.
struct Ink<'a> {
    canvas: &'a mut Canvas,
    color: Color,
}

impl OriginDimensions for Ink<'_> {
    fn size(&self) -> Size {
        Size::new(self.canvas.image.width, self.canvas.image.height)
    }
}

impl DrawTarget for Ink<'_> {
    type Color = BinaryColor;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, dots: I) -> Result<(), Self::Error> {
        for Pixel(at, on) in dots {
            if on.is_on() {
                self.canvas.blend(i64::from(at.x), i64::from(at.y), self.color, 1.0);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dots of a drawing, as its file has them.
    fn painted(drawing: &Drawing) -> Image {
        let file = drawing.to_png();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut rgb).unwrap();
        rgb.truncate(frame.buffer_size());
        Image { width: frame.width, height: frame.height, rgb }
    }

    fn dot(image: &Image, x: u32, y: u32) -> [u8; 3] {
        let at = ((y * image.width + x) * 3) as usize;
        [image.rgb[at], image.rgb[at + 1], image.rgb[at + 2]]
    }

    const RED: Color = Color::rgb(255, 0, 0);

    #[test]
    fn areas_lines_and_polygons_are_where_they_belong() {
        let mut drawing = Drawing::new(40.0, 20.0);
        drawing.rect(Area { x: 2.0, y: 2.0, width: 4.0, height: 4.0 }, RED.faint(0.5));
        drawing.line(vec![(10.0, 10.0), (30.0, 10.0)], RED, 2.0);
        drawing.polygon(vec![(32.0, 0.0), (40.0, 0.0), (40.0, 8.0)], RED);
        drawing.dashed(vec![(0.0, 18.0), (40.0, 18.0)], RED, 1.0);
        let image = painted(&drawing);
        assert_eq!((image.width, image.height), (80, 40));
        assert_eq!(dot(&image, 8, 8), [255, 127, 127]);
        assert_eq!(dot(&image, 2, 8), [255; 3]);
        assert_eq!(dot(&image, 40, 20), [255, 0, 0]);
        assert_eq!(dot(&image, 40, 24), [255; 3]);
        assert_eq!(dot(&image, 76, 4), [255, 0, 0]);
        assert_eq!(dot(&image, 66, 12), [255; 3]);
        assert_eq!(dot(&image, 5, 36), [255, 0, 0]);
        assert_eq!(dot(&image, 14, 36), [255; 3], "the gap between two dashes");
    }

    #[test]
    fn text_is_written_and_what_lies_outside_is_cut() {
        let mut drawing = Drawing::new(60.0, 20.0);
        drawing.text((30.0, 15.0), "H\u{e9}llo", 12.0, Anchor::Middle, RED);
        drawing.text((58.0, 4.0), "far out", 12.0, Anchor::Start, RED);
        drawing.dot((0.0, 0.0), 3.0, RED, String::new());
        drawing.line(vec![(-50.0, -50.0), (f64::NAN, 3.0)], RED, 1.0);
        let image = painted(&drawing);
        let inked = |columns: std::ops::Range<u32>| {
            columns
                .flat_map(|x| (8..40).map(move |y| (x, y)))
                .filter(|(x, y)| dot(&image, *x, *y) == [255, 0, 0])
                .count()
        };
        assert!(inked(35..85) > 60, "{}", inked(35..85));
        assert_eq!(inked(10..30), 0);
    }

    #[test]
    fn an_image_is_stretched() {
        let mut drawing = Drawing::new(4.0, 2.0);
        let area = Area { x: 0.0, y: 0.0, width: 4.0, height: 2.0 };
        drawing.image(area, Image { width: 2, height: 1, rgb: vec![1, 2, 3, 4, 5, 6] });
        let image = painted(&drawing);
        assert_eq!(dot(&image, 3, 3), [1, 2, 3]);
        assert_eq!(dot(&image, 4, 0), [4, 5, 6]);
    }
}
