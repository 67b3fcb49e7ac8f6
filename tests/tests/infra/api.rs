//! The HTTP API in front of the queue.

use serde_json::json;

use crate::subject::{Rule, Subject, expect};

pub(crate) const RULES: &[Rule] = &[
    Rule { name: "POST /jobs goes to the queue without code", check: integration },
    Rule { name: "requests to the API are signed unless a parameter says otherwise", check: signed },
    Rule { name: "the API is throttled", check: throttled },
    Rule { name: "the API writes an access log", check: logged },
];

fn integration(subject: &Subject, findings: &mut Vec<String>) {
    let stack = &subject.default;
    let integration = stack.resource("ApiIntegration");
    let expected = json!({
        "ApiId": "<Api>",
        "IntegrationType": "AWS_PROXY",
        "IntegrationSubtype": "SQS-SendMessage",
        "PayloadFormatVersion": "1.0",
        "CredentialsArn": "<ApiRole.Arn>",
        "RequestParameters": {
            "QueueUrl": "https://sqs.eu-central-1.amazonaws.com/123456789012/photos-jobs",
            "MessageBody": "$request.body",
        },
    });
    let properties = &integration.body["Properties"];
    expect(findings, *properties == expected, || format!("ApiIntegration is {properties}; expected {expected}"));
    let routes: Vec<_> = stack
        .of(&["AWS::ApiGatewayV2::Route"])
        .map(|route| (route.get("RouteKey").clone(), route.get("Target").clone()))
        .collect();
    let right = routes == [(json!("POST /jobs"), json!("integrations/<ApiIntegration>"))];
    expect(findings, right, || format!("routes are {routes:?}; expected POST /jobs alone"));
}

fn signed(subject: &Subject, findings: &mut Vec<String>) {
    for route in subject.default.of(&["AWS::ApiGatewayV2::Route"]) {
        let authorization = route.get("AuthorizationType");
        expect(findings, *authorization == "AWS_IAM", || format!("{}: AuthorizationType is {authorization}", route.id));
    }
}

fn throttled(subject: &Subject, findings: &mut Vec<String>) {
    for stage in subject.default.of(&["AWS::ApiGatewayV2::Stage"]) {
        for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
            let value = stage.get(&format!("DefaultRouteSettings/{limit}"));
            expect(findings, !value.is_null(), || format!("{} has no {limit}", stage.id));
        }
    }
}

fn logged(subject: &Subject, findings: &mut Vec<String>) {
    for stage in subject.default.of(&["AWS::ApiGatewayV2::Stage"]) {
        let group = stage.get("AccessLogSettings/DestinationArn").as_str().unwrap_or_default();
        expect(findings, group.contains("<ApiLogGroup>"), || format!("{} logs to {group:?}", stage.id));
        let format = stage.get("AccessLogSettings/Format").as_str().unwrap_or_default();
        let line = serde_json::from_str::<serde_json::Value>(format);
        let right = line.is_ok_and(|line| line["status"] == "$context.status");
        expect(findings, right, || format!("{} logs {format:?}; expected JSON with the status", stage.id));
    }
}
