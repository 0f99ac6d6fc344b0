//! Axes: what a number is on the page, with round ticks.

use crate::plot::color::{GREY, GRID};
use crate::plot::{Anchor, Area, Drawing};

/// Height of the letters at the ticks.
const LETTERS: f64 = 11.0;
/// Length of a tick and its distance to its text.
const TICK: f64 = 4.0;

/// A mark on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where, as a number.
    pub at: f64,
    /// What is written there.
    pub text: String,
}

/// One axis: from one number to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The number at its beginning: left or below.
    pub from: f64,
    /// The number at its end.
    pub to: f64,
    /// What the numbers are, with their unit.
    pub name: String,
    /// Its marks.
    pub ticks: Vec<Tick>,
}

impl Axis {
    /// An axis with at most about `most` ticks at round numbers.
    #[must_use]
    pub fn new(name: &str, from: f64, to: f64, most: usize) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self { from, to, name: name.to_owned(), ticks: ticks(from, to, most) }
    }

    /// An axis of shares, 0 to 100 %.
    #[must_use]
    pub fn share(name: &str) -> Self {
        let ticks = (0..=5).map(|n| Tick { at: f64::from(n) / 5.0, text: format!("{}", n * 20) }).collect();
        Self { from: 0.0, to: 1.0, name: format!("{name}, %"), ticks }
    }

    fn fraction(&self, value: f64) -> f64 {
        (value - self.from) / (self.to - self.from)
    }
}

/// Round numbers from `from` to `to`: steps of 1, 2 or 5 times a power of ten.
fn ticks(from: f64, to: f64, most: usize) -> Vec<Tick> {
    let rough = (to - from) / most.max(1) as f64;
    let power = 10.0_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(power * 10.0);
    let places = (-step.log10().floor()).max(0.0) as usize;
    let first = (from / step - 1e-9).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    (first..=last)
        .map(|n| {
            let at = n as f64 * step;
            Tick { at, text: format!("{at:.places$}") }
        })
        .collect()
}

/// Two axes around an area of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Axes {
    /// Where numbers are drawn.
    pub area: Area,
    /// From left to right.
    pub x: Axis,
    /// From below to above.
    pub y: Axis,
}

impl Axes {
    /// Where a number is from left to right, at most at the area's edges.
    #[must_use]
    pub fn at_x(&self, value: f64) -> f64 {
        self.area.x + self.x.fraction(value).clamp(0.0, 1.0) * self.area.width
    }

    /// Where a number is from top to bottom, at most at the area's edges.
    #[must_use]
    pub fn at_y(&self, value: f64) -> f64 {
        self.area.bottom() - self.y.fraction(value).clamp(0.0, 1.0) * self.area.height
    }

    /// Where two numbers are.
    #[must_use]
    pub fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.at_x(x), self.at_y(y))
    }

    /// Grid, ticks and the axes' names: below the area, and above its upper left corner.
    pub fn draw(&self, drawing: &mut Drawing) {
        self.draw_y(drawing);
        for tick in &self.x.ticks {
            let x = self.at_x(tick.at);
            drawing.line(vec![(x, self.area.y), (x, self.area.bottom())], GRID, 1.0);
        }
        self.frame(drawing);
        self.draw_x(drawing);
    }

    /// What stands below the area.
    pub fn draw_x(&self, drawing: &mut Drawing) {
        let bottom = self.area.bottom();
        for tick in &self.x.ticks {
            let x = self.at_x(tick.at);
            drawing.line(vec![(x, bottom), (x, bottom + TICK)], GREY, 1.0);
            let at = (x, bottom + TICK + LETTERS + 1.0);
            drawing.text(at, tick.text.clone(), LETTERS, Anchor::Middle, GREY);
        }
        let at = (self.area.x + self.area.width / 2.0, bottom + TICK + 2.0 * LETTERS + 8.0);
        drawing.text(at, self.x.name.clone(), LETTERS + 1.0, Anchor::Middle, GREY);
    }

    /// What stands left of the area, with its lines through it.
    pub fn draw_y(&self, drawing: &mut Drawing) {
        for tick in &self.y.ticks {
            let y = self.at_y(tick.at);
            drawing.line(vec![(self.area.x, y), (self.area.right(), y)], GRID, 1.0);
            let at = (self.area.x - TICK - 3.0, y + LETTERS * 0.35);
            drawing.text(at, tick.text.clone(), LETTERS, Anchor::End, GREY);
        }
        let at = (self.area.x, self.area.y - 8.0);
        drawing.text(at, self.y.name.clone(), LETTERS + 1.0, Anchor::Start, GREY);
    }

    /// The lines around the area, left and below.
    pub fn frame(&self, drawing: &mut Drawing) {
        let Area { x, y, .. } = self.area;
        drawing.line(vec![(x, y), (x, self.area.bottom()), (self.area.right(), self.area.bottom())], GREY, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(from: f64, to: f64, most: usize) -> String {
        ticks(from, to, most).into_iter().map(|tick| tick.text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(texts(0.0, 10.0, 5), "0 2 4 6 8 10");
        assert_eq!(texts(-0.3, 1.1, 5), "0.0 0.5 1.0");
        assert_eq!(texts(0.0, 0.05, 5), "0.00 0.01 0.02 0.03 0.04 0.05");
        assert_eq!(texts(0.0, 234.0, 4), "0 100 200");
        assert_eq!(texts(7.0, 7.0 + 1e-3, 1), "7.000 7.001");
    }

    #[test]
    fn an_axis_without_extent_gets_one() {
        let axis = Axis::new("s", 3.0, 3.0, 4);
        assert_eq!((axis.from, axis.to), (3.0, 4.0));
    }

    #[test]
    fn numbers_find_their_place_and_stay_inside() {
        let area = Area { x: 10.0, y: 20.0, width: 100.0, height: 50.0 };
        let axes = Axes { area, x: Axis::new("x", 0.0, 10.0, 5), y: Axis::share("y") };
        assert_eq!(axes.at((0.0, 0.0)), (10.0, 70.0));
        assert_eq!(axes.at((5.0, 1.0)), (60.0, 20.0));
        assert_eq!(axes.at((99.0, -1.0)), (110.0, 70.0));
    }
}
