//! The ABNF form of SRGS 1.0: text to rules.

use crate::grammar::Error;
use crate::grammar::srgs::Srgs;

/// Reads a document.
pub(in crate::grammar) fn parse(_text: &str) -> Result<Srgs, Error> {
    Err(Error::load("the ABNF form is not read yet"))
}
