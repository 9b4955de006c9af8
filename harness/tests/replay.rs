//! Replays every fixture against a daemon of its own.
fn main() {}
