//! The three batch actions.

use serde_json::{Value, json};

use crate::{
    client::{Answer, Sqs, form_request},
    errors::{
        BATCH_ENTRY_IDS_NOT_DISTINCT, BATCH_REQUEST_TOO_LONG, EMPTY_BATCH_REQUEST, INVALID_BATCH_ENTRY_ID,
        INVALID_PARAMETER_VALUE, MALFORMED_INPUT, MISSING_PARAMETER, TOO_MANY_ENTRIES, UNSUPPORTED_OPERATION,
    },
    rules::{
        Evidence::{Documented, Quoted, Recorded, Unverified, Validated},
        Section,
    },
};

const ACTIONS: [&str; 3] = ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"];

pub(crate) fn rules(rules: &mut Section<'_>) {
    whole(rules);
    absent_ids(rules);
    totals(rules);
    entries(rules);
    malformed(rules);
    fifo(rules);
    handles(rules);
}

fn call(sqs: &Sqs, action: &str, entries: &Value) -> Answer {
    sqs.call(action, &json!({ "QueueUrl": "jobs", "Entries": entries }))
}

/// An entry that has something of every action.
fn entry(id: &str) -> Value {
    json!({ "Id": id, "MessageBody": "a", "ReceiptHandle": "garbage", "VisibilityTimeout": 1 })
}

fn failed(id: &str, code: &str, message: &str) -> Value {
    json!({ "Id": id, "Code": code, "Message": message, "SenderFault": true })
}

fn whole(rules: &mut Section<'_>) {
    rules.both(Recorded, "an empty batch is refused", |sqs| {
        sqs.jobs();
        for action in ["SendMessageBatch", "DeleteMessageBatch"] {
            let text = format!("There should be at least one {action}RequestEntry in the request.");
            call(sqs, action, &json!([])).refused(EMPTY_BATCH_REQUEST, &text);
        }
    });
    rules.both(Unverified, "an empty batch of visibility changes is worded differently", |sqs| {
        sqs.jobs();
        let text = "There should be at least one ChangeMessageVisibilityBatch in the request.";
        call(sqs, "ChangeMessageVisibilityBatch", &json!([])).refused(EMPTY_BATCH_REQUEST, text);
    });
    rules.json(Unverified, "no Entries member is a missing parameter", |sqs| {
        sqs.jobs();
        for action in ACTIONS {
            let text = "The request must contain the parameter Entries.";
            sqs.call(action, &json!({ "QueueUrl": "jobs" })).refused(MISSING_PARAMETER, text);
        }
    });
    rules.both(Recorded, "a batch has at most ten entries", |sqs| {
        sqs.jobs();
        let entries = |count: usize| (0..count).map(|id| entry(&id.to_string())).collect::<Value>();
        for action in ACTIONS {
            assert_eq!(call(sqs, action, &entries(10)).status, 200);
            let text = "Maximum number of entries per request are 10. You have sent 11.";
            call(sqs, action, &entries(11)).refused(TOO_MANY_ENTRIES, text);
        }
    });
    rules.both(Recorded, "the first repeated id is named", |sqs| {
        sqs.jobs();
        for action in ACTIONS {
            let entries = ["id_1", "id_2", "id_2", "id_1"].map(entry);
            call(sqs, action, &json!(entries)).refused(BATCH_ENTRY_IDS_NOT_DISTINCT, "Id id_2 repeated.");
        }
    });
    rules.both(Recorded, "an id is 1 to 80 letters, digits, hyphens or underscores, in all three actions", |sqs| {
        sqs.jobs();
        let text = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at \
                    most 80 letters long.";
        for action in ACTIONS {
            for id in ["", "a b", "a.b", "\u{e4}", &"x".repeat(81)] {
                call(sqs, action, &json!([entry("1"), entry(id)])).refused(INVALID_BATCH_ENTRY_ID, text);
            }
            assert_eq!(call(sqs, action, &json!([entry(&"x-_Z9".repeat(16))])).status, 200);
        }
    });
}

fn absent_ids(rules: &mut Section<'_>) {
    // wtsqs#7, aws-sdk-js#2388.
    rules.both(Quoted, "an id that is absent is a missing parameter, with the entry's number", |sqs| {
        sqs.jobs();
        let text =
            |action: &str, number| format!("The request must contain the parameter {action}RequestEntry.{number}.Id.");
        for action in ACTIONS {
            let nameless = json!({ "MessageBody": "a", "ReceiptHandle": "garbage", "VisibilityTimeout": 1 });
            call(sqs, action, &json!([nameless])).refused(MISSING_PARAMETER, &text(action, 1));
            call(sqs, action, &json!([entry("1"), nameless])).refused(MISSING_PARAMETER, &text(action, 2));
        }
        assert_eq!(sqs.counts("jobs"), [0, 0, 0]);
    });
    // As JS v2, Go v1 and Ruby v1 send it.
    rules.query(Quoted, "a list of entries without a value is one entry without an id", |sqs| {
        sqs.jobs();
        for action in ACTIONS {
            let text = format!("The request must contain the parameter {action}RequestEntry.1.Id.");
            let form = format!("Action={action}&QueueUrl=jobs&{action}RequestEntry=");
            sqs.raw(form_request("/", form)).refused(MISSING_PARAMETER, &text);
        }
    });
}

fn totals(rules: &mut Section<'_>) {
    rules.both(Recorded, "a batch may be 1 MiB in all", |sqs| {
        sqs.jobs();
        let entries = |first: usize, second: usize| {
            let attributes = json!({ "n": { "DataType": "String", "StringValue": "v" } });
            json!([
                { "Id": "1", "MessageBody": "x".repeat(first), "MessageAttributes": attributes },
                { "Id": "2", "MessageBody": "x".repeat(second) },
            ])
        };
        let text = "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.";
        let answer = call(sqs, "SendMessageBatch", &entries(600_000, 448_577 - 8));
        answer.refused(BATCH_REQUEST_TOO_LONG, text);
        let sent = call(sqs, "SendMessageBatch", &entries(600_000, 448_576 - 8)).ok();
        assert_eq!(sent["Successful"].as_array().unwrap().len(), 2);
    });
    rules.both(Validated, "the total is compared with 1 MiB, and never with the queue's own limit", |sqs| {
        sqs.create("jobs", &json!({ "MaximumMessageSize": "1024" }));
        let entries = (0..10).map(|id| json!({ "Id": id.to_string(), "MessageBody": "x".repeat(1_024) }));
        let sent = call(sqs, "SendMessageBatch", &entries.collect()).ok();
        assert_eq!((sent["Successful"].as_array().unwrap().len(), sent.get("Failed")), (10, None));
    });
}

#[expect(clippy::too_many_lines, reason = "one rule after the other")]
fn entries(rules: &mut Section<'_>) {
    rules.both(Recorded, "an entry over the queue's limit fails alone, in words of its own", |sqs| {
        sqs.create("jobs", &json!({ "MaximumMessageSize": "1024" }));
        let entries = json!([{ "Id": "1", "MessageBody": "x".repeat(1_025) }, { "Id": "2", "MessageBody": "a" }]);
        let sent = call(sqs, "SendMessageBatch", &entries).ok();
        let text = "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes.";
        assert_eq!(sent["Failed"], json!([failed("1", "InvalidParameterValue", text)]));
        assert_eq!(sent["Successful"][0]["Id"], "2");
    });
    rules.both(Recorded, "an entry with bad characters fails alone", |sqs| {
        sqs.jobs();
        let entries = json!([{ "Id": "1", "MessageBody": "\u{1}" }, { "Id": "2", "MessageBody": "a" }]);
        let sent = call(sqs, "SendMessageBatch", &entries).ok();
        assert_eq!(sent["Failed"][0]["Code"], "InvalidMessageContents");
        assert_eq!((&sent["Failed"][0]["SenderFault"], &sent["Successful"][0]["Id"]), (&json!(true), &json!("2")));
    });
    rules.both(Recorded, "a list of entries that is empty is left out", |sqs| {
        sqs.jobs();
        let sent = call(sqs, "SendMessageBatch", &json!([{ "Id": "1", "MessageBody": "a" }])).ok();
        assert_eq!(sent.as_object().unwrap().keys().collect::<Vec<_>>(), ["Successful"]);
        let sent = call(sqs, "SendMessageBatch", &json!([{ "Id": "1", "MessageBody": "\u{1}" }])).ok();
        assert_eq!(sent.as_object().unwrap().keys().collect::<Vec<_>>(), ["Failed"]);
    });
    rules.both(Documented, "an entry is answered with what a single send answers, and its id", |sqs| {
        sqs.jobs();
        let attributes = json!({ "test-key": { "DataType": "String", "StringValue": "test-value" } });
        let entries = json!([{ "Id": "1", "MessageBody": "hello", "MessageAttributes": attributes }]);
        let sent = call(sqs, "SendMessageBatch", &entries).ok();
        let expected = json!([{
            "Id": "1",
            "MD5OfMessageAttributes": "befa18540a897f7d022bf07057754a03",
            "MD5OfMessageBody": "5d41402abc4b2a76b9719d911017c592",
            "MessageId": sqs.receive("jobs")[0]["MessageId"],
        }]);
        assert_eq!(sent["Successful"], expected);
    });
    rules.both(Unverified, "an entry without a body fails alone, and the parameter has the entry's number", |sqs| {
        sqs.jobs();
        let entries = json!([{ "Id": "1", "MessageBody": "a" }, { "Id": "2", "MessageBody": "" }, { "Id": "3" }]);
        let sent = call(sqs, "SendMessageBatch", &entries).ok();
        let text = |number| {
            format!("The request must contain the parameter SendMessageBatchRequestEntry.{number}.MessageBody.")
        };
        let expected = [failed("2", "MissingParameter", &text(2)), failed("3", "MissingParameter", &text(3))];
        assert_eq!(sent["Failed"], json!(expected));
    });
    rules.both(Documented, "an entry has a delay of its own, which fails alone when it is out of range", |sqs| {
        sqs.jobs();
        let entries = json!([
            { "Id": "1", "MessageBody": "a", "DelaySeconds": 5 },
            { "Id": "2", "MessageBody": "b", "DelaySeconds": 901 },
            { "Id": "3", "MessageBody": "c" },
        ]);
        let sent = call(sqs, "SendMessageBatch", &entries).ok();
        let text = "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.";
        assert_eq!(sent["Failed"], json!([failed("2", "InvalidParameterValue", text)]));
        assert_eq!(sqs.counts("jobs"), [1, 0, 1]);
    });
    // aws-sdk-js#3187.
    rules.both(Quoted, "an entry with a parameter of FIFO queues fails alone, in words of its own", |sqs| {
        sqs.jobs();
        let entries = json!([
            { "Id": "1", "MessageBody": "a", "MessageDeduplicationId": "1" },
            { "Id": "2", "MessageBody": "b" },
        ]);
        let sent = call(sqs, "SendMessageBatch", &entries).ok();
        let text = "The request include parameter that is not valid for this queue type";
        assert_eq!(sent["Failed"], json!([failed("1", "InvalidParameterValue", text)]));
        assert_eq!(sqs.counts("jobs"), [1, 0, 0]);
    });
    // shoryuken#769.
    rules.both(Quoted, "list values fail the whole batch", |sqs| {
        sqs.jobs();
        let attributes = json!({ "x": { "DataType": "String", "StringListValues": ["a"] } });
        let bad = json!({ "Id": "2", "MessageBody": "b", "MessageAttributes": attributes });
        let text = "Message attribute list values in SendMessageBatch operation are not supported.";
        let entries = json!([{ "Id": "1", "MessageBody": "a" }, bad]);
        call(sqs, "SendMessageBatch", &entries).refused(UNSUPPORTED_OPERATION, text);
        assert_eq!(sqs.counts("jobs"), [0, 0, 0]);
    });
}

fn malformed(rules: &mut Section<'_>) {
    rules.both(Unverified, "what cannot be read in one entry fails the whole batch, and nothing is done", |sqs| {
        sqs.jobs();
        sqs.send("jobs", "a");
        let handle = sqs.receive("jobs")[0]["ReceiptHandle"].clone();
        for (action, member) in
            [("SendMessageBatch", "DelaySeconds"), ("ChangeMessageVisibilityBatch", "VisibilityTimeout")]
        {
            let good = json!({ "Id": "1", "MessageBody": "a", "ReceiptHandle": handle, "VisibilityTimeout": 0 });
            let mut bad = entry("2");
            bad[member] = json!("soon");
            call(sqs, action, &json!([good, bad])).refused_somehow(MALFORMED_INPUT);
            assert_eq!(sqs.counts("jobs"), [0, 1, 0], "{action}");
        }
        // What an action does not know is not looked at.
        let entries = json!([{ "Id": "1", "ReceiptHandle": handle, "VisibilityTimeout": "soon" }]);
        assert_eq!(call(sqs, "DeleteMessageBatch", &entries).ok(), json!({ "Successful": [{ "Id": "1" }] }));
    });
}

fn fifo(rules: &mut Section<'_>) {
    rules.both(
        Recorded,
        "a FIFO entry without group or deduplication id fails the whole batch, as a bad value",
        |sqs| {
            sqs.create("jobs.fifo", &json!({ "FifoQueue": "true" }));
            let good = json!({ "Id": "1", "MessageBody": "a", "MessageGroupId": "1", "MessageDeduplicationId": "1" });
            for bad in [
                json!({ "Id": "2", "MessageBody": "b", "MessageDeduplicationId": "2" }),
                json!({ "Id": "2", "MessageBody": "b", "MessageGroupId": "1" }),
            ] {
                let parameters = json!({ "QueueUrl": "jobs.fifo", "Entries": [good, bad] });
                sqs.call("SendMessageBatch", &parameters).refused_somehow(INVALID_PARAMETER_VALUE);
            }
            assert_eq!(sqs.counts("jobs.fifo"), [0, 0, 0]);
            let sent = sqs.ok("SendMessageBatch", &json!({ "QueueUrl": "jobs.fifo", "Entries": [good] }));
            assert_eq!(sent["Successful"][0]["SequenceNumber"].as_str().unwrap().len(), 20);
        },
    );
}

fn handles(rules: &mut Section<'_>) {
    rules.both(Recorded, "an entry with a garbage handle fails alone", |sqs| {
        sqs.jobs();
        sqs.send("jobs", "a");
        let handle = sqs.receive("jobs")[0]["ReceiptHandle"].clone();
        for action in ["ChangeMessageVisibilityBatch", "DeleteMessageBatch"] {
            let entries = json!([
                { "Id": "bad", "ReceiptHandle": "garbage", "VisibilityTimeout": 9 },
                { "Id": "good", "ReceiptHandle": handle, "VisibilityTimeout": 9 },
            ]);
            let answer = call(sqs, action, &entries).ok();
            assert_eq!(answer["Successful"], json!([{ "Id": "good" }]));
            let failed = &answer["Failed"][0];
            assert_eq!((&failed["Id"], &failed["Code"]), (&json!("bad"), &json!("ReceiptHandleIsInvalid")));
            assert_eq!(failed["SenderFault"], true);
        }
        assert_eq!(sqs.counts("jobs"), [0, 0, 0]);
    });
    // sqsmover#54.
    rules.both(Quoted, "an entry with an expired handle of a FIFO queue fails alone, in words of its own", |sqs| {
        sqs.jobs_fifo();
        sqs.send_to_group("jobs.fifo", "g", "a");
        let handle = sqs.receive("jobs.fifo")[0]["ReceiptHandle"].clone();
        sqs.pass(30);
        for action in ["DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
            let entries = json!([{ "Id": "1", "ReceiptHandle": handle, "VisibilityTimeout": 5 }]);
            let answer = sqs.ok(action, &json!({ "QueueUrl": "jobs.fifo", "Entries": entries }));
            let expected = failed("1", "ReceiptHandleIsInvalid", "The receipt handle has expired");
            assert_eq!(answer, json!({ "Failed": [expected] }));
        }
    });
    rules.both(Unverified, "a handle or timeout that lacks fails its entry, and has the entry's number", |sqs| {
        sqs.jobs();
        sqs.send("jobs", "a");
        let handle = sqs.receive("jobs")[0]["ReceiptHandle"].clone();
        let text = |parameter: &str| format!("The request must contain the parameter {parameter}.");
        let entries = json!([{ "Id": "1", "ReceiptHandle": handle }, { "Id": "2", "VisibilityTimeout": 5 }]);
        let answer = call(sqs, "ChangeMessageVisibilityBatch", &entries).ok();
        let expected = [
            failed("1", "MissingParameter", &text("ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout")),
            failed("2", "MissingParameter", &text("ChangeMessageVisibilityBatchRequestEntry.2.ReceiptHandle")),
        ];
        assert_eq!(answer["Failed"], json!(expected));
        let answer = call(sqs, "DeleteMessageBatch", &json!([{ "Id": "1" }])).ok();
        let expected = failed("1", "MissingParameter", &text("DeleteMessageBatchRequestEntry.1.ReceiptHandle"));
        assert_eq!(answer["Failed"], json!([expected]));
    });
    rules.both(Unverified, "a timeout out of range fails its entry, and says between what it must be", |sqs| {
        sqs.jobs();
        sqs.send("jobs", "a");
        let handle = sqs.receive("jobs")[0]["ReceiptHandle"].clone();
        let entries = json!([{ "Id": "1", "ReceiptHandle": handle, "VisibilityTimeout": -20 }]);
        let answer = call(sqs, "ChangeMessageVisibilityBatch", &entries).ok();
        let text = "Value -20 for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer \
                    between 0 and 43200.";
        assert_eq!(answer["Failed"], json!([failed("1", "InvalidParameterValue", text)]));
    });
}
