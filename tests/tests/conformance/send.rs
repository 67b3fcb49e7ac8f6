//! `SendMessage` to a standard queue: bodies, sizes, delays, digests, system attributes.

use serde_json::{Value, json};

use crate::{
    client::{bodies, json_request},
    errors::{INVALID_MESSAGE_CONTENTS, INVALID_PARAMETER_VALUE, MALFORMED_INPUT, MISSING_PARAMETER},
    rules::{
        Evidence::{Documented, Quoted, Recorded, Unverified, Validated},
        Section,
    },
};

const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
const TRACE_MD5: &str = "5ae4d5d7636402d80f4eb6d213245a88";

pub(crate) fn rules(rules: &mut Section<'_>) {
    contents(rules);
    sizes(rules);
    delays(rules);
    groups(rules);
    system_attributes(rules);
    type_slips(rules);
}

fn message(more: &Value) -> Value {
    let mut parameters = json!({ "QueueUrl": "jobs", "MessageBody": "a" });
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    parameters
}

fn contents(rules: &mut Section<'_>) {
    rules.both(Recorded, "an empty or absent body is a missing parameter", |sqs| {
        sqs.jobs();
        let text = "The request must contain the parameter MessageBody.";
        sqs.call("SendMessage", &json!({ "QueueUrl": "jobs" })).refused(MISSING_PARAMETER, text);
        sqs.call("SendMessage", &message(&json!({ "MessageBody": "" }))).refused(MISSING_PARAMETER, text);
    });
    rules.both(Recorded, "characters that XML 1.0 has are accepted and come back, others are refused", |sqs| {
        sqs.jobs();
        for body in ["\t\n\r ", "\u{d7ff}\u{e000}\u{fffd}", "\u{10000}\u{10ffff}", "\u{7f}\u{80}"] {
            sqs.send("jobs", body);
            let received = sqs.receive("jobs").remove(0);
            assert_eq!(received["Body"], body);
            sqs.delete("jobs", &received["ReceiptHandle"]).ok();
        }
        for body in ["\0", "\u{1}", "\u{8}", "\u{b}", "\u{1f}", "\u{fffe}", "\u{ffff}", "fine until \u{c}"] {
            let parameters = message(&json!({ "MessageBody": body }));
            sqs.call("SendMessage", &parameters).refused_somehow(INVALID_MESSAGE_CONTENTS);
        }
    });
    // nitro-plugins#437, NServiceBus.AmazonSQS#2630, aistudio#1525.
    rules.both(Quoted, "the text about a bad character names it and lists the good ones", |sqs| {
        sqs.jobs();
        for (body, character) in [("\u{7}", "#x7"), ("ok \u{1}\u{7}", "#x1"), ("\u{ffff}", "#xFFFF"), ("\u{b}", "#xB")] {
            let parameters = message(&json!({ "MessageBody": body }));
            let text = format!(
                "Invalid binary character '{character}' was found in the message body, the set of allowed characters is \
                 #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF]."
            );
            sqs.call("SendMessage", &parameters).refused(INVALID_MESSAGE_CONTENTS, &text);
        }
    });
    rules.both(Recorded, "MD5OfMessageBody is of the UTF-8 bytes of the body as it was sent", |sqs| {
        sqs.jobs();
        let digests =
            [("hello", "5d41402abc4b2a76b9719d911017c592"), ("\u{e4}\r\n<&\"", "8eceeade1621c82640866d7675e9bb60")];
        for (body, digest) in digests {
            assert_eq!(sqs.send("jobs", body)["MD5OfMessageBody"], digest);
            assert_eq!(sqs.receive("jobs")[0]["MD5OfBody"], digest);
        }
    });
    rules.both(Recorded, "a send to a standard queue answers a digest and an id, and no sequence number", |sqs| {
        sqs.jobs();
        let sent = sqs.send("jobs", "hello");
        let names = sent.as_object().unwrap().keys().collect::<Vec<_>>();
        assert_eq!(names, ["MD5OfMessageBody", "MessageId"]);
        assert_eq!(sqs.receive("jobs")[0]["MessageId"], sent["MessageId"]);
    });
}

fn sizes(rules: &mut Section<'_>) {
    rules.both(Recorded, "a message may be as long as the queue's limit, which the error shows", |sqs| {
        for (name, limit) in [("jobs", 1_048_576), ("small", 1_024)] {
            sqs.create(name, &json!({ "MaximumMessageSize": limit.to_string() }));
            sqs.send(name, &"x".repeat(limit));
            let text =
                format!("One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.");
            let parameters = json!({ "QueueUrl": name, "MessageBody": "x".repeat(limit + 1) });
            sqs.call("SendMessage", &parameters).refused(INVALID_PARAMETER_VALUE, &text);
        }
    });
    rules.both(
        Recorded,
        "names, types and values of attributes count, in bytes of UTF-8; system attributes do not",
        |sqs| {
            sqs.create("jobs", &json!({ "MaximumMessageSize": "1024" }));
            let send = |body: String| {
                let attributes = json!({ "name": { "DataType": "String", "StringValue": "v\u{e4}l" } });
                let trace = json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": TRACE } });
                let more =
                    json!({ "MessageAttributes": attributes, "MessageSystemAttributes": trace, "MessageBody": body });
                sqs.call("SendMessage", &message(&more))
            };
            let room = 1_024 - "name".len() - "String".len() - "v\u{e4}l".len();
            send("\u{e4}".repeat(room / 2) + &"x".repeat(room % 2)).ok();
            send("\u{e4}".repeat(room / 2) + &"x".repeat(room % 2 + 1)).refused_somehow(INVALID_PARAMETER_VALUE);
        },
    );
}

fn delays(rules: &mut Section<'_>) {
    rules.both(Quoted, "a delay outside of 0 to 900 seconds is shown", |sqs| {
        sqs.jobs();
        for delay in [54_524, 901, -1] {
            let text = format!(
                "Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
            );
            let parameters = message(&json!({ "DelaySeconds": delay }));
            sqs.call("SendMessage", &parameters).refused(INVALID_PARAMETER_VALUE, &text);
        }
        sqs.ok("SendMessage", &message(&json!({ "DelaySeconds": 900 })));
    });
    rules.both(Documented, "a message's delay goes before the queue's, also when it is zero", |sqs| {
        sqs.create("jobs", &json!({ "DelaySeconds": "10" }));
        sqs.send("jobs", "queue's");
        sqs.ok("SendMessage", &message(&json!({ "MessageBody": "none", "DelaySeconds": 0 })));
        sqs.ok("SendMessage", &message(&json!({ "MessageBody": "own", "DelaySeconds": 5 })));
        assert_eq!(sqs.counts("jobs"), [1, 0, 2]);
        for (seconds, body) in [(0, "none"), (5, "own"), (5, "queue's")] {
            sqs.pass(seconds);
            assert_eq!(bodies(&sqs.receive("jobs")), [body]);
        }
    });
}

fn groups(rules: &mut Section<'_>) {
    rules.both(Recorded, "a bad group id is shown, also on a standard queue and when it is empty", |sqs| {
        sqs.jobs();
        sqs.jobs_fifo();
        for queue in ["jobs", "jobs.fifo"] {
            for id in ["", " ", "a b", "\u{e4}", &"x".repeat(129)] {
                let text = format!(
                    "Value {id} for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include \
                     alphanumeric and punctuation characters. 1 to 128 in length."
                );
                let parameters = message(&json!({ "QueueUrl": queue, "MessageGroupId": id }));
                sqs.call("SendMessage", &parameters).refused(INVALID_PARAMETER_VALUE, &text);
            }
            let longest = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~aZ09".to_owned() + &"x".repeat(92);
            sqs.ok("SendMessage", &message(&json!({ "QueueUrl": queue, "MessageGroupId": longest })));
        }
    });
    rules.both(Recorded, "a standard queue accepts a group id and returns it, without a sequence number", |sqs| {
        sqs.jobs();
        let sent = sqs.ok("SendMessage", &message(&json!({ "MessageGroupId": "tenant" })));
        assert!(sent.get("SequenceNumber").is_none());
        let attributes = sqs.receive("jobs")[0]["Attributes"].clone();
        assert_eq!(attributes["MessageGroupId"], "tenant");
        assert!(attributes.get("SequenceNumber").is_none() && attributes.get("MessageDeduplicationId").is_none());
    });
    rules.both(Recorded, "a standard queue refuses a deduplication id", |sqs| {
        sqs.jobs();
        let parameters = message(&json!({ "MessageDeduplicationId": "1" }));
        sqs.call("SendMessage", &parameters).refused_somehow(INVALID_PARAMETER_VALUE);
    });
    // github-aws-runners#1562, aws-sdk-js#3187, nestjs-sqs#83: the same sentence about other parameters.
    rules.both(Quoted, "the text about a deduplication id on a standard queue", |sqs| {
        sqs.jobs();
        let parameters = message(&json!({ "MessageDeduplicationId": "1" }));
        let text = "Value 1 for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that \
                    is not valid for this queue type.";
        sqs.call("SendMessage", &parameters).refused(INVALID_PARAMETER_VALUE, text);
    });
}

fn system_attributes(rules: &mut Section<'_>) {
    fn trace(value: &Value) -> Value {
        json!({ "MessageSystemAttributes": { "AWSTraceHeader": value } })
    }
    rules.both(Recorded, "the trace header has a digest of its own and travels with the message", |sqs| {
        sqs.jobs();
        let mut parameters = message(&trace(&json!({ "DataType": "String", "StringValue": TRACE })));
        let sent = sqs.ok("SendMessage", &parameters);
        assert_eq!(
            (&sent["MD5OfMessageSystemAttributes"], sent.get("MD5OfMessageAttributes")),
            (&json!(TRACE_MD5), None)
        );
        parameters["MessageAttributes"] = json!({ "test-key": { "DataType": "String", "StringValue": "test-value" } });
        let sent = sqs.ok("SendMessage", &parameters);
        assert_eq!(sent["MD5OfMessageSystemAttributes"], TRACE_MD5);
        assert_eq!(sent["MD5OfMessageAttributes"], "befa18540a897f7d022bf07057754a03");
        assert_eq!(sqs.receive("jobs")[0]["Attributes"]["AWSTraceHeader"], TRACE);
    });
    rules.both(Recorded, "the header X-Amzn-Trace-Id stands in for a trace header that is not given", |sqs| {
        sqs.jobs();
        for (given, expected) in [(None, "Root=1-header"), (Some(TRACE), TRACE)] {
            let value = given.map(|text| json!({ "DataType": "String", "StringValue": text }));
            let more = value.map_or(json!({}), |value| trace(&value));
            let mut request = sqs.request("SendMessage", &message(&more));
            request.headers_mut().insert("x-amzn-trace-id", "Root=1-header".parse().unwrap());
            assert_eq!(sqs.raw(request).status, 200);
            assert_eq!(sqs.receive("jobs")[0]["Attributes"]["AWSTraceHeader"], expected);
        }
    });
    rules.both(
        Unverified,
        "every other system attribute is refused, and so is a trace header that is no text",
        |sqs| {
            sqs.jobs();
            let text = "Message system attribute name 'Hello' is invalid.";
            let hello = json!({ "Hello": { "DataType": "String", "StringValue": "a" } });
            let parameters = message(&json!({ "MessageSystemAttributes": hello }));
            sqs.call("SendMessage", &parameters).refused(INVALID_PARAMETER_VALUE, text);
            for value in [
                json!({ "DataType": "Binary", "BinaryValue": "AQID" }),
                json!({ "DataType": "Number", "StringValue": "1" }),
                json!({ "DataType": "String", "StringValue": "" }),
                json!({ "DataType": "String" }),
            ] {
                sqs.call("SendMessage", &message(&trace(&value))).refused_somehow(INVALID_PARAMETER_VALUE);
            }
        },
    );
}

fn type_slips(rules: &mut Section<'_>) {
    const MAP: &str = "Start of structure or map found where not expected.";
    const LIST: &str = "Start of list found where not expected";
    // async-aws#1667.
    rules.json(Quoted, "text where a number is wanted is malformed input", |sqs| {
        sqs.jobs();
        let text = "STRING_VALUE can not be converted to an Integer";
        for value in ["abc", "5", ""] {
            let parameters = message(&json!({ "DelaySeconds": value }));
            sqs.call("SendMessage", &parameters).refused(MALFORMED_INPUT, text);
        }
    });
    rules.json(Unverified, "the texts about values of the wrong JSON type", |sqs| {
        sqs.jobs();
        let cases = [
            (json!({ "MessageBody": {} }), MAP),
            (json!({ "MessageBody": ["a"] }), LIST),
            (json!({ "MessageBody": 1 }), "NUMBER_VALUE can not be converted to a String"),
            (json!({ "MessageBody": true }), "TRUE_VALUE can not be converted to a String"),
            (json!({ "DelaySeconds": {} }), MAP),
            (json!({ "DelaySeconds": [1] }), LIST),
            (json!({ "MessageAttributes": ["a"] }), LIST),
            (json!({ "MessageAttributes": { "x": ["a"] } }), LIST),
        ];
        for (more, text) in cases {
            sqs.call("SendMessage", &message(&more)).refused(MALFORMED_INPUT, text);
        }
        let parameters = json!({ "QueueUrl": "jobs", "Entries": {} });
        sqs.call("SendMessageBatch", &parameters).refused(MALFORMED_INPUT, MAP);
        let parameters = json!({ "QueueUrl": "jobs", "AttributeNames": "All" });
        sqs.call("GetQueueAttributes", &parameters).refused_somehow(MALFORMED_INPUT);
    });
    rules.json(
        Unverified,
        "a member that is null is as one that is not there, and unknown members are ignored",
        |sqs| {
            sqs.jobs();
            let parameters = message(&json!({ "DelaySeconds": null, "MessageAttributes": null, "More": { "x": 1 } }));
            sqs.ok("SendMessage", &parameters);
            assert_eq!(sqs.raw(json_request("ListQueues", String::new())).status, 200);
        },
    );
    rules.both(
        Unverified,
        "text that is no number, and a binary value that is not base64, are malformed input",
        |sqs| {
            sqs.jobs();
            let attributes = json!({ "x": { "DataType": "Binary", "BinaryValue": "no base64!" } });
            for more in [json!({ "DelaySeconds": "soon" }), json!({ "MessageAttributes": attributes })] {
                sqs.call("SendMessage", &message(&more)).refused_somehow(MALFORMED_INPUT);
            }
        },
    );
    rules.both(Validated, "bad characters in the value of an attribute are a bad parameter, not bad contents", |sqs| {
        sqs.jobs();
        let attributes = json!({ "x": { "DataType": "String", "StringValue": "a\u{1}" } });
        let parameters = message(&json!({ "MessageAttributes": attributes }));
        sqs.call("SendMessage", &parameters).refused_somehow(INVALID_PARAMETER_VALUE);
    });
}
