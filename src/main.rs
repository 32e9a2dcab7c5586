//! Russet.
fn main() {}
