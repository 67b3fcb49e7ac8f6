//! Actions that are called with parameters and not by a request: those of API Gateway's integrations. They are answered in
//! XML, as in the Query protocol, in which their parameters have their names.

use std::{borrow::Cow, cell::Cell};

use super::{
    Answering, Carried, End, Form, FormKind, FormNode, Written, check_size,
    error::WireError,
    fields::Fields,
    operations::{self, Call, Outcome},
    query, receive, refusal, subject,
};
use crate::{LocalQueue, action::Action};

/// The parameters of an action.
#[derive(Debug)]
pub(crate) struct Parameters<'p> {
    /// Why they are none, if a parameter was refused.
    read: Result<FormNode<'p>, WireError>,
    count: usize,
    bytes: usize,
}

impl Default for Parameters<'_> {
    fn default() -> Self {
        Self { read: Ok(FormNode::default()), count: 0, bytes: 0 }
    }
}

impl<'p> Parameters<'p> {
    /// Adds one, by its whole name: `MessageAttribute.1.Name`. What it is refused for, the answer says.
    pub(crate) fn add(&mut self, name: impl Into<Cow<'p, str>>, value: impl Into<Cow<'p, str>>) {
        let Ok(node) = &mut self.read else { return };
        let (name, value) = (name.into(), value.into());
        let bytes = name.len() + value.len();
        match query::check_count(self.count).and_then(|()| node.insert(name, value)) {
            Ok(()) => (self.count, self.bytes) = (self.count + 1, self.bytes + bytes),
            Err(error) => self.read = Err(error),
        }
    }

    fn into_owned(self) -> Parameters<'static> {
        Parameters { read: self.read.map(FormNode::into_owned), ..self }
    }

    fn queue(&self) -> Option<String> {
        subject::name_of(self.read.as_ref().ok()?.text("QueueUrl").unwrap_or("/"))
    }

    fn carry_out(&self, queues: &LocalQueue, action: Action, form: Form) -> Carried {
        let number = Cell::new(0);
        let response = match self.run(queues, action, &number) {
            Ok(Outcome::Answer(document)) => form.document(action, document.as_ref()),
            Ok(Outcome::Receiving(receiving)) => return Carried::Receiving(receiving, form),
            Err(error) => form.error(&error),
        };
        Carried::Out(Written { response, number: number.get(), form })
    }

    fn run(&self, queues: &LocalQueue, action: Action, number: &Cell<u64>) -> Result<Outcome, WireError> {
        let node = self.read.as_ref().map_err(Clone::clone)?;
        check_size(action, self.bytes)?;
        node.check_lists()?;
        let call = Call {
            queues,
            request: None,
            caller: None,
            scope: Cow::Borrowed(queues.scope()),
            fields: Fields::Query { node, operation: action.name() },
            path: "/",
            trace_header: None,
            failed_entries: None,
            number,
        };
        operations::run(action, &call)
    }
}

/// As [`begin`](super::begin) does for a request, in the region and account of the queues themselves. Of its headers an answer
/// has no more than the content type.
pub(crate) fn begin_action<'q>(queues: &'q LocalQueue, action: Action, parameters: Parameters<'_>) -> Answering<'q> {
    if !queues.faults().is_empty() {
        let parameters = parameters.into_owned();
        return Answering::Later(Box::pin(async move {
            let faults = queues.faults().of_request(Some(action), &queues.scope().account, || parameters.queue());
            let end = End::under_faults(queues, Some(action), &faults).await;
            let form = Form { kind: FormKind::Xml, request_id: end.request_id };
            if let Some(effect) = faults.refusal {
                return end.finish_bare(form.error(&refusal(&effect)));
            }
            let carried = parameters.carry_out(queues, action, form);
            drop(parameters);
            match carried {
                Carried::Out(written) => end.finish_bare(written.kept(queues).await),
                Carried::Receiving(receiving, form) => {
                    let end = End { has_waited: receiving.is_waiting(), ..end };
                    end.finish_bare(receive(receiving, form, queues, None).await)
                }
            }
        }));
    }
    let end = End::begin(queues, Some(action));
    let form = Form { kind: FormKind::Xml, request_id: end.request_id };
    match parameters.carry_out(queues, action, form) {
        Carried::Out(written) if queues.is_kept(written.number) => {
            Answering::Answered(end.finish_bare(written.response))
        }
        Carried::Out(written) => Answering::Later(Box::pin(async move { end.finish_bare(written.kept(queues).await) })),
        Carried::Receiving(receiving, form) => {
            let end = End { has_waited: receiving.is_waiting(), ..end };
            Answering::Later(Box::pin(async move { end.finish_bare(receive(receiving, form, queues, None).await) }))
        }
    }
}
