//! What a function replies, as an answer.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING},
};
use serde_json::{Map, Value};

use super::{declaration::Payload, event::matches_media_type, request::Request};

/// Headers that are the connection's.
const CONNECTIONS: [HeaderName; 3] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];
/// What a reply to a REST API may have; with anything else it is none (recorded).
const OF_REST: [&str; 5] = ["statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"];

/// The answer that a reply stands for; why there is none.
pub(super) fn answer(reply: &Bytes, request: &Request<'_>, payload: Payload) -> Result<Response<Bytes>, String> {
    let value = serde_json::from_slice::<Value>(reply).map_err(|error| format!("the reply is not JSON: {error}"))?;
    match value {
        Value::Object(members) if payload != Payload::V2 || members.contains_key("statusCode") => {
            structured(&members, request, payload)
        }
        _ if payload != Payload::V2 => Err("the reply is not an object with a statusCode".to_owned()),
        // Without a status it is the body.
        value => {
            let body = value.as_str().map_or_else(|| reply.clone(), |text| Bytes::from(text.to_owned()));
            let mut response = Response::new(body);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(response)
        }
    }
}

fn structured(
    members: &Map<String, Value>,
    request: &Request<'_>,
    payload: Payload,
) -> Result<Response<Bytes>, String> {
    if payload == Payload::Rest
        && let Some(name) = members.keys().find(|name| !OF_REST.contains(&name.as_str()))
    {
        return Err(format!("the reply has an unknown member {name}"));
    }
    let status = match members.get("statusCode") {
        None | Some(Value::Null) if payload == Payload::Rest => Some(StatusCode::OK),
        status => {
            status.and_then(text).and_then(|text| text.parse::<u16>().ok()).and_then(|it| StatusCode::from_u16(it).ok())
        }
    };
    let status = status.ok_or_else(|| "the reply has no valid statusCode".to_owned())?;
    let body = match members.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(_) => return Err("the body of the reply is not a string".to_owned()),
    };
    let is_base64 = members.get("isBase64Encoded").and_then(Value::as_bool) == Some(true);
    let accept = request.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let first = accept.split([',', ';']).next().unwrap_or_default().trim();
    let is_decoded = payload != Payload::Rest || matches_media_type(&request.api.binary_media_types, first);
    let body = if is_base64 && is_decoded {
        STANDARD.decode(&body).map_err(|_| "the body of the reply is not Base64".to_owned())?.into()
    } else {
        body
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    headers(members, payload, response.headers_mut())?;
    let default = if payload == Payload::Rest { "application/json" } else { "text/plain;charset=UTF-8" };
    if !response.body().is_empty() {
        response.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(default));
    }
    Ok(response)
}

fn headers(members: &Map<String, Value>, payload: Payload, headers: &mut HeaderMap) -> Result<(), String> {
    let object = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(members)) => Ok(members.iter().collect()),
        Some(_) => Err(format!("{name} of the reply is not an object")),
    };
    let multi = if payload == Payload::V2 { Vec::new() } else { object("multiValueHeaders")? };
    for (name, values) in &multi {
        let values = values.as_array().ok_or_else(|| format!("header {name} of the reply is not a list"))?;
        values.iter().try_for_each(|value| append(headers, name, value))?;
    }
    for (name, value) in object("headers")? {
        // Those with several values come first, and of one name both are merged.
        let is_there = multi.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
            && headers
                .get_all(name.as_str())
                .iter()
                .any(|known| Some(known.as_bytes()) == text(value).as_deref().map(str::as_bytes));
        if !is_there {
            append(headers, name, value)?;
        }
    }
    if payload == Payload::V2
        && let Some(cookies) = members.get("cookies").and_then(Value::as_array)
    {
        cookies.iter().try_for_each(|cookie| append(headers, SET_COOKIE.as_str(), cookie))?;
    }
    Ok(())
}

fn append(headers: &mut HeaderMap, name: &str, value: &Value) -> Result<(), String> {
    let wrong = || format!("header {name} of the reply is not valid");
    let named = HeaderName::try_from(name).map_err(|_| wrong())?;
    if CONNECTIONS.contains(&named) {
        return Ok(());
    }
    let value = text(value).ok_or_else(wrong)?;
    headers.append(named, HeaderValue::try_from(value).map_err(|_| wrong())?);
    Ok(())
}

/// A value that is one, as text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}
