//! Queues, functions and where their code is.

use std::time::Duration;

use super::{
    super::{Code, Layer, Options, read},
    LAMBDA, ONE, STACK, one, read_stack, refusal,
};
use crate::engine::Limits;

#[test]
fn queues_functions_and_mappings_are_read_with_their_functions_evaluated() {
    let stack = read_stack(STACK).unwrap();
    let names: Vec<_> = stack.queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!(names, ["local-jobs", "local-Dead", "local-Orders.fifo"]);
    let redrive = stack.queues[0].redrive.as_ref().unwrap();
    assert_eq!((redrive.dead_letter_queue.as_str(), redrive.max_receive_count), ("local-Dead", 5));
    assert_eq!(stack.queues[0].tags["team"], "photos");
    assert_eq!(stack.queues[0].attributes.len(), 2);
    assert_eq!(stack.queues[1].attributes.len(), 1);

    let [function] = stack.functions.as_slice() else { panic!("{:?}", stack.functions) };
    assert_eq!((function.name.as_str(), function.logical_id.as_str()), ("local-Resize", "Resize"));
    assert_eq!((function.timeout, function.memory_megabytes), (Duration::from_secs(20), 256));
    assert_eq!(function.binary.as_deref(), Some("handler"));
    let environment: Vec<_> =
        function.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let url = "http://127.0.0.1:9324/000000000000/local-jobs";
    assert_eq!(environment, [("OWN", "a-c-on!${literal}"), ("QUEUE_URL", url), ("SHARED", "global")]);

    let [mapping] = function.mappings.as_slice() else { panic!("{:?}", function.mappings) };
    assert_eq!(mapping.queue.as_str(), "arn:aws:sqs:us-east-1:000000000000:local-jobs");
    assert!(mapping.enabled && mapping.mapping.report_batch_item_failures);
    let mapping = &mapping.mapping;
    assert_eq!((mapping.batch_size, mapping.maximum_concurrency), (7, Some(4)));
    assert_eq!(mapping.maximum_batching_window, Duration::from_secs(3));
    assert_eq!(mapping.function_timeout, Duration::from_secs(20));
}

#[test]
fn parameters_change_what_is_there() {
    let parameters = [("Mode".to_owned(), "off".to_owned()), ("Timeout".to_owned(), "30".to_owned())].into();
    let stack = read(STACK, &Options { parameters, ..Options::default() }, &Limits::STRICT).unwrap();
    assert_eq!(stack.queues.len(), 2, "the third is left out by its condition");
    assert!(stack.queues[1].attributes.is_empty(), "AWS::NoValue leaves a property out");
    assert_eq!(stack.functions[0].timeout, Duration::from_secs(30));
}

#[test]
fn every_way_to_say_where_code_is_is_read() {
    let path = |path: &str| Code::Path(path.to_owned());
    for (properties, expected) in [
        ("CodeUri: src/", path("src/")),
        ("Code: src", path("src")),
        ("CodeUri: !Sub '${AWS::Region}/src'", path("us-east-1/src")),
        ("InlineCode: 'x = 1'", Code::Inline("x = 1".to_owned())),
        ("Code: { ZipFile: !Join ['', [a, b]] }", Code::Inline("ab".to_owned())),
        ("CodeUri: 's3://bucket/key.zip'", Code::Bucket(Some("s3://bucket/key.zip".to_owned()))),
        // A bucket that only AWS knows is not asked for.
        ("Code: { S3Bucket: !ImportValue bucket, S3Key: a/b.zip }", Code::Bucket(Some("a/b.zip".to_owned()))),
        ("CodeUri: { Bucket: b, Key: !ImportValue key }", Code::Bucket(None)),
        ("PackageType: Image", Code::Image),
        ("Code: { ImageUri: 'x:latest' }", Code::Image),
        ("Runtime: python3.12", Code::Unknown),
    ] {
        // What SAM calls otherwise.
        let of_lambda = properties.starts_with("Code:");
        let (kind, more) =
            if of_lambda { ("Lambda", ", Role: r, Runtime: python3.12, Handler: a.b") } else { ("Serverless", "") };
        let text =
            format!("Resources: {{ Work: {{ Type: 'AWS::{kind}::Function', Properties: {{ {properties}{more} }} }} }}");
        assert_eq!(read_stack(&text).unwrap().functions[0].code, expected, "{properties}");
    }
}

#[test]
fn layers_assets_and_what_is_not_read_are_known_by_name() {
    let text = "
Globals: { Function: { Layers: [!Ref Own], Runtime: python3.12, Handler: app.handler } }
Resources:
  Work:
    Type: AWS::Serverless::Function
    Properties: { Layers: [!Ref Made, 'arn:aws:lambda:us-east-1:1:layer:far:3', !ImportValue far] }
    Metadata: { 'aws:asset:path': asset.0a }
  Own: { Type: 'AWS::Serverless::LayerVersion', Properties: { ContentUri: shared } }
  Made:
    Type: AWS::Lambda::LayerVersion
    Properties: { Content: { S3Bucket: b, S3Key: k } }
    Metadata: { 'aws:asset:path': asset.0b }
  Table: { Type: 'AWS::DynamoDB::Table' }
";
    let stack = read_stack(text).unwrap();
    let layer = |name: &str, path: Option<&str>| Layer { name: name.to_owned(), path: path.map(ToOwned::to_owned) };
    assert_eq!(
        stack.functions[0].layers,
        [
            layer("Own", Some("shared")),
            layer("Made", Some("asset.0b")),
            layer("arn:aws:lambda:us-east-1:1:layer:far:3", None),
            layer("a layer from elsewhere", None),
        ]
    );
    assert_eq!(stack.functions[0].asset_path.as_deref(), Some("asset.0a"));
    let mut others = stack.others.iter().map(|other| (other.logical_id.as_str(), other.kind.as_str(), other.line));
    assert_eq!(others.next_back(), Some(("Table", "AWS::DynamoDB::Table", 13)));
}

#[test]
fn what_is_wrong_is_named_with_resource_and_line() {
    for (from, to, expected) in [
        ("Resources:", "Resources: [", "line 17: it is not YAML: "),
        (
            "VisibilityTimeout: 120",
            "VisibilityTimeout: often",
            "line 20: Jobs: VisibilityTimeout does not take \"often\"",
        ),
        (
            "VisibilityTimeout: 120",
            "VisibilityTimout: 120",
            "line 20: Jobs: Encountered unsupported property VisibilityTimout; there is VisibilityTimeout",
        ),
        ("VisibilityTimeout: 120", "VisibilityTimeout: 999999", "line 17: Jobs: "),
        ("Key: team", "Key: 'aws:team'", "Jobs: Tag keys beginning with 'aws:' are reserved for AWS use."),
        ("!GetAtt Dead.Arn", "!GetAtt Death.Arn", "line 23: Jobs: there is no parameter or resource Death"),
        (
            "!GetAtt Dead.Arn",
            "arn:aws:sqs:us-east-1:000000000000:other",
            "line 23: Jobs: RedrivePolicy names queue other",
        ),
        (
            "!GetAtt Dead.Arn",
            "!ImportValue dead",
            "line 23: Jobs: RedrivePolicy needs deadLetterTargetArn and maxReceiveCount, and has Fn::ImportValue dead, which is \
             not known here (give it with --import dead=VALUE)",
        ),
        ("!GetAtt Dead.Arn", "!Frobnicate dead", "Jobs: Fn::Frobnicate is not supported; supported are Ref"),
        ("maxReceiveCount: '5'", "maxReceiveCount: 0", "Jobs: RedrivePolicy needs maxReceiveCount from 1 to 1000"),
        ("Condition: IsOn", "Condition: IsIn", "Orders: there is no condition IsIn"),
        (
            "FifoQueue: True,",
            "FifoQueue: True, QueueName: orders,",
            "Orders: FifoQueue and the queue's name orders do not agree",
        ),
        ("Timeout: !Ref Timeout", "Timeout: !Ref Tim", "Resize: there is no parameter or resource Tim"),
        ("Timeout: !Ref Timeout", "Timeout: soon", "Resize: Timeout takes a whole number, not \"soon\""),
        (
            "Queue: !GetAtt Jobs.Arn",
            "Queue: jobs",
            "Resize: Queue of event Jobs takes the ARN of a queue, not \"jobs\"",
        ),
        ("Default: 20", "Default: 200", "line 5: parameter Timeout is 200; expected 1 to 100"),
        ("Default: 'on'", "Default: maybe", "line 6: parameter Mode is \"maybe\"; allowed are on, off"),
        ("Default: 'on', ", "", "line 6: parameter Mode has no default; give it with --parameter Mode=VALUE"),
        ("QueueName: !Sub '${AWS::StackName}-jobs'", "QueueName: !Ref Jobs", "Jobs: circular reference"),
        (
            "QueueName: !Sub '${AWS::StackName}-jobs'",
            "QueueName: local-Dead",
            "Dead: queue local-Dead is declared by Jobs too",
        ),
        ("Type: AWS::SQS::Queue", "Kind: AWS::SQS::Queue", "line 17: Jobs: it has no Type"),
    ] {
        let found = refusal(from, to);
        assert!(found.contains(expected), "{to:?}: {found:?} lacks {expected:?}");
    }
    // Said once, of the queue, although the function asks for the queue's name too.
    let name = "QueueName: !Sub '${AWS::StackName}-jobs'";
    assert_eq!(refusal(name, "QueueName: !Cidr x").matches("Fn::Cidr").count(), 1);
    assert!(refusal(name, "QueueName: !Cidr x").starts_with("line 17: Jobs: its name expects a string, not Fn::Cidr"));
    let unknown = Options { parameters: [("Nope".to_owned(), String::new())].into(), ..Options::default() };
    let error = read(STACK, &unknown, &Limits::STRICT).unwrap_err().to_string();
    assert_eq!(error, "line 5: there is no parameter Nope; there are Timeout, Mode");
    for (text, expected) in
        [("", "template is empty"), ("Resources: {}", "no Resources"), ("a: *b", "not YAML"), ("- x", "no Resources")]
    {
        let error = read(text, &Options::default(), &Limits::STRICT).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    let deep = format!("Resources: {}1{}", "[".repeat(5000), "]".repeat(5000));
    assert!(read_stack(&deep).is_err());
}

#[test]
fn what_is_not_emulated_is_named() {
    for (more, expected) in [
        (
            "  M: { Type: 'AWS::Lambda::EventSourceMapping', Properties: { EventSourceArn: !GetAtt D.StreamArn, StartingPosition: \
             LATEST, FunctionName: !Ref Work } }\n  D: { Type: 'AWS::DynamoDB::Table' }\n",
            "line 19: M: skipped: its source is D.StreamArn, which is not known here (D is an AWS::DynamoDB::Table)",
        ),
        (
            "  M: { Type: 'AWS::Lambda::EventSourceMapping', Properties: { EventSourceArn: !GetAtt K.Arn, FunctionName: x } }\n  \
             K: { Type: 'AWS::Kinesis::Stream' }\n",
            "line 19: M: skipped: its source is of kinesis, which is not emulated",
        ),
        (
            "  M: { Type: 'AWS::Lambda::EventSourceMapping', Properties: { EventSourceArn: !GetAtt Jobs.Arn, FunctionName: x } }\n",
            "line 19: M: skipped: FunctionName x is not a function of the template",
        ),
        (
            "  N: { Type: 'AWS::Serverless::Application', Properties: { Location: n.yaml } }\n",
            "line 19: N: skipped, with its resources: its Location is a file, n.yaml, and files are not read here",
        ),
        (
            "        Web: { Type: HttpApi }\n        Clock: { Type: Schedule }\n",
            "line 14: Work: events skipped (only queues, buckets and APIs are emulated): Clock (Schedule)",
        ),
    ] {
        let stack = read_stack(&(ONE.to_owned() + more)).unwrap();
        let warnings: Vec<_> = stack.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [expected]);
        assert_eq!(stack.functions[0].mappings.len(), 1);
    }
}

#[test]
fn names_that_are_too_long_are_shortened() {
    let long = "L".repeat(100);
    let text = format!(
        "Resources:\n  {long}Q: {{ Type: 'AWS::SQS::Queue' }}\n  {long}R: {{ Type: 'AWS::SQS::Queue', Properties: {{ FifoQueue: \
         true }} }}\n  {long}F: {{ Type: 'AWS::Lambda::Function', Properties: {{ {LAMBDA} }} }}\n"
    );
    let stack = read_stack(&text).unwrap();
    let names: Vec<_> = stack.queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!((names[0].len(), names[1].len(), stack.functions[0].name.len()), (80, 80, 64));
    assert!(names[0].starts_with("local-LLL") && stack.queues[1].name.is_fifo() && names[0][..60] == names[1][..60]);
    assert_ne!(names[0][68..], names[1][63..75], "what differs behind the cut still differs");
    let name = one(&[("Timeout: 9", &format!("FunctionName: {}", "n".repeat(65)))]);
    assert!(read_stack(&name).unwrap_err().to_string().contains("Work: FunctionName takes 1 to 64 letters"));
}

#[test]
fn a_dead_letter_queue_may_be_there_already() {
    let text = one(&[(
        "DelaySeconds: 0",
        "RedrivePolicy: { deadLetterTargetArn: 'arn:aws:sqs:us-east-1:000000000000:dead', maxReceiveCount: 3 }",
    )]);
    let error = read_stack(&text).unwrap_err().to_string();
    assert!(
        error.contains("line 7: Jobs: RedrivePolicy names queue dead, which the template does not declare"),
        "{error}"
    );
    assert!(error.contains("--create dead"), "{error}");
    let options = Options { existing_queues: ["dead".to_owned()].into(), ..Options::default() };
    let stack = read(&text, &options, &Limits::STRICT).unwrap();
    assert_eq!(stack.queues[0].redrive.as_ref().unwrap().dead_letter_queue.as_str(), "dead");
    assert_eq!(stack.queues.len(), 1);
}
