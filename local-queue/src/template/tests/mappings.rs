//! Event source mappings, of SAM and of resources of their own.

use super::{LAMBDA, ONE, STACK, one, read_stack, refusal};
use crate::event_source_mapping::ProvisionedPollers;

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
  Work: { Type: 'AWS::Lambda::Function', Properties: { Timeout: 9, Code: { ZipFile: x }, Role: r, Runtime: python3.12, Handler: index.h } }
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
  Work: { Type: 'AWS::Lambda::Function', Properties: { Timeout: 9, Code: { ZipFile: x }, Role: r, Runtime: python3.12, Handler: index.h } }
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
fn what_aws_refuses_of_an_event_is_refused_at_its_line() {
    let takes = "Queue, BatchSize, Enabled, FilterCriteria, FunctionResponseTypes, KmsKeyArn, LoggingConfig, \
                 MaximumBatchingWindowInSeconds, MetricsConfig, ProvisionedPollerConfig, ScalingConfig";
    let types = "FunctionResponseTypes expects a list, [ReportBatchItemFailures] or [], not ";
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
    let published = one(&[("Timeout: 9", "AutoPublishAlias: live")]);
    let stack = read_stack(&published).unwrap();
    assert_eq!(stack.functions[0].mappings[0].mapping.function_name, "local-Work:live");
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:local-Work";
    for (reference, expected) in [
        ("!Ref Work.Alias", "live"),
        ("!Ref Work.Version", "1"),
        ("!Ref WorkAliaslive", "live"),
        ("!Sub '${Work.Alias}'", "live"),
    ] {
        let other = format!(
            "  Other: {{ Type: 'AWS::Lambda::Function', Properties: {{ {LAMBDA}, Environment: {{ \
             Variables: {{ VAR: {reference} }} }} }} }}\n"
        );
        let stack = read_stack(&(published.clone() + &other)).unwrap();
        assert_eq!(stack.functions[1].environment["VAR"], format!("{arn}:{expected}"), "{reference}");
    }
}
