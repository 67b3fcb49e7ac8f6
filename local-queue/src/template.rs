//! A SAM or CloudFormation template, read for what a queue emulator can be of it: its queues, and the functions that work on
//! them.
//!
//! ```
//! use local_queue::{engine::Limits, template};
//!
//! let text = "
//! Resources:
//!   Jobs:
//!     Type: AWS::SQS::Queue
//!     Properties:
//!       VisibilityTimeout: 90
//!       RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3 }
//!   Dead:
//!     Type: AWS::SQS::Queue
//! ";
//! let stack = template::read(text, &template::Options::default(), &Limits::STRICT)?;
//! let names: Vec<_> = stack.queues.iter().map(|queue| queue.name.as_str()).collect();
//! assert_eq!(names, ["local-Jobs", "local-Dead"]);
//!
//! let broken = text.replace("Dead.Arn", "Death.Arn");
//! let error = template::read(&broken, &template::Options::default(), &Limits::STRICT).unwrap_err();
//! assert_eq!(error.to_string(), "line 7: Jobs: there is no parameter or resource Death");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - Read are `AWS::SQS::Queue` and its policies, APIs of `AWS::ApiGatewayV2`, `AWS::ApiGateway` and SAM, `AWS::S3::Bucket` with its notifications, `AWS::Serverless::Function` with its events of type SQS (and SNS through a queue),
//!   `AWS::Lambda::Function` and `AWS::Lambda::EventSourceMapping`; `Parameters`, `Conditions`, `Mappings` and `Globals`. Every
//!   other resource is skipped, and of functions every property that means nothing here.
//! - What AWS refuses of these is refused, everything at once, each with its line.
//! - Functions are evaluated only where a value is needed. What only AWS knows is a placeholder in a function's environment,
//!   and one of the [`Stack::warnings`]; a queue or function that needs it is refused.
//! - `AWS::LanguageExtensions` with its loops, `AWS::Include` of files and nested stacks in files are read; see
//!   [`Options::folder`].
//! - A queue, function or bucket without a name of its own is called after the stack and its logical id; CloudFormation
//!   adds random characters.

mod api_parts;
mod apis;
mod buckets;
mod check;
mod code;
mod document;
mod dynamic;
mod evaluate;
mod expand;
mod functions;
mod input;
mod made_by_sam;
mod mapping;
mod nested;
mod parameters;
mod parts;
mod properties;
mod references;
mod resources;
mod rules;
mod runtimes;
mod sources;
mod stack;
#[cfg(test)]
mod tests;
mod transforms;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    time::Duration,
};

use self::{input::Input, sources::Sources};
use crate::{
    apis::Api,
    declaration::QueueDeclaration,
    engine::{Limits, QueueArn},
    event_source_mapping::EventSourceMapping,
};

/// What a template needs to know of the place it is deployed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `AWS::StackName`.
    pub stack_name: String,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::AccountId`.
    pub account: String,
    /// What stands before `/ACCOUNT/NAME` in the URLs of queues.
    pub queue_url_base: String,
    /// What stands before `/_local-queue/apis/ID` in the URLs of APIs.
    pub api_url_base: String,
    /// The URLs of APIs that have an address of their own, by their ids.
    pub api_urls: BTreeMap<String, String>,
    /// Parameters that are not left at their default.
    pub parameters: BTreeMap<String, String>,
    /// Values of parameters in place of their defaults; those that the template does not declare are ignored.
    pub default_parameters: BTreeMap<String, String>,
    /// Values of parameters of Systems Manager and of secrets, by name: what `AWS::SSM::Parameter::Value<>` and
    /// `{{resolve:...}}` fetch.
    pub ssm: BTreeMap<String, String>,
    /// Values that other stacks export: what `Fn::ImportValue` gives.
    pub imports: BTreeMap<String, String>,
    /// Queues that are there without the template, so that a redrive policy can name them.
    pub existing_queues: BTreeSet<String>,
    /// What `AWS::NotificationARNs` gives.
    pub notification_arns: Vec<String>,
    /// Variables that every function gets from elsewhere: what the template says of them is not evaluated.
    pub given_variables: BTreeSet<String>,
    /// The same for one function, by its logical id or its name.
    pub given_variables_of: BTreeMap<String, BTreeSet<String>>,
    /// The folder of the template, in which the files are that it names: what it includes and nests. Without it none is read.
    pub folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            stack_name: "local".to_owned(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            queue_url_base: "http://127.0.0.1:9324".to_owned(),
            api_url_base: "http://127.0.0.1:9324".to_owned(),
            api_urls: BTreeMap::new(),
            parameters: BTreeMap::new(),
            default_parameters: BTreeMap::new(),
            ssm: BTreeMap::new(),
            imports: BTreeMap::new(),
            existing_queues: BTreeSet::new(),
            notification_arns: Vec::new(),
            given_variables: BTreeSet::new(),
            given_variables_of: BTreeMap::new(),
            folder: None,
        }
    }
}

/// What a template declares, as far as it matters here, in the order of its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// Its queues. What comes out can be created, by an emulator with the same limits.
    pub queues: Vec<QueueDeclaration>,
    /// Its buckets.
    pub buckets: Vec<StackBucket>,
    /// Its rules about buckets.
    pub rules: Vec<StackRule>,
    /// Its functions.
    pub functions: Vec<StackFunction>,
    /// Its APIs.
    pub apis: Vec<StackApi>,
    /// Its outputs that are URLs of its APIs.
    pub api_outputs: Vec<StackOutput>,
    /// What is skipped or stands for something that is not known here, with its reason.
    pub warnings: Vec<Diagnostic>,
    /// Resources of other types, which are not read.
    pub others: Vec<StackResource>,
    /// Files that were read beside the template, relative to its folder: those it includes, and its nested stacks.
    pub files: Vec<PathBuf>,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackBucket {
    /// By which the template knows it.
    pub logical_id: String,
    /// The file that it is in, relative to the template's folder; none if it is the template itself.
    pub file: Option<String>,
    /// Where it begins there.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// `VersioningConfiguration`.
    pub is_versioned: bool,
    /// `NotificationConfiguration`, as far as it names queues and functions.
    pub notifications: Vec<StackNotification>,
    /// Whether its events go to EventBridge too.
    pub event_bridge: bool,
}

/// A rule of EventBridge about buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackRule {
    /// By which the template knows it.
    pub logical_id: String,
    /// The file that it is in, relative to the template's folder; none if it is the template itself.
    pub file: Option<String>,
    /// Where it begins there.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// `EventPattern`, as JSON.
    pub pattern: String,
    /// `Targets` that are emulated.
    pub targets: Vec<StackRuleTarget>,
}

/// Where events go that match a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackRuleTarget {
    /// Where.
    pub destination: StackDestination,
    /// What of them.
    pub input: RuleInput,
    /// `SqsParameters.MessageGroupId`.
    pub group: Option<String>,
}

/// What a target of a rule gets of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleInput {
    /// The event.
    Matched,
    /// `Input`: always this JSON.
    Constant(String),
    /// `InputPath`: a part of it.
    Path(String),
}

/// Events of a bucket that go somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackNotification {
    /// Where it begins in the template.
    pub line: usize,
    /// Such as `s3:ObjectCreated:*`.
    pub event: String,
    /// Where they go.
    pub destination: StackDestination,
    /// `Filter`: names and values of its rules.
    pub rules: Vec<(String, String)>,
}

/// Where events of a bucket go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StackDestination {
    /// To a queue, declared in the template or not.
    Queue(QueueArn),
    /// To a function, by its ARN.
    Function(String),
}

/// An API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackApi {
    /// By which the template knows it, or SAM if it makes it.
    pub logical_id: String,
    /// The file that it is in, relative to the template's folder; none if it is the template itself.
    pub file: Option<String>,
    /// Where it begins there.
    pub line: usize,
    /// What it is.
    pub api: Api,
    /// What it asks for and does not get here, such as `throttling`.
    pub unenforced: Vec<String>,
}

/// An output that is the URL of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackOutput {
    /// Its name.
    pub name: String,
    /// As `CloudFormation` gives it.
    pub value: String,
    /// What that is here, if it is something else.
    pub here: Option<String>,
}

/// A resource that is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackResource {
    /// By which the template knows it.
    pub logical_id: String,
    /// `Type`, such as `AWS::DynamoDB::Table`.
    pub kind: String,
    /// Where it begins in the template.
    pub line: usize,
}

/// Where a template says that a function's code is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Code {
    /// It does not say.
    #[default]
    Unknown,
    /// `CodeUri`, or `Code` as a path: a folder or a package, relative to the template.
    Path(String),
    /// `InlineCode`, or `Code.ZipFile`: the text of one file.
    Inline(String),
    /// A package in S3, by its key as far as that is known.
    Bucket(Option<String>),
    /// An image of a container.
    Image,
}

/// A layer of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its logical id, or its ARN.
    pub name: String,
    /// The folder or package that the template names, relative to it; none of a layer from elsewhere.
    pub path: Option<String>,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackFunction {
    /// By which the template knows it; that of a nested stack has the stack's before it, as in `Stack/Function`.
    pub logical_id: String,
    /// The file that it is in, relative to the template's folder; none if it is the template itself.
    pub file: Option<String>,
    /// Where it begins there.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// `Runtime`, such as `provided.al2023`.
    pub runtime: Option<String>,
    /// `Handler`.
    pub handler: String,
    /// `CodeUri`, `InlineCode`, `Code` and `PackageType`.
    pub code: Code,
    /// `Metadata."aws:asset:path"`, by which CDK says where the code is, relative to the template.
    pub asset_path: Option<String>,
    /// `Layers`, in their order.
    pub layers: Vec<Layer>,
    /// The binary that is its `bootstrap`, where `BuildProperties` names one.
    pub binary: Option<String>,
    /// `Architectures`: `x86_64` or `arm64`.
    pub architecture: String,
    /// `Timeout`.
    pub timeout: Duration,
    /// `MemorySize`, in MB.
    pub memory_megabytes: u32,
    /// `ReservedConcurrentExecutions`.
    pub reserved_concurrency: Option<u32>,
    /// `Environment`.
    pub environment: BTreeMap<String, String>,
    /// `LoggingConfig`.
    pub logging: Logging,
    /// The queues it works on.
    pub mappings: Vec<StackMapping>,
}

/// How a function logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// `LogFormat`: `Text` or `JSON`.
    pub format: Option<String>,
    /// `ApplicationLogLevel`.
    pub application_level: Option<String>,
    /// `LogGroup`.
    pub group: Option<String>,
}

/// An event source mapping of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackMapping {
    /// The event's name, or the resource's logical id.
    pub logical_id: String,
    /// Where it begins in the template.
    pub line: usize,
    /// The queue; declared in the template or not.
    pub queue: QueueArn,
    /// How it is read.
    pub mapping: EventSourceMapping,
    /// `Enabled`.
    pub enabled: bool,
}

/// Everything that is wrong with a template, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// At least one.
    pub diagnostics: Vec<Diagnostic>,
}

/// One thing that is wrong, or worth a warning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, relative to the template's folder; none if it is the template itself.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: usize,
    /// The resource, if it is one's.
    pub logical_id: Option<String>,
    /// What is wrong there, and what would be accepted.
    pub text: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}, ")?;
        }
        write!(f, "line {}: ", self.line)?;
        if let Some(logical_id) = &self.logical_id {
            write!(f, "{logical_id}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            write!(f, "{separator}{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for TemplateError {}

/// Reads a template.
pub fn read(text: &str, options: &Options, limits: &Limits) -> Result<Stack, TemplateError> {
    let sources = Sources::default();
    let input = Input::of_template(options, limits, &sources, stack::read);
    let parts = stack::read(&input, text);
    let mut stack = stack::finish(parts, &input)
        .map_err(|diagnostics| TemplateError { diagnostics: placed(diagnostics, &sources) })?;
    stack.warnings = placed(stack.warnings, &sources);
    for function in &mut stack.functions {
        (function.file, function.line) = sources.locate(function.line);
        for mapping in &mut function.mappings {
            (_, mapping.line) = sources.locate(mapping.line);
        }
    }
    for bucket in &mut stack.buckets {
        (bucket.file, bucket.line) = sources.locate(bucket.line);
        for notification in &mut bucket.notifications {
            (_, notification.line) = sources.locate(notification.line);
        }
    }
    for api in &mut stack.apis {
        (api.file, api.line) = sources.locate(api.line);
    }
    for other in &mut stack.others {
        (_, other.line) = sources.locate(other.line);
    }
    stack.files = sources.others();
    Ok(stack)
}

/// Diagnostics in the order of their lines, each once, with their files.
fn placed(mut diagnostics: Vec<Diagnostic>, sources: &Sources) -> Vec<Diagnostic> {
    diagnostics.sort_by(|one, other| (one.line, &one.logical_id).cmp(&(other.line, &other.logical_id)));
    diagnostics.dedup();
    diagnostics.into_iter().map(|diagnostic| sources.place(diagnostic)).collect()
}
