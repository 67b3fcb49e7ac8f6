//! Operations on queues.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{Answer, Call};
use crate::{
    engine::{Attribute, AttributeName, QueueName, Scope},
    protocol::{
        attributes,
        document::{Document, members},
        error::{ErrorKind, WireError},
    },
};

pub(super) fn create_queue(call: &Call<'_>) -> Answer {
    let name = call.fields.text("QueueName")?.unwrap_or_default();
    if name.is_empty() {
        return Err(no_queue_name());
    }
    let attributes = parse_attributes(call)?.unwrap_or_default();
    let queue = call.queues.call(|engine, now| {
        let name = QueueName::parse(&name, engine.limits())?;
        engine.create_queue(now, &call.scope, &name, &attributes)
    })?;
    Ok(Some(Document::Struct(vec![("QueueUrl", Document::text(call.queue_url(&queue)))])))
}

fn no_queue_name() -> WireError {
    let message = "Value for parameter QueueName is invalid. Reason: Must specify a queue name.";
    WireError::new(ErrorKind::InvalidParameterValue, message)
}

fn parse_attributes(call: &Call<'_>) -> Result<Option<Vec<Attribute>>, WireError> {
    let Some(given) = call.fields.text_map("Attributes")? else { return Ok(None) };
    given.iter().map(|(name, value)| attributes::parse(name, value)).collect::<Result<_, _>>().map(Some)
}

pub(super) fn delete_queue(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    call.queues.delete_queue(&queue)?;
    Ok(None)
}

pub(super) fn purge_queue(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    call.queues.purge_queue(&queue)?;
    Ok(None)
}

pub(super) fn get_queue_url(call: &Call<'_>) -> Answer {
    let name = call.fields.text("QueueName")?.unwrap_or_default();
    if name.is_empty() {
        return Err(no_queue_name());
    }
    let scope = match call.fields.text("QueueOwnerAWSAccountId")? {
        Some(account) => Scope::new(&call.scope.region, &account),
        None => call.scope.clone(),
    };
    let queue = call.queues.call(|engine, _| engine.find_queue(scope.arn(&name).as_str()))?;
    Ok(Some(Document::Struct(vec![("QueueUrl", Document::text(call.queue_url(&queue)))])))
}

pub(super) fn list_queues(call: &Call<'_>) -> Answer {
    let prefix = call.fields.text("QueueNamePrefix")?.unwrap_or_default();
    let after = match call.fields.text("NextToken")? {
        Some(token) => Some(decode_token(&token)?),
        None => None,
    };
    let results_max = call.fields.integer("MaxResults")?;
    let (queues, more) = call.queues.call(|engine, _| {
        let limit = engine.limits().list_results_max;
        let max = match results_max {
            None => limit,
            Some(max) => usize::try_from(max).ok().filter(|max| (1..=limit).contains(max)).ok_or_else(|| {
                let message = "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 \
                               and 1000.";
                WireError::new(ErrorKind::InvalidParameterValue, message)
            })?,
        };
        let mut queues = engine.list_queues(&call.scope, &prefix, after.as_deref(), max + 1);
        let more = queues.len() > max;
        queues.truncate(max);
        Ok::<_, WireError>((queues, more))
    })?;
    // A token is given only to those who asked for pages (documented).
    let token = queues.last().filter(|_| more && results_max.is_some());
    let token = token.map(|queue| Document::text(BASE64_STANDARD.encode(queue.name())));
    let urls = queues.iter().map(|queue| Document::text(call.queue_url(queue))).collect::<Vec<_>>();
    let urls = (!urls.is_empty()).then_some(Document::List(urls));
    Ok(Some(Document::Struct(members! { "NextToken": token, "QueueUrls": urls })))
}

fn decode_token(token: &str) -> Result<String, WireError> {
    let name = BASE64_STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| WireError::new(ErrorKind::InvalidParameterValue, "Invalid or expired next token."))
}

pub(super) fn get_queue_attributes(call: &Call<'_>) -> Answer {
    let queue = call.queues.queue_attributes(&call.queue()?)?;
    let mut names = Vec::new();
    for name in call.fields.texts("AttributeNames")? {
        match (&*name, AttributeName::parse(&name)) {
            ("All", _) => names.extend(AttributeName::ALL),
            (_, Some(name)) => names.push(name),
            (_, None) => return Err(WireError::unknown_attribute(&name)),
        }
    }
    names.sort_by_key(|name| name.as_str());
    names.dedup();
    let rendered = names.into_iter().filter_map(|name| {
        let text = attributes::render(name, &queue)?;
        Some((name.as_str().to_owned(), Document::Text(text)))
    });
    let rendered = rendered.collect::<Vec<_>>();
    let rendered = (!rendered.is_empty()).then_some(Document::Map(rendered));
    Ok(Some(Document::Struct(members! { "Attributes": rendered })))
}

pub(super) fn set_queue_attributes(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    let attributes = parse_attributes(call)?.ok_or_else(|| WireError::missing("Attribute.Name"))?;
    call.queues.set_queue_attributes(&queue, &attributes)?;
    Ok(None)
}
