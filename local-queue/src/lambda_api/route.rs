//! What is asked for, by method and path.

use std::borrow::Cow;

use http::request::Parts;

use super::error::ApiError;

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Invoke,
    ListFunctions,
    GetFunction,
    GetFunctionConfiguration,
    CreateFunction,
    UpdateFunctionCode,
    UpdateFunctionConfiguration,
    DeleteFunction,
    ListEventSourceMappings,
    GetEventSourceMapping,
    CreateEventSourceMapping,
    UpdateEventSourceMapping,
    DeleteEventSourceMapping,
}

/// Methods and paths, in which `*` is the subject.
const ROUTES: [(&str, &str, Operation); 13] = [
    ("POST", "functions/*/invocations", Operation::Invoke),
    ("GET", "functions", Operation::ListFunctions),
    ("GET", "functions/*", Operation::GetFunction),
    ("GET", "functions/*/configuration", Operation::GetFunctionConfiguration),
    ("POST", "functions", Operation::CreateFunction),
    ("PUT", "functions/*/code", Operation::UpdateFunctionCode),
    ("PUT", "functions/*/configuration", Operation::UpdateFunctionConfiguration),
    ("DELETE", "functions/*", Operation::DeleteFunction),
    ("GET", "event-source-mappings", Operation::ListEventSourceMappings),
    ("GET", "event-source-mappings/*", Operation::GetEventSourceMapping),
    ("POST", "event-source-mappings", Operation::CreateEventSourceMapping),
    ("PUT", "event-source-mappings/*", Operation::UpdateEventSourceMapping),
    ("DELETE", "event-source-mappings/*", Operation::DeleteEventSourceMapping),
];

/// The version of all of these.
const VERSION: &str = "2015-03-31";

/// What Lambda has besides, by the last word of a path that is no subject, for the refusal.
const OTHERS: [(&str, &str, &str); 34] = [
    ("POST", "invoke-async", "InvokeAsync"),
    ("POST", "response-streaming-invocations", "InvokeWithResponseStream"),
    ("POST", "versions", "PublishVersion or PublishLayerVersion"),
    ("GET", "versions", "ListVersionsByFunction or ListLayerVersions"),
    ("POST", "aliases", "CreateAlias"),
    ("GET", "aliases", "ListAliases or GetAlias"),
    ("PUT", "aliases", "UpdateAlias"),
    ("DELETE", "aliases", "DeleteAlias"),
    ("POST", "policy", "AddPermission"),
    ("GET", "policy", "GetPolicy"),
    ("DELETE", "policy", "RemovePermission"),
    ("GET", "concurrency", "GetFunctionConcurrency"),
    ("PUT", "concurrency", "PutFunctionConcurrency"),
    ("DELETE", "concurrency", "DeleteFunctionConcurrency"),
    ("GET", "provisioned-concurrency", "GetProvisionedConcurrencyConfig"),
    ("PUT", "provisioned-concurrency", "PutProvisionedConcurrencyConfig"),
    ("DELETE", "provisioned-concurrency", "DeleteProvisionedConcurrencyConfig"),
    ("GET", "event-invoke-config", "GetFunctionEventInvokeConfig"),
    ("PUT", "event-invoke-config", "PutFunctionEventInvokeConfig"),
    ("POST", "event-invoke-config", "UpdateFunctionEventInvokeConfig"),
    ("DELETE", "event-invoke-config", "DeleteFunctionEventInvokeConfig"),
    ("POST", "url", "CreateFunctionUrlConfig"),
    ("GET", "url", "GetFunctionUrlConfig"),
    ("PUT", "url", "UpdateFunctionUrlConfig"),
    ("DELETE", "url", "DeleteFunctionUrlConfig"),
    ("GET", "tags", "ListTags"),
    ("POST", "tags", "TagResource"),
    ("DELETE", "tags", "UntagResource"),
    ("GET", "layers", "ListLayers"),
    ("GET", "account-settings", "GetAccountSettings"),
    ("GET", "runtime-management-config", "GetRuntimeManagementConfig"),
    ("PUT", "runtime-management-config", "PutRuntimeManagementConfig"),
    ("GET", "code-signing-config", "GetFunctionCodeSigningConfig"),
    ("GET", "recursion-config", "GetFunctionRecursionConfig"),
];

/// A request, read.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) operation: Operation,
    /// The function or mapping that the path names; empty if none.
    pub(super) subject: String,
    pub(super) query: Query,
}

/// The parameters behind the path, decoded.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    fn parse(raw: Option<&str>) -> Result<Self, ApiError> {
        let pairs = raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(&name.replace('+', " "))?.into_owned(), decode(&value.replace('+', " "))?.into_owned()))
        });
        Ok(Self(pairs.collect::<Result<_, ApiError>>()?))
    }

    /// The value of a parameter; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(this, _)| this == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

impl Operation {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Invoke => "Invoke",
            Self::ListFunctions => "ListFunctions",
            Self::GetFunction => "GetFunction",
            Self::GetFunctionConfiguration => "GetFunctionConfiguration",
            Self::CreateFunction => "CreateFunction",
            Self::UpdateFunctionCode => "UpdateFunctionCode",
            Self::UpdateFunctionConfiguration => "UpdateFunctionConfiguration",
            Self::DeleteFunction => "DeleteFunction",
            Self::ListEventSourceMappings => "ListEventSourceMappings",
            Self::GetEventSourceMapping => "GetEventSourceMapping",
            Self::CreateEventSourceMapping => "CreateEventSourceMapping",
            Self::UpdateEventSourceMapping => "UpdateEventSourceMapping",
            Self::DeleteEventSourceMapping => "DeleteEventSourceMapping",
        }
    }

    pub(super) const fn changes(self) -> bool {
        !matches!(
            self,
            Self::Invoke
                | Self::ListFunctions
                | Self::GetFunction
                | Self::GetFunctionConfiguration
                | Self::ListEventSourceMappings
                | Self::GetEventSourceMapping
        )
    }

    pub(super) const fn has_body(self) -> bool {
        self.changes() && !matches!(self, Self::DeleteFunction | Self::DeleteEventSourceMapping)
    }
}

impl Call {
    pub(super) fn parse(parts: &Parts) -> Result<Self, ApiError> {
        let path = parts.uri.path().trim_matches('/');
        let (version, path) = path.split_once('/').unwrap_or((path, ""));
        let segments = path.split('/').collect::<Vec<_>>();
        for (method, pattern, operation) in ROUTES {
            if version != VERSION || method != parts.method.as_str() {
                continue;
            }
            if let Some(subject) = matched(pattern, &segments) {
                let (subject, query) = (decode(subject)?.into_owned(), Query::parse(parts.uri.query())?);
                return Ok(Self { operation, subject, query });
            }
        }
        Err(unknown(parts.method.as_str(), &segments))
    }
}

/// The subject, if the path is of this form.
fn matched<'a>(pattern: &str, segments: &[&'a str]) -> Option<&'a str> {
    let mut subject = "";
    let mut count = 0;
    for (wanted, found) in pattern.split('/').zip(segments) {
        match wanted {
            "*" if !found.is_empty() => subject = found,
            wanted if wanted == *found => {}
            _ => return None,
        }
        count += 1;
    }
    (count == segments.len() && count == pattern.split('/').count()).then_some(subject)
}

fn unknown(method: &str, segments: &[&str]) -> ApiError {
    let of = |segment: &&str| OTHERS.iter().find(|(of, word, _)| *of == method && word == segment);
    let name = segments.iter().rev().find_map(of);
    let shown = || format!("{method} {}", segments.first().unwrap_or(&""));
    let name = name.map_or_else(shown, |(.., name)| (*name).to_owned());
    ApiError::not_here(format!(
        "local-queue does not emulate {name} of Lambda, only Invoke, functions and event source mappings. Where there is \
         all of Lambda, such as at LocalStack, say so: --env AWS_ENDPOINT_URL_LAMBDA=URL"
    ))
}

fn decode(raw: &str) -> Result<Cow<'_, str>, ApiError> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [byte, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(code) = code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            decoded.push(code);
            rest = after.get(2..).unwrap_or_default();
        } else {
            decoded.push(*byte);
            rest = after;
        }
    }
    let text = String::from_utf8(decoded).map_err(|_| ApiError::invalid("The path or query is not UTF-8."))?;
    Ok(Cow::Owned(text))
}

/// Whether a path is of Lambda's API: it begins with a date, as that of no queue does.
pub(crate) fn is_path(path: &str) -> bool {
    let date = path.strip_prefix('/').and_then(|path| path.get(..11)).map(str::as_bytes);
    date.is_some_and(|date| {
        date.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => *byte == b'/',
            _ => byte.is_ascii_digit(),
        })
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn call(method: &str, uri: &str) -> Result<Call, ApiError> {
        let request = Request::builder().method(method).uri(uri).body(()).unwrap();
        Call::parse(&request.into_parts().0)
    }

    #[test]
    fn paths_are_those_of_lambda_with_a_slash_at_the_end_or_without() {
        for (method, uri, operation, subject) in [
            ("POST", "/2015-03-31/functions/resize/invocations?Qualifier=live", Operation::Invoke, "resize"),
            (
                "POST",
                "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aa%3A1%3Afunction%3Aresize/invocations",
                Operation::Invoke,
                "arn:aws:lambda:a:1:function:resize",
            ),
            ("GET", "/2015-03-31/functions/", Operation::ListFunctions, ""),
            ("GET", "/2015-03-31/functions?MaxItems=3", Operation::ListFunctions, ""),
            ("GET", "/2015-03-31/functions/resize", Operation::GetFunction, "resize"),
            ("PUT", "/2015-03-31/functions/resize/code", Operation::UpdateFunctionCode, "resize"),
            ("DELETE", "/2015-03-31/functions/resize", Operation::DeleteFunction, "resize"),
            ("POST", "/2015-03-31/event-source-mappings/", Operation::CreateEventSourceMapping, ""),
            ("PUT", "/2015-03-31/event-source-mappings/a-b", Operation::UpdateEventSourceMapping, "a-b"),
        ] {
            let found = call(method, uri).unwrap();
            assert_eq!((found.operation, found.subject.as_str()), (operation, subject), "{method} {uri}");
        }
        let found = call("GET", "/2015-03-31/event-source-mappings?EventSourceArn=a%3Ab+c&Marker=").unwrap();
        assert_eq!((found.query.get("EventSourceArn"), found.query.get("Marker")), (Some("a:b c"), None));
    }

    #[test]
    fn what_is_not_emulated_is_refused_by_its_name() {
        for (method, uri, name) in [
            ("POST", "/2015-03-31/functions/resize/versions", "PublishVersion"),
            ("PUT", "/2017-10-31/functions/resize/concurrency", "PutFunctionConcurrency"),
            ("GET", "/2015-03-31/functions/resize/aliases/live", "GetAlias"),
            ("POST", "/2021-11-15/functions/resize/response-streaming-invocations", "InvokeWithResponseStream"),
            ("GET", "/2016-08-19/account-settings/", "GetAccountSettings"),
            ("PATCH", "/2015-03-31/functions/resize", "PATCH functions"),
            ("GET", "/2015-03-31/functions/a/b/c", "GET functions"),
            ("GET", "/2020-01-01/functions", "GET functions"),
        ] {
            let text = format!("{:?}", call(method, uri).unwrap_err());
            assert!(text.contains("does not emulate") && text.contains(name) && text.contains("501"), "{text}");
        }
    }

    #[test]
    fn no_path_of_a_queue_is_one_of_lambda() {
        for path in ["/2015-03-31/functions", "/2099-12-31/x"] {
            assert!(is_path(path), "{path}");
        }
        for path in
            ["/", "/000000000000/jobs", "/_local-queue/health", "/2015-03-31", "/2015-03-3\u{e9}/x", "/queue/jobs"]
        {
            assert!(!is_path(path), "{path}");
        }
    }
}
