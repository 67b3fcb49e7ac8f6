use std::time::Duration;

use super::{Code, Layer, Options, Stack, TemplateError, read};
use crate::{engine::Limits, event_source_mapping::ProvisionedPollers};

const STACK: &str = r"
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Parameters:
  Timeout: { Type: Number, Default: 20, MinValue: 1, MaxValue: 100 }
  Mode: { Type: String, Default: 'on', AllowedValues: ['on', 'off'] }
Conditions:
  IsOn: !Equals [!Ref Mode, 'on']
Mappings:
  Sizes: { small: { memory: 256 } }
Globals:
  Function:
    MemorySize: !FindInMap [Sizes, small, memory]
    Environment: { Variables: { SHARED: global, OWN: global } }
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub '${AWS::StackName}-jobs'
      VisibilityTimeout: 120
      RedriveAllowPolicy: { redrivePermission: denyAll }
      RedrivePolicy:
        deadLetterTargetArn: !GetAtt Dead.Arn
        maxReceiveCount: '5'
      Tags: [{ Key: team, Value: photos }]
  Dead:
    Type: AWS::SQS::Queue
    Properties:
      MessageRetentionPeriod: !If [IsOn, 1209600, !Ref AWS::NoValue]
  Orders:
    Type: AWS::SQS::Queue
    Condition: IsOn
    Properties: { FifoQueue: True, ContentBasedDeduplication: 'True' }
  Topic: { Type: 'AWS::SNS::Topic', Properties: { Anything: !ImportValue other } }
  Resize:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: handler } }
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: ../handler
      Timeout: !Ref Timeout
      Role: !ImportValue role
      Environment:
        Variables:
          QUEUE_URL: !Ref Jobs
          OWN: !Join ['-', [a, !Select [1, !Split [',', 'b,c']], !Sub ['${x}!${!literal}', { x: !Ref Mode }]]]
      Events:
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            BatchSize: 7
            MaximumBatchingWindowInSeconds: 3
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: { MaximumConcurrency: 4 }
        Web: { Type: HttpApi }
";

fn read_stack(text: &str) -> Result<Stack, TemplateError> {
    read(text, &Options::default(), &Limits::STRICT)
}

/// What is said to the template with one text in place of another.
fn refusal(from: &str, to: &str) -> String {
    assert!(STACK.contains(from), "{from:?} is not in the template");
    read_stack(&STACK.replacen(from, to, 1)).unwrap_err().to_string()
}

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
fn mappings_as_resources_of_their_own_are_the_functions() {
    let text = "
Resources:
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: { EventSourceArn: !GetAtt Jobs.Arn, FunctionName: !Ref Work, BatchSize: 5, Enabled: false }
  Stream:
    Type: AWS::Lambda::EventSourceMapping
    Properties: { EventSourceArn: 'arn:aws:kinesis:us-east-1:000000000000:stream/s', FunctionName: !Ref Work }
  Jobs: { Type: 'AWS::SQS::Queue' }
  Work: { Type: 'AWS::Lambda::Function', Properties: { Timeout: 9 } }
";
    let stack = read_stack(text).unwrap();
    let [mapping] = stack.functions[0].mappings.as_slice() else { panic!("{:?}", stack.functions) };
    assert_eq!((mapping.mapping.batch_size, mapping.enabled, mapping.logical_id.as_str()), (5, false, "Mapping"));
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
        let text =
            format!("Resources: {{ Work: {{ Type: 'AWS::Serverless::Function', Properties: {{ {properties} }} }} }}");
        assert_eq!(read_stack(&text).unwrap().functions[0].code, expected, "{properties}");
    }
}

#[test]
fn layers_assets_and_what_is_not_read_are_known_by_name() {
    let text = "
Globals: { Function: { Layers: [!Ref Own] } }
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
fn provisioned_pollers_are_read_of_events_and_of_mappings() {
    let event =
        STACK.replace("ScalingConfig: { MaximumConcurrency: 4 }", "ProvisionedPollerConfig: { MinimumPollers: 3 }");
    let resource = "
Resources:
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Jobs.Arn
      FunctionName: !Ref Work
      ProvisionedPollerConfig: { MinimumPollers: '3', MaximumPollers: !If [Few, 5, !Ref AWS::NoValue] }
  Jobs: { Type: 'AWS::SQS::Queue' }
  Work: { Type: 'AWS::Lambda::Function', Properties: { Timeout: 9 } }
Conditions: { Few: !Equals [a, b] }
";
    for text in [&event, resource, &resource.replace("[a, b]", "[a, a]")] {
        let maximum = text.contains("[a, a]").then_some(5);
        let mapping = &read_stack(text).unwrap().functions[0].mappings[0].mapping;
        assert_eq!(mapping.provisioned_pollers, Some(ProvisionedPollers { minimum: Some(3), maximum }));
    }
}

#[test]
fn a_mapping_beyond_the_limits_of_lambda_is_named_with_its_line() {
    for (from, to, expected) in [
        (
            "MaximumConcurrency: 4",
            "MaximumConcurrency: 1",
            "line 56: Resize: MaximumConcurrency 1 is not between 2 and 1000",
        ),
        (
            "ScalingConfig: { MaximumConcurrency: 4 }",
            "ProvisionedPollerConfig: { MinimumPollers: 201 }",
            "line 56: Resize: MinimumPollers 201 is not between 2 and 200",
        ),
        (
            "ScalingConfig: { MaximumConcurrency: 4 }",
            "ProvisionedPollerConfig: { MaximumPollers: few }",
            "Resize: MaximumPollers takes a whole number, not \"few\"",
        ),
        (
            "MaximumConcurrency: 4 }",
            "MaximumConcurrency: 4 }\n            ProvisionedPollerConfig: {}",
            "Resize: MaximumConcurrency cannot be set together with ProvisionedPollerConfig",
        ),
    ] {
        let found = refusal(from, to);
        assert!(found.contains(expected), "{to:?}: {found:?} lacks {expected:?}");
    }
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
            "line 20: Jobs: an AWS::SQS::Queue has no property VisibilityTimout",
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
        ("QueueName: !Sub '${AWS::StackName}-jobs'", "QueueName: !Ref Jobs", "Jobs: it goes round in a circle"),
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
    assert!(refusal(name, "QueueName: !Cidr x").starts_with("line 17: Jobs: its name takes a text, not Fn::Cidr"));
    let unknown = Options { parameters: [("Nope".to_owned(), String::new())].into(), ..Options::default() };
    let error = read(STACK, &unknown, &Limits::STRICT).unwrap_err().to_string();
    assert_eq!(error, "line 5: there is no parameter Nope; there are Timeout, Mode");
    for (text, expected) in
        [("", "nothing in it"), ("Resources: {}", "no Resources"), ("a: *b", "not YAML"), ("- x", "no Resources")]
    {
        let error = read_stack(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    let deep = format!("Resources: {}1{}", "[".repeat(5000), "]".repeat(5000));
    assert!(read_stack(&deep).is_err());
}

/// A queue, and a function with an event of that queue.
const ONE: &str = "
Parameters:
  Given: { Type: String, Default: none }
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties: { DelaySeconds: 0 }
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 9
      Environment: { Variables: { V: x } }
      Events:
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            Enabled: true
";

/// The template with texts in place of others.
fn one(changes: &[(&str, &str)]) -> String {
    let mut text = ONE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from:?} is not in the template");
        text = text.replacen(from, to, 1);
    }
    text
}

fn given(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What a variable becomes, and what is warned of.
fn variable(value: &str, more: &str, options: &Options) -> Result<(String, String), TemplateError> {
    let text = one(&[("V: x", &format!("V: {value}")), ("Resources:", &format!("Resources:{more}"))]);
    let stack = read(&text, options, &Limits::STRICT)?;
    let warnings: Vec<_> = stack.warnings.iter().map(ToString::to_string).collect();
    Ok((stack.functions[0].environment["V"].clone(), warnings.join("\n")))
}

#[test]
fn booleans_are_those_of_yaml_1_1() {
    for (text, expected) in [
        ("False", Ok(false)),
        ("no", Ok(false)),
        ("off", Ok(false)),
        ("OFF", Ok(false)),
        ("'False'", Ok(false)),
        ("\"false\"", Ok(false)),
        ("yes", Ok(true)),
        ("On", Ok(true)),
        ("'true'", Ok(true)),
        ("!Equals [a, b]", Ok(false)),
        ("!If [Never, yes, no]", Ok(false)),
        ("y", Err("\"y\"")),
        ("n", Err("\"n\"")),
        ("'off'", Err("\"off\"")),
        ("0", Err("\"0\"")),
        ("[false]", Err("a list")),
    ] {
        let text = one(&[("Enabled: true", &format!("Enabled: {text}"))]) + "Conditions: { Never: !Equals [a, b] }\n";
        match (read_stack(&text), expected) {
            (Ok(stack), Ok(expected)) => assert_eq!(stack.functions[0].mappings[0].enabled, expected, "{text}"),
            (Err(error), Err(expected)) => {
                assert_eq!(error.to_string(), format!("line 18: Work: Enabled takes true or false, not {expected}"));
            }
            (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
        }
    }
    for (properties, expected) in [
        ("{ FifoQueue: True }", "local-Jobs.fifo"),
        ("{ FifoQueue: yes }", "local-Jobs.fifo"),
        ("{ FifoQueue: 'true', QueueName: a.fifo, ContentBasedDeduplication: on }", "a.fifo"),
        ("{ FifoQueue: no }", "local-Jobs"),
    ] {
        let stack = read_stack(&one(&[("{ DelaySeconds: 0 }", properties)])).unwrap();
        assert_eq!(stack.queues[0].name.as_str(), expected, "{properties}");
    }
    for (value, expected) in [("yes", "true"), ("Off", "false"), ("'yes'", "yes"), ("y", "y"), ("1", "1")] {
        assert_eq!(variable(value, "", &Options::default()).unwrap().0, expected, "{value}");
    }
}

#[test]
fn what_aws_refuses_of_an_event_is_refused_at_its_line() {
    let takes = "Queue, BatchSize, Enabled, FilterCriteria, FunctionResponseTypes, KmsKeyArn, LoggingConfig, \
                 MaximumBatchingWindowInSeconds, MetricsConfig, ProvisionedPollerConfig, ScalingConfig";
    let types = "FunctionResponseTypes takes a list, [ReportBatchItemFailures] or [], not ";
    for (property, expected) in [
        ("FunctionResponseTypes: ReportBatchItemFailures", format!("{types}ReportBatchItemFailures")),
        ("FunctionResponseTypes: [ReportBatchItemFailure]", format!("{types}[ReportBatchItemFailure]")),
        ("BatchSise: 5", format!("an event of type SQS has no property BatchSise; it takes {takes}")),
        ("Stage: x", format!("an event of type SQS has no property Stage; it takes {takes}")),
        (
            "StartingPosition: LATEST",
            format!(
                "StartingPosition is for other sources, and an event of type SQS does not take it; it takes {takes}"
            ),
        ),
        (
            "ParallelizationFactor: 2",
            format!(
                "ParallelizationFactor is for other sources, and an event of type SQS does not take it; it takes {takes}"
            ),
        ),
        (
            "BisectBatchOnFunctionError: true",
            format!(
                "BisectBatchOnFunctionError is for other sources, and an event of type SQS does not take it; it takes {takes}"
            ),
        ),
        ("ScalingConfig: { Maximum: 3 }", "ScalingConfig has no Maximum; it has MaximumConcurrency".to_owned()),
        ("BatchSize: 11", "BatchSize: AWS".to_owned()),
        ("BatchSize: many", "BatchSize takes a whole number, not \"many\"".to_owned()),
        (
            "FilterCriteria: { Filters: [{ Pattern: '{\"body\": {\"ip\": \"10.0.0.0/8\"}}' }] }",
            "Invalid filter pattern definition. body.ip must be".to_owned(),
        ),
    ] {
        let error = read_stack(&one(&[("Enabled: true", property)])).unwrap_err().to_string();
        let expected = expected.replace(
            "BatchSize: AWS",
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        );
        assert!(error.starts_with(&format!("line 18: Work: {expected}")), "{property}: {error}");
    }
    let types = one(&[("Enabled: true", "FunctionResponseTypes: []")]);
    assert!(!read_stack(&types).unwrap().functions[0].mappings[0].mapping.report_batch_item_failures);
    let tenant = one(&[("Timeout: 9", "TenancyConfig: { TenantIsolationMode: PER_TENANT }")]);
    assert!(
        read_stack(&tenant)
            .unwrap_err()
            .to_string()
            .contains("Event source 'SQS' is not supported for functions enabled")
    );
    for pattern in
        ["{\"body\": {\"ip\": [{\"cidr\": \"10.0.0.0/8\"}]}}", "{\"body\": {\"k\": [{\"wildcard\": \"a*z\"}]}}"]
    {
        let filter = format!("FilterCriteria: {{ Filters: [{{ Pattern: '{pattern}' }}] }}");
        assert!(read_stack(&one(&[("Enabled: true", &filter)])).is_ok(), "{pattern}");
    }
}

#[test]
fn a_queue_is_mapped_to_a_function_once() {
    let again = "        Again: { Type: SQS, Properties: { Queue: !GetAtt Jobs.Arn } }\n";
    let resource = "  Again:\n    Type: AWS::Lambda::EventSourceMapping\n    Properties: { EventSourceArn: !GetAtt Jobs.Arn, \
                    FunctionName: !Ref Work }\n";
    for more in [again, resource] {
        let error = read_stack(&(ONE.to_owned() + more)).unwrap_err().to_string();
        let expected = "ResourceConflictException: An event source mapping with SQS arn (\" \
                        arn:aws:sqs:us-east-1:000000000000:local-Jobs \") and function (\" local-Work \") already exists. \
                        Please update or delete the existing mapping Jobs of line 17";
        assert!(error.contains(expected), "{error}");
    }
    // A version is a function of its own.
    let version = resource.replace("!Ref Work", "!Sub '${Work}:7'");
    let stack = read_stack(&(ONE.to_owned() + &version)).unwrap();
    assert_eq!(stack.functions[0].mappings[1].mapping.function_name, "local-Work:7");
}

#[test]
fn functions_and_references_have_the_values_of_cloudformation() {
    let options = Options {
        ssm: given(&[("/a", "from-ssm"), ("db", "{\"password\": \"p\"}"), ("other:2", "two")]),
        imports: given(&[("exported", "value")]),
        ..Options::default()
    };
    let topic = "\n  T: { Type: 'AWS::SNS::Topic' }";
    let at = "us-east-1:000000000000";
    for (value, more, expected) in [
        ("!Ref T", topic, format!("arn:aws:sns:{at}:local-T")),
        ("!GetAtt T.TopicName", topic, "local-T".to_owned()),
        (
            "!Ref T",
            "\n  T: { Type: 'AWS::SNS::Topic', Properties: { FifoTopic: yes } }",
            format!("arn:aws:sns:{at}:local-T.fifo"),
        ),
        (
            "!Ref M",
            "\n  M: { Type: 'AWS::Serverless::StateMachine' }",
            format!("arn:aws:states:{at}:stateMachine:local-M"),
        ),
        (
            "!Ref S",
            "\n  S: { Type: 'AWS::SecretsManager::Secret', Properties: { Name: db } }",
            format!("arn:aws:secretsmanager:{at}:secret:db-000000"),
        ),
        ("!Ref D", "\n  D: { Type: 'AWS::DynamoDB::Table', Properties: { TableName: d } }", "d".to_owned()),
        (
            "!GetAtt D.Arn",
            "\n  D: { Type: 'AWS::Serverless::SimpleTable' }",
            format!("arn:aws:dynamodb:{at}:table/local-D"),
        ),
        ("!GetAtt R.Arn", "\n  R: { Type: 'AWS::IAM::Role' }", "arn:aws:iam::000000000000:role/local-R".to_owned()),
        (
            "!Ref A",
            "\n  A: { Type: 'AWS::Lambda::Alias', Properties: { FunctionName: !Ref Work, Name: live } }",
            format!("arn:aws:lambda:{at}:function:local-Work:live"),
        ),
        ("!Join [-, [a, b]]", "", "a-b".to_owned()),
        ("!Join [ - , [a, -, b]]", "", "a---b".to_owned()),
        ("!Join ['', !Ref 'AWS::NotificationARNs']", "", String::new()),
        ("!Base64 abc", "", "YWJj".to_owned()),
        ("!ToJsonString { a: [1, yes, 'yes'] }", "", "{\"a\":[1,true,\"yes\"]}".to_owned()),
        ("!Length [a, b, c]", "", "3".to_owned()),
        ("!Select [1, !GetAZs '']", "", "us-east-1b".to_owned()),
        ("!Select [0, !GetAZs eu-west-1]", "", "eu-west-1a".to_owned()),
        ("!FindInMap [Nope, a, b, { DefaultValue: d }]", "", "d".to_owned()),
        ("!ImportValue exported", "", "value".to_owned()),
        ("'x{{resolve:ssm:/a:3}}y'", "", "xfrom-ssmy".to_owned()),
        ("'{{resolve:ssm:other:2}}'", "", "two".to_owned()),
        ("'{{resolve:secretsmanager:db:SecretString:password}}'", "", "p".to_owned()),
        ("!Sub '{{resolve:secretsmanager:db:SecretString:password:AWSCURRENT}}'", "", "p".to_owned()),
    ] {
        let (found, warnings) = variable(value, more, &options).unwrap();
        assert_eq!((found, warnings), (expected, String::new()), "{value}");
    }
}

#[test]
fn what_is_not_known_stands_as_a_placeholder_and_is_said_once() {
    let key = "\n  Key: { Type: 'AWS::KMS::Key' }";
    for (value, more, text, what) in [
        ("!GetAtt Key.Arn", key, "<unknown: Key.Arn>", "Key.Arn, which is not known here (Key is an AWS::KMS::Key)"),
        ("!Ref Key", key, "<unknown: Key>", "Key, which is not known here (Key is an AWS::KMS::Key)"),
        ("!Sub 'a-${Key}-${Key.Arn}'", key, "a-<unknown: Key>-<unknown: Key.Arn>", "Key, which"),
        ("!Select [0, !Split [':', !GetAtt Key.Arn]]", key, "<unknown: Key.Arn>", "Key.Arn, which"),
        ("!Base64 x", "", "eA==", ""),
        (
            "!ImportValue there",
            "",
            "<unknown: Fn::ImportValue there>",
            "Fn::ImportValue there, which is not known here (give it with --import there=VALUE)",
        ),
        (
            "'{{resolve:ssm:/b}}'",
            "",
            "<unknown: ssm:/b>",
            "{{resolve:ssm:/b}}, which is not known here (give it with --ssm /b=VALUE)",
        ),
        ("!Ref WorkRole", "", "<unknown: WorkRole>", "WorkRole, which is not known here (SAM makes it)"),
        (
            "!Sub 'https://${ServerlessRestApi}.x'",
            "",
            "https://<unknown: ServerlessRestApi>.x",
            "ServerlessRestApi, which",
        ),
        (
            "!GetAtt N.Outputs.Url",
            "\n  N: { Type: 'AWS::DocDB::DBCluster' }",
            "<unknown: N.Outputs.Url>",
            "N.Outputs.Url, which",
        ),
    ] {
        let (found, warnings) = variable(value, more, &Options::default()).unwrap();
        assert_eq!(found, text, "{value}");
        assert_eq!(warnings.contains(&format!("V {what}")), !what.is_empty(), "{value}: {warnings:?}");
        assert_eq!(warnings.lines().count(), usize::from(!what.is_empty()), "{value}: {warnings:?}");
    }
}

#[test]
fn what_is_not_known_is_refused_only_where_it_is_needed() {
    for (from, to, expected) in [
        (
            "DelaySeconds: 0",
            "DelaySeconds: !ImportValue x",
            Err("line 7: Jobs: DelaySeconds needs Fn::ImportValue x, which"),
        ),
        (
            "DelaySeconds: 0",
            "QueueName: !ImportValue x",
            Err("Jobs: its name takes a text, not Fn::ImportValue x, which"),
        ),
        (
            "Timeout: 9",
            "Timeout: !ImportValue x",
            Err("Work: Timeout takes a whole number, not Fn::ImportValue x, which"),
        ),
        ("Timeout: 9", "Timeout: !Ref Nowhere", Err("Work: there is no parameter or resource Nowhere")),
        (
            "DelaySeconds: 0",
            "KmsMasterKeyId: !ImportValue x",
            Ok("Jobs: the queue is not encrypted by Fn::ImportValue x"),
        ),
        (
            "!GetAtt Jobs.Arn",
            "!ImportValue x",
            Ok("mapping Jobs is passed over: its queue is Fn::ImportValue x, which"),
        ),
    ] {
        let found = read_stack(&one(&[(from, to)]));
        match (found, expected) {
            (Ok(stack), Ok(expected)) => {
                assert!(stack.warnings[0].to_string().contains(expected), "{:?}", stack.warnings);
            }
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (found, expected) => panic!("{to}: {found:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn what_is_not_emulated_is_named() {
    for (more, expected) in [
        (
            "  M: { Type: 'AWS::Lambda::EventSourceMapping', Properties: { EventSourceArn: !GetAtt D.StreamArn, StartingPosition: \
             LATEST, FunctionName: !Ref Work } }\n  D: { Type: 'AWS::DynamoDB::Table' }\n",
            "line 19: M: passed over: its source is D.StreamArn, which is not known here (D is an AWS::DynamoDB::Table)",
        ),
        (
            "  M: { Type: 'AWS::Lambda::EventSourceMapping', Properties: { EventSourceArn: !GetAtt K.Arn, FunctionName: x } }\n  \
             K: { Type: 'AWS::Kinesis::Stream' }\n",
            "line 19: M: passed over: its source is of kinesis, which is not emulated",
        ),
        (
            "  M: { Type: 'AWS::Lambda::EventSourceMapping', Properties: { EventSourceArn: !GetAtt Jobs.Arn, FunctionName: x } }\n",
            "line 19: M: passed over: FunctionName x is no function of the template",
        ),
        (
            "  N: { Type: 'AWS::Serverless::Application', Properties: { Location: n.yaml } }\n",
            "line 19: N: passed over: nested stacks are not read (AWS::Serverless::Application)",
        ),
        (
            "        Web: { Type: HttpApi }\n        Clock: { Type: Schedule }\n",
            "line 14: Work: events passed over, because only queues are emulated: Web (HttpApi), Clock (Schedule)",
        ),
    ] {
        let stack = read_stack(&(ONE.to_owned() + more)).unwrap();
        let warnings: Vec<_> = stack.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [expected]);
        assert_eq!(stack.functions[0].mappings.len(), 1);
    }
}

#[test]
fn a_topic_whose_messages_go_through_a_queue_is_mapped_as_sam_does() {
    let event = |subscription: &str| {
        let topic = "  T: { Type: 'AWS::SNS::Topic', Properties: { FifoTopic: false } }\n";
        format!(
            "{ONE}        News:\n          Type: SNS\n          Properties: {{ Topic: !Ref T, SqsSubscription: \
                 {subscription} }}\n{topic}"
        )
    };
    let made = read_stack(&event("true")).unwrap();
    assert_eq!(made.queues.last().unwrap().name.as_str(), "local-WorkNewsQueue");
    let mapping = &made.functions[0].mappings[1];
    assert_eq!((mapping.queue.name(), mapping.mapping.batch_size, mapping.enabled), ("local-WorkNewsQueue", 10, true));
    assert!(made.warnings[0].text.contains("the topic of event News is not emulated"));

    let fifo = event("yes").replace("FifoTopic: false", "FifoTopic: true");
    assert_eq!(read_stack(&fifo).unwrap().queues.last().unwrap().name.as_str(), "local-WorkNewsQueue.fifo");

    let existing = event("{ QueueArn: 'arn:aws:sqs:us-east-1:000000000000:mine', QueueUrl: u, BatchSize: 3 }");
    let stack = read_stack(&existing).unwrap();
    let mapping = &stack.functions[0].mappings[1];
    assert_eq!((mapping.queue.name(), mapping.mapping.batch_size), ("mine", 3));
    assert_eq!(stack.queues.len(), 1);

    let error = read_stack(&event("{ BatchSize: 3 }")).unwrap_err().to_string();
    assert!(error.contains("Work: SqsSubscription needs QueueArn and QueueUrl, or is true"), "{error}");
    assert!(read_stack(&event("no")).unwrap().warnings[0].text.contains("News (SNS)"));
}

#[test]
fn parameters_are_lists_and_within_their_constraints() {
    let options = Options { ssm: given(&[("/names", "a, b")]), ..Options::default() };
    for (declaration, value, expected) in [
        ("{ Type: CommaDelimitedList, Default: 'a, b ,c' }", "!Select [1, !Ref Given]", Ok("b")),
        ("{ Type: 'List<Number>', Default: '1,2' }", "!Join [':', !Ref Given]", Ok("1:2")),
        ("{ Type: CommaDelimitedList, Default: '' }", "!Length { Ref: Given }", Ok("0")),
        ("{ Type: 'AWS::SSM::Parameter::Value<List<String>>', Default: /names }", "!Select [1, !Ref Given]", Ok("b")),
        ("{ Type: 'AWS::SSM::Parameter::Value<String>', Default: /names }", "!Ref Given", Ok("a, b")),
        (
            "{ Type: 'AWS::SSM::Parameter::Value<String>', Default: /none, AllowedPattern: x }",
            "!Ref Given",
            Ok("<unknown: SSM parameter /none>"),
        ),
        (
            "{ Type: String, Default: abc, AllowedPattern: '[a-z]+', MinLength: 3, MaxLength: 3 }",
            "!Ref Given",
            Ok("abc"),
        ),
        ("{ Type: String, Default: yes }", "!Ref Given", Ok("true")),
        ("{ Type: String, Default: x, AllowedPattern: '(?=x)x' }", "!Ref Given", Ok("x")),
        (
            "{ Type: String, Default: abC, AllowedPattern: '[a-z]+', ConstraintDescription: small letters }",
            "!Ref Given",
            Err("line 3: parameter Given is \"abC\"; expected what matches [a-z]+ (small letters)"),
        ),
        (
            "{ Type: String, Default: '', MinLength: 1 }",
            "x",
            Err("parameter Given is \"\"; expected 1 to any characters"),
        ),
        (
            "{ Type: String, Default: abcd, MaxLength: 3 }",
            "x",
            Err("parameter Given is \"abcd\"; expected any to 3 characters"),
        ),
        (
            "{ Type: String, NoEcho: true, Default: abcd, MaxLength: 3 }",
            "x",
            Err("parameter Given is not as it must be; exp"),
        ),
        ("{ Type: Number, Default: 9, MinValue: 10 }", "x", Err("parameter Given is 9; expected 10 to any")),
        ("{ Type: 'List<Number>', Default: '1,x' }", "x", Err("parameter Given is \"x\"; expected a number")),
        ("{ Type: CommaDelimitedList, Default: 'a,c', AllowedValues: [a, b] }", "x", Err("is \"c\"; allowed are a, b")),
        ("{ Default: x }", "x", Err("parameter Given has no Type")),
        (
            "{ Type: CommaDelimitedList, Default: 'a,b' }",
            "!Sub '${Given}'",
            Err("Fn::Sub takes one value for Given, not a list"),
        ),
    ] {
        let text = one(&[("{ Type: String, Default: none }", declaration), ("V: x", &format!("V: {value}"))]);
        match (read(&text, &options, &Limits::STRICT), expected) {
            (Ok(stack), Ok(expected)) => assert_eq!(stack.functions[0].environment["V"], expected, "{declaration}"),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{declaration}: {error}"),
            (found, expected) => panic!("{declaration}: {found:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn anchors_and_merge_keys_are_read() {
    let text = "
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties: &common { VisibilityTimeout: 60, DelaySeconds: 5 }
  Slow:
    Type: AWS::SQS::Queue
    Properties: { <<: *common, DelaySeconds: 9 }
  Same: { Type: 'AWS::SQS::Queue', Properties: *common }
  Both:
    Type: AWS::SQS::Queue
    Properties: { <<: [*common, { DelaySeconds: 1, MaximumMessageSize: 2048 }] }
";
    let stack = read_stack(text).unwrap();
    let attributes = |at: usize| format!("{:?}", stack.queues[at].attributes);
    assert_eq!(attributes(0), attributes(2));
    assert!(attributes(1).contains("60s") && attributes(1).contains("9s"), "{}", attributes(1));
    assert!(attributes(3).contains("5s") && attributes(3).contains("2048"), "{}", attributes(3));
    for (wrong, expected) in [
        ("Resources: { <<: 5 }", "<< takes a mapping, or a list of mappings"),
        ("Resources: &a { b: *a }", "an alias stands within what it names"),
    ] {
        let error = read_stack(wrong).unwrap_err().to_string();
        assert!(error.contains(expected), "{wrong}: {error}");
    }
    // Ten lines that stand for ten thousand million values.
    let line = |n: usize| format!("a{n}: &a{n} [{}]", format!("*a{},", n - 1).repeat(10));
    let bomb = (1..10).map(line).collect::<Vec<_>>().join("\n");
    let error = read_stack(&format!("a0: &a0 x\n{bomb}")).unwrap_err().to_string();
    assert!(error.contains("more than 200000 values"), "{error}");
}

#[test]
fn mappings_aim_at_aliases_and_versions() {
    let resource = |name: &str| {
        format!(
            "  M:\n    Type: AWS::Lambda::EventSourceMapping\n    Properties: {{ EventSourceArn: !GetAtt Other.Arn, \
                 FunctionName: {name} }}\n  Other: {{ Type: 'AWS::SQS::Queue' }}\n  Live: {{ Type: 'AWS::Lambda::Alias', \
                 Properties: {{ FunctionName: !Ref Work, Name: live }} }}\n"
        )
    };
    for (name, expected) in [
        ("!Ref Work", "local-Work"),
        ("!GetAtt Work.Arn", "local-Work"),
        ("!Ref Live", "local-Work:live"),
        ("!Sub '${Work}:live'", "local-Work:live"),
        ("!Sub '${AWS::AccountId}:function:${Work}'", "local-Work"),
        ("!Sub '${Work.Arn}:3'", "local-Work:3"),
    ] {
        let stack = read_stack(&(ONE.to_owned() + &resource(name))).unwrap();
        assert_eq!(stack.functions[0].mappings[1].mapping.function_name, expected, "{name}");
    }
    let published = one(&[("Timeout: 9", "AutoPublishAlias: live"), ("V: x", "V: !Ref Work.Alias")]);
    let stack = read_stack(&published).unwrap();
    assert_eq!(stack.functions[0].mappings[0].mapping.function_name, "local-Work:live");
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:local-Work";
    for (reference, expected) in [
        ("!Ref Work.Alias", "live"),
        ("!Ref Work.Version", "1"),
        ("!Ref WorkAliaslive", "live"),
        ("!Sub '${Work.Alias}'", "live"),
    ] {
        let stack = read_stack(&published.replace("!Ref Work.Alias", reference)).unwrap();
        assert_eq!(stack.functions[0].environment["V"], format!("{arn}:{expected}"), "{reference}");
    }
}

#[test]
fn names_that_are_too_long_are_shortened() {
    let long = "L".repeat(100);
    let text = format!(
        "Resources:\n  {long}Q: {{ Type: 'AWS::SQS::Queue' }}\n  {long}R: {{ Type: 'AWS::SQS::Queue', Properties: {{ FifoQueue: \
         true }} }}\n  {long}F: {{ Type: 'AWS::Lambda::Function' }}\n"
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

#[test]
fn every_mistake_is_said_at_once() {
    let text = one(&[
        ("DelaySeconds: 0", "DelaySeconds: soon, Nope: 1"),
        ("Timeout: 9", "Timeout: soon"),
        ("V: x", "V: [x]"),
        ("Enabled: true", "Enabled: maybe\n            BatchSise: 1"),
    ]);
    let error = read_stack(&text).unwrap_err();
    let found: Vec<_> =
        error.problems.iter().map(|problem| (problem.line, problem.text.split(' ').next().unwrap())).collect();
    let expected = [(7, "DelaySeconds"), (7, "an"), (11, "Timeout"), (12, "variable"), (18, "Enabled"), (19, "an")];
    assert_eq!(found, expected, "{error}");
}
