//! One line about a failed call: which, on which queue, why, and what to check. Decided by the types of the error.

use std::error::Error;
use std::fmt::Write as _;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use super::NoAnswer;

const CHECK_ENDPOINT: &str =
    "check the endpoint (AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL), the region (AWS_REGION) and the network";
const CHECK_CREDENTIALS: &str =
    "check the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role)";
/// Characters of a text that a server has written.
const TEXT_CHARS_MAX: usize = 300;

/// What a failed call means: one line with its cause, and what to check where that can be known.
///
/// `call` is the action, such as `ReceiveMessage`; `queue` its URL, ARN or name.
#[must_use]
pub fn explain<E>(call: &str, queue: &str, error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (reason, check) = match error {
        SdkError::ServiceError(refused) => match refused.err().code() {
            Some(code) => {
                let text = refused.err().message().unwrap_or_default();
                (format!("{code}: {text}"), check_for(code))
            }
            None => (foreign(refused.raw()), Some(CHECK_ENDPOINT)),
        },
        SdkError::ResponseError(broken) => (foreign(broken.raw()), Some(CHECK_ENDPOINT)),
        SdkError::TimeoutError(_) => ("timed out".to_owned(), Some(CHECK_ENDPOINT)),
        other => no_answer(other),
    };
    let mut line = format!("{call} on {queue} failed: {}", shortened(&reason));
    if let Some(check) = check {
        let _ = write!(line, "; {check}");
    }
    line
}

/// The request did not leave this machine, or no answer came.
fn no_answer<E>(error: &SdkError<E, HttpResponse>) -> (String, Option<&'static str>)
where
    E: Error + 'static,
{
    if let Some(error) = find::<CredentialsError>(error) {
        return match error {
            CredentialsError::CredentialsNotLoaded(_) => {
                ("no credentials were found".to_owned(), Some(CHECK_CREDENTIALS))
            }
            other => (format!("failed to load the credentials: {}", root(other)), Some(CHECK_CREDENTIALS)),
        };
    }
    let connector = match error {
        SdkError::DispatchFailure(failure) => failure.as_connector_error(),
        _ => None,
    };
    let endpoint = find::<NoAnswer>(error).map_or("the endpoint", |error| error.endpoint.as_str());
    match connector {
        Some(error) if error.is_timeout() => (format!("timed out waiting for {endpoint}"), Some(CHECK_ENDPOINT)),
        Some(error) if error.is_io() => (format!("no connection to {endpoint}: {}", root(error)), Some(CHECK_ENDPOINT)),
        // No region, no endpoint for it, a URL that is none: the request was never made.
        Some(error) => (root(error), Some(CHECK_ENDPOINT)),
        None => (root(error), Some("check the queue's URL and the region (AWS_REGION)")),
    }
}

/// An answer without a code of SQS is the answer of something else.
fn foreign(answer: &HttpResponse) -> String {
    format!("HTTP status {} without an error code of SQS, so something else has answered", answer.status().as_u16())
}

/// The codes are those of the documentation's "Common Error Types" and of the actions, in both spellings of SQS.
fn check_for(code: &str) -> Option<&'static str> {
    match code {
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidAccessKeyId"
        | "InvalidSecurity" => Some(CHECK_CREDENTIALS),
        "AccessDenied" | "AccessDeniedException" | "NotAuthorized" | "OptInRequired" => Some(
            "the credentials are known but not allowed to do this: check the policies of the role and of the queue",
        ),
        "QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue" | "InvalidAddress" => {
            Some("check the queue's URL, the region and the endpoint")
        }
        "RequestExpired" | "RequestTimeTooSkewed" => Some("check this machine's clock"),
        _ => None,
    }
}

/// The first error of a type on the way to the root.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What the innermost error says: the others say on whose behalf.
fn root(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(TEXT_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    local_queue_terminal::one_line(&short).to_string()
}

#[cfg(test)]
mod tests;
