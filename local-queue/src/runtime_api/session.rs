//! The conversation of one process with the Runtime API, as a state machine without I/O.
//!
//! The states, their names and every refusal are those of AWS's own Runtime Interface Emulator, which tells a client the
//! names in its refusals.

use std::sync::Arc;

use bytes::Bytes;

use crate::engine::Time;

/// A state of the runtime, by the name that the API tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuntimeState {
    /// It has not asked for an invocation yet.
    Started,
    /// It has reported that it cannot start.
    InitError,
    /// It waits for an invocation.
    Ready,
    /// It has an invocation.
    Running,
    /// It has answered the invocation and not asked for the next one.
    RuntimeResponseSentState,
}

/// Something a runtime asks for that may not be possible in its state, by the name that the API tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    InitError,
    Ready,
    InvocationResponse,
    InvocationErrorResponse,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestError {
    /// There is no such invocation, or not any more.
    InvalidRequestId,
    /// Not now.
    InvalidStateTransition { from: RuntimeState, to: Transition },
    /// A request of an extension: its error type and message.
    Extension { error_type: &'static str, message: String },
}

/// One invocation as the API hands it out.
#[derive(Clone, Debug)]
pub(super) struct Invoke {
    pub(super) request_id: Arc<str>,
    pub(super) invocation_id: String,
    pub(super) deadline: Time,
    pub(super) function_arn: Arc<str>,
    pub(super) trace_id: String,
    pub(super) event: Bytes,
}

/// What a runtime says about its failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ErrorReport {
    pub(super) error_type: String,
    pub(super) message: String,
    /// The body as it came, which may be no JSON.
    pub(super) document: Bytes,
}

impl ErrorReport {
    /// Reads the body of an error, which should be JSON with `errorType` and `errorMessage` and need not be; then the
    /// header's type and the body's text are what there is.
    pub(super) fn read(header: Option<&str>, body: &Bytes) -> Self {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            error_type: Option<String>,
            error_message: Option<String>,
        }
        let body_text = || String::from_utf8_lossy(&body[..body.len().min(MESSAGE_BYTES_MAX)]).into_owned();
        match serde_json::from_slice::<Body>(body) {
            Ok(Body { error_type, error_message }) => Self {
                error_type: error_type.unwrap_or_else(|| error_type_of(header)),
                message: error_message.unwrap_or_else(body_text),
                document: body.clone(),
            },
            Err(_) => Self { error_type: error_type_of(header), message: body_text(), document: body.clone() },
        }
    }
}

/// Of a body that is no error in JSON, so much is shown.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// AWS's Runtime Interface Emulator keeps a type of the form `Runtime.Word` or `Function.Word`, and makes any other one
/// unknown (read in its source).
pub(super) fn error_type_of(header: Option<&str>) -> String {
    let header = header.unwrap_or_default();
    let is_word = |word: &str| {
        let bytes = word.as_bytes();
        bytes.len() >= 2 && bytes[0].is_ascii_uppercase() && bytes.iter().all(u8::is_ascii_alphabetic)
    };
    match header.split_once('.') {
        Some(("Runtime" | "Function", word)) if is_word(word) => header.to_owned(),
        Some(("Function", _)) => "Function.Unknown".to_owned(),
        _ => "Runtime.Unknown".to_owned(),
    }
}

/// What a runtime has answered to an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Response(Bytes),
    Error(ErrorReport),
    TooLarge { bytes: usize },
}

#[derive(Clone, Debug)]
struct Extension {
    name: String,
    identifier: String,
    wants_invoke: bool,
    state: ExtensionState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExtensionState {
    /// It has not asked for an event since it registered.
    Registered,
    /// It waits for an event.
    Ready,
    /// There is an event for it.
    Due,
    /// It has the event.
    Running,
}

/// How many extensions may register, as in Lambda (documented: ten).
const EXTENSIONS_MAX: usize = 10;

/// The state of the exchange with one process, from its start to its end.
#[derive(Debug)]
pub(super) struct Session {
    runtime: RuntimeState,
    extensions: Vec<Extension>,
    /// Given to the process and not ended.
    invoke: Option<Arc<Invoke>>,
    reply: Option<Reply>,
    init_error: Option<ErrorReport>,
    /// An extension has said that it cannot go on.
    extension_error: Option<ErrorReport>,
}

impl Session {
    pub(super) const fn new() -> Self {
        Self {
            runtime: RuntimeState::Started,
            extensions: Vec::new(),
            invoke: None,
            reply: None,
            init_error: None,
            extension_error: None,
        }
    }

    /// The runtime asks for an invocation.
    pub(super) fn next(&mut self) -> Result<(), RequestError> {
        match self.runtime {
            // Who asks again while it runs gets the same invocation again.
            RuntimeState::Running => {}
            RuntimeState::Started | RuntimeState::Ready | RuntimeState::RuntimeResponseSentState => {
                self.runtime = RuntimeState::Ready;
            }
            from @ RuntimeState::InitError => {
                return Err(RequestError::InvalidStateTransition { from, to: Transition::Ready });
            }
        }
        Ok(())
    }

    /// The invocation to hand out, if there is one.
    pub(super) fn deliverable(&self) -> Option<&Arc<Invoke>> {
        let has_asked = matches!(self.runtime, RuntimeState::Ready | RuntimeState::Running);
        self.invoke.as_ref().filter(|_| has_asked && self.reply.is_none())
    }

    /// The runtime receives its invocation.
    pub(super) fn delivered(&mut self) {
        if self.runtime == RuntimeState::Ready {
            self.runtime = RuntimeState::Running;
        }
    }

    /// Whether an answer to this invocation is possible now.
    pub(super) fn check_reply(&self, request_id: &str, to: Transition) -> Result<(), RequestError> {
        // Who has asked for the next invocation is done with the last one, even while an extension still hears of it.
        let is_over = self.runtime == RuntimeState::Ready && self.reply.is_some();
        match &self.invoke {
            Some(invoke) if *invoke.request_id == *request_id && !is_over => {}
            _ => return Err(RequestError::InvalidRequestId),
        }
        match self.runtime {
            RuntimeState::Running => Ok(()),
            from => Err(RequestError::InvalidStateTransition { from, to }),
        }
    }

    /// The runtime answers an invocation.
    pub(super) fn reply(&mut self, request_id: &str, to: Transition, reply: Reply) -> Result<(), RequestError> {
        self.check_reply(request_id, to)?;
        self.runtime = RuntimeState::RuntimeResponseSentState;
        self.reply = Some(reply);
        Ok(())
    }

    /// The runtime says that it cannot start.
    pub(super) fn init_error(&mut self, report: ErrorReport) -> Result<(), RequestError> {
        match self.runtime {
            RuntimeState::Started => {
                self.runtime = RuntimeState::InitError;
                self.init_error = Some(report);
                Ok(())
            }
            from => Err(RequestError::InvalidStateTransition { from, to: Transition::InitError }),
        }
    }

    /// An internal extension registers, for some events.
    pub(super) fn register(&mut self, name: &str, identifier: String, events: &[String]) -> Result<(), RequestError> {
        let refuse = |error_type, message: String| Err(RequestError::Extension { error_type, message });
        if name.is_empty() {
            return refuse("Extension.InvalidExtensionName", "Empty extension name".to_owned());
        }
        if self.runtime != RuntimeState::Started {
            let message = "Extension registration closed already".to_owned();
            return refuse("Extension.RegistrationClosed", message);
        }
        if self.extensions.iter().any(|extension| extension.name == name) {
            let message = "Extension with this name already registered".to_owned();
            return refuse("Extension.InvalidExtensionState", message);
        }
        // An extension inside the runtime's process may hear of invocations, not of the shutdown.
        for event in events {
            let why = match event.as_str() {
                "INVOKE" => continue,
                "SHUTDOWN" => "ShutdownEventNotSupportedForInternalExtension",
                _ => "ErrorInvalidEventType",
            };
            return refuse("Extension.InvalidEventType", format!("{event}: {why}"));
        }
        if self.extensions.len() >= EXTENSIONS_MAX {
            let message = format!("Extension limit ({EXTENSIONS_MAX}) reached");
            return refuse("Extension.TooManyExtensions", message);
        }
        self.extensions.push(Extension {
            name: name.to_owned(),
            identifier,
            wants_invoke: !events.is_empty(),
            state: ExtensionState::Registered,
        });
        Ok(())
    }

    fn extension(&mut self, identifier: Option<&str>) -> Result<&mut Extension, RequestError> {
        let refuse = |error_type, message: String| Err(RequestError::Extension { error_type, message });
        let Some(identifier) = identifier.filter(|identifier| !identifier.is_empty()) else {
            let message = "Missing Lambda-Extension-Identifier header".to_owned();
            return refuse("Extension.MissingExtensionIdentifier", message);
        };
        if !is_uuid(identifier) {
            let message = "Invalid Lambda-Extension-Identifier".to_owned();
            return refuse("Extension.InvalidExtensionIdentifier", message);
        }
        match self.extensions.iter_mut().find(|extension| extension.identifier == identifier) {
            Some(extension) => Ok(extension),
            None => refuse("Extension.UnknownExtensionIdentifier", format!("Unknown extension {identifier}")),
        }
    }

    /// An extension asks for its next event.
    pub(super) fn event_next(&mut self, identifier: Option<&str>) -> Result<(), RequestError> {
        let extension = self.extension(identifier)?;
        if extension.state != ExtensionState::Due {
            extension.state = ExtensionState::Ready;
        }
        Ok(())
    }

    /// The invocation of which an extension is to hear, if there is one.
    pub(super) fn event(&self, identifier: &str) -> Option<&Arc<Invoke>> {
        let is_due = |it: &Extension| it.identifier == identifier && it.state == ExtensionState::Due;
        self.invoke.as_ref().filter(|_| self.extensions.iter().any(is_due))
    }

    /// An extension receives its event.
    pub(super) fn event_delivered(&mut self, identifier: &str) {
        if let Ok(extension) = self.extension(Some(identifier)) {
            extension.state = ExtensionState::Running;
        }
    }

    /// An extension says that it cannot go on.
    pub(super) fn extension_error(
        &mut self,
        identifier: Option<&str>,
        report: ErrorReport,
    ) -> Result<(), RequestError> {
        self.extension(identifier)?;
        self.extension_error.get_or_insert(report);
        Ok(())
    }

    /// What ended the initialisation, if anything has: `Ok` when the runtime and each extension wait.
    pub(super) fn init_result(&self) -> Option<Result<(), ErrorReport>> {
        if let Some(report) = self.extension_error.as_ref().or(self.init_error.as_ref()) {
            return Some(Err(report.clone()));
        }
        self.all_wait().then_some(Ok(()))
    }

    fn all_wait(&self) -> bool {
        self.runtime == RuntimeState::Ready
            && self.extensions.iter().all(|extension| extension.state == ExtensionState::Ready)
    }

    /// Whether the runtime has asked for an invocation and not got it.
    #[cfg(test)]
    pub(super) fn runtime_waits(&self) -> bool {
        self.runtime == RuntimeState::Ready
    }

    /// Gives the process an invocation. All must wait.
    pub(super) fn begin(&mut self, invoke: Arc<Invoke>) {
        assert!(self.all_wait() && self.invoke.is_none(), "an invocation begins when the last one has ended");
        self.invoke = Some(invoke);
        self.reply = None;
        for extension in self.extensions.iter_mut().filter(|extension| extension.wants_invoke) {
            extension.state = ExtensionState::Due;
        }
    }

    /// Whether the invocation has ended: it is answered, and the runtime and each extension wait for the next one.
    pub(super) fn is_finished(&self) -> bool {
        self.extension_error.is_some() || (self.reply.is_some() && self.all_wait())
    }

    /// Takes what came of a finished invocation; an extension's failure is the invocation's.
    pub(super) fn take_reply(&mut self) -> Option<Reply> {
        self.invoke = None;
        match &self.extension_error {
            Some(report) => Some(Reply::Error(report.clone())),
            None => self.reply.take(),
        }
    }

    /// Whether the process must be replaced although it lives.
    pub(super) const fn is_broken(&self) -> bool {
        self.extension_error.is_some()
    }

    /// Whether a stop is announced to the process by SIGTERM.
    pub(super) const fn has_extensions(&self) -> bool {
        !self.extensions.is_empty()
    }
}

fn is_uuid(text: &str) -> bool {
    let is_hyphen_place = |index| matches!(index, 8 | 13 | 18 | 23);
    let fits =
        |(index, byte): (usize, u8)| if is_hyphen_place(index) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_that_is_slower_than_the_runtime_hears_of_the_invocation_all_the_same() {
        let identifier = "00000000-0000-4000-8000-000000000000";
        let mut session = Session::new();
        session.register("slow", identifier.to_owned(), &["INVOKE".to_owned()]).unwrap();
        session.event_next(Some(identifier)).unwrap();
        session.next().unwrap();
        session.begin(Arc::new(Invoke {
            request_id: "r1".into(),
            invocation_id: String::new(),
            deadline: Time::EPOCH,
            function_arn: "arn".into(),
            trace_id: String::new(),
            event: Bytes::new(),
        }));
        session.delivered();
        session.reply("r1", Transition::InvocationResponse, Reply::Response(Bytes::new())).unwrap();
        session.next().unwrap();
        assert!(session.deliverable().is_none(), "the runtime has had it");
        assert_eq!(session.check_reply("r1", Transition::InvocationResponse), Err(RequestError::InvalidRequestId));
        assert!(!session.is_finished());
        assert!(session.event(identifier).is_some());
        session.event_delivered(identifier);
        session.event_next(Some(identifier)).unwrap();
        assert!(session.is_finished());
    }

    #[test]
    fn a_type_in_the_header_is_kept_if_it_has_the_form_of_one() {
        let table = [
            (Some("Runtime.Foo"), "Runtime.Foo"),
            (Some("Function.Bar"), "Function.Bar"),
            (Some("Function.bar"), "Function.Unknown"),
            (Some("Function.Bar1"), "Function.Unknown"),
            (Some("Runtime.F"), "Runtime.Unknown"),
            (Some("unhandled"), "Runtime.Unknown"),
            (None, "Runtime.Unknown"),
        ];
        for (header, expected) in table {
            assert_eq!(error_type_of(header), expected, "{header:?}");
        }
    }

    #[test]
    fn an_error_is_read_from_its_body_before_its_header() {
        let read = |body: &str| {
            let report = ErrorReport::read(Some("Function.Bad"), &Bytes::copy_from_slice(body.as_bytes()));
            (report.error_type, report.message)
        };
        let pair = |error_type: &str, message: &str| (error_type.to_owned(), message.to_owned());
        assert_eq!(read(r#"{"errorType":"BadJob","errorMessage":"no"}"#), pair("BadJob", "no"));
        assert_eq!(read(r#"{"errorMessage":"no"}"#), pair("Function.Bad", "no"));
        assert_eq!(read("not json"), pair("Function.Bad", "not json"));
        assert_eq!(read(""), pair("Function.Bad", ""));
    }
}
