//! Drawings: shapes on a page, written as SVG or as PNG, and the axes of charts.

mod axes;
mod drawing;
mod png;
mod svg;

pub use axes::{Axes, Axis, Tick};
pub use drawing::{Anchor, Area, Color, Drawing, Image, Shape};
pub use svg::escape;

/// Colours that are told apart by people who see red and green alike (after Okabe and Ito), and greys.
pub mod color {
    use crate::plot::Color;

    /// Text.
    pub const INK: Color = Color::rgb(0x1c, 0x24, 0x2c);
    /// Text that matters less, frames.
    pub const GREY: Color = Color::rgb(0x6a, 0x75, 0x80);
    /// Lines of the grid.
    pub const GRID: Color = Color::rgb(0xe3, 0xe7, 0xeb);
    /// The page.
    pub const PAPER: Color = Color::rgb(0xff, 0xff, 0xff);
    /// People.
    pub const BLUE: Color = Color::rgb(0x00, 0x72, 0xb2);
    /// Automated answers.
    pub const VERMILION: Color = Color::rgb(0xd5, 0x5e, 0x00);
    /// Beeps.
    pub const GREEN: Color = Color::rgb(0x00, 0x9e, 0x73);
    /// More kinds.
    pub const ORANGE: Color = Color::rgb(0xe6, 0x9f, 0x00);
    /// More kinds.
    pub const SKY: Color = Color::rgb(0x56, 0xb4, 0xe9);
    /// More kinds.
    pub const PURPLE: Color = Color::rgb(0xcc, 0x79, 0xa7);
    /// More kinds.
    pub const YELLOW: Color = Color::rgb(0xf0, 0xe4, 0x42);
    /// More kinds.
    pub const BROWN: Color = Color::rgb(0x8c, 0x61, 0x3c);
    /// More kinds.
    pub const SLATE: Color = Color::rgb(0x4b, 0x55, 0x63);
    /// More kinds.
    pub const SILVER: Color = Color::rgb(0xc4, 0xca, 0xd0);
}
