//! A request as integrations see it: below its stage, with what API Gateway knows of it.

use std::{net::IpAddr, sync::OnceLock};

use bytes::Bytes;
use http::{
    HeaderMap, Method,
    header::{COOKIE, HOST, USER_AGENT},
    request::Parts,
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::FormatItem, macros::format_description};

use super::{
    declaration::{Api, ApiKind, Route, Stage},
    ids::Ids,
    json_path::JsonPath,
    percent::decode_form,
    routes::Place,
    seen::Seen,
};
use crate::engine::Time;

/// As in an access log of Apache.
const TIME: &[FormatItem<'_>] = format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// A request that a route has matched.
pub(super) struct Request<'a> {
    pub(super) api: &'a Api,
    pub(super) stage: &'a Stage,
    pub(super) route: &'a Route,
    pub(super) account: &'a str,
    pub(super) method: &'a Method,
    /// Below the stage, as it came.
    pub(super) path: &'a str,
    pub(super) path_parameters: &'a [(String, String)],
    pub(super) raw_query: &'a str,
    /// Decoded.
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a Bytes,
    pub(super) source_ip: IpAddr,
    pub(super) ids: Ids,
    pub(super) now: Time,
    json: OnceLock<Option<Value>>,
}

/// What a request is given by who answers.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) account: &'a str,
    pub(super) source_ip: IpAddr,
    pub(super) ids: Ids,
    pub(super) now: Time,
}

impl<'a> Request<'a> {
    pub(super) fn new(
        api: &'a Api,
        place: &'a Place<'a>,
        (parts, body): (&'a Parts, &'a Bytes),
        given: Given<'a>,
    ) -> Self {
        let raw_query = parts.uri.query().unwrap_or_default();
        Self {
            api,
            stage: place.stage,
            route: place.matched.route,
            account: given.account,
            method: &parts.method,
            path: place.path(&parts.uri),
            path_parameters: &place.matched.parameters,
            query: parse_query(raw_query),
            raw_query,
            headers: &parts.headers,
            body,
            source_ip: given.source_ip,
            ids: given.ids,
            now: given.now,
            json: OnceLock::new(),
        }
    }

    /// As the client calls the server.
    pub(super) fn host(&self) -> String {
        self.header(HOST.as_str()).unwrap_or_else(|| "localhost".to_owned())
    }

    pub(super) fn user_agent(&self) -> String {
        self.header(USER_AGENT.as_str()).unwrap_or_default()
    }

    /// Each cookie.
    pub(super) fn cookies(&self) -> Vec<String> {
        let headers =
            self.headers.get_all(COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let cookies = headers.flat_map(|header| header.split(';').map(|it| it.trim().to_owned()).collect::<Vec<_>>());
        cookies.filter(|cookie| !cookie.is_empty()).collect()
    }

    /// Such as `POST /jobs`.
    pub(super) fn route_key(&self) -> String {
        self.route.key()
    }

    /// With the stage before it, if that is in URLs.
    pub(super) fn full_path(&self) -> String {
        format!("{}{}", Api::stage_path(&self.stage.name), self.path)
    }

    pub(super) fn time(&self) -> String {
        let seconds = i64::try_from(self.now.as_secs()).unwrap_or_default();
        let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        date.format(TIME).unwrap_or_default()
    }
}

impl Seen for Request<'_> {
    fn header(&self, name: &str) -> Option<String> {
        let values = self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.reduce(|all, value| format!("{all},{value}").into()).map(std::borrow::Cow::into_owned)
    }

    fn query_parameter(&self, name: &str) -> Option<String> {
        let values = self.query.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone());
        values.reduce(|all, value| format!("{all},{value}"))
    }

    fn path_parameter(&self, name: &str) -> Option<&str> {
        self.path_parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.body).ok()
    }

    fn json(&self, path: &JsonPath, bytes_max: usize) -> Option<&Value> {
        let parse = || serde_json::from_slice(self.body.get(..bytes_max.min(self.body.len()))?).ok();
        path.find(self.json.get_or_init(parse).as_ref()?)
    }

    fn context(&self, name: &str) -> Option<String> {
        let is_rest = self.api.kind == ApiKind::Rest;
        Some(match name {
            "accountId" => self.account.to_owned(),
            "apiId" | "domainPrefix" => self.api.id.clone(),
            "domainName" => self.host(),
            "httpMethod" => self.method.to_string(),
            "identity.sourceIp" => self.source_ip.to_string(),
            "identity.userAgent" => self.user_agent(),
            "path" => self.full_path(),
            "protocol" => "HTTP/1.1".to_owned(),
            "requestId" => self.ids.id().to_string(),
            "extendedRequestId" => self.ids.extended().to_owned(),
            "requestTime" => self.time(),
            "requestTimeEpoch" => self.now.as_millis().to_string(),
            "stage" => self.stage.name.clone(),
            "routeKey" if !is_rest => self.route_key(),
            "resourcePath" if is_rest => self.route.path.clone(),
            "resourceId" if is_rest => "resource".to_owned(),
            _ => return None,
        })
    }

    fn stage_variable(&self, name: &str) -> Option<&str> {
        self.stage.variables.get(name).map(String::as_str)
    }

    fn path(&self) -> &str {
        self.path
    }

    fn query(&self) -> &[(String, String)] {
        &self.query
    }

    fn path_parameters(&self) -> &[(String, String)] {
        self.path_parameters
    }

    fn header_names(&self) -> Vec<&str> {
        self.headers.keys().map(http::HeaderName::as_str).collect()
    }
}

fn parse_query(raw: &str) -> Vec<(String, String)> {
    let pairs = raw.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decode_form(name), decode_form(value))).collect()
}
