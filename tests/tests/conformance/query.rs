//! Corners of the Query protocol.

use serde_json::{Value, json};

use crate::{
    client::{encode, form_request, get_request},
    errors::UNKNOWN_OPERATION,
    rules::{
        Evidence::{Documented, Quoted, Unverified, Validated},
        Section,
    },
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    paths(rules);
    actions(rules);
    bodies(rules);
    json_answers(rules);
}

fn paths(rules: &mut Section<'_>) {
    rules.query(Validated, "GET works on the queue URL, and a QueueUrl parameter goes before the path", |sqs| {
        sqs.jobs();
        sqs.create("other", &json!({}));
        let get = |query: &str| sqs.raw(get_request(&format!("/000000000000/jobs?{query}"))).status;
        assert_eq!(get("Action=SendMessage&MessageBody=x"), 200);
        assert_eq!((sqs.counts("jobs"), sqs.counts("other")), ([1, 0, 0], [0, 0, 0]));
        let url = encode("http://localhost:9324/000000000000/other");
        assert_eq!(get(&format!("Action=SendMessage&MessageBody=x&QueueUrl={url}")), 200);
        assert_eq!((sqs.counts("jobs"), sqs.counts("other")), ([1, 0, 0], [1, 0, 0]));
    });
    rules.query(Documented, "POST works on the queue URL", |sqs| {
        sqs.jobs();
        let form = "Action=SendMessage&MessageBody=x".to_owned();
        assert_eq!(sqs.raw(form_request("/000000000000/jobs", form)).status, 200);
        assert_eq!(sqs.counts("jobs"), [1, 0, 0]);
    });
    rules.query(Unverified, "a single item of a list may go without a number", |sqs| {
        sqs.jobs();
        for form in ["AttributeName=DelaySeconds", "AttributeName.1=DelaySeconds"] {
            let body = sqs.raw(form_request("/", format!("Action=GetQueueAttributes&QueueUrl=jobs&{form}"))).body;
            assert!(body.contains("<Attribute><Name>DelaySeconds</Name><Value>0</Value></Attribute>"), "{body}");
        }
        let form = "Action=SetQueueAttributes&QueueUrl=jobs&Attribute.Name=DelaySeconds&Attribute.Value=7".to_owned();
        assert_eq!(sqs.raw(form_request("/", form)).status, 200);
        assert_eq!(sqs.attributes("jobs")["DelaySeconds"], "7");
    });
}

fn actions(rules: &mut Section<'_>) {
    rules.query(Validated, "actions that are about no queue are unknown on a queue URL, as unknown ones are", |sqs| {
        sqs.jobs();
        for action in ["CreateQueue", "ListQueues", "DropQueue"] {
            let text = format!("The action {action} is not valid for this endpoint.");
            let query = format!("/000000000000/jobs?Action={action}&QueueName=other");
            sqs.raw(get_request(&query)).refused(UNKNOWN_OPERATION, &text);
        }
        assert_eq!(sqs.raw(get_request("/?Action=ListQueues")).status, 200);
        let text = "The action DropQueue is not valid for this endpoint.";
        sqs.raw(get_request("/?Action=DropQueue")).refused(UNKNOWN_OPERATION, text);
    });
    rules.query(Validated, "GET without an action is 404 with one empty element", |sqs| {
        sqs.jobs();
        for path in ["/", "/000000000000/jobs", "/?QueueName=jobs"] {
            let answer = sqs.raw(get_request(path));
            assert_eq!((answer.status, answer.body.as_str()), (404, "<UnknownOperationException/>"), "{path}");
        }
    });
}

fn bodies(rules: &mut Section<'_>) {
    rules.query(Validated, "a carriage return and a quotation mark survive the way through XML", |sqs| {
        sqs.jobs();
        let body = "a\r\nb\rc\t\"d\" &quot; &amp; <e> 'f' ]]> \u{e4}\u{1f600}";
        sqs.send("jobs", body);
        let answer = sqs.call("ReceiveMessage", &json!({ "QueueUrl": "jobs" })).body;
        assert!(answer.contains("a&#13;\nb&#13;c\t&quot;d&quot; &amp;quot; &amp;amp; &lt;e&gt;"), "{answer}");
        sqs.pass(30);
        assert_eq!(sqs.receive("jobs")[0]["Body"], body);
    });
}

fn json_answers(rules: &mut Section<'_>) {
    fn ask(sqs: &crate::client::Sqs, operation: &str, parameters: &Value) -> Value {
        let mut request = sqs.request(operation, parameters);
        request.headers_mut().insert("accept", "application/json".parse().unwrap());
        let answer = sqs.raw(request);
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        let mut document: Value = serde_json::from_str(&answer.body).unwrap();
        let response = document[format!("{operation}Response")].take();
        assert_eq!(response["ResponseMetadata"]["RequestId"], answer.header("x-amzn-requestid"));
        response[format!("{operation}Result")].clone()
    }
    rules.query(Validated, "who accepts JSON gets the answer as JSON, with attributes as names and values", |sqs| {
        sqs.jobs();
        let parameters = json!({ "QueueUrl": "jobs", "AttributeNames": ["DelaySeconds", "VisibilityTimeout"] });
        let expected = json!([
            { "Name": "DelaySeconds", "Value": "0" },
            { "Name": "VisibilityTimeout", "Value": "30" },
        ]);
        assert_eq!(ask(sqs, "GetQueueAttributes", &parameters)["Attributes"], expected);
        ask(sqs, "ListQueues", &json!({}));
    });
    rules.query(Quoted, "in such JSON lists begin in lower case, and members without a value are null", |sqs| {
        sqs.jobs();
        let urls = json!(["http://localhost:9324/000000000000/jobs"]);
        assert_eq!(ask(sqs, "ListQueues", &json!({})), json!({ "NextToken": null, "queueUrls": urls }));
        assert_eq!(ask(sqs, "ReceiveMessage", &json!({ "QueueUrl": "jobs" })), json!({ "messages": null }));
        let sent = ask(sqs, "SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": "hello" }));
        let mut expected = json!({
            "MD5OfMessageAttributes": null, "MD5OfMessageBody": "5d41402abc4b2a76b9719d911017c592",
            "MD5OfMessageSystemAttributes": null, "MessageId": sent["MessageId"], "SequenceNumber": null,
        });
        assert_eq!(sent, expected);
        let received = ask(sqs, "ReceiveMessage", &json!({ "QueueUrl": "jobs" }))["messages"][0].clone();
        expected = json!({
            "Attributes": null, "Body": "hello", "MD5OfBody": "5d41402abc4b2a76b9719d911017c592",
            "MD5OfMessageAttributes": null, "MessageAttributes": null, "MessageId": sent["MessageId"],
            "ReceiptHandle": received["ReceiptHandle"],
        });
        assert_eq!(received, expected);
    });
    rules.query(
        Validated,
        "an error is JSON, too, for who accepts JSON: its code, its text and whose fault it is",
        |sqs| {
            sqs.jobs();
            let mut request = get_request("/000000000000/jobs?Action=ListQueues");
            request.headers_mut().insert("accept", "application/json".parse().unwrap());
            let answer = sqs.raw(request);
            assert_eq!((answer.status, answer.header("content-type")), (400, "application/json"));
            let text = "The action ListQueues is not valid for this endpoint.";
            let error = json!({ "Code": "InvalidAction", "Message": text, "Type": "Sender" });
            let expected = json!({ "Error": error, "RequestId": answer.header("x-amzn-requestid") });
            assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), expected);
        },
    );
}
