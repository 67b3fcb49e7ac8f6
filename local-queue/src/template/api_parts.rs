//! Parts of APIs, until all are there.

use super::document::Yaml;
use crate::apis::ApiKind;

/// Resources of APIs, and what functions want of them, until all are there.
#[derive(Default)]
pub(super) struct Found<'a> {
    pub(super) resources: Vec<(&'a str, &'a Yaml)>,
    pub(super) events: Vec<Event>,
}

/// An event of type `Api` or `HttpApi`.
pub(super) struct Event {
    pub(super) kind: ApiKind,
    /// The function's logical id.
    pub(super) owner: String,
    pub(super) function_arn: String,
    /// Evaluated.
    pub(super) properties: Yaml,
}

/// Whether a resource is part of an API.
pub(super) fn is_part(kind: &str) -> bool {
    matches!(
        kind,
        "AWS::ApiGatewayV2::Api"
            | "AWS::ApiGatewayV2::Integration"
            | "AWS::ApiGatewayV2::Route"
            | "AWS::ApiGatewayV2::Stage"
            | "AWS::ApiGatewayV2::Deployment"
            | "AWS::ApiGateway::RestApi"
            | "AWS::ApiGateway::Resource"
            | "AWS::ApiGateway::Method"
            | "AWS::ApiGateway::Stage"
            | "AWS::ApiGateway::Deployment"
            | "AWS::Serverless::Api"
            | "AWS::Serverless::HttpApi"
    )
}
