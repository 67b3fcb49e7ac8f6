//! Negative controls: the good template with one thing wrong, and the rule that has to find it, alone.

use serde_json::Value;

/// One change, and the rule that it breaks.
pub(crate) struct Control {
    pub(crate) name: &'static str,
    pub(crate) rule: &'static str,
    /// JSON pointer to what is changed. A last part `-` adds an item to a list.
    at: &'static str,
    /// What comes there, as JSON; without it, what is there is removed.
    to: Option<&'static str>,
}

impl Control {
    pub(crate) fn apply(&self, template: &mut Value) {
        let (parent, last) = self.at.rsplit_once('/').unwrap();
        let parent = template.pointer_mut(parent).unwrap_or_else(|| panic!("{}: {parent} is not there", self.name));
        let to = self.to.map(|text| serde_json::from_str::<Value>(text).unwrap());
        let changed = match (parent, to) {
            (Value::Object(fields), None) => fields.remove(last).is_some(),
            (Value::Object(fields), Some(value)) => fields.insert(last.to_owned(), value.clone()) != Some(value),
            (Value::Array(items), Some(value)) if last == "-" => {
                items.push(value);
                true
            }
            (Value::Array(items), to) => {
                let index: usize = last.parse().unwrap();
                let old = items.remove(index);
                let differs = to.as_ref() != Some(&old);
                if let Some(value) = to {
                    items.insert(index, value);
                }
                differs
            }
            (other, _) => panic!("{}: {other} has no {last}", self.name),
        };
        assert!(changed, "{}: nothing is changed", self.name);
    }
}

const fn set(name: &'static str, rule: &'static str, at: &'static str, to: &'static str) -> Control {
    Control { name, rule, at, to: Some(to) }
}

const fn remove(name: &'static str, rule: &'static str, at: &'static str) -> Control {
    Control { name, rule, at, to: None }
}

const STAR: &str = "no allowed action has a star";
const EXACT: &str = "allowed resources are exact, but for X-Ray";
const MANAGED: &str = "no role has a policy managed elsewhere";
const FUNCTION_MAY: &str = "the function may do what it does and nothing else";
const SENDERS: &str = "the queue takes messages of the source bucket, of this account, and of nobody else";
const QUEUE_TLS: &str = "queues refuse requests without TLS";
const BUCKET_TLS: &str = "buckets refuse requests without TLS";
const REDRIVE: &str = "what fails too often goes to the dead-letter queue, after five receives at the least";
const VISIBILITY: &str = "the visibility timeout is six function timeouts and a window at the least";
const ANNOUNCED: &str = "uploads are announced to the queue, once it takes announcements";
const SETTINGS: &str = "the function reads its settings, at both ends of their ranges";
const LEFT_OUT: &str = "function and API can be left out";

#[rustfmt::skip]
pub(crate) const CONTROLS: &[Control] = &[
    // Access.
    set("a function that may do all of S3", STAR, "/Resources/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/-",
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::one/key"}"#),
    set("a queue that lets S3 do all", STAR, "/Resources/JobsQueuePolicy/Properties/PolicyDocument/Statement/0/Action", r#""sqs:*""#),
    set("a function that reads every bucket", EXACT, "/Resources/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/-",
        r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#),
    set("another action beside the two of X-Ray", EXACT,
        "/Resources/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/5/Action/-", r#""sqs:PurgeQueue""#),
    set("a managed policy", MANAGED, "/Resources/FunctionRole/Properties/ManagedPolicyArns",
        r#"["arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"]"#),
    remove("a function whose role SAM makes", MANAGED, "/Resources/ResizeFunction/Properties/Role"),
    set("a function that may send jobs", FUNCTION_MAY, "/Resources/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/-",
        r#"{"Effect":"Allow","Action":"sqs:SendMessage","Resource":{"Fn::GetAtt":["JobsQueue","Arn"]}}"#),
    remove("a function that may not change visibility", FUNCTION_MAY,
        "/Resources/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/0/Action/3"),
    set("a function that may write to all folders of the target", FUNCTION_MAY,
        "/Resources/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/3/Resource", r#"{"Fn::Sub":"${TargetBucket.Arn}/*"}"#),
    set("an API that may receive jobs", "the API may send jobs and nothing else",
        "/Resources/ApiRole/Properties/Policies/0/PolicyDocument/Statement/0/Action", r#"["sqs:SendMessage","sqs:ReceiveMessage"]"#),
    set("a role for everybody in the account", "a role is for one service",
        "/Resources/FunctionRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal", r#"{"AWS":{"Ref":"AWS::AccountId"}}"#),

    // Queues.
    set("a queue in plain text", "queues are encrypted", "/Resources/DeadLetterQueue/Properties/SqsManagedSseEnabled", "false"),
    remove("a queue without TLS", QUEUE_TLS, "/Resources/JobsQueuePolicy/Properties/PolicyDocument/Statement/1"),
    remove("a dead-letter queue without TLS", QUEUE_TLS, "/Resources/DeadLetterQueuePolicy"),
    remove("a queue for buckets of every account", SENDERS,
        "/Resources/JobsQueuePolicy/Properties/PolicyDocument/Statement/0/Condition/StringEquals"),
    remove("a queue for every bucket", SENDERS, "/Resources/JobsQueuePolicy/Properties/PolicyDocument/Statement/0/Condition/ArnEquals"),
    set("a queue for everybody", SENDERS, "/Resources/JobsQueuePolicy/Properties/PolicyDocument/Statement/0/Principal", r#""*""#),
    set("a queue for a bucket by its default name only", SENDERS,
        "/Resources/JobsQueuePolicy/Properties/PolicyDocument/Statement/0/Condition/ArnEquals/aws:SourceArn",
        r#"{"Fn::Sub":"arn:aws:s3:::${AWS::StackName}-source-${AWS::AccountId}-${AWS::Region}"}"#),
    set("two receives", REDRIVE, "/Parameters/MaxReceiveCount/MinValue", "2"),
    set("a redrive to the queue itself", REDRIVE, "/Resources/JobsQueue/Properties/RedrivePolicy/deadLetterTargetArn",
        r#"{"Fn::Sub":"arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-jobs"}"#),
    set("a dead-letter queue for all queues", "the dead-letter queue is for the jobs queue alone",
        "/Resources/DeadLetterQueue/Properties/RedriveAllowPolicy", r#"{"redrivePermission":"allowAll"}"#),
    set("jobs that outlive dead letters", "dead letters outlive jobs", "/Parameters/JobRetentionSeconds/MaxValue", "1209600"),
    set("a visibility timeout of six timeouts without the window", VISIBILITY, "/Parameters/VisibilityTimeoutSeconds/MinValue", "720"),
    set("a function with more time", VISIBILITY, "/Parameters/FunctionTimeoutSeconds/MaxValue", "180"),
    set("a longer window", VISIBILITY, "/Parameters/BatchingWindowSeconds/MaxValue", "300"),
    remove("receives that return at once", "receives wait for messages", "/Resources/JobsQueue/Properties/ReceiveMessageWaitTimeSeconds"),

    // Buckets.
    set("a bucket with public policies", "buckets are private",
        "/Resources/TargetBucket/Properties/PublicAccessBlockConfiguration/BlockPublicPolicy", "false"),
    remove("a bucket with owners of objects", "buckets are private", "/Resources/SourceBucket/Properties/OwnershipControls"),
    remove("a bucket in plain text", "buckets are encrypted", "/Resources/TargetBucket/Properties/BucketEncryption"),
    remove("a bucket without TLS", BUCKET_TLS, "/Resources/SourceBucketPolicy"),
    set("a bucket whose objects need no TLS", BUCKET_TLS, "/Resources/TargetBucketPolicy/Properties/PolicyDocument/Statement/0/Resource",
        r#"[{"Fn::GetAtt":["TargetBucket","Arn"]}]"#),
    remove("a bucket that keeps parts", "buckets clean up after uploads that never end",
        "/Resources/TargetBucket/Properties/LifecycleConfiguration/Rules/0"),
    set("images that are deleted unasked", "images are deleted when a parameter says so, and only then",
        "/Parameters/SourceExpirationDays/Default", "7"),
    remove("a bucket that goes with its stack", "buckets outlive the stack", "/Resources/SourceBucket/DeletionPolicy"),
    remove("originals without versions", "originals that are overwritten can be had back for a while",
        "/Resources/SourceBucket/Properties/VersioningConfiguration"),
    remove("announcements before the queue takes them", ANNOUNCED, "/Resources/SourceBucket/DependsOn"),
    remove("announcements of every folder", ANNOUNCED,
        "/Resources/SourceBucket/Properties/NotificationConfiguration/QueueConfigurations/0/Filter"),
    set("outputs that are announced", "outputs are not announced", "/Resources/TargetBucket/Properties/NotificationConfiguration",
        r#"{"QueueConfigurations":[{"Event":"s3:ObjectCreated:*","Queue":{"Fn::GetAtt":["JobsQueue","Arn"]}}]}"#),

    // The function.
    remove("a mapping without partial responses", "the mapping reports the messages that failed",
        "/Resources/ResizeFunction/Properties/Events/Jobs/Properties/FunctionResponseTypes"),
    remove("a mapping without bounds", "the mapping is bounded", "/Resources/ResizeFunction/Properties/Events/Jobs/Properties/ScalingConfig"),
    set("a mapping with one invocation at once", "the mapping is bounded", "/Parameters/MaximumConcurrency/MinValue", "1"),
    set("large batches without a window", "the mapping is bounded", "/Parameters/BatchSize/MaxValue", "100"),
    remove("a mapping that does not count", "the mapping counts its events",
        "/Resources/ResizeFunction/Properties/Events/Jobs/Properties/MetricsConfig"),
    set("another runtime", "the function runs on Amazon Linux 2023, on the architecture it is built for",
        "/Resources/ResizeFunction/Properties/Runtime", r#""provided.al2""#),
    set("a fixed architecture", "the function runs on Amazon Linux 2023, on the architecture it is built for",
        "/Resources/ResizeFunction/Properties/Architectures", r#"["x86_64"]"#),
    set("another binary", "the function is built by cargo-lambda", "/Resources/ResizeFunction/Metadata/BuildProperties/Binary", r#""resize""#),
    remove("a function that is not told its queue", SETTINGS, "/Resources/ResizeFunction/Properties/Environment/Variables/QUEUE_URL"),
    set("renditions that nobody can read", SETTINGS, "/Resources/ResizeFunction/Properties/Environment/Variables/RENDITIONS",
        r#""[{\"target\":\"s3://one/{name}\",\"width\":9}]""#),
    set("renditions in a bucket that the function may not write", SETTINGS,
        "/Resources/ResizeFunction/Properties/Environment/Variables/RENDITIONS", r#""[{\"target\":\"s3://one/{key}\",\"width\":9}]""#),
    set("more jobs at once than the function takes", SETTINGS, "/Parameters/JobConcurrency/MaxValue", "5000"),
    set("logs in plain text", "the function logs JSON to a group of its own",
        "/Resources/ResizeFunction/Properties/LoggingConfig/LogFormat", r#""Text""#),
    set("logs without metrics", "the function logs JSON to a group of its own", "/Parameters/LogLevel/AllowedValues/-", r#""WARN""#),
    remove("logs for ever", "logs are kept for a time", "/Resources/ApiLogGroup/Properties/RetentionInDays"),
    remove("a function without traces", "the function is traced", "/Resources/ResizeFunction/Properties/Tracing"),
    remove("an API that is always there", LEFT_OUT, "/Resources/Api/Condition"),
    remove("an output of a function that is left out", LEFT_OUT, "/Outputs/FunctionName/Condition"),
    remove("an alarm on a function that is left out", LEFT_OUT, "/Resources/ErrorsAlarm/Condition"),

    // The API.
    set("an API that calls what it likes", "POST /jobs goes to the queue without code",
        "/Resources/ApiIntegration/Properties/RequestParameters/QueueUrl", r#""$request.querystring.queue""#),
    set("an API for all paths", "POST /jobs goes to the queue without code", "/Resources/ApiRoute/Properties/RouteKey", r#""$default""#),
    set("an API for everybody", "requests to the API are signed unless a parameter says otherwise",
        "/Parameters/ApiAuthorization/Default", r#""NONE""#),
    remove("an API without a limit", "the API is throttled", "/Resources/ApiStage/Properties/DefaultRouteSettings/ThrottlingBurstLimit"),
    remove("an API without a log", "the API writes an access log", "/Resources/ApiStage/Properties/AccessLogSettings"),

    // Alarms.
    set("an alarm on dead letters in flight", "an alarm goes off for a dead letter",
        "/Resources/DeadLettersAlarm/Properties/MetricName", r#""ApproximateNumberOfMessagesNotVisible""#),
    remove("no alarm on age", "an alarm goes off for jobs that wait too long", "/Resources/OldestJobAlarm"),
    set("an alarm on errors of all functions", "an alarm goes off for errors of the function",
        "/Resources/ErrorsAlarm/Properties/Dimensions", "[]"),
    set("an alarm when there are no throttles", "an alarm goes off for throttles of the function",
        "/Resources/ThrottlesAlarm/Properties/ComparisonOperator", r#""LessThanThreshold""#),
    set("an alarm after the timeout", "an alarm goes off before the function's timeout", "/Resources/DurationAlarm/Properties/Threshold", "100"),
    set("an alarm for a fixed timeout", "an alarm goes off before the function's timeout",
        "/Resources/DurationAlarm/Properties/Metrics/0/Expression", r#""duration / (10 * 30)""#),
    remove("an alarm that nobody hears", "alarms reach the topic, if there is one", "/Resources/DeadLettersAlarm/Properties/AlarmActions"),
    set("an alarm to nowhere", "alarms reach the topic, if there is one", "/Resources/OldestJobAlarm/Properties/OKActions",
        r#"[{"Ref":"AlarmTopicArn"}]"#),
    set("a dashboard that is no JSON", "the dashboard shows queues and function", "/Resources/Dashboard/Properties/DashboardBody",
        r#"{"Fn::Sub":"${JobsQueue.QueueName} ${DeadLetterQueue.QueueName} ${ResizeFunction} \"DeadLettered\""}"#),

    // Parameters, names, outputs.
    remove("a parameter without a range", "every parameter is checked", "/Parameters/OldestJobSeconds/MaxValue"),
    remove("a text without a pattern", "every parameter is checked", "/Parameters/AlarmTopicArn/AllowedPattern"),
    set("a default out of range", "every parameter is checked", "/Parameters/ApiBurst/Default", "6000"),
    set("an intrinsic of the exotic kind", "intrinsics are plain ones", "/Outputs/QueueArn/Value", r#"{"Fn::ImportValue":"queue"}"#),
    set("a reference to nothing", "references lead to something", "/Outputs/QueueArn/Value", r#"{"Fn::GetAtt":["JobQueue","Arn"]}"#),
    set("a name that only one stack can have", "two stacks fit into one account", "/Resources/ApiRole/Properties/RoleName", r#""jobs-api""#),
    remove("an output that is missing", "outputs name what people need", "/Outputs/DeadLetterQueueUrl"),
    set("an output that needs the function", "outputs name what people need", "/Outputs/QueueArn/Condition", r#""DeploysFunction""#),
];
