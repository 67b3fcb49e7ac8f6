//! The events that functions get: payloads 1.0 and 2.0 of HTTP APIs, and that of REST APIs (developer guide, "Create AWS
//! Lambda proxy integrations"; the last one as recorded from AWS).

use std::{collections::BTreeMap, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap,
    header::{CONTENT_TYPE, COOKIE, HOST},
};
use serde_json::{Map, Value, json};

use super::{declaration::Payload, request::Request, seen::Seen as _};

/// Content types of text, but for `text/*`; every other body is Base64 in the event of an HTTP API, also one without a type
/// (recorded from AWS).
const TEXTS: [&str; 3] = ["application/json", "application/javascript", "application/xml"];

/// The event of a request.
pub(super) fn event(request: &Request<'_>, payload: Payload) -> Value {
    match payload {
        Payload::V2 => version_2(request),
        Payload::V1 => {
            let mut event = version_1(request, lower);
            event["version"] = json!("1.0");
            event["requestContext"]["resourceId"] = Value::Null;
            event
        }
        Payload::Rest => version_1(request, title),
    }
}

fn version_2(request: &Request<'_>) -> Value {
    let mut headers = request.headers.clone();
    headers.remove(COOKIE);
    let (body, is_base64) = body(request, Payload::V2);
    let path = request.full_path();
    let path = super::percent::decode(&path);
    let mut event = json!({
        "version": "2.0",
        "routeKey": request.route_key(),
        "rawPath": path,
        "rawQueryString": request.raw_query,
        "headers": joined(&with_forwarded(headers, request), lower),
        "requestContext": {
            "accountId": request.account,
            "apiId": request.api.id,
            "domainName": request.host(),
            "domainPrefix": request.api.id,
            "http": {
                "method": request.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.source_ip.to_string(),
                "userAgent": request.user_agent(),
            },
            "requestId": request.ids.extended(),
            "routeKey": request.route_key(),
            "stage": request.stage.name,
            "time": request.time(),
            "timeEpoch": request.now.as_millis(),
        },
        "isBase64Encoded": is_base64,
    });
    // Unlike 1.0, it does not have what there is none of.
    let query = names(&request.query).map(|name| (name.clone(), request.query_parameter(name).into())).collect();
    let parameters = request.path_parameters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let objects = [("queryStringParameters", query), ("pathParameters", parameters)];
    for (name, object) in objects.into_iter().filter(|(_, object): &(_, Map<String, Value>)| !object.is_empty()) {
        event[name] = object.into();
    }
    if !request.stage.variables.is_empty() {
        event["stageVariables"] = json!(request.stage.variables);
    }
    let cookies = request.cookies();
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if let Some(body) = body {
        event["body"] = body.into();
    }
    event
}

fn version_1(request: &Request<'_>, named: fn(&str) -> String) -> Value {
    let (body, is_base64) = body(request, if named("a") == "a" { Payload::V1 } else { Payload::Rest });
    let headers = with_forwarded(request.headers.clone(), request);
    let multi_headers = all_values(&headers).into_iter().map(|(name, values)| (named(name), json!(values)));
    let multi_query = names(&request.query).map(|name| {
        let values = request.query.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        (name.clone(), values.collect::<Vec<_>>().into_iter().cloned().collect::<Value>())
    });
    // Of several values the last.
    let query = request.query.iter().map(|(name, value)| (name.clone(), json!(value)));
    let last = all_values(&headers).into_iter().map(|(name, values)| (named(name), json!(values.last())));
    let unless_empty = |object: Map<String, Value>| if object.is_empty() { Value::Null } else { object.into() };
    let parameters = request.path_parameters.iter().map(|(name, value)| (name.clone(), json!(value)));
    let variables = request.stage.variables.iter().map(|(name, value)| (name.clone(), json!(value)));
    json!({
        "resource": request.route.path,
        "path": request.path,
        "httpMethod": request.method.as_str(),
        "headers": last.collect::<Map<_, _>>(),
        "multiValueHeaders": multi_headers.collect::<Map<_, _>>(),
        "queryStringParameters": unless_empty(query.collect()),
        "multiValueQueryStringParameters": unless_empty(multi_query.collect()),
        "pathParameters": unless_empty(parameters.collect()),
        "stageVariables": unless_empty(variables.collect()),
        "requestContext": {
            "accountId": request.account,
            "apiId": request.api.id,
            "deploymentId": "local",
            "domainName": request.host(),
            "domainPrefix": request.api.id,
            "extendedRequestId": request.ids.extended(),
            "httpMethod": request.method.as_str(),
            "identity": {
                "accessKey": null,
                "accountId": null,
                "caller": null,
                "cognitoAuthenticationProvider": null,
                "cognitoAuthenticationType": null,
                "cognitoIdentityId": null,
                "cognitoIdentityPoolId": null,
                "principalOrgId": null,
                "sourceIp": request.source_ip.to_string(),
                "user": null,
                "userAgent": request.user_agent(),
                "userArn": null,
            },
            "path": request.full_path(),
            "protocol": "HTTP/1.1",
            "requestId": request.ids.id().to_string(),
            "requestTime": request.time(),
            "requestTimeEpoch": request.now.as_millis(),
            "resourceId": "resource",
            "resourcePath": request.route.path,
            "stage": request.stage.name,
        },
        "body": body,
        "isBase64Encoded": is_base64,
    })
}

/// The body as it is in an event, and whether that is Base64.
fn body(request: &Request<'_>, payload: Payload) -> (Option<String>, bool) {
    if request.body.is_empty() {
        return (None, false);
    }
    let kind = request.header(CONTENT_TYPE.as_str()).unwrap_or_default().to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_binary = match payload {
        Payload::V1 | Payload::V2 => !kind.starts_with("text/") && !TEXTS.contains(&kind),
        Payload::Rest => matches_media_type(&request.api.binary_media_types, kind),
    };
    match request.text() {
        Some(text) if !is_binary => (Some(text.to_owned()), false),
        // Where REST APIs take a body for text, what is none of it is lost.
        None if !is_binary && payload == Payload::Rest => {
            (Some(String::from_utf8_lossy(request.body).into_owned()), false)
        }
        _ => (Some(STANDARD.encode(request.body)), true),
    }
}

/// Whether a type is one of those, which may have `*` for a half.
pub(super) fn matches_media_type(types: &[String], kind: &str) -> bool {
    let half = |wanted: &str, given: &str| wanted == "*" || wanted.eq_ignore_ascii_case(given);
    types.iter().any(|wanted| match (wanted.split_once('/'), kind.split_once('/')) {
        (Some(("*", "*")), _) => true,
        (Some((kind, sub)), Some((given, given_sub))) => half(kind, given) && half(sub, given_sub),
        _ => false,
    })
}

fn names(query: &[(String, String)]) -> impl Iterator<Item = &String> {
    query.iter().map(|(name, _)| name).collect::<std::collections::BTreeSet<_>>().into_iter()
}

/// Headers by their names, each with all of its values.
fn all_values(headers: &HeaderMap) -> BTreeMap<&str, Vec<String>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in headers {
        all.entry(name.as_str()).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    all
}

fn joined(headers: &HeaderMap, named: fn(&str) -> String) -> Map<String, Value> {
    all_values(headers).into_iter().map(|(name, values)| (named(name), values.join(",").into())).collect()
}

/// What API Gateway adds.
fn with_forwarded(mut headers: HeaderMap, request: &Request<'_>) -> HeaderMap {
    let port = request.headers.get(HOST).and_then(|host| host.to_str().ok()?.rsplit_once(':')?.1.parse::<u16>().ok());
    let root = format!("Root=1-{:08x}-{:.24}", request.now.as_secs(), request.ids.id().to_string().replace('-', ""));
    let added = [
        ("x-amzn-trace-id", root),
        ("x-forwarded-for", request.source_ip.to_string()),
        ("x-forwarded-port", port.unwrap_or(80).to_string()),
        ("x-forwarded-proto", "http".to_owned()),
    ];
    for (name, value) in added {
        if let Ok(value) = value.try_into()
            && !headers.contains_key(name)
        {
            headers.insert(name, value);
        }
    }
    headers
}

fn lower(name: &str) -> String {
    name.to_owned()
}

/// As most clients write names; how this one did is not known any more.
fn title(name: &str) -> String {
    name.split('-').fold(String::new(), |mut whole, part| {
        let (first, rest) = part.split_at(part.len().min(1));
        let separator = if whole.is_empty() { "" } else { "-" };
        // Writing into a text does not fail.
        let _ = write!(whole, "{separator}{}{rest}", first.to_ascii_uppercase());
        whole
    })
}
