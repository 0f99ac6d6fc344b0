//! The `answerd` command.

fn main() {}
