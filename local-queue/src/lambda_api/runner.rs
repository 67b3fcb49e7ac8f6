//! What runs functions, whatever they are.

use std::{fmt, future::ready, pin::Pin, sync::Arc};

use bytes::Bytes;

use super::configuration::FunctionConfiguration;
use crate::{
    event_source_mapping::{FunctionError, InProcess, Invocation, invoke_caught},
    runtime_api::{Function, FunctionMetrics, Invoked, RecentLog},
};

/// What runs a function.
pub trait Runner: Send + Sync + 'static {
    /// Runs one invocation; returns the end of the log only if `with_log`.
    fn run(&self, invocation: Invocation, with_log: bool) -> Pin<Box<dyn Future<Output = Invoked> + Send + '_>>;

    /// Whether the function ends by itself at its timeout.
    fn enforces_timeout(&self) -> bool {
        false
    }

    /// Ends what runs for it between invocations, and what runs now when it is done.
    fn shut_down(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(ready(()))
    }

    /// What has come of its invocations, if it counts.
    fn metrics(&self) -> Option<FunctionMetrics> {
        None
    }

    /// The last lines of its log, if it has one.
    fn recent_log(&self) -> Option<Arc<RecentLog>> {
        None
    }
}

impl Runner for Function {
    fn run(&self, invocation: Invocation, with_log: bool) -> Pin<Box<dyn Future<Output = Invoked> + Send + '_>> {
        Box::pin(self.invoke_told(invocation, with_log))
    }

    fn enforces_timeout(&self) -> bool {
        true
    }

    fn shut_down(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Self::shut_down(self))
    }

    fn metrics(&self) -> Option<FunctionMetrics> {
        Some(Self::metrics(self))
    }

    fn recent_log(&self) -> Option<Arc<RecentLog>> {
        Some(Self::recent_log(self))
    }
}

impl<F, Reply> Runner for InProcess<F>
where
    F: Fn(Invocation) -> Reply + Send + Sync + 'static,
    Reply: Future<Output = Result<Bytes, FunctionError>> + Send + 'static,
{
    fn run(&self, invocation: Invocation, _: bool) -> Pin<Box<dyn Future<Output = Invoked> + Send + '_>> {
        Box::pin(async move {
            let reply = invoke_caught(self, invocation).await;
            Invoked { reply, error_document: None, log_tail: Vec::new() }
        })
    }
}

/// Makes functions of the packages that clients send. It may take its time, on a thread that it may block.
pub trait Workshop: fmt::Debug + Send + Sync + 'static {
    /// A function of this configuration, of a package (a ZIP archive); else why not, in words for who has sent it.
    fn make(&self, configuration: &FunctionConfiguration, package: &[u8]) -> Result<Arc<dyn Runner>, String>;
}
