//! handler

pub mod budget;
pub mod failure;
pub mod job;
pub mod pixels;
pub mod storage;
