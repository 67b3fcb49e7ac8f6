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
