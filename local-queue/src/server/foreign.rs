//! Requests for services that are not emulated. A function whose endpoint is this server sends them here instead of to AWS,
//! where its made-up credentials would be refused in words that nobody understands.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE, request::Parts};

use super::refusal::Refusal;

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
const IN_XML: [&str; 12] = [
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
    "sns",
    "sts",
];
/// The answer to a request that is signed for another service.
pub(super) fn refuse(parts: &Parts, service: &str) -> Response<Bytes> {
    let refusal = refusal(service);
    let mut response = refusal.respond(&parts.headers);
    if !parts.headers.contains_key("x-amz-target") && !IN_XML.contains(&service) {
        let text = refusal.message;
        *response.body_mut() = serde_json::json!({ "message": text, "Message": text }).to_string().into();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-amzn-errortype", HeaderValue::from_static("NotImplemented"));
    }
    response
}

fn refusal(service: &str) -> Refusal {
    let own = VARIABLES.iter().find(|(name, _)| *name == service).map(|(_, variable)| (*variable).to_owned());
    let variable = own.unwrap_or_else(|| service.to_uppercase().replace('-', "_"));
    let message = format!(
        "local-queue emulates SQS and S3, not {service}. Where there is {service}, such as at LocalStack, say so: \
         --env AWS_ENDPOINT_URL_{variable}=URL"
    );
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(target: Option<&str>) -> Parts {
        let mut request = Request::post("/");
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
            ("sns", None, "text/xml", "AWS_ENDPOINT_URL_SNS=URL"),
            ("lambda", None, "application/json", "AWS_ENDPOINT_URL_LAMBDA=URL"),
        ] {
            let response = refuse(&parts(target), service);
            assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED, "{service}");
            assert_eq!(response.headers()[CONTENT_TYPE], content_type, "{service}");
            let body = std::str::from_utf8(response.body()).unwrap();
            assert!(body.contains(expected) && body.contains(&format!("not {service}.")), "{body}");
        }
    }

    #[test]
    fn the_table_of_variables_has_no_row_that_says_nothing() {
        let rows = VARIABLES.iter().filter(|(name, variable)| name.to_uppercase().replace('-', "_") == *variable);
        assert_eq!(rows.count(), 0);
    }
}
