//! Shapes that all answers have.

use serde_json::{Value, json};

use crate::{
    client::{form_request, json_request},
    errors::{MALFORMED_INPUT, QUEUE_DOES_NOT_EXIST},
    rules::{
        Evidence::{Documented, Quoted, Recorded, Unverified, Validated},
        Section,
    },
    xml::Element,
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    json_shapes(rules);
    query_shapes(rules);
    queue_urls(rules);
    scopes(rules);
}

fn json_shapes(rules: &mut Section<'_>) {
    rules.both(Unverified, "a body of over 256 KiB is refused unless it brings messages", |sqs| {
        sqs.jobs();
        let long = "x".repeat(300 * 1_024);
        sqs.ok("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": long }));
        let parameters = json!({ "QueueUrl": "jobs", "ReceiveRequestAttemptId": long });
        let text = "The body of ReceiveMessage is longer than 262144 bytes.";
        sqs.call("ReceiveMessage", &parameters).refused(MALFORMED_INPUT, text);
    });
    rules.json(Recorded, "JSON is compact, its keys are in alphabetical order, and a request id is a header", |sqs| {
        sqs.jobs();
        let answer = sqs.call("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": "hello" }));
        assert_eq!(answer.header("content-type"), "application/x-amz-json-1.0");
        assert_eq!(answer.header("x-amzn-requestid").len(), 36);
        let (start, end) = answer.body.split_once("\"MessageId\":\"").unwrap();
        assert_eq!(start, "{\"MD5OfMessageBody\":\"5d41402abc4b2a76b9719d911017c592\",");
        assert_eq!((end.len(), &end[36..]), (38, "\"}"));
    });
    rules.json(Recorded, "an action without output answers 200 with no body and the content type of JSON", |sqs| {
        sqs.jobs();
        sqs.send("jobs", "a");
        let handle = sqs.receive("jobs")[0]["ReceiptHandle"].clone();
        let permission = json!({ "Label": "a", "AWSAccountIds": ["111122223333"], "Actions": ["*"] });
        let calls = [
            ("ChangeMessageVisibility", json!({ "ReceiptHandle": handle, "VisibilityTimeout": 5 })),
            ("DeleteMessage", json!({ "ReceiptHandle": handle })),
            ("SetQueueAttributes", json!({ "Attributes": { "DelaySeconds": "1" } })),
            ("TagQueue", json!({ "Tags": { "a": "b" } })),
            ("UntagQueue", json!({ "TagKeys": ["a"] })),
            ("AddPermission", permission),
            ("RemovePermission", json!({ "Label": "a" })),
            ("PurgeQueue", json!({})),
            ("DeleteQueue", json!({})),
        ];
        for (operation, mut parameters) in calls {
            parameters["QueueUrl"] = json!("jobs");
            let answer = sqs.call(operation, &parameters);
            assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{operation}");
            assert_eq!(answer.header("content-type"), "application/x-amz-json-1.0", "{operation}");
        }
    });
    rules.json(Recorded, "an action that has an output but nothing to say answers an empty object", |sqs| {
        sqs.jobs();
        for operation in ["ReceiveMessage", "ListQueueTags", "ListDeadLetterSourceQueues"] {
            assert_eq!(sqs.call(operation, &json!({ "QueueUrl": "jobs" })).body, "{}", "{operation}");
        }
    });
    rules.json(Recorded, "an error is a type and a lower-case message, and the code of Query is a header", |sqs| {
        let answer = sqs.call("GetQueueUrl", &json!({ "QueueName": "nothing" }));
        let body =
            "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"The specified queue does not exist.\"}";
        assert_eq!((answer.status, answer.body.as_str()), (400, body));
        assert_eq!(answer.header("x-amzn-query-error"), "AWS.SimpleQueueService.NonExistentQueue;Sender");
    });
    rules.json(Documented, "two members start in lower case: the tags of CreateQueue and the URLs of sources", |sqs| {
        let tags = json!({ "QueueName": "dead", "tags": { "team": "images" } });
        sqs.ok("CreateQueue", &tags);
        assert_eq!(sqs.ok("ListQueueTags", &json!({ "QueueUrl": "dead" })), json!({ "Tags": { "team": "images" } }));
        let policy = json!({ "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 1 });
        let url = sqs.create("jobs", &json!({ "RedrivePolicy": policy.to_string() }));
        let sources = sqs.ok("ListDeadLetterSourceQueues", &json!({ "QueueUrl": "dead" }));
        assert_eq!(sources, json!({ "queueUrls": [url] }));
    });
}

fn query_shapes(rules: &mut Section<'_>) {
    rules.query(Documented, "an answer is a response in the namespace of 2012-11-05 with result and metadata", |sqs| {
        let answer = sqs.call("CreateQueue", &json!({ "QueueName": "jobs" }));
        let id = answer.header("x-amzn-requestid").to_owned();
        let expected = format!(
            "<?xml version=\"1.0\"?><CreateQueueResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">\
             <CreateQueueResult><QueueUrl>http://localhost:9324/000000000000/jobs</QueueUrl></CreateQueueResult>\
             <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></CreateQueueResponse>"
        );
        assert_eq!((answer.header("content-type"), answer.body.as_str()), ("text/xml", expected.as_str()));
    });
    rules.query(Validated, "an empty receive has an empty result, and lists and maps are flat", |sqs| {
        sqs.jobs();
        let empty = sqs.call("ReceiveMessage", &json!({ "QueueUrl": "jobs" })).body;
        assert!(empty.contains("<ReceiveMessageResult/><ResponseMetadata>"), "{empty}");
        sqs.create("more", &json!({}));
        let lists = sqs.call("ListQueues", &json!({})).body;
        let result = Element::parse(&lists).children.remove(0);
        let names = result.children.iter().map(|child| child.name.as_str()).collect::<Vec<_>>();
        assert_eq!((result.name.as_str(), names), ("ListQueuesResult", vec!["QueueUrl", "QueueUrl"]));
        let parameters = json!({ "QueueUrl": "jobs", "AttributeNames": ["DelaySeconds", "VisibilityTimeout"] });
        let attributes = sqs.call("GetQueueAttributes", &parameters).body;
        let expected = "<GetQueueAttributesResult><Attribute><Name>DelaySeconds</Name><Value>0</Value></Attribute>\
                        <Attribute><Name>VisibilityTimeout</Name><Value>30</Value></Attribute>";
        assert!(attributes.contains(expected), "{attributes}");
        sqs.ok("TagQueue", &json!({ "QueueUrl": "jobs", "Tags": { "a": "1" } }));
        let tags = sqs.call("ListQueueTags", &json!({ "QueueUrl": "jobs" })).body;
        assert!(tags.contains("<ListQueueTagsResult><Tag><Key>a</Key><Value>1</Value></Tag>"), "{tags}");
    });
    // aws-sdk-php#694. A recording that is decoded shows what there is, and not how it is written.
    rules.query(Quoted, "an error has type, code, message, and a detail that is present and empty", |sqs| {
        let answer = sqs.call("GetQueueUrl", &json!({ "QueueName": "nothing" }));
        let id = answer.header("x-amzn-requestid").to_owned();
        let expected = format!(
            "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error>\
             <Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>The specified queue does not \
             exist for this wsdl version.</Message><Detail/></Error><RequestId>{id}</RequestId></ErrorResponse>"
        );
        assert_eq!((answer.status, answer.body.as_str()), (400, expected.as_str()));
    });
    rules.query(Documented, "an action without output answers its metadata alone", |sqs| {
        sqs.jobs();
        let answer = sqs.call("DeleteQueue", &json!({ "QueueUrl": "jobs" }));
        let names = Element::parse(&answer.body).children.into_iter().map(|child| child.name).collect::<Vec<_>>();
        assert_eq!(names, ["ResponseMetadata"]);
    });
}

fn queue_urls(rules: &mut Section<'_>) {
    rules.json(Validated, "AWS JSON is answered on the path of a queue URL too", |sqs| {
        sqs.jobs();
        let body = json!({ "QueueUrl": "http://localhost:9324/000000000000/jobs", "MessageBody": "a" });
        let mut request = json_request("SendMessage", body.to_string());
        *request.uri_mut() = "/000000000000/jobs".parse().unwrap();
        assert_eq!(sqs.raw(request).status, 200);
    });
    rules.both(Validated, "a QueueUrl may be a bare name, and its host is not looked at", |sqs| {
        sqs.jobs();
        for url in [
            "jobs",
            "http://localhost:9324/000000000000/jobs",
            "https://sqs.eu-central-1.amazonaws.com/000000000000/jobs",
            "http://elsewhere.example:80/000000000000/jobs/",
            "000000000000/jobs",
        ] {
            sqs.send(url, url);
        }
        assert_eq!(sqs.counts("jobs"), [5, 0, 0]);
        for url in ["", "http://localhost:9324", "http://localhost:9324/", "http://localhost:9324/111122223333/jobs"] {
            let parameters = json!({ "QueueUrl": url, "MessageBody": "a" });
            sqs.call("SendMessage", &parameters).refused_somehow(QUEUE_DOES_NOT_EXIST);
        }
    });
    rules.both(Unverified, "a QueueUrl may have a path before the account, and queue in the account's place", |sqs| {
        sqs.jobs();
        for url in [
            "https://proxy.example/api/sqs/000000000000/jobs",
            "http://localhost:9324/queue/jobs",
            "http://localhost:4566/queue/us-east-1/000000000000/jobs",
        ] {
            sqs.send(url, url);
        }
        assert_eq!(sqs.counts("jobs"), [3, 0, 0]);
    });
    rules.query(Unverified, "an endpoint may have a path, with which its queue URLs begin", |sqs| {
        for (path, prefix) in [("/api/sqs/", "/api/sqs"), ("/sqs", "/sqs"), ("/", "")] {
            let body = sqs.raw(form_request(path, "Action=CreateQueue&QueueName=jobs".to_owned())).body;
            assert!(body.contains(&format!("<QueueUrl>http://localhost:9324{prefix}/000000000000/jobs<")), "{body}");
            let path = format!("{prefix}/000000000000/jobs");
            assert_eq!(sqs.raw(form_request(&path, "Action=SendMessage&MessageBody=a".to_owned())).status, 200);
        }
        assert_eq!(sqs.counts("jobs"), [3, 0, 0]);
    });
    rules.both(Unverified, "a queue URL begins with the host by which the client came", |sqs| {
        let mut request = sqs.request("CreateQueue", &json!({ "QueueName": "jobs" }));
        request.headers_mut().insert("host", "queues.example:81".parse().unwrap());
        let body = sqs.raw(request).body;
        assert!(body.contains("http://queues.example:81/000000000000/jobs"), "{body}");
    });
}

fn scopes(rules: &mut Section<'_>) {
    const WORDS: &str = "the region is that of the signature's scope, and a key id of twelve digits is the account";
    rules.both(Unverified, WORDS, |sqs| {
        let ask = |operation: &str, parameters: Value, credential: &str| {
            let mut request = sqs.request(operation, &parameters);
            let signature = format!(
                "AWS4-HMAC-SHA256 Credential={credential}/20270115/eu-west-1/sqs/aws4_request, SignedHeaders=host, \
                 Signature=0"
            );
            request.headers_mut().insert("authorization", signature.parse().unwrap());
            sqs.raw(request).body
        };
        let created = ask("CreateQueue", json!({ "QueueName": "jobs" }), "111122223333");
        assert!(created.contains("/111122223333/jobs"), "{created}");
        let parameters = json!({ "QueueUrl": "jobs", "AttributeNames": ["QueueArn"] });
        let arn = ask("GetQueueAttributes", parameters, "111122223333");
        assert!(arn.contains("arn:aws:sqs:eu-west-1:111122223333:jobs"), "{arn}");
        let other = ask("CreateQueue", json!({ "QueueName": "other" }), "AKIAIOSFODNN7EXAMPLE");
        assert!(other.contains("/000000000000/other"), "{other}");
        let parameters = json!({ "QueueName": "jobs", "QueueOwnerAWSAccountId": "111122223333" });
        let found = ask("GetQueueUrl", parameters, "AKIAIOSFODNN7EXAMPLE");
        assert!(found.contains("/111122223333/jobs"), "{found}");
        sqs.call("GetQueueUrl", &json!({ "QueueName": "other" })).refused_somehow(QUEUE_DOES_NOT_EXIST);
    });
    rules.query(Unverified, "a signature in the query of a URL names the scope as one in a header does", |sqs| {
        let scope = "X-Amz-Credential=111122223333%2F20270115%2Feu-west-1%2Fsqs%2Faws4_request";
        let form = "Action=CreateQueue&QueueName=jobs".to_owned();
        let body = sqs.raw(form_request(&format!("/?{scope}"), form)).body;
        assert!(body.contains("/111122223333/jobs"), "{body}");
    });
}
