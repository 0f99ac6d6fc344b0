//! One call, sans-IO: no clock, no socket, no thread.

pub mod mrcp;
pub mod offer_answer;
pub mod sip;
