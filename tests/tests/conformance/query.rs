//! Corners of the Query protocol.

use serde_json::{Value, json};

use crate::{
    client::{Answer, Sqs, encode, form_request, get_request},
    errors::{INVALID_PARAMETER_VALUE, MALFORMED_INPUT, MISSING_PARAMETER, UNKNOWN_OPERATION},
    rules::{
        Evidence::{Documented, Quoted, Unverified, Validated},
        Section,
    },
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    paths(rules);
    lists(rules);
    unread_lists(rules);
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
}

fn post(sqs: &Sqs, form: &str) -> Answer {
    sqs.raw(form_request("/", format!("QueueUrl=jobs&{form}")))
}

fn lists(rules: &mut Section<'_>) {
    // elasticmq#448.
    rules.query(Quoted, "a single item of a list may go without a number", |sqs| {
        sqs.jobs();
        for form in ["AttributeName=DelaySeconds", "AttributeName.1=DelaySeconds"] {
            let body = post(sqs, &format!("Action=GetQueueAttributes&{form}")).body;
            assert!(body.contains("<Attribute><Name>DelaySeconds</Name><Value>0</Value></Attribute>"), "{body}");
        }
        let form = "Action=SetQueueAttributes&Attribute.Name=DelaySeconds&Attribute.Value=7";
        assert_eq!(post(sqs, form).status, 200);
        assert_eq!(sqs.attributes("jobs")["DelaySeconds"], "7");
        assert_eq!(post(sqs, "Action=TagQueue&Tag.Key=a&Tag.Value=b").status, 200);
        assert_eq!(sqs.ok("ListQueueTags", &json!({ "QueueUrl": "jobs" })), json!({ "Tags": { "a": "b" } }));
    });
    // aws-sdk-php#694 and rusoto#586 for message attributes and their names, localstack#2690 for tags.
    rules.query(Quoted, "the plural of a list's name is read like its singular", |sqs| {
        sqs.jobs();
        assert_eq!(post(sqs, "Action=TagQueue&Tags.1.Key=a&Tags.1.Value=b").status, 200);
        assert_eq!(sqs.ok("ListQueueTags", &json!({ "QueueUrl": "jobs" })), json!({ "Tags": { "a": "b" } }));
        let value = "MessageAttributes.1.Value";
        let attribute = format!("MessageAttributes.1.Name=n&{value}.DataType=String&{value}.StringValue=v");
        assert_eq!(post(sqs, &format!("Action=SendMessage&MessageBody=a&{attribute}")).status, 200);
        let received = post(sqs, "Action=ReceiveMessage&MessageAttributeNames.1=n").body;
        assert!(received.contains("<MessageAttribute><Name>n</Name>"), "{received}");
        let entry = "SendMessageBatchRequestEntry.1";
        let attribute = attribute.replace("MessageAttributes.", &format!("{entry}.MessageAttributes."));
        let sent = post(sqs, &format!("Action=SendMessageBatch&{entry}.Id=1&{entry}.MessageBody=a&{attribute}")).body;
        assert!(sent.contains("<MD5OfMessageAttributes>"), "{sent}");
    });
    rules.query(Unverified, "so is that of the lists of which no user has told", |sqs| {
        let form = "Action=CreateQueue&QueueName=jobs&Attributes.1.Name=DelaySeconds&Attributes.1.Value=7&Tags.1.Key=a\
                    &Tags.1.Value=b";
        assert_eq!(post(sqs, form).status, 200);
        let attributes = post(sqs, "Action=GetQueueAttributes&AttributeNames.1=DelaySeconds").body;
        assert!(attributes.contains("<Name>DelaySeconds</Name><Value>7</Value>"), "{attributes}");
        assert_eq!(post(sqs, "Action=UntagQueue&TagKeys.1=a").status, 200);
        assert_eq!(sqs.ok("ListQueueTags", &json!({ "QueueUrl": "jobs" })), json!({}));
        let form = "Action=AddPermission&Label=l&AWSAccountIds.1=111122223333&Actions.1=SendMessage";
        assert_eq!(post(sqs, form).status, 200);
        let trace = "MessageSystemAttributes.1";
        let form = format!(
            "Action=SendMessage&MessageBody=a&{trace}.Name=AWSTraceHeader&{trace}.Value.DataType=String\
             &{trace}.Value.StringValue=Root"
        );
        assert_eq!(post(sqs, &form).status, 200);
        sqs.pass(7);
        let received = post(sqs, "Action=ReceiveMessage&MessageSystemAttributeNames.1=AWSTraceHeader").body;
        assert!(received.contains("<Name>AWSTraceHeader</Name><Value>Root</Value>"), "{received}");
    });
}

fn unread_lists(rules: &mut Section<'_>) {
    // aws-sdk-go#161, aws-sdk-php#637, aws-sdk-perl#36; rusoto#586.
    rules.query(Quoted, "a list by the name or in the form that other services have is refused", |sqs| {
        sqs.jobs();
        let form = "Action=DeleteMessageBatch&Entries.1.Id=a&Entries.1.ReceiptHandle=b";
        post(sqs, form).refused(MALFORMED_INPUT, "Top level element may not be treated as a list");
        let form = "Action=ReceiveMessage&MessageAttributeNames.member.1=All";
        post(sqs, form).refused(MALFORMED_INPUT, "Start of list found where not expected");
    });
    // aws-sdk-php#694, aws-sdk-go#178, aws-sdk-android#193.
    rules.query(Quoted, "a message attribute whose name is spelt otherwise is refused, not lost", |sqs| {
        sqs.jobs();
        let text = "The request must contain non-empty message attribute name.";
        for list in ["MessageAttribute", "MessageAttributes"] {
            for value in ["value", "Value"] {
                let value = format!("{list}.1.{value}");
                let form = format!("{list}.1.key=Format&{value}.DataType=String&{value}.StringValue=json");
                let answer = post(sqs, &format!("Action=SendMessage&MessageBody=a&{form}"));
                answer.refused(INVALID_PARAMETER_VALUE, text);
            }
        }
        assert_eq!(sqs.counts("jobs"), [0, 0, 0]);
    });
    rules.query(
        Unverified,
        "an attribute without a name or a value, or a tag without a key, is a missing parameter",
        |sqs| {
            let policy = "%7B%22Id%22%3A%22own%22%7D";
            post(sqs, &format!("Action=CreateQueue&QueueName=jobs&Attribute.1.Name=Policy&Attribute.1.Value={policy}"));
            post(sqs, "Action=SetQueueAttributes&Attribute.1.Name=Policy").refused_somehow(MISSING_PARAMETER);
            assert_eq!(sqs.attributes("jobs")["Policy"], "{\"Id\":\"own\"}");
            assert_eq!(post(sqs, "Action=TagQueue&Tag.1.Key=a").status, 200);
            post(sqs, "Action=SetQueueAttributes&Attribute.1.Value=7").refused_somehow(MISSING_PARAMETER);
            post(sqs, "Action=TagQueue&Tag.1.Value=7").refused_somehow(MISSING_PARAMETER);
        },
    );
    rules.query(Unverified, "a list without a value is an empty list, as old SDKs send one", |sqs| {
        sqs.jobs();
        sqs.send("jobs", "a");
        assert_eq!(sqs.ok("GetQueueAttributes", &json!({ "QueueUrl": "jobs" })), json!({}));
        assert!(!post(sqs, "Action=GetQueueAttributes&AttributeName=").body.contains("<Attribute>"));
        let received = post(sqs, "Action=ReceiveMessage&AttributeName=&MessageAttributeName=");
        assert_eq!((received.status, received.body.contains("<Attribute>")), (200, false));
        post(sqs, "Action=UntagQueue&TagKey=").refused_somehow(MISSING_PARAMETER);
        post(sqs, "Action=SetQueueAttributes&Attribute=").refused_somehow(MISSING_PARAMETER);
        assert_eq!(post(sqs, "Action=CreateQueue&QueueName=other&Attribute=&Tag=").status, 200);
        assert_eq!(post(sqs, "Action=SendMessage&MessageBody=a&MessageAttribute=").status, 200);
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
    const BODY: &str = "a\r\nb\rc\t\"d\" &quot; &amp; <e> 'f' ]]> \u{e4}\u{1f600}";
    rules.query(Validated, "a carriage return and a quotation mark survive the way through XML", |sqs| {
        sqs.jobs();
        sqs.send("jobs", BODY);
        assert_eq!(sqs.receive("jobs")[0]["Body"], BODY);
    });
    // fast-xml-parser#342, moto#4729; the line feed and the quotation mark: aws-sdk-js-v3#1893.
    rules.query(Quoted, "a carriage return is &#xD;, a quotation mark &quot;, and a line feed itself", |sqs| {
        sqs.jobs();
        sqs.send("jobs", BODY);
        let answer = sqs.call("ReceiveMessage", &json!({ "QueueUrl": "jobs" })).body;
        assert!(answer.contains("a&#xD;\nb&#xD;c\t&quot;d&quot; &amp;quot; &amp;amp; &lt;e&gt;"), "{answer}");
    });
}

fn json_answers(rules: &mut Section<'_>) {
    fn ask(sqs: &Sqs, operation: &str, parameters: &Value) -> Value {
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
