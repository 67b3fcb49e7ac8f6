use std::time::Duration;

use super::{Options, Stack, TemplateError, read};
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
            "line 52: Resize: MaximumConcurrency 1 is not between 2 and 1000",
        ),
        (
            "ScalingConfig: { MaximumConcurrency: 4 }",
            "ProvisionedPollerConfig: { MinimumPollers: 201 }",
            "line 52: Resize: MinimumPollers 201 is not between 2 and 200",
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
        ("!GetAtt Dead.Arn", "!ImportValue dead", "line 23: Jobs: Fn::ImportValue is not supported; supported are Ref"),
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
    assert!(refusal(name, "QueueName: !Cidr x").starts_with("line 19: Jobs: Fn::Cidr is not supported"));
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
