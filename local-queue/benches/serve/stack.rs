//! A whole stack: the template that is deployed, from its start to the first job that its API takes.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::process::Served;

/// Where the API of [`small`], and of the deployed template, takes jobs.
pub(super) const ROUTE: &str = "/_local-queue/apis/Api/jobs";
const STARTS: usize = 15;
/// After this long nothing of the start is under way.
const SETTLED: Duration = Duration::from_secs(1);

/// A template with a queue `jobs` and an API that sends to it.
pub(super) fn small() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let text = r"
Resources:
  Jobs: { Type: AWS::SQS::Queue, Properties: { QueueName: jobs } }
  Api: { Type: AWS::ApiGatewayV2::Api, Properties: { Name: jobs, ProtocolType: HTTP } }
  Send:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      IntegrationSubtype: SQS-SendMessage
      RequestParameters: { QueueUrl: !Ref Jobs, MessageBody: $request.body }
  Route: { Type: AWS::ApiGatewayV2::Route, Properties: { ApiId: !Ref Api, RouteKey: POST /jobs, Target: !Sub 'integrations/${Send}' } }
  Stage: { Type: AWS::ApiGatewayV2::Stage, Properties: { ApiId: !Ref Api, StageName: $default } }
";
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// The deployed template, with a function that takes its time to begin.
pub(super) fn measure(binary: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let bootstrap = folder.path().join("bootstrap");
    fs::write(&bootstrap, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
    let template = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../infra/template.yaml");
    let function = format!("ResizeFunction={}", bootstrap.display());
    let mut times = Vec::new();
    for index in 0..STARTS {
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--function", &function, "--template"]).arg(&template);
        command.stderr(std::process::Stdio::null());
        let started = Instant::now();
        let served = Served::start(&mut command);
        let mut stream = TcpStream::connect(served.address).unwrap();
        let request =
            format!("POST {ROUTE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        times.push(started.elapsed());
        if index + 1 == STARTS {
            std::thread::sleep(SETTLED);
            let megabytes = served.resident_bytes() as f64 / 1e6;
            times.sort();
            println!(
                "the deployed stack, from its start to the first job by its API: {:?} (median of {STARTS})",
                times[STARTS / 2]
            );
            println!("its memory when idle: {megabytes:.1} MB");
        }
    }
}
