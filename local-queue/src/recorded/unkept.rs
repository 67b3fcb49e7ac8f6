//! What stands for the journal where there is none: nothing, so that there is no way to have one.

use std::task::{Context, Poll};

use crate::engine::{EngineError, Time};

#[derive(Debug)]
pub(crate) enum Journal {}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    Growth,
    Work,
    Fact,
}

impl Journal {
    pub(crate) const fn admit(&self, _bytes: usize, _need: Need) -> Result<(), EngineError> {
        match *self {}
    }

    pub(crate) const fn append(&self, _now: Time, _outcome: u32, _commands: &[u8]) -> u64 {
        match *self {}
    }

    pub(crate) const fn last(&self) -> u64 {
        match *self {}
    }

    pub(crate) const fn is_kept(&self, _number: u64) -> bool {
        match *self {}
    }

    pub(crate) const fn poll_kept(&self, _number: u64, _cx: &Context<'_>) -> Poll<Result<(), EngineError>> {
        match *self {}
    }

    pub(crate) const fn wait(&self, _number: u64) -> Result<(), EngineError> {
        match *self {}
    }

    pub(crate) const fn failure(&self) -> Option<String> {
        match *self {}
    }

    pub(crate) const fn prefix(&self) -> &str {
        match *self {}
    }
}
