use super::*;

#[tokio::test(start_paused = true)]
async fn events_come_into_the_queue_that_wants_them() {
    for fixture in Fixture::kinds() {
        let queue = fixture.open_queue("events");
        fixture.notify(&queue, "s3:ObjectCreated:*", &[("prefix", "in/"), ("suffix", ".jpg")]).unwrap();
        let test = fixture.messages(&queue).await;
        assert_eq!((test.len(), &test[0]["Event"], &test[0]["Bucket"]), (1, &json!("s3:TestEvent"), &json!("photos")));

        fixture.put("in/a%20b.jpg", "meow").await;
        fixture.put("in/c.png", "x").await;
        fixture.put("out/d.jpg", "x").await;
        fixture.send("PUT", "/photos/in/e.jpg", &[("x-amz-copy-source", "/photos/in/a%20b.jpg")], "").await;
        fixture.send("DELETE", "/photos/in/a%20b.jpg", &[], "").await;
        let messages = fixture.messages(&queue).await;
        let mut summaries = messages.iter().map(summary).collect::<Vec<_>>();
        summaries.sort();
        let expected = [("ObjectCreated:Copy", "in/e.jpg"), ("ObjectCreated:Put", "in/a+b.jpg")];
        assert_eq!(summaries, expected.map(|(name, key)| (name.to_owned(), key.to_owned())));
        let record =
            messages.iter().find(|message| summary(message).0 == "ObjectCreated:Put").unwrap()["Records"][0].clone();
        assert_eq!(record["s3"]["object"]["size"], 4);
        assert_eq!(record["s3"]["object"]["eTag"], "4a4be40c96ac6314e91d93f38043a634");
        assert_eq!((&record["s3"]["configurationId"], &record["awsRegion"]), (&json!("new"), &json!("us-east-1")));

        // Each of several that are removed at once is an event of its own.
        fixture.notify(&queue, "s3:ObjectRemoved:*", &[]).unwrap();
        fixture.messages(&queue).await;
        let body = "<Delete><Object><Key>in/c.png</Key></Object><Object><Key>none</Key></Object>\
                <Object><Key>out/d.jpg</Key></Object></Delete>";
        let deleted = fixture.send("POST", "/photos?delete", &[], body).await;
        assert_eq!(elements(&deleted.body, "Key"), ["in/c.png", "none", "out/d.jpg"], "{}", deleted.body);
        let messages = fixture.messages(&queue).await;
        let mut keys = messages.iter().map(|message| summary(message).1).collect::<Vec<_>>();
        keys.sort();
        assert_eq!(keys, ["in/c.png", "out/d.jpg"]);

        // Tags are events too, and say nothing of the size.
        fixture.notify(&queue, "s3:ObjectTagging:*", &[]).unwrap();
        fixture.messages(&queue).await;
        let tags = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
        assert_eq!(fixture.send("PUT", "/photos/in/e.jpg?tagging", &[], tags).await.status, 200);
        assert_eq!(element(&fixture.get("in/e.jpg?tagging", &[]).await.body, "Value"), "v");
        let messages = fixture.messages(&queue).await;
        assert_eq!(summary(&messages[0]).0, "ObjectTagging:Put");
        assert!(messages[0]["Records"][0]["s3"]["object"].get("size").is_none());
    }
}

/// Functions that keep what they are given.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<(String, Value)>>);

impl Functions for Kept {
    fn has(&self, arn: &str) -> bool {
        arn.starts_with("arn:aws:lambda:us-east-1:000000000000:function:resize")
    }

    fn invoke(&self, arn: &str, event: String) {
        self.0.lock().unwrap().push((arn.to_owned(), serde_json::from_str(&event).unwrap()));
    }
}

#[tokio::test(start_paused = true)]
async fn functions_are_given_events_and_no_test_event() {
    for fixture in Fixture::kinds() {
        let arn = |name: &str| format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
        let notify = |name: &str| {
            let notification = Notification {
                id: None,
                destination: Destination::Function(arn(name)),
                events: vec!["s3:ObjectCreated:*".to_owned()],
                rules: vec![("suffix".to_owned(), ".jpg".to_owned())],
            };
            fixture.buckets.notify("photos", vec![notification])
        };
        let error = notify("resize").unwrap_err();
        assert!(error.message.ends_with("The destination Lambda function does not exist"), "{error}");
        let kept = Arc::new(Kept::default());
        fixture.buckets.invoke(Arc::clone(&kept) as Arc<dyn Functions>);
        assert!(notify("other").is_err());
        notify("resize:live").unwrap();
        fixture.put("a.jpg", "x").await;
        fixture.put("a.png", "x").await;
        let given = kept.0.lock().unwrap().clone();
        let summaries = given.iter().map(|(arn, event)| (arn.clone(), summary(event))).collect::<Vec<_>>();
        assert_eq!(summaries, [(arn("resize:live"), ("ObjectCreated:Put".to_owned(), "a.jpg".to_owned()))]);
    }
}

#[tokio::test(start_paused = true)]
async fn sequencers_grow_even_within_a_millisecond() {
    for fixture in Fixture::kinds() {
        let queue = fixture.open_queue("events");
        fixture.notify(&queue, "s3:ObjectCreated:*", &[]).unwrap();
        for _ in 0..3 {
            fixture.put("a", "x").await;
        }
        // In virtual time: the next event is of a later millisecond.
        tokio::time::sleep(Duration::from_secs(1)).await;
        fixture.put("a", "x").await;
        let messages = fixture.messages(&queue).await;
        let mut sequencers = messages
            .iter()
            .filter_map(|message| message["Records"][0]["s3"]["object"]["sequencer"].as_str())
            .map(|sequencer| u64::from_str_radix(sequencer, 16).unwrap())
            .collect::<Vec<_>>();
        sequencers.sort_unstable();
        assert_eq!(sequencers.len(), 4);
        assert!(sequencers.windows(2).all(|pair| pair[0] < pair[1]), "{sequencers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_did_not_let_s3_in_is_refused_in_its_words() {
    for fixture in Fixture::kinds() {
        let closed = fixture.queues.create_queue("closed", &[]).unwrap();
        let fifo = fixture.queues.create_queue("jobs.fifo", &[Attribute::FifoQueue(true)]).unwrap();
        let missing = QueueArn::parse("arn:aws:sqs:us-east-1:000000000000:missing").unwrap();
        for (queue, reason) in [
            (&closed, "Permissions on the destination queue do not allow S3 to publish notifications from this bucket"),
            (&missing, "The destination queue does not exist"),
            (&fifo, "FIFO SQS queues are not supported as the destination of S3 notifications"),
        ] {
            let error = fixture.notify(queue, "s3:ObjectCreated:*", &[]).unwrap_err();
            assert_eq!(error.code, "InvalidArgument");
            let expected = format!("Unable to validate the following destination configurations: {reason}");
            assert_eq!(error.message, expected);
        }
        let configuration = |arns: &[&str]| {
            let queues = arns.iter().map(|arn| {
                format!(
                    "<QueueConfiguration><Queue>{arn}</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration>"
                )
            });
            format!("<NotificationConfiguration>{}</NotificationConfiguration>", queues.collect::<String>())
        };
        let put = fixture.send("PUT", "/photos?notification", &[], configuration(&[closed.as_str()])).await;
        assert_eq!((put.status, put.code()), (400, "InvalidArgument"));
        assert_eq!(element(&put.body, "ArgumentName1"), closed.as_str(), "{}", put.body);
        assert!(element(&put.body, "ArgumentValue1").starts_with("Permissions on the destination queue"));
        let put = fixture.send("PUT", "/photos?notification", &[], configuration(&["none"])).await;
        assert_eq!(element(&put.body, "Message"), "The ARN could not be parsed");
        assert_eq!((element(&put.body, "ArgumentName"), element(&put.body, "ArgumentValue")), ("Queue", "none"));
        let skip = [("x-amz-skip-destination-validation", "true")];
        let put = fixture.send("PUT", "/photos?notification", &skip, configuration(&["none"])).await;
        assert_eq!(element(&put.body, "Message"), "The ARN could not be parsed");
        let put = fixture.send("PUT", "/photos?notification", &skip, configuration(&[missing.as_str()])).await;
        assert_eq!(put.status, 200, "{}", put.body);
        let put = fixture.send("PUT", "/photos?notification", &[], configuration(&[])).await;
        assert_eq!(put.status, 200, "an empty configuration removes all: {}", put.body);
        assert_eq!(fixture.send("GET", "/photos?notification", &[], "").await.body.matches("<Queue>").count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn configurations_that_cannot_be_told_apart_are_refused() {
    for fixture in Fixture::kinds() {
        let queue = fixture.open_queue("events");
        let one = |id: &str, event: &str, rules: &[(&str, &str)]| {
            let rules = rules
                .iter()
                .map(|(name, value)| format!("<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>"));
            format!(
                "<QueueConfiguration><Id>{id}</Id><Queue>{queue}</Queue><Event>{event}</Event><Filter><S3Key>{}</S3Key></Filter>\
             </QueueConfiguration>",
                rules.collect::<String>()
            )
        };
        let all = "s3:ObjectCreated:*";
        for (parts, expected) in [
            ([one("1", all, &[]), one("2", all, &[])], "Configurations overlap."),
            (
                [one("1", all, &[("prefix", "a")]), one("2", "s3:ObjectCreated:Put", &[("Prefix", "ab")])],
                "Configurations overlap.",
            ),
            (
                [one("1", all, &[("suffix", "g")]), one("2", all, &[("prefix", "a"), ("SUFFIX", "jpg")])],
                "Configurations overlap.",
            ),
            ([one("1", all, &[("prefix", "a")]), one("2", all, &[("prefix", "b")])], ""),
            ([one("1", all, &[("suffix", ".jpg")]), one("2", all, &[("suffix", ".png")])], ""),
            ([one("1", all, &[]), one("2", "s3:ObjectRemoved:*", &[])], ""),
            ([one("1", all, &[]), one("1", "s3:ObjectRemoved:*", &[])], "Configuration id must be unique"),
            ([one("1", "s3:ObjectMade", &[]), String::new()], "A specified event is not supported for notifications."),
            ([one("1", all, &[("middle", "a")]), String::new()], "filter rule name must be either prefix or suffix"),
            (
                [one("1", all, &[("prefix", "a"), ("Prefix", "b")]), String::new()],
                "Cannot specify more than one prefix",
            ),
        ] {
            let body = format!("<NotificationConfiguration>{}</NotificationConfiguration>", parts.concat());
            let put = fixture.send("PUT", "/photos?notification", &[], body.clone()).await;
            assert_eq!(put.status, if expected.is_empty() { 200 } else { 400 }, "{body}\n{}", put.body);
            assert!(element(&put.body, "Message").starts_with(expected), "{body}\n{}", put.body);
        }
        // Names are answered as S3 writes them, and a configuration without a name has been given one.
        let body = one("", all, &[("PREFIX", "a")]).replace("<Id></Id>", "");
        let body = format!("<NotificationConfiguration>{body}</NotificationConfiguration>");
        fixture.send("PUT", "/photos?notification", &[], body).await;
        let get = fixture.send("GET", "/photos?notification", &[], "").await;
        assert_eq!((elements(&get.body, "Name"), element(&get.body, "Id").len()), (vec!["Prefix"], 36), "{}", get.body);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_queue_is_gone_disturbs_nobody() {
    for fixture in Fixture::kinds() {
        let queue = fixture.open_queue("events");
        fixture.notify(&queue, "s3:ObjectCreated:*", &[]).unwrap();
        fixture.queues.delete_queue(&queue).unwrap();
        assert_eq!(fixture.put("a", "x").await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn several_destinations_are_refused_as_aws_was_recorded() {
    for fixture in Fixture::kinds() {
        let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
        let put = async |arns: &[String], headers: &[(&str, &str)]| {
            let queues = arns.iter().enumerate().map(|(number, arn)| {
                format!(
                    "<QueueConfiguration><Queue>{arn}</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule>\
                     <Name>prefix</Name><Value>{number}/</Value></FilterRule></S3Key></Filter></QueueConfiguration>"
                )
            });
            let body = format!("<NotificationConfiguration>{}</NotificationConfiguration>", queues.collect::<String>());
            fixture.send("PUT", "/photos?notification", headers, body).await
        };
        let open = fixture.open_queue("open").as_str().to_owned();
        let skips = [("x-amz-skip-destination-validation", "true")];
        // The first that is no ARN is named, before any that is not there, whether destinations are asked or not.
        for headers in [&[][..], &skips] {
            let refused = put(&[arn("missing"), "bad-1".to_owned(), "bad-2".to_owned()], headers).await;
            let said = ["Code", "Message", "ArgumentName", "ArgumentValue"].map(|name| element(&refused.body, name));
            assert_eq!(said, ["InvalidArgument", "The ARN could not be parsed", "Queue", "bad-1"]);
        }
        let refused = put(&[arn("one"), open.clone(), arn("two")], &[]).await;
        let names = ["ArgumentName1", "ArgumentValue1", "ArgumentName2", "ArgumentValue2", "ArgumentName3"];
        let said = names.map(|name| element(&refused.body, name));
        let missing = "The destination queue does not exist";
        assert_eq!(said, [&arn("one"), missing, &arn("two"), missing, ""], "{}", refused.body);
        assert_eq!(element(&refused.body, "Message"), "Unable to validate the following destination configurations");
        let get = fixture.send("GET", "/photos?notification", &[], "").await;
        assert_eq!(elements(&get.body, "Queue"), Vec::<&str>::new(), "what is refused changes nothing");
        assert_eq!(put(&[arn("one"), open, arn("two")], &skips).await.status, 200);
        // An empty value is kept.
        let body = "<NotificationConfiguration><QueueConfiguration><Queue>arn:aws:sqs:us-east-1:000000000000:open</Queue>\
             <Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>SUFFIX</Name><Value></Value></FilterRule></S3Key>\
             </Filter></QueueConfiguration></NotificationConfiguration>";
        assert_eq!(fixture.send("PUT", "/photos?notification", &[], body).await.status, 200);
        let get = fixture.send("GET", "/photos?notification", &[], "").await;
        assert_eq!(
            (elements(&get.body, "Name"), elements(&get.body, "Value")),
            (vec!["Suffix"], vec![""]),
            "{}",
            get.body
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_trace_of_a_request_goes_with_the_message() {
    for fixture in Fixture::kinds() {
        let queue = fixture.open_queue("events");
        fixture.notify(&queue, "s3:ObjectCreated:*", &[]).unwrap();
        fixture.messages(&queue).await;
        let trace = "Root=1-5759e988-bd862e3fe1be46a994272793";
        fixture.send("PUT", "/photos/a", &[("x-amzn-trace-id", trace)], "x").await;
        let received = fixture.queues.receive(&queue, Receive::default()).await.unwrap();
        assert_eq!(received[0].message.trace_header(), Some(trace));
    }
}

#[tokio::test(start_paused = true)]
async fn event_bridge_gives_events_in_its_form_to_the_rules_that_want_them() {
    for fixture in Fixture::kinds() {
        let queue = fixture.queues.create_queue("rule", &[]).unwrap();
        let closed = fixture.queues.create_queue("closed", &[]).unwrap();
        let policy = json!({ "Statement": {
            "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" }, "Action": "sqs:SendMessage",
            "Resource": queue.as_str(),
            "Condition": { "ArnEquals": { "aws:SourceArn": "arn:aws:events:us-east-1:000000000000:rule/photos" } },
        } });
        fixture.queues.set_queue_attributes(&queue, &[Attribute::Policy(Some(policy.to_string()))]).unwrap();
        let kept = Arc::new(Kept::default());
        fixture.buckets.invoke(Arc::clone(&kept) as Arc<dyn Functions>);
        let to = |destination: Destination, input: RuleInput| RuleTarget { destination, input, group: None };
        let function = "arn:aws:lambda:us-east-1:000000000000:function:resize";
        let pattern = r#"{"source":["aws.s3"],"detail-type":["Object Created","Object Deleted","Object Tags Added"],
            "detail":{"bucket":{"name":["photos"]},"object":{"key":[{"prefix":"in/"}]}}}"#;
        let targets = vec![
            to(Destination::Queue(queue.clone()), RuleInput::Matched),
            to(Destination::Queue(closed.clone()), RuleInput::Matched),
            to(Destination::Function(function.to_owned()), RuleInput::Path("$.detail.object".to_owned())),
            to(Destination::Function(function.to_owned()), RuleInput::Constant("[1]".to_owned())),
            to(Destination::Function(function.to_owned()), RuleInput::Path("$.none".to_owned())),
        ];
        fixture.buckets.add_rule("photos", pattern, targets).unwrap();
        for pattern in ["[]", "{", r#"{"source":"aws.s3"}"#, r#"{"source":[{"sounds-like":"x"}]}"#] {
            let error = fixture.buckets.add_rule("bad", pattern, Vec::new()).unwrap_err();
            assert!(error.message.starts_with("Event pattern is not valid. Reason: "), "{pattern}: {error}");
        }
        fixture.put("in/early.jpg", "x").await;
        assert_eq!(fixture.messages(&queue).await, Vec::<Value>::new(), "the bucket has not asked for it");
        let configuration = "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>";
        assert_eq!(fixture.send("PUT", "/photos?notification", &[], configuration).await.status, 200);
        let get = fixture.send("GET", "/photos?notification", &[], "").await;
        assert!(get.body.contains("EventBridgeConfiguration"), "{}", get.body);

        fixture.put("in/a%20b@c.jpg", "meow").await;
        fixture.put("out/d.jpg", "x").await;
        let tags = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
        fixture.send("PUT", "/photos/in/a%20b@c.jpg?tagging", &[], tags).await;
        fixture.send("DELETE", "/photos/in/a%20b@c.jpg", &[], "").await;
        let events = fixture.messages(&queue).await;
        assert_eq!(fixture.messages(&closed).await, Vec::<Value>::new());
        let of = |kind: &str| events.iter().find(|event| event["detail-type"] == kind).unwrap();
        assert_eq!(events.len(), 3);
        let created = of("Object Created");
        let object = &created["detail"]["object"];
        assert_eq!(
            (&object["key"], &object["size"]),
            (&json!("in/a b@c.jpg"), &json!(4)),
            "the key is not encoded here"
        );
        assert_eq!(object["etag"], "4a4be40c96ac6314e91d93f38043a634");
        assert_eq!(object["sequencer"].as_str().map(str::len), Some(16));
        assert_eq!(created["resources"], json!(["arn:aws:s3:::photos"]));
        for (name, value) in
            [("version", "0"), ("source", "aws.s3"), ("account", "000000000000"), ("region", "us-east-1")]
        {
            assert_eq!(created[name], value);
        }
        assert_eq!(created["time"], "2027-01-15T08:00:00Z");
        let detail = |event: &Value, name: &str| event["detail"][name].as_str().unwrap_or_default().to_owned();
        assert_eq!((detail(created, "reason"), detail(created, "deletion-type")), ("PutObject".into(), String::new()));
        let deleted = of("Object Deleted");
        let expected = ("DeleteObject".into(), "Permanently Deleted".into());
        assert_eq!((detail(deleted, "reason"), detail(deleted, "deletion-type")), expected);
        let tagged = of("Object Tags Added");
        assert_eq!((detail(tagged, "reason"), tagged["detail"]["object"].get("size")), (String::new(), None));
        let given = kept.0.lock().unwrap().clone();
        let inputs = given.into_iter().map(|(_, input)| input).collect::<Vec<_>>();
        assert_eq!((inputs.len(), &inputs[1]), (6, &json!([1])));
        assert_eq!(inputs[0], *object);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_named_by_its_host_too() {
    for fixture in Fixture::kinds() {
        for host in ["photos.s3.localhost:9324", "photos.s3.us-east-1.localhost", "photos.localhost:9324"] {
            let host = [("host", host)];
            let big = Bytes::from(vec![b'x'; DOCUMENT_BYTES_MAX + 1]);
            assert_eq!(fixture.send("PUT", "/a//b", &host, big.clone()).await.status, 200, "{host:?}");
            assert_eq!(fixture.buckets.object("photos", "a//b"), Some(big));
            assert_eq!(fixture.send("PUT", "/cat", &host, "meow").await.status, 200);
            assert_eq!(fixture.get("cat", &[]).await.body, "meow", "by its path");
            assert_eq!(fixture.send("GET", "/cat", &host, "").await.body, "meow");
            let listed = fixture.send("GET", "/?list-type=2", &host, "").await;
            assert_eq!(elements(&listed.body, "Key"), ["a//b", "cat"], "{}", listed.body);
            let huge = Bytes::from(vec![b'x'; DOCUMENT_BYTES_MAX + 1]);
            let refused = fixture.send("PUT", "/?tagging", &host, huge).await;
            assert_eq!(refused.code(), "MaxMessageLengthExceeded", "{}", refused.body);
        }
        // A bucket of that name is made, but not of any host.
        assert_eq!(fixture.send("PUT", "/", &[("host", "new.s3.localhost")], "").await.status, 200);
        assert!(fixture.buckets.has_bucket("new"));
        assert_eq!(fixture.send("GET", "/", &[("host", "nobody.localhost")], "").await.status, 200, "all buckets");
    }
}
