//! Shared by all of them: two templates in which a text stands in place of another.

mod mappings;
mod resources;
mod values;

use super::{Options, Stack, TemplateError, read};
use crate::engine::Limits;

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

/// What an `AWS::Lambda::Function` needs.
const LAMBDA: &str = "Code: { ZipFile: x }, Role: r, Runtime: python3.12, Handler: index.h";

/// What every function of SAM needs.
const GLOBALS: &str = "\nGlobals: { Function: { Runtime: provided.al2023, Handler: bootstrap } }\n";

/// A template, with the transform of SAM if it has none, and with what every function needs.
fn read_stack(text: &str) -> Result<Stack, TemplateError> {
    let transform = if text.contains("Transform:") { "" } else { "\nTransform: AWS::Serverless-2016-10-31\n" };
    let globals = if text.contains("Globals:") { "" } else { GLOBALS };
    read(&format!("{text}{transform}{globals}"), &Options::default(), &Limits::STRICT)
}

/// What is said to the template with one text in place of another.
fn refusal(from: &str, to: &str) -> String {
    assert!(STACK.contains(from), "{from:?} is not in the template");
    read_stack(&STACK.replacen(from, to, 1)).unwrap_err().to_string()
}

/// A queue, and a function with an event of that queue.
const ONE: &str = "Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Parameters: { Given: { Type: String, Default: none } }
Globals: { Function: { Runtime: provided.al2023, Handler: bootstrap } }
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties: { DelaySeconds: 0 }
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 9
      Environment: { Variables: { VAR: x } }
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
    let text = one(&[("VAR: x", &format!("VAR: {value}")), ("Resources:", &format!("Resources:{more}"))]);
    let stack = read(&text, options, &Limits::STRICT)?;
    let warnings: Vec<_> = stack.warnings.iter().map(ToString::to_string).collect();
    Ok((stack.functions[0].environment["VAR"].clone(), warnings.join("\n")))
}

#[test]
fn every_mistake_is_said_at_once() {
    let text = one(&[
        ("DelaySeconds: 0", "DelaySeconds: soon, Nope: 1"),
        ("Timeout: 9", "Timeout: soon"),
        ("VAR: x", "VAR: [x]"),
        ("Enabled: true", "Enabled: maybe\n            BatchSise: 1"),
    ]);
    let error = read_stack(&text).unwrap_err();
    let found: Vec<_> = error
        .diagnostics
        .iter()
        .map(|diagnostic| (diagnostic.line, diagnostic.text.split(' ').next().unwrap()))
        .collect();
    let expected =
        [(7, "Encountered"), (7, "DelaySeconds"), (11, "Timeout"), (12, "variable"), (18, "Enabled"), (19, "an")];
    assert_eq!(found, expected, "{error}");
}
