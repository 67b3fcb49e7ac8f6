//! Requests for services that are not emulated. A function whose endpoint is this server sends them here instead of to AWS,
//! where its made-up credentials would be refused in words that nobody understands.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
    request::Parts,
};

use super::refusal::Refusal;

/// What there is.
const SERVICE: &str = "sqs";
/// How the SDKs' variable for an endpoint ends, where that is not the name that requests are signed for in capitals.
const VARIABLES: [(&str, &str); 12] = [
    ("bedrock", "BEDROCK_RUNTIME"),
    ("cognito-idp", "COGNITO_IDENTITY_PROVIDER"),
    ("es", "ELASTICSEARCH_SERVICE"),
    ("events", "EVENTBRIDGE"),
    ("execute-api", "APIGATEWAYMANAGEMENTAPI"),
    ("geo", "LOCATION"),
    ("kinesisanalytics", "KINESIS_ANALYTICS_V2"),
    ("logs", "CLOUDWATCH_LOGS"),
    ("monitoring", "CLOUDWATCH"),
    ("secretsmanager", "SECRETS_MANAGER"),
    ("states", "SFN"),
    ("timestream", "TIMESTREAM_WRITE"),
];
/// Services that answer in XML. Others do in JSON.
const IN_XML: [&str; 13] = [
    "autoscaling",
    "cloudformation",
    "cloudfront",
    "ec2",
    "elasticache",
    "elasticloadbalancing",
    "iam",
    "monitoring",
    "rds",
    "route53",
    "s3",
    "sns",
    "sts",
];
/// A name longer than this is none.
const NAME_BYTES_MAX: usize = 40;

/// The answer to a request that is signed for another service.
pub(super) fn refuse(parts: &Parts) -> Option<Response<Bytes>> {
    let service = service(parts).filter(|service| *service != SERVICE)?;
    let refusal = refusal(service);
    let mut response = refusal.respond(&parts.headers);
    if !parts.headers.contains_key("x-amz-target") && !IN_XML.contains(&service) {
        let text = refusal.message;
        *response.body_mut() = serde_json::json!({ "message": text, "Message": text }).to_string().into();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-amzn-errortype", HeaderValue::from_static("NotImplemented"));
    }
    Some(response)
}

fn refusal(service: &str) -> Refusal {
    let own = VARIABLES.iter().find(|(name, _)| *name == service).map(|(_, variable)| (*variable).to_owned());
    let variable = own.unwrap_or_else(|| service.to_uppercase().replace('-', "_"));
    let message = format!(
        "local-queue emulates SQS, not {service}. Where there is {service}, such as at LocalStack, say so: \
         --env AWS_ENDPOINT_URL_{variable}=URL"
    );
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
}

/// The service in the scope of the credentials, whether they are in the header or in the address.
fn service(parts: &Parts) -> Option<&str> {
    let in_header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (_, rest) = value.split_once("Credential=")?;
        rest.split('/').nth(3)
    });
    let in_query = || {
        let mut pairs = parts.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
        let (_, credential) = pairs.find(|(name, _)| *name == "X-Amz-Credential")?;
        credential.split("%2F").flat_map(|part| part.split('/')).nth(3)
    };
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    in_header.or_else(in_query).filter(|name| (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_name))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(uri: &str, service: Option<&str>, target: Option<&str>) -> Parts {
        let mut request = Request::builder().method("POST").uri(uri);
        if let Some(service) = service {
            let scope =
                format!("AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, Signature=0");
            request = request.header("authorization", scope);
        }
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn another_service_is_named_with_the_variable_that_sends_it_elsewhere() {
        for (service, target, content_type, expected) in [
            (
                "dynamodb",
                Some("DynamoDB_20120810.GetItem"),
                "application/x-amz-json-1.0",
                "AWS_ENDPOINT_URL_DYNAMODB=URL",
            ),
            ("secretsmanager", Some("x.y"), "application/x-amz-json-1.0", "AWS_ENDPOINT_URL_SECRETS_MANAGER=URL"),
            ("s3", None, "text/xml", "AWS_ENDPOINT_URL_S3=URL"),
            ("sns", None, "text/xml", "AWS_ENDPOINT_URL_SNS=URL"),
            ("lambda", None, "application/json", "AWS_ENDPOINT_URL_LAMBDA=URL"),
        ] {
            let response = refuse(&parts("/", Some(service), target)).unwrap();
            assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED, "{service}");
            assert_eq!(response.headers()[CONTENT_TYPE], content_type, "{service}");
            let body = std::str::from_utf8(response.body()).unwrap();
            assert!(body.contains(expected) && body.contains(&format!("not {service}.")), "{body}");
        }
        let presigned =
            "/bucket/key?X-Amz-Algorithm=x&X-Amz-Credential=test%2F20260101%2Fus-east-1%2Fs3%2Faws4_request";
        assert!(refuse(&parts(presigned, None, None)).is_some());
    }

    #[test]
    fn requests_for_sqs_and_those_that_are_not_signed_go_on() {
        for service in [Some("sqs"), Some(""), Some("<b>"), Some("UPPER"), None] {
            assert!(refuse(&parts("/", service, None)).is_none(), "{service:?}");
        }
    }

    #[test]
    fn the_table_of_variables_has_no_row_that_says_nothing() {
        let rows = VARIABLES.iter().filter(|(name, variable)| name.to_uppercase().replace('-', "_") == *variable);
        assert_eq!(rows.count(), 0);
    }
}
