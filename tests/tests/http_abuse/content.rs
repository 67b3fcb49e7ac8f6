//! Well-framed requests with hostile content, in both protocols.

use super::harness::{Running, short};

/// A `SendMessage` in JSON whose body is this JSON string, with its quotes.
fn send_json(server: &Running, literal: &[u8]) -> Vec<u8> {
    server.json("SendMessage", [b"{\"QueueUrl\":\"jobs\",\"MessageBody\":", literal, b"}"].concat())
}

fn send_form(server: &Running, rest: &str) -> Vec<u8> {
    server.form(format!("Action=SendMessage&QueueUrl=jobs&{rest}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn json_that_means_harm_is_an_error_or_a_message() {
    let server = Running::start(short()).await;
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let number = |number: &str| {
        let body = format!(r#"{{"QueueUrl":"jobs","MessageBody":"a","DelaySeconds":{number}}}"#);
        server.json("SendMessage", body)
    };
    let target = |target: &str| {
        let headers = "Content-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n";
        server.request("POST / HTTP/1.1", &format!("{headers}X-Amz-Target: {target}\r\n"), b"{}")
    };
    let wide = |item: &str, count: usize| format!("{{\"QueueUrl\":[{item}1]}}", item = item.repeat(count));
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("10,000 arrays deep", server.json("ListQueues", nested("[", "]")), &[400]),
        ("10,000 objects deep", server.json("ListQueues", nested("{\"a\":", "}")), &[400]),
        ("1,000,000 arrays opened", server.json("ListQueues", "[".repeat(1_000_000)), &[400]),
        ("a member 10,000 deep", server.json("ListQueues", format!("{{\"a\":{}}}", nested("[", "]"))), &[400]),
        ("100,000 items", server.json("SendMessage", wide("[0],", 100_000)), &[400]),
        ("a member twice", server.json("ListQueues", r#"{"MaxResults":1,"MaxResults":2}"#), &[200, 400]),
        (
            "a body twice",
            server.json("SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"a","MessageBody":"b"}"#),
            &[200, 400],
        ),
        ("a lone high surrogate", send_json(&server, br#""\ud800""#), &[400]),
        ("a lone low surrogate", send_json(&server, br#""\udc00""#), &[400]),
        ("a surrogate pair", send_json(&server, br#""\ud83d\ude00""#), &[200]),
        ("surrogates in the wrong order", send_json(&server, br#""\ude00\ud83d""#), &[400]),
        ("invalid UTF-8", send_json(&server, b"\"\xff\xfe\""), &[400]),
        ("an encoded surrogate", send_json(&server, b"\"\xed\xa0\x80\""), &[400]),
        ("an overlong NUL", send_json(&server, b"\"\xc0\x80\""), &[400]),
        ("U+0000, escaped", send_json(&server, br#""\u0000""#), &[400]),
        ("U+0000, raw", send_json(&server, b"\"\0\""), &[400]),
        ("U+FFFE", send_json(&server, br#""\ufffe""#), &[400]),
        ("U+FFFF", send_json(&server, "\"\u{ffff}\"".as_bytes()), &[400]),
        ("U+10FFFF", send_json(&server, "\"\u{10ffff}\"".as_bytes()), &[200]),
        ("a byte order mark", server.json("ListQueues", b"\xef\xbb\xbf{}"), &[400]),
        ("UTF-16", server.json("ListQueues", b"{\0}\0"), &[400]),
        ("1e400", number("1e400"), &[400]),
        ("-0", number("-0"), &[200, 400]),
        ("1e2", number("1e2"), &[200, 400]),
        ("0.5", number("0.5"), &[400]),
        ("2^63", number("9223372036854775808"), &[400]),
        ("2^64", number("18446744073709551616"), &[400]),
        ("-2^63", number("-9223372036854775808"), &[400]),
        ("a number of 100,000 digits", number(&"9".repeat(100_000)), &[400]),
        ("NaN", number("NaN"), &[400]),
        ("a string for a number", number("\"1\""), &[200, 400]),
        ("null for a number", number("null"), &[200, 400]),
        ("an object for a string", send_json(&server, b"{}"), &[400]),
        ("a number for a string", send_json(&server, b"1"), &[400]),
        ("no object", server.json("ListQueues", "[]"), &[400]),
        ("two objects", server.json("ListQueues", "{}{}"), &[400]),
        ("an open string", server.json("ListQueues", "{\"a"), &[400]),
        (
            "a queue name of 1 MB",
            server.json("CreateQueue", format!(r#"{{"QueueName":"{}"}}"#, "a".repeat(1_000_000))),
            &[400],
        ),
        (
            "a receipt handle of 1 MB",
            server
                .json("DeleteMessage", format!(r#"{{"QueueUrl":"jobs","ReceiptHandle":"{}"}}"#, "a".repeat(1_000_000))),
            &[400, 404],
        ),
        (
            "10,000 entries of a batch",
            server.json(
                "DeleteMessageBatch",
                format!(r#"{{"QueueUrl":"jobs","Entries":[{}1]}}"#, r#"{"Id":"a"},"#.repeat(10_000)),
            ),
            &[400],
        ),
        ("an unknown action", server.json("DropAllTables", "{}"), &[400]),
        ("a wrong prefix", target("AmazonSNS.ListQueues"), &[400]),
        ("no prefix", target("ListQueues"), &[400]),
        ("two dots", target("AmazonSQS..ListQueues"), &[400]),
        ("another case", target("amazonsqs.listqueues"), &[400]),
        ("an empty target", target(""), &[400]),
        ("a target of 20 KB", target(&"a".repeat(20_000)), &[400]),
    ];
    println!("{} cases of JSON", server.check(cases).await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn forms_that_mean_harm_are_an_error_or_a_message() {
    let server = Running::start(short()).await;
    let pairs = "a=1&".repeat(100_000);
    let deep = "a.".repeat(100_000);
    let get = |query: &str| server.request(&format!("GET {query} HTTP/1.1"), "", b"");
    let attribute = |number: &str| {
        let name = format!("MessageAttribute.{number}");
        format!("MessageBody=a&{name}.Name=n&{name}.Value.DataType=String&{name}.Value.StringValue=v")
    };
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("100,000 pairs", server.form(format!("Action=ListQueues&{pairs}")), &[400]),
        ("a name of 100,000 parts", server.form(format!("Action=ListQueues&{deep}=1")), &[400]),
        ("a name of dots", server.form("Action=ListQueues&....=1&.=2&=3"), &[200, 400]),
        ("% at the end", send_form(&server, "MessageBody=a%"), &[400]),
        ("% and one digit", send_form(&server, "MessageBody=a%4"), &[400]),
        ("% and no digits", send_form(&server, "MessageBody=%zz"), &[400]),
        ("% and a sign", send_form(&server, "MessageBody=%+1"), &[400]),
        ("an invalid byte, encoded", send_form(&server, "MessageBody=%ff"), &[400]),
        ("an invalid byte, raw", server.form(b"Action=SendMessage&QueueUrl=jobs&MessageBody=\xff"), &[400]),
        ("U+0000", send_form(&server, "MessageBody=%00"), &[400]),
        ("U+FFFE", send_form(&server, "MessageBody=%EF%BF%BE"), &[400]),
        ("the action twice", server.form("Action=ListQueues&Action=DeleteQueue&QueueUrl=nothing"), &[200, 400]),
        (
            "attributes with gaps",
            send_form(&server, &format!("{}&{}", attribute("1"), attribute("7").replace("=n&", "=m&"))),
            &[200],
        ),
        ("attribute 0", send_form(&server, &attribute("0")), &[200, 400]),
        ("attribute 10^9", send_form(&server, &attribute("1000000000")), &[200, 400]),
        ("attribute 10^30", send_form(&server, &attribute(&format!("1{}", "0".repeat(30)))), &[200, 400]),
        ("attribute -1", send_form(&server, &attribute("-1")), &[200, 400]),
        ("attribute x", send_form(&server, &attribute("x")), &[200, 400]),
        ("an unknown action", server.form("Action=DropAllTables"), &[400]),
        ("an action of markup", server.form("Action=%3Cscript%3Ealert(1)%3C/script%3E"), &[400]),
        ("no action", server.form("Version=2012-11-05"), &[400, 404]),
        ("an empty form", server.form(""), &[400, 404]),
        ("only separators", server.form("&&&=&=&&"), &[400, 404]),
        ("GET with parameters", get("/?Action=ListQueues&Version=2012-11-05"), &[200]),
        ("GET on a queue's path", get("/000000000000/jobs?Action=GetQueueAttributes&AttributeName.1=All"), &[200]),
        ("GET with a bad %", get("/?Action=ListQueues&QueueNamePrefix=%"), &[400]),
        ("GET of nothing", get("/favicon.ico"), &[400, 404]),
        ("GET with dots", get("/../../../../etc/passwd?Action=GetQueueAttributes"), &[400, 404]),
        ("GET with an encoded slash", get("/000000000000%2fjobs?Action=GetQueueAttributes"), &[400, 404]),
        (
            "a form said to be JSON",
            server.request(
                "POST / HTTP/1.1",
                "Content-Type: application/json\r\nContent-Length: 17\r\n",
                b"Action=ListQueues",
            ),
            &[415],
        ),
        (
            "plain text, as a page can send it",
            server.request(
                "POST / HTTP/1.1",
                "Content-Type: text/plain\r\nContent-Length: 17\r\n",
                b"Action=ListQueues",
            ),
            &[415],
        ),
        ("no content type", server.request("POST / HTTP/1.1", "Content-Length: 17\r\n", b"Action=ListQueues"), &[415]),
        (
            "multipart",
            server.request(
                "POST / HTTP/1.1",
                "Content-Type: multipart/form-data; boundary=a\r\nContent-Length: 0\r\n",
                b"",
            ),
            &[415],
        ),
        (
            "form with a charset",
            server.request(
                "POST / HTTP/1.1",
                "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length: 17\r\n",
                b"Action=ListQueues",
            ),
            &[200],
        ),
    ];
    println!("{} cases of forms", server.check(cases).await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn characters_with_a_meaning_come_back_as_they_were() {
    let server = Running::start(short()).await;
    // Sent by form, received as XML: `+` is a space, `%2B` a plus, and markup is escaped.
    let sent = "a+b%2B+%3Cx+y%3D%22%27%26%3E%5D%5D%3E%0D%0A%09";
    let outcome = server.send(&send_form(&server, &format!("MessageBody={sent}"))).await;
    assert_eq!(outcome.status(), 200, "{outcome:?}");
    let outcome = server.send(&server.form("Action=ReceiveMessage&QueueUrl=jobs&VisibilityTimeout=0")).await;
    let body = outcome.body().split("<Body>").nth(1).unwrap().split("</Body>").next().unwrap();
    assert!(body.starts_with("a b+ &lt;x y="), "{body}");
    assert!(body.contains("&amp;&gt;]]&gt;"), "{body}");
    // An XML parser turns a bare CR LF into LF, so the CR must be written as a reference.
    assert!(body.contains("&#xD;") || body.contains("&#xd;") || body.contains("&#13;"), "{body:?}");

    let outcome = server.send(&server.json("ReceiveMessage", r#"{"QueueUrl":"jobs","VisibilityTimeout":0}"#)).await;
    let expected = r#""Body":"a b+ <x y=\"'&>]]>\r\n\t""#;
    assert!(outcome.body().contains(expected), "{outcome:?}");

    let outcome = server.send(&server.form("Action=%3Cb%3E%26")).await;
    assert!(!outcome.body().contains("<b>"), "{outcome:?}");
    server.stop().await;
}
