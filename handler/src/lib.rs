//! handler

pub mod failure;
pub mod pixels;
pub mod storage;
