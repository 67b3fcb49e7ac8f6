use super::*;
use crate::{
    engine::{Limits, MessageAttribute, MessageAttributes, Scope},
    event_source_mapping::source::SystemAttributes,
};

/// Whether a message with this body passes a filter with this pattern.
fn passes(pattern: &str, body: &str) -> bool {
    FilterCriteria::parse([pattern]).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches_body(body)
}

fn check(pattern: &str, passing: &[&str], failing: &[&str]) {
    for body in passing {
        assert!(passes(pattern, body), "{body} has to match {pattern}");
    }
    for body in failing {
        assert!(!passes(pattern, body), "{body} must not match {pattern}");
    }
}

#[test]
fn the_rules_of_the_developer_guides_table_do_as_it_says() {
    // "Filter rule syntax", one line for each row of its table.
    check(
        r#"{"body":{"UserID":[null]}}"#,
        &[r#"{"UserID":null}"#],
        &["{}", r#"{"UserID":""}"#, r#"{"UserID":"null"}"#],
    );
    check(r#"{"body":{"LastName":[""]}}"#, &[r#"{"LastName":""}"#], &["{}", r#"{"LastName":null}"#]);
    check(r#"{"body":{"Name":["Alice"]}}"#, &[r#"{"Name":"Alice"}"#], &[r#"{"Name":"alice"}"#, r#"{"Name":"Alice "}"#]);
    check(
        r#"{"body":{"Name":[{"equals-ignore-case":"alice"}]}}"#,
        &[r#"{"Name":"Alice"}"#, r#"{"Name":"ALICE"}"#],
        &[r#"{"Name":"Alic"}"#, r#"{"Name":1}"#],
    );
    check(
        r#"{"body":{"Location":["New York"],"Day":["Monday"]}}"#,
        &[r#"{"Day":"Monday","Location":"New York","more":1}"#],
        &[r#"{"Day":"Monday"}"#, r#"{"Location":"New York","Day":"Tuesday"}"#],
    );
    check(
        r#"{"body":{"PaymentType":["Credit","Debit"]}}"#,
        &[r#"{"PaymentType":"Credit"}"#, r#"{"PaymentType":"Debit"}"#],
        &[r#"{"PaymentType":"Cash"}"#],
    );
    check(
        r#"{"body":{"$or":[{"Location":["New York"]},{"Day":["Monday"]}]}}"#,
        &[r#"{"Location":"New York"}"#, r#"{"Day":"Monday","Location":"Rome"}"#],
        &[r#"{"Location":"Rome","Day":"Sunday"}"#, "{}"],
    );
    check(
        r#"{"body":{"Weather":[{"anything-but":["Raining"]}]}}"#,
        &[r#"{"Weather":"Sunny"}"#],
        &[r#"{"Weather":"Raining"}"#, "{}"],
    );
    check(
        r#"{"body":{"Price":[{"numeric":["=",100]}]}}"#,
        &[r#"{"Price":100}"#, r#"{"Price":100.0}"#, r#"{"Price":1e2}"#],
        &[r#"{"Price":"100"}"#, r#"{"Price":100.5}"#],
    );
    check(
        r#"{"body":{"Price":[{"numeric":[">",10,"<=",20]}]}}"#,
        &[r#"{"Price":20}"#, r#"{"Price":10.0001}"#],
        &[r#"{"Price":10}"#, r#"{"Price":20.1}"#, r#"{"Price":null}"#],
    );
    check(
        r#"{"body":{"ProductName":[{"exists":true}]}}"#,
        &[r#"{"ProductName":null}"#, r#"{"ProductName":0}"#],
        &["{}"],
    );
    check(r#"{"body":{"ProductName":[{"exists":false}]}}"#, &["{}"], &[r#"{"ProductName":""}"#]);
    check(r#"{"body":{"Region":[{"prefix":"us-"}]}}"#, &[r#"{"Region":"us-east-1"}"#], &[r#"{"Region":"eu-us-"}"#]);
    check(r#"{"body":{"File":[{"suffix":".png"}]}}"#, &[r#"{"File":"a.png"}"#], &[r#"{"File":"a.PNG"}"#, "{}"]);
}

#[test]
fn body_and_pattern_have_to_be_of_one_kind() {
    // "Properly filtering Amazon SQS messages", one line for each row of its table.
    check(r#"{"body":["red"]}"#, &["red"], &["Red", "red ", r#""red""#]);
    check(r#"{"body":{"color":["red"]}}"#, &[r#"{"color":"red"}"#], &["red", "color", "{", r#""red""#]);
    check(r#"{"body":["{}"]}"#, &[], &["{}", "[\"{}\"]"]);
    check(r#"{"eventSource":[{"exists":false}]}"#, &["red", "{}", "{not json"], &[]);
    // Also where a rule would hold for a value that is not there.
    check(r#"{"body":{"color":[{"exists":false}]}}"#, &["{}", "[]"], &["text"]);
    check(r#"{"body":[{"anything-but":"x"}]}"#, &["text"], &["{}", "[1]"]);
    // A scalar is text.
    check(r#"{"body":["42"]}"#, &["42"], &["42.0"]);
    check(r#"{"body":[42]}"#, &[], &["42"]);
    check(r#"{"body":[{"prefix":"job "}]}"#, &["job 1"], &["1 job", r#"{"job ":1}"#]);
}

#[test]
fn values_are_compared_exactly_and_numbers_by_their_spelling() {
    let at = |rule: &str| format!(r#"{{"body":{{"v":[{rule}]}}}}"#);
    check(&at("300"), &[r#"{"v":300}"#, r#"{ "v" : 300 }"#], &[r#"{"v":300.0}"#, r#"{"v":3e2}"#, r#"{"v":"300"}"#]);
    check(&at("3.0e2"), &[r#"{"v":3.0e2}"#], &[r#"{"v":300}"#]);
    check(&at("12345678901234567890123"), &[r#"{"v":12345678901234567890123}"#], &[r#"{"v":12345678901234567890124}"#]);
    check(&at("true"), &[r#"{"v":true}"#], &[r#"{"v":false}"#, r#"{"v":"true"}"#, r#"{"v":1}"#]);
    check(&at("null,\"\""), &[r#"{"v":null}"#, r#"{"v":""}"#], &[r#"{"v":0}"#, r#"{"v":false}"#]);
    check(&at("\"\\u00fc\""), &[r#"{"v":"\u00fc"}"#, r#"{"v":"\u00FC"}"#, "{\"v\":\"\u{fc}\"}"], &[r#"{"v":"u"}"#]);
    check(&at(r#""a/b""#), &[r#"{"v":"a\/b"}"#], &[]);
}

#[test]
fn lists_match_by_one_element_and_objects_in_them_as_a_whole() {
    check(r#"{"body":{"v":["b"]}}"#, &[r#"{"v":["a","b"]}"#, r#"{"v":[["b"]]}"#], &[r#"{"v":[]}"#, r#"{"v":["a"]}"#]);
    check(
        r#"{"body":{"s":{"a":[1],"b":[2]}}}"#,
        &[r#"{"s":{"a":1,"b":2}}"#, r#"{"s":[{"a":0},{"a":1,"b":2}]}"#],
        &[r#"{"s":[{"a":1},{"b":2}]}"#, r#"{"s":1}"#, "{}"],
    );
    check(r#"{"body":{"a":[1]}}"#, &[r#"[{"a":1}]"#, r#"[{"a":0},{"a":1}]"#], &["[1]", "[]"]);
    check(
        r#"{"body":{"v":[{"exists":true}]}}"#,
        &[r#"{"v":[0]}"#],
        &[r#"{"v":[]}"#, r#"{"v":{}}"#, r#"{"v":[{"a":1}]}"#],
    );
    check(r#"{"body":{"o":{"v":[{"exists":false}]}}}"#, &["{}", r#"{"o":{}}"#, r#"{"o":5}"#], &[r#"{"o":{"v":1}}"#]);
    check(r#"{"body":{"v":[{"anything-but":["a"]}]}}"#, &[r#"{"v":["a","b"]}"#], &[r#"{"v":["a"]}"#, r#"{"v":[]}"#]);
}

#[test]
fn operators_take_the_operands_of_event_bridge() {
    let at = |rule: &str| format!(r#"{{"body":{{"v":[{rule}]}}}}"#);
    check(&at(r#"{"anything-but":"a"}"#), &[r#"{"v":"b"}"#, r#"{"v":1}"#, r#"{"v":null}"#], &[r#"{"v":"a"}"#]);
    check(&at(r#"{"anything-but":5}"#), &[r#"{"v":6}"#, r#"{"v":"5"}"#], &[r#"{"v":5}"#]);
    check(&at(r#"{"anything-but":[1,2]}"#), &[r#"{"v":3}"#], &[r#"{"v":1}"#, r#"{"v":2}"#]);
    check(&at(r#"{"anything-but":{"prefix":"a"}}"#), &[r#"{"v":"ba"}"#, r#"{"v":1}"#], &[r#"{"v":"ab"}"#, "{}"]);
    check(&at(r#"{"anything-but":{"suffix":["a","b"]}}"#), &[r#"{"v":"ac"}"#], &[r#"{"v":"ca"}"#, r#"{"v":"cb"}"#]);
    check(&at(r#"{"anything-but":{"equals-ignore-case":["a"]}}"#), &[r#"{"v":"b"}"#], &[r#"{"v":"A"}"#]);
    check(
        &at(r#"{"prefix":{"equals-ignore-case":"EU-"}}"#),
        &[r#"{"v":"eu-1"}"#, r#"{"v":"Eu-"}"#],
        &[r#"{"v":"eu"}"#],
    );
    check(&at(r#"{"suffix":{"equals-ignore-case":".PNG"}}"#), &[r#"{"v":"a.png"}"#], &[r#"{"v":"a.jpg"}"#]);
    check(&at(r#"{"prefix":""}"#), &[r#"{"v":"x"}"#, r#"{"v":""}"#], &["{}", r#"{"v":1}"#]);
    for (numeric, passing, failing) in [
        (r#"["<",5]"#, "4.9", "5"),
        (r#"["<=",5]"#, "5", "5.1"),
        (r#"[">",-5]"#, "-4", "-5"),
        (r#"[">=",5]"#, "5e0", "4"),
        (r#"[">=",0,"<",5]"#, "0", "5"),
        (r#"["=",-5000000000]"#, "-5e9", "5e9"),
        (r#"["=",0.1]"#, "1e-1", "0.2"),
    ] {
        let body = |number: &str| format!(r#"{{"v":{number}}}"#);
        check(&at(&format!(r#"{{"numeric":{numeric}}}"#)), &[&body(passing)], &[&body(failing), &body("\"5\"")]);
    }
    check(&at(r#""a",{"prefix":"b"},{"exists":false}"#), &[r#"{"v":"a"}"#, r#"{"v":"bb"}"#, "{}"], &[r#"{"v":"c"}"#]);
}

#[test]
fn wildcards_stand_for_any_characters_and_cidr_blocks_for_addresses() {
    let at = |rule: &str| format!(r#"{{"body":{{"v":[{rule}]}}}}"#);
    let text = |text: &str| format!(r#"{{"v":"{text}"}}"#);
    for (wildcard, passing, failing) in [
        ("*", &["", "a", "*"][..], &[][..]),
        ("", &[""], &["a"]),
        ("a*", &["a", "ab", "a/b"], &["", "ba", "A"]),
        ("*.png", &[".png", "a.b.png"], &["png", "a.png "]),
        ("a*b*c", &["abc", "a-b-c", "abbc", "aXbYcbc"], &["ac", "abcd", "acb"]),
        ("aba*aba", &["abaaba", "aba-aba"], &["aba", "ababa"]),
        ("*x*x*", &["xx", "axbxc"], &["x", "axb"]),
        (r"a\\*b", &["a*b"], &["axb", "a\\\\b"]),
        (r"\\\\*", &["\\\\", "\\\\x"], &["x"]),
        ("\u{e4}*\u{e4}", &["\u{e4}\u{e4}", "\u{e4}x\u{e4}"], &["\u{e4}"]),
    ] {
        for (value, expected) in passing.iter().map(|it| (it, true)).chain(failing.iter().map(|it| (it, false))) {
            assert_eq!(
                passes(&at(&format!(r#"{{"wildcard":"{wildcard}"}}"#)), &text(value)),
                expected,
                "{wildcard} {value}"
            );
        }
        check(&at(&format!(r#"{{"wildcard":"{wildcard}"}}"#)), &[], &["{}", r#"{"v":1}"#]);
    }
    let not = at(r#"{"anything-but":{"wildcard":["*.png","a*"]}}"#);
    check(&not, &[r#"{"v":"b.jpg"}"#, r#"{"v":1}"#], &[r#"{"v":"b.png"}"#, r#"{"v":"a"}"#, "{}"]);
    for (cidr, passing, failing) in [
        ("10.0.0.0/24", ["10.0.0.0", "10.0.0.255"], ["10.0.1.0", "9.255.255.255"]),
        ("10.0.0.7/24", ["10.0.0.7", "10.0.0.255"], ["10.0.0.6", "10.0.1.0"]),
        ("0.0.0.0/0", ["1.2.3.4", "255.255.255.255"], ["::1", "1.2.3"]),
        ("10.0.0.0/31", ["10.0.0.0", "10.0.0.1"], ["10.0.0.2", "10.0.0.0/31"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:DB8:ffff::"], ["2001:db9::", "10.0.0.0"]),
    ] {
        let [passing, failing] = [passing, failing].map(|texts| texts.map(text));
        let (passing, failing) = (passing.each_ref().map(String::as_str), failing.each_ref().map(String::as_str));
        check(&at(&format!(r#"{{"cidr":"{cidr}"}}"#)), &passing, &failing);
    }
}

#[test]
fn alternatives_stand_beside_other_fields_and_may_be_nested() {
    let pattern = r#"{"body":{"a":[1],"$or":[{"b":[1]},{"c":{"$or":[{"d":[1]},{"e":[1]}]}}]}}"#;
    check(
        pattern,
        &[r#"{"a":1,"b":1}"#, r#"{"a":1,"c":{"d":1}}"#, r#"{"a":1,"c":{"e":1}}"#],
        &[r#"{"b":1}"#, r#"{"a":1}"#, r#"{"a":1,"c":{}}"#],
    );
    // Around the body: each alternative by its own kind.
    check(r#"{"$or":[{"body":["x"]},{"body":{"x":[1]}}]}"#, &["x", r#"{"x":1}"#], &["y", r#"{"x":2}"#]);
}

#[test]
fn of_a_key_that_is_there_twice_the_last_counts() {
    check(r#"{"body":{"v":[1],"v":[2]}}"#, &[r#"{"v":2}"#, r#"{"v":1,"v":2}"#], &[r#"{"v":1}"#, r#"{"v":2,"v":1}"#]);
    check(r#"{"body":["x"],"body":["y"]}"#, &["y"], &["x"]);
}

#[test]
fn several_filters_are_alternatives_and_none_lets_everything_pass() {
    let criteria = FilterCriteria::parse([r#"{"body":{"a":[1]}}"#, r#"{"body":["x"]}"#]).unwrap();
    for (body, expected) in [(r#"{"a":1}"#, true), ("x", true), ("y", false), (r#"{"a":2}"#, false)] {
        assert_eq!(criteria.matches_body(body), expected, "{body}");
    }
    assert!(FilterCriteria::default().matches_body("anything"));
}

#[test]
fn what_lambda_adds_to_a_message_can_be_filtered_by_too() {
    let attributes = [("kind".to_owned(), MessageAttribute::string("photo"))].into();
    let message = SourceMessage {
        message_id: "m1".to_owned(),
        receipt_handle: "r1".to_owned(),
        body: r#"{"a":1}"#.to_owned(),
        message_attributes: MessageAttributes::parse(attributes, &Limits::STRICT).unwrap(),
        system_attributes: SystemAttributes {
            receive_count: 2,
            group_id: Some("g".to_owned()),
            ..SystemAttributes::default()
        },
    };
    let queue = Scope::default().arn("jobs.fifo");
    for (pattern, expected) in [
        (r#"{"messageAttributes":{"kind":{"stringValue":["photo"]}}}"#, true),
        (r#"{"messageAttributes":{"kind":{"stringValue":["film"]}}}"#, false),
        (r#"{"messageAttributes":{"other":{"stringValue":[{"exists":false}]}}}"#, true),
        (r#"{"attributes":{"MessageGroupId":["g"]},"body":{"a":[1]}}"#, true),
        (r#"{"attributes":{"MessageGroupId":["g"]},"body":{"a":[2]}}"#, false),
        (r#"{"attributes":{"ApproximateReceiveCount":["2"]}}"#, true),
        (r#"{"eventSource":["aws:sqs"],"awsRegion":["us-east-1"],"messageId":["m1"]}"#, true),
        (r#"{"eventSourceARN":[{"suffix":":jobs.fifo"}]}"#, true),
        (r#"{"nothing":["x"]}"#, false),
    ] {
        let criteria = FilterCriteria::parse([pattern]).unwrap();
        assert_eq!(criteria.matches(&message, &queue), expected, "{pattern}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_pattern_that_is_none_is_refused_in_the_words_of_aws_and_the_source_says_why() {
    for (pattern, problem) in [
        // The four that are recorded; null is below, where the API's form is read.
        ("\"simple string\"", "the pattern must be an object, not a string"),
        (r#"{"eventSource":"aws:sqs"}"#, "eventSource must be an object or an array of rules, not a string"),
        (r#"{"eventSource":[]}"#, "eventSource must have a rule, and is an empty array"),
        ("simple string", "the pattern is not JSON: expected value at line 1 column 1"),
        ("null", "the pattern must be an object, not null"),
        ("[]", "the pattern must be an object, not an array"),
        ("{}", "the pattern must not be an empty object"),
        (r#"{"body":{}}"#, "body must not be an empty object"),
        (r#"{"body":{"a":{"b":1}}}"#, "body.a.b must be an object or an array of rules, not a number"),
        (r#"{"body":{"a":[1,[2]]}}"#, "body.a.[1] must be a value or an object with one operator, not an array"),
        (r#"{"body":[{}]}"#, "body.[0] must be an object with one operator, and has 0"),
        (r#"{"body":[{"prefix":"a","suffix":"b"}]}"#, "body.[0] must be an object with one operator, and has 2"),
        (r#"{"body":[{"prefix":1}]}"#, "body.[0].prefix must be a string, not a number"),
        (r#"{"body":[{"prefix":{"suffix":"a"}}]}"#, "body.[0].prefix.suffix must be equals-ignore-case"),
        (r#"{"body":[{"exists":"true"}]}"#, "body.[0].exists must be true or false, not a string"),
        (r#"{"body":[{"regex":"a*"}]}"#, "body.[0].regex is not an operator that Lambda documents"),
        (r#"{"body":[{"wildcard":["a*"]}]}"#, "body.[0].wildcard must be a string, not an array"),
        (r#"{"body":[{"wildcard":"a**b"}]}"#, "body.[0].wildcard must not have two stars in a row"),
        (r#"{"body":[{"wildcard":"a\\n"}]}"#, "body.[0].wildcard must have a star or a backslash after each backslash"),
        (r#"{"body":[{"cidr":10}]}"#, "body.[0].cidr must be a string, not a number"),
        (r#"{"body":[{"numeric":">"}]}"#, "body.[0].numeric must be an array, not a string"),
        (
            r#"{"body":[{"numeric":[]}]}"#,
            r#"body.[0].numeric must be ["=", 5], [">", 0] or the like, or [">=", 0, "<", 5]"#,
        ),
        (
            r#"{"body":[{"numeric":["<",5,">",0]}]}"#,
            r#"body.[0].numeric must be ["=", 5], [">", 0] or the like, or [">=", 0, "<", 5]"#,
        ),
        (r#"{"body":[{"numeric":["==",5]}]}"#, "body.[0].numeric must have one of = < <= > >=, not \"==\""),
        (r#"{"body":[{"numeric":["=","5"]}]}"#, "body.[0].numeric must be a number after each operator, not a string"),
        (
            r#"{"body":[{"numeric":[5,"="]}]}"#,
            "body.[0].numeric must be an operator such as \">\" before each number, not a number",
        ),
        (r#"{"body":[{"numeric":["=",5000000001]}]}"#, "body.[0].numeric must have numbers from -5.0e9 to 5.0e9"),
        (
            r#"{"body":[{"numeric":[">",5,"<",5]}]}"#,
            "body.[0].numeric must have a lower bound that is less than the upper",
        ),
        (
            r#"{"body":[{"anything-but":["a",1]}]}"#,
            "body.[0].anything-but must be an array of strings or an array of numbers",
        ),
        (
            r#"{"body":[{"anything-but":[]}]}"#,
            "body.[0].anything-but must be an array of strings or an array of numbers",
        ),
        (
            r#"{"body":[{"anything-but":{"prefix":""}}]}"#,
            "body.[0].anything-but.prefix must be a string, a number, an array of either, or an object with prefix, \
             suffix, equals-ignore-case or wildcard, none of them empty",
        ),
        (r#"{"$or":{"body":["a"]}}"#, "$or must be an array of two or more objects, not an object"),
        (r#"{"$or":[{"body":["a"]}]}"#, "$or must be an array of two or more objects, and has 1"),
        (r#"{"$or":[{"body":["a"]},[]]}"#, "$or.[1] must be an object, not an array"),
    ] {
        let error = FilterCriteria::parse([r#"{"body":["fine"]}"#, pattern]).expect_err(pattern);
        assert_eq!(error.to_string(), "Invalid filter pattern definition.");
        let FilterError::InvalidPattern { index, problem: found } = error else { panic!("{pattern}") };
        assert_eq!((index, found.to_string().as_str()), (1, problem), "{pattern}");
    }
    for cidr in ["10.0.0.0", "10.0.0.0/32", "::1/128", "10.0.0/8", "10.0.0.0/8/8", "10.0.0.0/-1", "host/8", ""] {
        let error = FilterCriteria::parse([format!(r#"{{"body":[{{"cidr":"{cidr}"}}]}}"#).as_str()]).expect_err(cidr);
        assert_eq!(error.to_string(), "Invalid filter pattern definition.");
    }
    let long = format!(r#"{{"body":["{}"]}}"#, "x".repeat(4_096 - 13));
    check(&long, &[], &["x"]);
    let longer = long.replace("[\"x", "[\"xx");
    let error = FilterCriteria::parse([longer.as_str()]).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "the pattern has 4097 characters, and may have 4096");
}

#[test]
fn there_are_at_most_five_filters_or_ten_with_a_raised_quota() {
    let patterns = [r#"{"body":["x"]}"#; 12];
    let count = |count_max, count: usize| FilterCriteria::parse_up_to(count_max, patterns[..count].iter().copied());
    assert!(FilterCriteria::parse(patterns[..5].iter().copied()).is_ok());
    let error = FilterCriteria::parse(patterns[..6].iter().copied()).unwrap_err();
    assert_eq!(error.to_string(), "6 filters given; at most 5");
    assert!(count(FILTERS_MAX_RAISED, 10).is_ok());
    assert_eq!(count(100, 11), Err(FilterError::TooManyFilters { count: 11, count_max: 10 }));
}

#[test]
fn the_form_of_the_api_is_read() {
    let read = |json: serde_json::Value| FilterCriteria::from_json(&json);
    let expected = FilterCriteria::parse([r#"{"body":["x"]}"#]).unwrap();
    assert_eq!(read(serde_json::json!({"Filters": [{"Pattern": r#"{"body":["x"]}"#}]})), Ok(expected));
    for nothing in [serde_json::json!({}), serde_json::json!({"Filters": []}), serde_json::json!({"Filters": null})] {
        assert_eq!(read(nothing), Ok(FilterCriteria::default()));
    }
    let error = read(serde_json::json!({"Filters": [{"Pattern": null}]})).unwrap_err();
    assert_eq!(error.to_string(), "Invalid filter pattern definition.", "recorded");
    for (json, problem) in [
        (serde_json::json!([]), "it is not an object"),
        (serde_json::json!({"Filters": {}}), "Filters is not a list"),
        (serde_json::json!({"Filters": ["x"]}), "a filter is not an object"),
        (serde_json::json!({"Filters": [{"Pattern": {"body": ["x"]}}]}), "a Pattern is not a string"),
    ] {
        assert_eq!(read(json), Err(FilterError::NotFilterCriteria { problem: problem.to_owned() }));
    }
}

#[test]
fn bodies_that_want_to_be_expensive_are_not() {
    let pattern = r#"{"body":{"v":["x"]}}"#;
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    check(pattern, &[], &[&deep, &format!(r#"{{"v":{deep}}}"#), &"[".repeat(200_000), r#"{"v":"\ud800"}"#]);
    let wide = format!(r#"{{"v":[{}"x"]}}"#, "0,".repeat(200_000));
    check(pattern, &[&wide], &[]);
    let deep_pattern = format!(r#"{{"body":{}[1]{}}}"#, r#"{"a":"#.repeat(600), "}".repeat(600));
    check(&deep_pattern, &[], &["{}", r#"{"a":{"a":1}}"#]);
}
