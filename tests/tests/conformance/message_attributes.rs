//! Message attributes: names, types, values, digests, and which of them a receiver sees.

use serde_json::{Map, Value, json};

use crate::{
    client::{Answer, Protocol, Sqs, form_request},
    errors::{INVALID_PARAMETER_VALUE, UNSUPPORTED_OPERATION},
    rules::{
        Evidence::{Documented, Quoted, Recorded, Unverified, Validated},
        Section,
    },
};

pub(crate) fn rules(rules: &mut Section<'_>) {
    names(rules);
    types(rules);
    digests(rules);
    filters(rules);
    twice(rules);
}

fn text(value: &str) -> Value {
    json!({ "DataType": "String", "StringValue": value })
}

fn send(sqs: &Sqs, attributes: &Value) -> Answer {
    let parameters = json!({ "QueueUrl": "jobs", "MessageBody": "a", "MessageAttributes": attributes });
    sqs.call("SendMessage", &parameters)
}

fn names(rules: &mut Section<'_>) {
    rules.both(Validated, "bad names are refused", |sqs| {
        sqs.jobs();
        let long = "n".repeat(257);
        for name in ["AWS.x", "aws.x", "Amazon.x", "AMAZON.x", ".x", "x.", "x/y", "x y", "x!", "x:", &long] {
            send(sqs, &json!({ name: text("v") })).refused_somehow(INVALID_PARAMETER_VALUE);
        }
    });
    // aws-sdk-php#694, aws-sdk-java#1030, aws-sdk-android#193.
    rules.both(Quoted, "an empty name is refused", |sqs| {
        sqs.jobs();
        let message = "The request must contain non-empty message attribute name.";
        send(sqs, &json!({ "": text("v") })).refused(INVALID_PARAMETER_VALUE, message);
    });
    rules.both(Unverified, "the text about reserved names", |sqs| {
        sqs.jobs();
        let message = "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are \
                       reserved for internal use.";
        for name in ["AWS.x", "amazon.x"] {
            send(sqs, &json!({ name: text("v") })).refused(INVALID_PARAMETER_VALUE, message);
        }
    });
    rules.both(
        Validated,
        "letters beyond ASCII are accepted in a name, although the documentation says otherwise",
        |sqs| {
            sqs.jobs();
            let name = "attr.1\u{f8}\u{df}\u{e4}";
            send(sqs, &json!({ name: text("v") })).ok();
            assert_eq!(sqs.receive("jobs")[0]["MessageAttributes"][name]["StringValue"], "v");
        },
    );
    rules.both(
        Unverified,
        "two dots in a row are accepted in a name, although the documentation says otherwise",
        |sqs| {
            sqs.jobs();
            send(sqs, &json!({ "a..b": text("v") })).ok();
        },
    );
    rules.both(Quoted, "a message has at most ten attributes", |sqs| {
        sqs.jobs();
        let many = |count: usize| (0..count).map(|n| (format!("a{n}"), text("v"))).collect::<Map<_, _>>();
        send(sqs, &Value::Object(many(10))).ok();
        let message = "Number of message attributes [11] exceeds the allowed maximum [10].";
        send(sqs, &Value::Object(many(11))).refused(INVALID_PARAMETER_VALUE, message);
    });
}

#[expect(clippy::too_many_lines, reason = "one rule after the other")]
fn types(rules: &mut Section<'_>) {
    rules.both(Quoted, "a type begins with Binary, Number or String, in this spelling", |sqs| {
        sqs.jobs();
        for data_type in ["string", "Stringy", "Integer", "String."] {
            let message = "The type of message (user) attribute 'x' is invalid. You must use only the following \
                           supported type prefixes: Binary, Number, String.";
            let answer = send(sqs, &json!({ "x": { "DataType": data_type, "StringValue": "1" } }));
            answer.refused(INVALID_PARAMETER_VALUE, message);
        }
    });
    // aws-sdk-java#1692.
    rules.both(Quoted, "a type that lacks is named", |sqs| {
        sqs.jobs();
        let message = "The message attribute 'HTTPStatus' must contain non-empty message attribute type.";
        for attribute in [json!({ "StringValue": "200" }), json!({ "DataType": "", "StringValue": "200" })] {
            send(sqs, &json!({ "HTTPStatus": attribute })).refused(INVALID_PARAMETER_VALUE, message);
        }
    });
    // boto#3348.
    rules.both(Quoted, "an attribute without anything lacks a value", |sqs| {
        sqs.jobs();
        let message = "The message attribute 'x' must contain non-empty message attribute value.";
        send(sqs, &json!({ "x": { "DataType": "", "StringValue": "" } })).refused(INVALID_PARAMETER_VALUE, message);
        let form = "Action=SendMessage&QueueUrl=jobs&MessageBody=a&MessageAttribute.1.Name=x".to_owned();
        if sqs.protocol == Protocol::Query {
            sqs.raw(form_request("/", form)).refused(INVALID_PARAMETER_VALUE, message);
        }
    });
    rules.both(Quoted, "a type may have a label, and comes back as it was sent", |sqs| {
        sqs.jobs();
        let attributes = json!({
            "long": { "DataType": "Number.java.lang.Long", "StringValue": "-1.50e3" },
            "photo": { "BinaryValue": "AAEC/w==", "DataType": "Binary.png" },
            "plain": text("v"),
        });
        send(sqs, &attributes).ok();
        assert_eq!(sqs.receive("jobs")[0]["MessageAttributes"], attributes);
    });
    rules.both(Quoted, "a number that is none is refused", |sqs| {
        sqs.jobs();
        for number in ["ten", "1x", "inf", "NaN"] {
            let answer = send(sqs, &json!({ "Age": { "DataType": "Number", "StringValue": number } }));
            let message = "Can't cast the value of message (user) attribute 'Age' to a number.";
            answer.refused(INVALID_PARAMETER_VALUE, message);
        }
    });
    rules.both(Documented, "a number has up to 38 digits and is from 10^-128 to 10^126 in size, or zero", |sqs| {
        sqs.jobs();
        let (longest, longer) = ("9".repeat(38), "9".repeat(39));
        for number in ["0", "-1e-128", "1e126", &longest, &format!("000.{longest}000")] {
            send(sqs, &json!({ "n": { "DataType": "Number", "StringValue": number } })).ok();
        }
        for number in ["1e-129", "1.1e126", "1e127", &longer, &"1".repeat(60)] {
            let answer = send(sqs, &json!({ "n": { "DataType": "Number.int", "StringValue": number } }));
            answer.refused_somehow(INVALID_PARAMETER_VALUE);
        }
    });
    rules.both(Recorded, "an empty value is refused", |sqs| {
        sqs.jobs();
        let message = "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'.";
        send(sqs, &json!({ "ErrorDetails": text("") })).refused(INVALID_PARAMETER_VALUE, message);
    });
    rules.both(Unverified, "a value that lacks, or that is not of its type, is refused as an empty one", |sqs| {
        sqs.jobs();
        for (data_type, member) in [("String", "BinaryValue"), ("Number", "BinaryValue"), ("Binary", "StringValue")] {
            let message = format!("Message (user) attribute 'x' must contain a non-empty value of type '{data_type}'.");
            let answer = send(sqs, &json!({ "x": { "DataType": data_type, member: "AQID" } }));
            answer.refused(INVALID_PARAMETER_VALUE, &message);
            send(sqs, &json!({ "x": { "DataType": data_type } })).refused(INVALID_PARAMETER_VALUE, &message);
        }
    });
    // shoryuken#769: the sentence about SendMessageBatch.
    rules.both(Quoted, "the text about list values", |sqs| {
        sqs.jobs();
        for (data_type, member, item) in [("String", "StringListValues", "a"), ("Binary", "BinaryListValues", "AQID")] {
            let message = "Message attribute list values in SendMessage operation are not supported.";
            let answer = send(sqs, &json!({ "x": { "DataType": data_type, member: [item] } }));
            answer.refused(UNSUPPORTED_OPERATION, message);
        }
    });
}

fn digests(rules: &mut Section<'_>) {
    rules.both(Recorded, "MD5OfMessageAttributes covers the attributes in the order of their names", |sqs| {
        sqs.jobs();
        let cases = [
            (json!({ "test-key": text("test-value") }), "befa18540a897f7d022bf07057754a03"),
            (
                json!({ "test-key": text("test-value"), "test-key-alt": text("test-value-alt") }),
                "2256c3b617e2b4b3ae4f2d455dcf54d0",
            ),
            (
                json!({
                    "color": text("blue"),
                    "count": { "DataType": "Number", "StringValue": "3" },
                    "blob": { "DataType": "Binary", "BinaryValue": "AQID" },
                }),
                "d838729972a4b70e2d2acd9d59ac847c",
            ),
        ];
        for (attributes, digest) in cases {
            let sent = send(sqs, &attributes).ok();
            assert_eq!(sent["MD5OfMessageAttributes"], digest);
            assert_eq!(sqs.receive("jobs")[0]["MD5OfMessageAttributes"], digest);
        }
    });
    rules.both(Recorded, "a receiver gets the digest of what it asked for, and none if that is nothing", |sqs| {
        sqs.create("jobs", &json!({ "VisibilityTimeout": "0" }));
        let attributes = json!({ "color": text("blue"), "count": { "DataType": "Number", "StringValue": "3" } });
        send(sqs, &attributes).ok();
        let received = sqs.receive_with("jobs", &json!({ "MessageAttributeNames": ["color"] })).remove(0);
        assert_eq!(received["MD5OfMessageAttributes"], "da1b33cc3cbfe8b1630921e78e6b9880");
        assert_eq!(received["MessageAttributes"], json!({ "color": text("blue") }));
        for names in [json!([]), json!(["other"])] {
            let received = sqs.receive_with("jobs", &json!({ "MessageAttributeNames": names })).remove(0);
            assert!(received.get("MD5OfMessageAttributes").is_none() && received.get("MessageAttributes").is_none());
        }
    });
}

fn filters(rules: &mut Section<'_>) {
    const WORDS: &str =
        "all is asked for by All, * or .*, a prefix by what stands before .*, and names that cannot be are ignored";
    rules.both(Recorded, WORDS, |sqs| {
        sqs.create("jobs", &json!({ "VisibilityTimeout": "0" }));
        send(sqs, &json!({ "Hello": text("1"), "Hel.lo": text("2"), "World": text("3") })).ok();
        let cases: [(Value, &[&str]); 10] = [
            (json!([]), &[]),
            (json!(["All"]), &["Hel.lo", "Hello", "World"]),
            (json!(["*"]), &["Hel.lo", "Hello", "World"]),
            (json!([".*"]), &["Hel.lo", "Hello", "World"]),
            (json!(["Hel.*"]), &["Hel.lo", "Hello"]),
            (json!(["World", "Hello"]), &["Hello", "World"]),
            (json!(["hello", "Wor"]), &[]),
            (json!(["AWS.", "..foo", "a b"]), &[]),
            (json!(["..foo", "World"]), &["World"]),
            (json!(["Hel.lo.*"]), &["Hel.lo"]),
        ];
        for (names, expected) in cases {
            let received = sqs.receive_with("jobs", &json!({ "MessageAttributeNames": names })).remove(0);
            let seen = received["MessageAttributes"].as_object().map(|seen| seen.keys().collect::<Vec<_>>());
            assert_eq!(seen.unwrap_or_default(), expected, "{names}");
        }
    });
}

fn twice(rules: &mut Section<'_>) {
    rules.query(Unverified, "a name that is given twice is refused", |sqs| {
        sqs.jobs();
        let attribute = |number: u32, name: &str| {
            let prefix = format!("&MessageAttribute.{number}");
            format!("{prefix}.Name={name}{prefix}.Value.DataType=String{prefix}.Value.StringValue=v")
        };
        let form = |one: &str, other: &str| {
            let form = "Action=SendMessage&QueueUrl=jobs&MessageBody=a".to_owned();
            form_request("/", form + &attribute(1, one) + &attribute(2, other))
        };
        assert_eq!(sqs.raw(form("x", "y")).status, 200);
        let message = "Message (user) attribute name 'x' already exists.";
        sqs.raw(form("x", "x")).refused(INVALID_PARAMETER_VALUE, message);
    });
    rules.query(Documented, "the items of a list are numbered, in any order and with gaps", |sqs| {
        sqs.jobs();
        let form = "Action=SendMessage&QueueUrl=jobs&MessageBody=a&MessageAttribute.7.Value.StringValue=v&\
                    MessageAttribute.7.Name=x&MessageAttribute.7.Value.DataType=String";
        assert_eq!(sqs.raw(form_request("/", form.to_owned())).status, 200);
        assert_eq!(sqs.receive("jobs")[0]["MessageAttributes"], json!({ "x": text("v") }));
    });
}
