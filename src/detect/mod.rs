//! Frames to decisions: who or what answered, and when to speak.

mod listen;
mod outcome;

pub use listen::{Goal, Hotword, LabelSet, Listen};
pub use outcome::{Alternative, Beep, End, Event, InputType, Label, Method, Outcome, Timeline};
