//! handler

pub mod pixels;
