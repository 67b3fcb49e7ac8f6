//! Actions of SQS for those who have no SDK at hand: a page, a command line.

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
};

use super::{PREFIX, messages::parameters};

/// Makes the request `POST actions/ACTION`, with the members of the action in JSON, one of SQS's own, and leaves any other as
/// it is. The region may be in the query, as elsewhere in this API; the account is in the URL of the queue.
pub(crate) fn to_sqs(request: &mut Request<Bytes>) {
    let action = request.uri().path().strip_prefix(PREFIX).and_then(|path| path.strip_prefix("actions/"));
    let target = action.and_then(|action| HeaderValue::try_from(format!("AmazonSQS.{action}")).ok());
    let (Some(target), &Method::POST) = (target, request.method()) else { return };
    let region = parameters(request).find(|(name, _)| *name == "region").map(|(_, region)| region);
    let scope = region.map(|region| format!("AWS4-HMAC-SHA256 Credential=_/_/{region}/sqs/aws4_request"));
    let scope = scope.and_then(|scope| HeaderValue::try_from(scope).ok());
    let headers = request.headers_mut();
    headers.insert("x-amz-target", target);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    headers.remove(AUTHORIZATION);
    if let Some(scope) = scope {
        headers.insert(AUTHORIZATION, scope);
    }
    *request.uri_mut() = Uri::from_static("/");
}
