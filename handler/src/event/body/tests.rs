use super::*;
use serde_json::json;

const RENDITIONS: &str = r#"[{"target":"s3://thumbs/{dir}/{stem}-{width}.{format}","width":320,"format":"webp"}]"#;

fn reader(renditions: &str) -> BodyReader {
    BodyReader::new(Some(Renditions::parse(renditions).unwrap()))
}

fn s3_record(name: &str, bucket: &str, key: &str) -> Value {
    json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1", "eventName": name,
        "s3": { "s3SchemaVersion": "1.0", "bucket": { "name": bucket }, "object": { "key": key, "size": if key == "folder/" { 0 } else { 7 } } }
    })
}

/// Source and first target of each job.
fn read(reader: &BodyReader, body: &Value) -> Vec<(String, String)> {
    let jobs = reader.read(&body.to_string()).unwrap();
    jobs.iter().map(|job| (job.source().to_string(), job.outputs()[0].target.to_string())).collect()
}

fn pair(source: &str, target: &str) -> (String, String) {
    (source.to_owned(), target.to_owned())
}

#[test]
fn several_s3_records_are_several_jobs_and_keys_are_form_decoded() {
    let body = json!({ "Records": [
        s3_record("ObjectCreated:Put", "photos", "2026/my+pic%20%28%C3%BC%29.jpg"),
        s3_record("ObjectRemoved:Delete", "photos", "gone.jpg"),
        s3_record("s3:ObjectCreated:Copy", "photos", "a%2Bb%2525.jpg"),
        s3_record("ObjectCreated:Put", "photos", "folder/"),
    ] });
    assert_eq!(
        read(&reader(RENDITIONS), &body),
        [
            pair("s3://photos/2026/my pic (\u{fc}).jpg", "s3://thumbs/2026/my pic (\u{fc})-320.webp"),
            pair("s3://photos/a+b%25.jpg", "s3://thumbs/a+b%25-320.webp"),
        ]
    );
}

#[test]
fn a_test_event_is_success_without_work() {
    let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-01T00:00:00.000Z",
                       "Bucket": "photos", "RequestId": "r", "HostId": "h" });
    assert_eq!(read(&BodyReader::default(), &test), []);
    let wrapped = json!({ "Type": "Notification", "Message": test.to_string() });
    assert_eq!(read(&BodyReader::default(), &wrapped), []);
}

#[test]
fn sns_wraps_an_s3_event_or_a_job() {
    let event = json!({ "Records": [s3_record("ObjectCreated:Put", "photos", "a.jpg")] });
    let wrapped = |inner: &Value| json!({ "Type": "Notification", "TopicArn": "t", "Message": inner.to_string() });
    assert_eq!(read(&reader(RENDITIONS), &wrapped(&event)), [pair("s3://photos/a.jpg", "s3://thumbs/a-320.webp")]);
    let job = json!({ "source": "s3://bucket/a", "outputs": [{ "target": "s3://other/a", "width": 1 }] });
    assert_eq!(read(&BodyReader::default(), &wrapped(&job)), [pair("s3://bucket/a", "s3://other/a")]);
    let twice = wrapped(&wrapped(&job)).to_string();
    assert!(BodyReader::default().read(&twice).unwrap_err().message.contains("within an SNS notification"));
}

#[test]
fn an_event_bridge_key_is_not_decoded() {
    let event = |detail_type: &str| {
        json!({ "version": "0", "source": "aws.s3", "detail-type": detail_type,
                "detail": { "bucket": { "name": "photos" }, "object": { "key": "a+b%20.jpg" } } })
    };
    let expected = [pair("s3://photos/a+b%20.jpg", "s3://thumbs/a+b%20-320.webp")];
    assert_eq!(read(&reader(RENDITIONS), &event("Object Created")), expected);
    assert_eq!(read(&reader(RENDITIONS), &event("Object Deleted")), []);
}

#[test]
fn what_cannot_be_used_says_why() {
    let reader = reader(RENDITIONS);
    let record = |key: &str| json!({ "Records": [s3_record("ObjectCreated:Put", "photos", key)] }).to_string();
    for (body, expected) in [
        ("not json".to_owned(), "the body is not JSON"),
        (
            json!({ "Records": [{ "eventName": "ObjectCreated:Put" }] }).to_string(),
            "Records[0].s3.bucket.name is missing",
        ),
        (json!({ "Records": [7] }).to_string(), "Records[0].eventName is missing"),
        (
            json!({ "Type": "Notification", "Message": "hello" }).to_string(),
            "Message of the SNS notification is not JSON",
        ),
        (
            json!({ "source": "aws.s3", "detail-type": "Object Created", "detail": {} }).to_string(),
            "detail.bucket.name",
        ),
        (record("a%ff.jpg"), "not UTF-8"),
        (record("../b.jpg"), "'..' segments"),
        (record("a/../%2e%2e/b.jpg"), "'..' segments"),
        (json!({ "hello": 1 }).to_string(), "source is missing"),
    ] {
        let failure = reader.read(&body).unwrap_err();
        assert!(failure.is_permanent() && failure.message.contains(expected), "{body}: {}", failure.message);
    }
    let failure = BodyReader::default().read(&record("a.jpg")).unwrap_err();
    assert_eq!((failure.blame, failure.kind), (Blame::Environment, "no-renditions"));
}

#[test]
fn every_key_that_s3_has_is_taken_as_it_is() {
    for key in [
        "a//b.jpg",
        "a.jpg/",
        "a\\b.jpg",
        "dir/../x.jpg",
        "./x.jpg",
        "/x.jpg",
        "a b+%.jpg",
        "caf\u{e9}.jpg",
        "a\nb.jpg",
    ] {
        let encoded: String = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).collect();
        let body = json!({ "Records": [s3_record("ObjectCreated:Put", "photos", &encoded)] });
        let renditions = r#"[{"target":"s3://thumbs/{key}","width":9}]"#;
        let expected = [pair(&format!("s3://photos/{key}"), &format!("s3://thumbs/{key}"))];
        assert_eq!(read(&reader(renditions), &body), expected);
    }
}

#[test]
fn a_key_with_percent_signs_is_the_same_name_as_a_file() {
    let body = json!({ "Records": [s3_record("ObjectCreated:Put", "photos", "100%2525/a%2520%2523.jpg")] });
    let jobs = reader(r#"[{"target":"file:///out/{dir}/{stem}.{ext}","width":9}]"#).read(&body.to_string()).unwrap();
    assert_eq!(
        (jobs[0].source().key(), jobs[0].outputs()[0].target.key()),
        ("100%25/a%20%23.jpg", "out/100%25/a%20%23.jpg")
    );
    for key in ["a%2F%2Fb.jpg", "a/../b.jpg"] {
        let body = json!({ "Records": [s3_record("ObjectCreated:Put", "photos", key)] });
        let failure = reader(r#"[{"target":"file:///out/{key}","width":9}]"#).read(&body.to_string()).unwrap_err();
        assert_eq!((failure.kind, failure.blame), ("unsupported-key", Blame::Target), "{failure}");
    }
}

#[test]
fn an_output_that_would_be_notified_like_its_source_is_refused() {
    for (target, key, looped) in [
        ("s3://photos/{key}", "a.jpg", true),
        ("s3://photos/{dir}/{stem}-small.{ext}", "up/a.jpg", true),
        ("s3://{bucket}/{dir}/thumbs/{stem}.{ext}", "up/a.jpg", true),
        ("s3://{bucket}/thumbs/{stem}.{ext}", "a.jpg", true),
        ("s3://{bucket}/{dir}/{stem}.{format}", "up/a.jpg", false),
        ("s3://{bucket}/{dir}/{stem}-2.{format}", "up/a.webp", true),
        ("s3://{bucket}/thumbs/{stem}.{ext}", "up/a.jpg", false),
        ("s3://{bucket}/{dir}-thumbs/{stem}.{ext}", "up/a.jpg", false),
        ("s3://thumbs/{key}", "up/a.jpg", false),
        ("s3://{bucket}/x/../{dir}/small/{stem}.{ext}", "up/a.jpg", true),
        ("s3://{bucket}/{dir}/../thumbs/{stem}.{ext}", "up/a.jpg", true),
    ] {
        let renditions = json!([{ "target": target, "width": 9, "format": "webp" }]).to_string();
        let body = json!({ "Records": [s3_record("ObjectCreated:Put", "photos", key)] }).to_string();
        let result = reader(&renditions).read(&body);
        assert_eq!(result.is_err(), looped, "{target} for {key}: {result:?}");
        if let Err(failure) = result {
            assert_eq!(failure.kind, "loop");
        }
    }
}

#[test]
fn a_wrong_setting_says_which_entry_and_why() {
    for (setting, expected) in [
        ("nope", "is not JSON"),
        ("{}", "expected a list of 1 to 64"),
        ("[]", "expected a list of 1 to 64"),
        (r#"[{"width":1}]"#, "[0].target is missing"),
        (r#"[{"target":"s3://bucket/{stem}"}]"#, "[0].width and height are both missing"),
        (r#"[{"target":"s3://bucket/{stem}","width":0}]"#, "[0].width is 0"),
        (r#"[{"target":"s3://bucket/{stem","width":1}]"#, "has a '{' without '}'"),
        (r#"[{"target":"s3://bucket/{name}","width":1}]"#, "uses {name}; expected {bucket}"),
        (r#"[{"target":"s3://bucket/{height}","width":1}]"#, "uses {height} but the output has no height"),
        (r#"[{"target":"s3://bucket/{stem}.{format}","width":1}]"#, "name one or use {ext}"),
        (r#"[{"target":"b/{stem}","width":1}]"#, "no supported scheme"),
        (r#"[{"target":"s3://bucket/a","width":1},{"target":"s3://bucket/a","width":2}]"#, "outputs[1].target"),
        (r#"[{"target":"s3://{bucket}/{key}","width":1}]"#, "the source itself"),
    ] {
        let error = Renditions::parse(setting).unwrap_err();
        assert!(error.contains(expected), "{setting}: {error}");
    }
}
