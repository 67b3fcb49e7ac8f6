//! local-queue
fn main() {}
