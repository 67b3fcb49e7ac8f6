//! Parameters, functions, references and what is not known here.

use super::{
    super::{Options, read},
    given, one, read_stack, variable,
};
use crate::engine::Limits;

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
            "\n  A: { Type: 'AWS::Lambda::Alias', Properties: { FunctionName: other, Name: live } }",
            format!("arn:aws:lambda:{at}:function:other:live"),
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
            "!Sub 'https://${ServerlessWebSocketApi}.x'",
            "",
            "https://<unknown: ServerlessWebSocketApi>.x",
            "ServerlessWebSocketApi, which",
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
        assert_eq!(warnings.contains(&format!("VAR {what}")), !what.is_empty(), "{value}: {warnings:?}");
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
            Err("Jobs: its name expects a string, not Fn::ImportValue x, which"),
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
        ("!GetAtt Jobs.Arn", "!ImportValue x", Ok("mapping Jobs is skipped: its queue is Fn::ImportValue x, which")),
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
            Err("line 2: parameter Given is \"abC\"; expected what matches [a-z]+ (small letters)"),
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
        let text = one(&[("{ Type: String, Default: none }", declaration), ("VAR: x", &format!("VAR: {value}"))]);
        match (read(&text, &options, &Limits::STRICT), expected) {
            (Ok(stack), Ok(expected)) => assert_eq!(stack.functions[0].environment["VAR"], expected, "{declaration}"),
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
