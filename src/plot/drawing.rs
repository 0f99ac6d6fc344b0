//! A drawing: shapes in the order in which they are painted. Lengths are in pixels, from the upper left corner.

/// A colour and how opaque it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color {
    /// Red, green and blue.
    pub rgb: [u8; 3],
    /// 0 is not to be seen, 255 hides what is behind.
    pub alpha: u8,
}

impl Color {
    /// An opaque colour.
    #[must_use]
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self { rgb: [red, green, blue], alpha: 255 }
    }

    /// The same colour, this opaque: 0.0 to 1.0.
    #[must_use]
    pub fn faint(self, opacity: f64) -> Self {
        Self { alpha: (opacity.clamp(0.0, 1.0) * 255.0).round() as u8, ..self }
    }
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Area {
    /// Right edge.
    #[must_use]
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// Lower edge.
    #[must_use]
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

/// Which part of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// Dots in rows, top row first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Dots in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green and blue of each dot.
    pub rgb: Vec<u8>,
}

/// One thing on the page.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A filled rectangle; the hint is shown to who points at it, where the form allows.
    Rect {
        /// Where.
        area: Area,
        /// Its colour.
        fill: Color,
        /// What it is.
        hint: Option<String>,
    },
    /// A line through points.
    Line {
        /// The points.
        points: Vec<(f64, f64)>,
        /// Its colour.
        color: Color,
        /// Its width.
        width: f64,
        /// Whether it is dashed.
        dashed: bool,
    },
    /// A filled polygon.
    Polygon {
        /// Its corners.
        points: Vec<(f64, f64)>,
        /// Its colour.
        fill: Color,
    },
    /// A filled disc.
    Dot {
        /// Its middle.
        at: (f64, f64),
        /// Its radius.
        radius: f64,
        /// Its colour.
        fill: Color,
        /// What it is.
        hint: Option<String>,
    },
    /// One line of text; `at` is on its base line.
    Text {
        /// Where.
        at: (f64, f64),
        /// What.
        text: String,
        /// Height of the letters.
        size: f64,
        /// Which part of it stands there.
        anchor: Anchor,
        /// Its colour.
        color: Color,
    },
    /// Dots, stretched to an area.
    Image {
        /// Where.
        area: Area,
        /// The dots.
        image: Image,
    },
}

/// A page of shapes.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// Width of the page.
    pub width: f64,
    /// Height of the page.
    pub height: f64,
    /// What is on it, in the order of painting.
    pub shapes: Vec<Shape>,
}

impl Drawing {
    /// An empty page.
    #[must_use]
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, shapes: Vec::new() }
    }

    /// A filled rectangle.
    pub fn rect(&mut self, area: Area, fill: Color) {
        self.shapes.push(Shape::Rect { area, fill, hint: None });
    }

    /// A filled rectangle that says what it is.
    pub fn bar(&mut self, area: Area, fill: Color, hint: String) {
        self.shapes.push(Shape::Rect { area, fill, hint: Some(hint) });
    }

    /// A line through points.
    pub fn line(&mut self, points: Vec<(f64, f64)>, color: Color, width: f64) {
        self.shapes.push(Shape::Line { points, color, width, dashed: false });
    }

    /// A dashed line through points.
    pub fn dashed(&mut self, points: Vec<(f64, f64)>, color: Color, width: f64) {
        self.shapes.push(Shape::Line { points, color, width, dashed: true });
    }

    /// A filled polygon.
    pub fn polygon(&mut self, points: Vec<(f64, f64)>, fill: Color) {
        self.shapes.push(Shape::Polygon { points, fill });
    }

    /// A disc that says what it is.
    pub fn dot(&mut self, at: (f64, f64), radius: f64, fill: Color, hint: String) {
        self.shapes.push(Shape::Dot { at, radius, fill, hint: Some(hint) });
    }

    /// One line of text.
    pub fn text(&mut self, at: (f64, f64), text: impl Into<String>, size: f64, anchor: Anchor, color: Color) {
        self.shapes.push(Shape::Text { at, text: text.into(), size, anchor, color });
    }

    /// Another drawing, with its upper left corner at a place.
    pub fn place(&mut self, (dx, dy): (f64, f64), other: Self) {
        let moved = |(x, y): (f64, f64)| (x + dx, y + dy);
        self.shapes.extend(other.shapes.into_iter().map(|mut shape| {
            match &mut shape {
                Shape::Rect { area, .. } | Shape::Image { area, .. } => (area.x, area.y) = moved((area.x, area.y)),
                Shape::Line { points, .. } | Shape::Polygon { points, .. } => {
                    points.iter_mut().for_each(|at| *at = moved(*at));
                }
                Shape::Dot { at, .. } | Shape::Text { at, .. } => *at = moved(*at),
            }
            shape
        }));
    }

    /// Dots, stretched to an area.
    pub fn image(&mut self, area: Area, image: Image) {
        self.shapes.push(Shape::Image { area, image });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::color::INK;

    #[test]
    fn a_placed_drawing_keeps_its_form() {
        let mut inner = Drawing::new(20.0, 10.0);
        inner.rect(Area { x: 1.0, y: 2.0, width: 3.0, height: 4.0 }, INK);
        inner.line(vec![(0.0, 0.0), (5.0, 6.0)], INK, 1.0);
        inner.polygon(vec![(1.0, 1.0)], INK);
        inner.dot((2.0, 2.0), 1.0, INK, String::new());
        inner.text((3.0, 3.0), "x", 9.0, Anchor::Start, INK);
        inner.image(Area { x: 4.0, y: 4.0, width: 1.0, height: 1.0 }, Image { width: 1, height: 1, rgb: vec![0; 3] });
        let mut outer = Drawing::new(200.0, 100.0);
        outer.place((100.0, 50.0), inner);
        let places: Vec<(f64, f64)> = outer
            .shapes
            .iter()
            .map(|shape| match shape {
                Shape::Rect { area, .. } | Shape::Image { area, .. } => (area.x, area.y),
                Shape::Line { points, .. } | Shape::Polygon { points, .. } => points[points.len() - 1],
                Shape::Dot { at, .. } | Shape::Text { at, .. } => *at,
            })
            .collect();
        let wanted = [(101.0, 52.0), (105.0, 56.0), (101.0, 51.0), (102.0, 52.0), (103.0, 53.0), (104.0, 54.0)];
        assert_eq!(places, wanted);
        assert!(matches!(&outer.shapes[0], Shape::Rect { area, .. } if (area.width, area.height) == (3.0, 4.0)));
    }
}
