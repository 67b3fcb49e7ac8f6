//! What is known of resources by their types: their names, and what `Ref` and `Fn::GetAtt` give of them.

use sha2::{Digest, Sha256};

/// What `Ref` gives of a resource (template reference, "Return values" of each type).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference {
    Name,
    Arn,
}

/// A type of resources.
pub(super) struct Kind {
    of: &'static str,
    /// The property with its name.
    pub(super) name_property: &'static str,
    /// How long a name may be.
    pub(super) name_max: usize,
    pub(super) reference: Reference,
    /// Its ARN, with R for the region, A for the account and N for the name in braces.
    arn: &'static str,
    /// Attributes that are its ARN.
    pub(super) arns: &'static [&'static str],
    /// Attributes that are its name.
    pub(super) names: &'static [&'static str],
}

impl Kind {
    pub(super) fn arn(&self, region: &str, account: &str, name: &str) -> String {
        self.arn.replace("{R}", region).replace("{A}", account).replace("{N}", name)
    }
}

/// The type with a name, if something is known of it.
pub(super) fn find(kind: &str) -> Option<&'static Kind> {
    // SAM's types are made into these.
    let kind = match kind {
        "AWS::Serverless::Function" => "AWS::Lambda::Function",
        "AWS::Serverless::StateMachine" => "AWS::StepFunctions::StateMachine",
        "AWS::Serverless::SimpleTable" | "AWS::DynamoDB::GlobalTable" => "AWS::DynamoDB::Table",
        "AWS::Serverless::LayerVersion" => "AWS::Lambda::LayerVersion",
        other => other,
    };
    KINDS.iter().find(|known| known.of == kind)
}

const fn kind(
    kind: &'static str,
    (name_property, name_max): (&'static str, usize),
    reference: Reference,
    arn: &'static str,
    arns: &'static [&'static str],
    names: &'static [&'static str],
) -> Kind {
    Kind { of: kind, name_property, name_max, reference, arn, arns, names }
}

use Reference::{Arn, Name};

/// Types whose references can be told from their names. Of any other type nothing is known: most have ids of AWS's making.
#[rustfmt::skip]
const KINDS: &[Kind] = &[
    kind("AWS::SQS::Queue", ("QueueName", 80), Name, "arn:aws:sqs:{R}:{A}:{N}", &["Arn"], &["QueueName"]),
    kind("AWS::Lambda::Function", ("FunctionName", 64), Name, "arn:aws:lambda:{R}:{A}:function:{N}", &["Arn"], &[]),
    kind("AWS::Lambda::LayerVersion", ("LayerName", 140), Arn, "arn:aws:lambda:{R}:{A}:layer:{N}:1",
         &["LayerVersionArn"], &[]),
    kind("AWS::S3::Bucket", ("BucketName", 63), Name, "arn:aws:s3:::{N}", &["Arn"], &[]),
    kind("AWS::SNS::Topic", ("TopicName", 256), Arn, "arn:aws:sns:{R}:{A}:{N}", &["TopicArn"], &["TopicName"]),
    kind("AWS::StepFunctions::StateMachine", ("StateMachineName", 80), Arn, "arn:aws:states:{R}:{A}:stateMachine:{N}",
         &["Arn"], &["Name"]),
    kind("AWS::StepFunctions::Activity", ("Name", 80), Arn, "arn:aws:states:{R}:{A}:activity:{N}", &["Arn"], &["Name"]),
    // AWS adds a hyphen and six random characters.
    kind("AWS::SecretsManager::Secret", ("Name", 512), Arn, "arn:aws:secretsmanager:{R}:{A}:secret:{N}-000000",
         &["Id"], &[]),
    kind("AWS::DynamoDB::Table", ("TableName", 255), Name, "arn:aws:dynamodb:{R}:{A}:table/{N}", &["Arn"], &[]),
    kind("AWS::Kinesis::Stream", ("Name", 128), Name, "arn:aws:kinesis:{R}:{A}:stream/{N}", &["Arn"], &[]),
    kind("AWS::KinesisFirehose::DeliveryStream", ("DeliveryStreamName", 64), Name,
         "arn:aws:firehose:{R}:{A}:deliverystream/{N}", &["Arn"], &[]),
    kind("AWS::Logs::LogGroup", ("LogGroupName", 512), Name, "arn:aws:logs:{R}:{A}:log-group:{N}:*", &["Arn"], &[]),
    kind("AWS::Events::EventBus", ("Name", 256), Name, "arn:aws:events:{R}:{A}:event-bus/{N}", &["Arn"], &["Name"]),
    kind("AWS::Events::Rule", ("Name", 64), Name, "arn:aws:events:{R}:{A}:rule/{N}", &["Arn"], &[]),
    kind("AWS::Scheduler::ScheduleGroup", ("Name", 64), Name, "arn:aws:scheduler:{R}:{A}:schedule-group/{N}",
         &["Arn"], &[]),
    kind("AWS::Pipes::Pipe", ("Name", 64), Name, "arn:aws:pipes:{R}:{A}:pipe/{N}", &["Arn"], &[]),
    kind("AWS::SSM::Parameter", ("Name", 2048), Name, "arn:aws:ssm:{R}:{A}:parameter/{N}", &[], &[]),
    kind("AWS::IAM::Role", ("RoleName", 64), Name, "arn:aws:iam::{A}:role/{N}", &["Arn"], &[]),
    kind("AWS::IAM::User", ("UserName", 64), Name, "arn:aws:iam::{A}:user/{N}", &["Arn"], &[]),
    kind("AWS::IAM::ManagedPolicy", ("ManagedPolicyName", 128), Arn, "arn:aws:iam::{A}:policy/{N}", &["PolicyArn"], &[]),
    kind("AWS::CloudWatch::Alarm", ("AlarmName", 255), Name, "arn:aws:cloudwatch:{R}:{A}:alarm:{N}", &["Arn"], &[]),
    kind("AWS::ECS::Cluster", ("ClusterName", 255), Name, "arn:aws:ecs:{R}:{A}:cluster/{N}", &["Arn"], &[]),
];

/// Random characters at the end of a name that `CloudFormation` makes.
const SUFFIX_CHARS: usize = 12;

/// The name of a resource without one: the stack's name, the logical id, and what such a name must end in.
///
/// `CloudFormation` cuts both and adds twelve random characters. Those are left out here as long as there is room; where
/// there is none they are taken from the whole, so that two ids with one beginning remain two names.
pub(super) fn made_up_name(stack: &str, id: &str, ending: &str, max: usize) -> String {
    let whole = format!("{stack}-{id}{ending}");
    if whole.chars().count() <= max {
        return whole;
    }
    let digest = Sha256::digest(format!("{stack}-{id}"));
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(SUFFIX_CHARS);
    let suffix: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    let room = max.saturating_sub(SUFFIX_CHARS + 2 + ending.len());
    let of_stack = stack.chars().count().min((room / 2).max(room.saturating_sub(id.chars().count())));
    let cut = |text: &str, chars: usize| text.chars().take(chars).collect::<String>();
    format!("{}-{}-{suffix}{ending}", cut(stack, of_stack), cut(id, room - of_stack))
}
