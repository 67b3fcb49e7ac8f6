//! The runtime of an SQS batch: everything between what a queue delivers and the answer, for any kind of job.
//!
//! ```text
//! lambda       an invocation of AWS Lambda         worker   any SQS endpoint, without a Lambda
//!   event      the records, one by one               leases, deletes
//!   `- batch   runs the jobs, keeps order, deadline and neighbours safe, makes the partial batch response
//!        dead_letter    where permanent failures go, and when others are retried
//! ```
//!
//! Beside them: [`failure`] says whose fault a failure is and whether a retry can help, [`deadline`] is the time that may be
//! spent, and `aws` the SDK's configuration and what its errors mean to people.
//!
//! | feature | has |
//! | --- | --- |
//! | `lambda` | `lambda`: the runtime of AWS Lambda |
//! | `sqs` | `worker`, `dead_letter` and `aws`: the SDK's client of SQS |

#![warn(clippy::print_stdout, clippy::print_stderr)] // a library is silent

#[cfg(feature = "sqs")]
pub mod aws;
pub mod batch;
#[cfg(feature = "sqs")]
pub mod dead_letter;
pub mod deadline;
pub mod event;
pub mod failure;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(all(test, feature = "sqs"))]
mod tests;
#[cfg(feature = "sqs")]
pub mod worker;

#[cfg(all(doctest, feature = "lambda", feature = "sqs"))]
#[doc = include_str!("../README.md")]
struct Readme;
