//! resize
fn main() {}
