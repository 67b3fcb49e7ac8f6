//! Operations on queues.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{Answer, Call};
use crate::{
    engine::{Attribute, AttributeName, EngineError, QueueArn, QueueName, Scope},
    protocol::{
        attributes,
        document::{Document, members},
        error::{ErrorKind, WireError},
        policy,
    },
};

pub(super) fn create_queue(call: &Call<'_>) -> Answer {
    let name = call.fields.text("QueueName")?.unwrap_or_default();
    if name.is_empty() {
        return Err(no_queue_name());
    }
    let given = call.fields.text_map("Attributes")?.unwrap_or_default();
    let tags = parse_tags(call, "tags")?.unwrap_or_default();
    let queue = call.call(|engine, now| {
        let name = QueueName::parse(&name, engine.limits())?;
        let (queue, tags_max) = (call.scope.arn(name.as_str()), engine.limits().tags_max);
        let attributes = attributes::parse_all(given.clone(), &queue)?;
        if tags.len() > tags_max {
            return Err(EngineError::TooManyTags { queue, tags_max }.into());
        }
        let tags_before = engine.tags(queue.as_str()).cloned();
        let created = engine.create_queue(now, &call.scope, &name, &attributes);
        created.map_err(|error| WireError::from_attributes(error, attributes::given_redrive_policy(&given)))?;
        match tags_before {
            Err(_) => engine.tag_queue(queue.as_str(), tags)?,
            // AWS (quoted by users): tags that are named have to be those that the queue has.
            Ok(before) if !tags.is_empty() && tags != before => return Err(WireError::other_tags()),
            Ok(_) => {}
        }
        Ok::<_, WireError>(queue)
    })?;
    Ok(Some(Document::Struct(vec![("QueueUrl", call.queue_url(&queue))])))
}

fn no_queue_name() -> WireError {
    let message = "Value for parameter QueueName is invalid. Reason: Must specify a queue name.";
    WireError::new(ErrorKind::InvalidParameterValue, message)
}

pub(super) fn delete_queue(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    call.call(|engine, now| engine.delete_queue(now, queue.as_str()))?;
    Ok(None)
}

pub(super) fn purge_queue(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    call.call(|engine, now| engine.purge_queue(now, queue.as_str()))?;
    Ok(None)
}

pub(super) fn get_queue_url(call: &Call<'_>) -> Answer {
    let queue = named(call)?;
    let queue = call.call(|engine, _| engine.find_queue(queue.as_str()))?;
    Ok(Some(Document::Struct(vec![("QueueUrl", call.queue_url(&queue))])))
}

/// The queue that a request names by its name and its owner.
pub(super) fn named(call: &Call<'_>) -> Result<QueueArn, WireError> {
    let name = call.fields.text("QueueName")?.unwrap_or_default();
    if name.is_empty() {
        return Err(no_queue_name());
    }
    let scope = match call.fields.text("QueueOwnerAWSAccountId")? {
        Some(account) => Scope::new(&call.scope.region, &account),
        None => Scope::clone(&call.scope),
    };
    Ok(scope.arn(&name))
}

pub(super) fn list_queues(call: &Call<'_>) -> Answer {
    let prefix = call.fields.text("QueueNamePrefix")?.unwrap_or_default();
    let page = Page::parse(call)?;
    let queues = call.call(|engine, _| engine.list_queues(&call.scope, &prefix, page.after.as_deref(), page.max + 1));
    let (queues, token) = page.cut(queues);
    let urls = queues.iter().map(|queue| call.queue_url(queue)).collect::<Vec<_>>();
    let urls = (!urls.is_empty()).then_some(Document::List(urls));
    Ok(Some(Document::Struct(members! { "NextToken": token, "QueueUrls": urls })))
}

pub(super) fn list_dead_letter_source_queues(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    let page = Page::parse(call)?;
    let sources = call.call(|engine, _| {
        engine.find_queue(queue.as_str())?;
        let sources = engine.dead_letter_sources(queue.as_str()).into_iter().flatten();
        let rest = sources.skip_while(|source| page.after.as_deref().is_some_and(|after| source.name() <= after));
        Ok::<_, EngineError>(rest.take(page.max + 1).cloned().collect::<Vec<_>>())
    })?;
    let (sources, token) = page.cut(sources);
    let urls = sources.iter().map(|queue| call.queue_url(queue)).collect::<Vec<_>>();
    let urls = (!urls.is_empty()).then_some(Document::List(urls));
    // This one member starts in lower case.
    Ok(Some(Document::Struct(members! { "NextToken": token, "queueUrls": urls })))
}

/// One page of a list of queues.
struct Page {
    after: Option<String>,
    max: usize,
    /// Whether the request asked for pages; only then is there a token for the next (documented).
    asked: bool,
}

impl Page {
    fn parse(call: &Call<'_>) -> Result<Self, WireError> {
        let after = call.fields.text("NextToken")?.map(|token| decode_token(&token)).transpose()?;
        let limit = call.call(|engine, _| engine.limits().list_results_max);
        let Some(max) = call.fields.integer("MaxResults")? else {
            return Ok(Self { after, max: limit, asked: false });
        };
        match usize::try_from(max) {
            Ok(max) if (1..=limit).contains(&max) => Ok(Self { after, max, asked: true }),
            _ => Err(WireError::new(ErrorKind::InvalidParameterValue, MAX_RESULTS)),
        }
    }

    /// Takes one page off a list that is one longer if there is more.
    fn cut(&self, mut queues: Vec<QueueArn>) -> (Vec<QueueArn>, Option<Document>) {
        let more = queues.len() > self.max;
        queues.truncate(self.max);
        let last = queues.last().filter(|_| more && self.asked);
        let token = last.map(|queue| Document::Text(BASE64_STANDARD.encode(format!("{TOKEN_MARK}{}", queue.name()))));
        (queues, token)
    }
}

const MAX_RESULTS: &str =
    "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.";

/// Tells a token from other base64.
const TOKEN_MARK: &str = "after:";

fn decode_token(token: &str) -> Result<String, WireError> {
    let text = BASE64_STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let name = text.and_then(|text| text.strip_prefix(TOKEN_MARK).map(str::to_owned));
    name.ok_or_else(|| WireError::new(ErrorKind::InvalidParameterValue, "Invalid or expired next token."))
}

pub(super) fn get_queue_attributes(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    let queue = call.call(|engine, now| engine.queue_attributes(now, queue.as_str()))?;
    let mut names = Vec::new();
    for name in call.fields.texts("AttributeNames")? {
        match (&*name, AttributeName::parse(&name)) {
            ("All", _) => names.extend(AttributeName::ALL),
            // AWS (quoted by users): only FIFO queues have it.
            (_, Some(AttributeName::FifoQueue)) if queue.settings.fifo.is_none() => {
                return Err(WireError::unknown_attribute(&name));
            }
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
    let given = call.fields.text_map("Attributes")?.filter(|given| !given.is_empty());
    let given = given.ok_or_else(|| WireError::missing("Attribute.Name"))?;
    call.call(|engine, now| {
        engine.find_queue(queue.as_str())?;
        let attributes = attributes::parse_all(given.clone(), &queue)?;
        let set = engine.set_queue_attributes(now, queue.as_str(), &attributes);
        set.map_err(|error| WireError::from_attributes(error, attributes::given_redrive_policy(&given)))
    })?;
    Ok(None)
}

pub(super) fn tag_queue(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    let tags = parse_tags(call, "Tags")?.filter(|tags| !tags.is_empty()).ok_or_else(|| WireError::missing("Tags"))?;
    call.call(|engine, _| engine.tag_queue(queue.as_str(), tags))?;
    Ok(None)
}

fn parse_tags(call: &Call<'_>, parameter: &str) -> Result<Option<BTreeMap<String, String>>, WireError> {
    let Some(given) = call.fields.text_map(parameter)? else { return Ok(None) };
    let mut tags = BTreeMap::new();
    for (key, value) in given {
        attributes::check_tag(key, &value)
            .map_err(|message| WireError::new(ErrorKind::InvalidParameterValue, message))?;
        tags.insert(key.to_owned(), value.into_owned());
    }
    Ok(Some(tags))
}

pub(super) fn untag_queue(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    let keys = call.fields.texts("TagKeys")?;
    call.call(|engine, _| {
        engine.find_queue(queue.as_str())?;
        if keys.is_empty() {
            return Err(WireError::missing(call.fields.list_name("TagKeys")));
        }
        Ok(engine.untag_queue(queue.as_str(), keys.iter().map(|key| &**key))?)
    })?;
    Ok(None)
}

pub(super) fn list_queue_tags(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    let tags = call.call(|engine, _| engine.tags(queue.as_str()).cloned())?;
    let tags = tags.into_iter().map(|(key, value)| (key, Document::Text(value))).collect::<Vec<_>>();
    let tags = (!tags.is_empty()).then_some(Document::Map(tags));
    Ok(Some(Document::Struct(members! { "Tags": tags })))
}

pub(super) fn add_permission(call: &Call<'_>) -> Answer {
    let label = label(call)?;
    let accounts = owned(call.fields.texts("AWSAccountIds")?);
    let actions = owned(call.fields.texts("Actions")?);
    if actions.is_empty() {
        return Err(WireError::missing(call.fields.list_name("Actions")));
    }
    change_policy(call, |before, queue| policy::add(before, queue, &label, &accounts, &actions).map(Some))
}

pub(super) fn remove_permission(call: &Call<'_>) -> Answer {
    let label = label(call)?;
    change_policy(call, |before, _| policy::remove(before, &label))
}

fn owned(texts: Vec<std::borrow::Cow<'_, str>>) -> Vec<String> {
    texts.into_iter().map(std::borrow::Cow::into_owned).collect()
}

fn label(call: &Call<'_>) -> Result<String, WireError> {
    let label = call.fields.required_text("Label")?.into_owned();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if label.len() > 80 || !label.bytes().all(allowed) {
        let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(WireError::invalid_value(label, "Label", reason));
    }
    Ok(label)
}

/// Changes the policy of the call's queue, with nothing in between.
fn change_policy(
    call: &Call<'_>,
    change: impl FnOnce(Option<&str>, &QueueArn) -> Result<Option<String>, WireError>,
) -> Answer {
    let queue = call.queue()?;
    call.call(|engine, now| {
        let before = engine.queue_attributes(now, queue.as_str())?.settings.policy;
        let after = change(before.as_deref(), &queue)?;
        Ok::<_, WireError>(engine.set_queue_attributes(now, queue.as_str(), &[Attribute::Policy(after)])?)
    })?;
    Ok(None)
}
