//! The part of `handler` that touches images, compiled on its own from the same files.

#[path = "../../../handler/src/pixels/mod.rs"]
pub mod pixels;
