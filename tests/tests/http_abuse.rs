//! Requests that no SDK would send, over raw sockets: each gets the right status or a clean end, nothing panics, nothing
//! hangs, and the server answers a normal request afterwards.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

#[path = "http_abuse/apis.rs"]
mod apis;
#[path = "http_abuse/content.rs"]
mod content;
#[path = "http_abuse/crowds.rs"]
mod crowds;
#[path = "http_abuse/framing.rs"]
mod framing;
#[path = "http_abuse/harness.rs"]
mod harness;
#[path = "http_abuse/hosts.rs"]
mod hosts;
#[path = "http_abuse/memory.rs"]
mod memory;
#[path = "http_abuse/process.rs"]
mod process;
#[path = "http_abuse/signatures.rs"]
mod signatures;
#[path = "http_abuse/soak.rs"]
mod soak;
#[path = "http_abuse/tls.rs"]
mod tls;
#[path = "http_abuse/uploads.rs"]
mod uploads;
#[path = "http_abuse/waiting.rs"]
mod waiting;
