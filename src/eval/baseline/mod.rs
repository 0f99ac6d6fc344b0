//! What others do, written anew from their published descriptions, to be measured on the same calls.

mod desa;
mod energy;

pub use desa::{Desa2, Told};
pub use energy::{Analysis, Cause, EnergyRules, Status};
