//! The lines that Lambda itself writes into a function's log.

use std::time::Duration;

use crate::event_source_mapping::RESPONSE_BYTES_MAX;

/// What is said of an invocation when it has ended.
#[derive(Clone, Debug)]
pub(super) struct Report<'a> {
    pub(super) request_id: &'a str,
    pub(super) duration: Duration,
    /// If the process was started for this invocation: how long that took.
    pub(super) init_duration: Option<Duration>,
    pub(super) memory_mib: u32,
    pub(super) memory_peak_bytes: Option<u64>,
    /// Of an invocation that failed by its process: the status and the error type.
    pub(super) status: Option<(&'static str, Option<&'a str>)>,
}

pub(super) fn start(request_id: &str) -> String {
    format!("START RequestId: {request_id} Version: {}", super::configuration::VERSION)
}

pub(super) fn end(request_id: &str) -> String {
    format!("END RequestId: {request_id}")
}

pub(super) fn timed_out(request_id: &str, timeout: Duration) -> String {
    format!("{request_id} {}", timed_out_message(timeout))
}

pub(super) fn timed_out_message(timeout: Duration) -> String {
    format!("Task timed out after {:.2} seconds", timeout.as_secs_f64())
}

/// The text of `Function.ResponseSizeTooLarge`.
pub(super) fn too_large(request_id: &str, bytes: usize) -> String {
    format!(
        "RequestId: {request_id} Error: Response payload size ({bytes} bytes) exceeded maximum allowed payload size \
         ({RESPONSE_BYTES_MAX} bytes)."
    )
}

/// The text of `Runtime.ExitError`.
pub(super) fn exit_message(request_id: &str, end: Option<&str>) -> String {
    match end {
        Some(end) => format!("RequestId: {request_id} Error: Runtime exited with error: {end}"),
        None => format!("RequestId: {request_id} Error: Runtime exited without providing a reason"),
    }
}

/// What is said of an initialisation that failed.
pub(super) fn init_report(duration: Duration, phase: &str, status: &str, error_type: Option<&str>) -> String {
    let mut text = format!("INIT_REPORT Init Duration: {} ms\tPhase: {phase}\tStatus: {status}", millis(duration));
    if let Some(error_type) = error_type {
        text.push_str("\tError Type: ");
        text.push_str(error_type);
    }
    text
}

impl Report<'_> {
    pub(super) fn line(&self) -> String {
        use std::fmt::Write as _;
        // A custom runtime's initialisation is billed with its first invocation.
        let billed = self.duration + self.init_duration.unwrap_or_default();
        let mebibytes = self.memory_peak_bytes.unwrap_or_default().div_ceil(1024 * 1024);
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB",
            self.request_id,
            millis(self.duration),
            billed.as_micros().div_ceil(1_000),
            self.memory_mib,
            mebibytes
        );
        if let Some(init) = self.init_duration {
            write!(line, "\tInit Duration: {} ms", millis(init)).expect("a string can be written to");
        }
        if let Some((status, error_type)) = self.status {
            write!(line, "\tStatus: {status}").expect("a string can be written to");
            if let Some(error_type) = error_type {
                write!(line, "\tError Type: {error_type}").expect("a string can be written to");
            }
        }
        line
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_the_form_of_lambda() {
        let report = Report {
            request_id: "r",
            duration: Duration::from_micros(12_340),
            init_duration: None,
            memory_mib: 1_024,
            memory_peak_bytes: Some(24 * 1024 * 1024),
            status: None,
        };
        let warm = "REPORT RequestId: r\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 1024 MB\tMax Memory \
                    Used: 24 MB";
        assert_eq!(report.line(), warm);
        let cold = Report { init_duration: Some(Duration::from_micros(8_120)), ..report.clone() };
        let expected = warm.replace("13 ms", "21 ms") + "\tInit Duration: 8.12 ms";
        assert_eq!(cold.line(), expected);
        let crashed = Report { status: Some(("error", Some("Runtime.ExitError"))), ..report };
        assert_eq!(crashed.line(), format!("{warm}\tStatus: error\tError Type: Runtime.ExitError"));
    }

    #[test]
    fn ends_have_the_words_of_lambda() {
        assert_eq!(timed_out("r", Duration::from_secs(2)), "r Task timed out after 2.00 seconds");
        assert_eq!(
            exit_message("r", Some("exit status 3")),
            "RequestId: r Error: Runtime exited with error: exit status 3"
        );
        assert_eq!(exit_message("r", None), "RequestId: r Error: Runtime exited without providing a reason");
        let text = init_report(Duration::from_secs(10), "init", "timeout", None);
        assert_eq!(text, "INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout");
    }
}
