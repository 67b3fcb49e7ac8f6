//! The function as the mapping sees it: an event goes in, a payload or an error comes out.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use crate::engine::Time;

/// The largest reply: 6 MiB and 100 bytes (measured on AWS's own Runtime Interface Emulator, which accepts exactly
/// this many).
pub const RESPONSE_BYTES_MAX: usize = 6_291_556;

/// What runs a function.
///
/// The mapping enforces the function's timeout by dropping the future unless the function does it itself, and takes a panic for a crash of the function.
pub trait Invoker: Send + Sync + 'static {
    /// Runs the function once. May be called again before this call has ended, as often as the mapping's concurrency
    /// allows.
    fn invoke(&self, invocation: Invocation) -> impl Future<Output = Result<Bytes, FunctionError>> + Send;

    /// Whether the function ends by itself at its timeout. Then the mapping waits for that: time that is not the
    /// function's, such as the start of a process, does not count.
    fn enforces_timeout(&self) -> bool {
        false
    }
}

impl<I: Invoker> Invoker for Arc<I> {
    fn invoke(&self, invocation: Invocation) -> impl Future<Output = Result<Bytes, FunctionError>> + Send {
        (**self).invoke(invocation)
    }

    fn enforces_timeout(&self) -> bool {
        (**self).enforces_timeout()
    }
}

/// One call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The event, as JSON.
    pub event: Bytes,
    /// A UUID of its own.
    pub request_id: String,
    /// Which function.
    pub function_arn: Arc<str>,
    /// When the function's timeout ends.
    pub deadline: Time,
}

/// Why an invocation has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// The function reported an error.
    #[error("function failed with {error_type}: {message}")]
    Failed {
        /// Such as `Runtime.Unknown`.
        error_type: String,
        /// What the function says about it.
        message: String,
    },
    /// The function ended without an answer.
    #[error("function crashed: {message}")]
    Crashed {
        /// The panic's message, or how the process ended.
        message: String,
    },
    /// The function took longer than it may.
    #[error("function timed out after {:.2} seconds", timeout.as_secs_f64())]
    TimedOut {
        /// The function's timeout.
        timeout: Duration,
    },
    /// The reply is larger than [`RESPONSE_BYTES_MAX`].
    #[error("response payload size ({bytes} bytes) exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)")]
    ResponseTooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// The function was not run: it may not run as often at the same time. The mapping tries again until the messages'
    /// visibility timeout ends.
    #[error("function was throttled: {reason}")]
    Throttled {
        /// Such as `ReservedFunctionConcurrentInvocationLimitExceeded`.
        reason: String,
    },
}

impl FunctionError {
    /// The type that Lambda gives such an error.
    #[must_use]
    pub fn error_type(&self) -> &str {
        match self {
            Self::Failed { error_type, .. } => error_type,
            Self::Crashed { .. } => "Runtime.ExitError",
            Self::TimedOut { .. } => "Sandbox.Timedout",
            Self::ResponseTooLarge { .. } => "Function.ResponseSizeTooLarge",
            Self::Throttled { .. } => "TooManyRequestsException",
        }
    }
}

/// A function that is an async closure of this process.
///
/// At its timeout it is dropped at its next await point; code that never awaits cannot be interrupted.
#[derive(Clone, Debug)]
pub struct InProcess<F> {
    function: F,
}

impl<F, Reply> InProcess<F>
where
    F: Fn(Invocation) -> Reply + Send + Sync + 'static,
    Reply: Future<Output = Result<Bytes, FunctionError>> + Send,
{
    /// Makes a closure a function.
    pub const fn new(function: F) -> Self {
        Self { function }
    }
}

impl<F, Reply> Invoker for InProcess<F>
where
    F: Fn(Invocation) -> Reply + Send + Sync + 'static,
    Reply: Future<Output = Result<Bytes, FunctionError>> + Send,
{
    fn invoke(&self, invocation: Invocation) -> impl Future<Output = Result<Bytes, FunctionError>> + Send {
        (self.function)(invocation)
    }
}

/// Runs the function once, and turns a panic in it into an error.
pub(crate) async fn invoke_caught<I: Invoker>(invoker: &I, invocation: Invocation) -> Result<Bytes, FunctionError> {
    // The call is inside the future: a closure may panic before it returns one.
    let mut reply = pin!(async { invoker.invoke(invocation).await });
    let caught = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| reply.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => std::task::Poll::Ready(Err(panic)),
    });
    match caught.await {
        Ok(Ok(payload)) if payload.len() > RESPONSE_BYTES_MAX => {
            Err(FunctionError::ResponseTooLarge { bytes: payload.len() })
        }
        Ok(result) => result,
        Err(panic) => Err(FunctionError::Crashed { message: panic_message(panic.as_ref()) }),
    }
}

pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("panicked with something other than text").to_owned()
}
