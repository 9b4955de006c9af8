//! The `boxd` binary.
fn main() {}
