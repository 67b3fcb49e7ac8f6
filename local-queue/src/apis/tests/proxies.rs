//! Functions behind APIs: what they get, and what becomes of their replies.

use serde_json::json;

use super::*;

fn function(payload: Payload) -> Integration {
    Integration::Function { function: "arn:aws:lambda:us-east-1:000000000000:function:work".to_owned(), payload }
}

fn rest_api(routes: Vec<Route>) -> Api {
    let mut api = Api::new("front", ApiKind::Rest);
    api.routes = routes;
    api.stages = vec![stage("Prod", &[("a", "b")])];
    api
}

fn of(payload: Payload, reply: Reply) -> (World, String) {
    let (api, stage) = if payload == Payload::Rest { (rest_api(vec![]), "/Prod") } else { (http_api(vec![]), "") };
    let api = Api { routes: vec![route("ANY", "/w/{id}", function(payload))], ..api };
    (World::new(vec![api], Duration::ZERO, move |_| reply.clone()), format!("{FRONT}{stage}/w/1"))
}

const NOTHING: &[u8] = b"{\"statusCode\": 204}";

#[tokio::test(start_paused = true)]
async fn payload_2_0_is_as_api_gateway_makes_it() {
    let (world, _) = of(Payload::V2, Reply::Replied(Bytes::from_static(NOTHING)));
    let request = Request::post(format!("{FRONT}/dev/w/a%20b?p=1&p=2&q=x+y"))
        .header("host", "api.example:8080")
        .header("content-type", "application/json")
        .header("cookie", "one=1; two=2")
        .header("x-many", "1")
        .header("x-many", "2")
        .header("user-agent", "test");
    assert_eq!(world.ask(request, "{\"a\": 1}").await.status(), 204);
    let (name, mut event) = world.function.seen.lock().unwrap().remove(0);
    assert!(name.ends_with(":function:work"));
    let id = event["requestContext"]["requestId"].take();
    assert!(id.as_str().unwrap().ends_with('='), "{id}");
    let trace = event["headers"]["x-amzn-trace-id"].take();
    assert!(trace.as_str().unwrap().starts_with("Root=1-"), "{trace}");
    let epoch = event["requestContext"]["timeEpoch"].take();
    let time = event["requestContext"]["time"].take();
    assert!(time.as_str().unwrap().ends_with(" +0000") && epoch.is_u64(), "{time} {epoch}");
    assert_eq!(
        event,
        json!({
            "version": "2.0",
            "routeKey": "ANY /w/{id}",
            "rawPath": "/dev/w/a b",
            "rawQueryString": "p=1&p=2&q=x+y",
            "cookies": ["one=1", "two=2"],
            "headers": {
                "content-type": "application/json", "host": "api.example:8080", "user-agent": "test", "x-many": "1,2",
                "x-amzn-trace-id": null, "x-forwarded-for": "127.0.0.1", "x-forwarded-port": "8080",
                "x-forwarded-proto": "http",
            },
            "queryStringParameters": { "p": "1,2", "q": "x y" },
            "pathParameters": { "id": "a b" },
            "stageVariables": { "place": "here" },
            "requestContext": {
                "accountId": "000000000000", "apiId": "front", "domainName": "api.example:8080", "domainPrefix": "front",
                "http": {
                    "method": "POST", "path": "/dev/w/a b", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                    "userAgent": "test",
                },
                "requestId": null, "routeKey": "ANY /w/{id}", "stage": "dev", "time": null, "timeEpoch": null,
            },
            "body": "{\"a\": 1}",
            "isBase64Encoded": false,
        })
    );
    // There is nothing of what there is none of.
    assert_eq!(world.ask(Request::get(format!("{FRONT}/w/1")), "").await.status(), 204);
    let (_, event) = world.function.seen.lock().unwrap().remove(0);
    for name in ["body", "cookies", "queryStringParameters", "stageVariables"] {
        assert!(event.get(name).is_none(), "{name}");
    }
    assert_eq!((&event["rawPath"], &event["requestContext"]["stage"]), (&json!("/w/1"), &json!("$default")));
}

#[tokio::test(start_paused = true)]
async fn payload_1_0_and_that_of_rest_apis_have_all_values() {
    for (payload, path, named) in [(Payload::V1, "/dev", "x-many"), (Payload::Rest, "/Prod", "X-Many")] {
        let (world, _) = of(payload, Reply::Replied(Bytes::from_static(NOTHING)));
        let request = Request::get(format!("{FRONT}{path}/w/7?p=1&p=2")).header("x-many", "1").header("x-many", "2");
        assert_eq!(world.ask(request, "").await.status(), 204);
        let (_, event) = world.function.seen.lock().unwrap().remove(0);
        assert_eq!(event.get("version").is_some(), payload == Payload::V1);
        assert_eq!(event["headers"][named], "2");
        assert_eq!(event["multiValueHeaders"][named], json!(["1", "2"]));
        assert_eq!(event["queryStringParameters"], json!({ "p": "2" }));
        assert_eq!(event["multiValueQueryStringParameters"], json!({ "p": ["1", "2"] }));
        assert_eq!(event["pathParameters"], json!({ "id": "7" }));
        assert_eq!((&event["resource"], &event["path"]), (&json!("/w/{id}"), &json!("/w/7")));
        assert_eq!(event["requestContext"]["path"], format!("{path}/w/7"));
        assert_eq!(event["requestContext"]["resourcePath"], "/w/{id}");
        assert_eq!(event["requestContext"]["identity"]["sourceIp"], "127.0.0.1");
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&Value::Null, &json!(false)));
        let variables = if payload == Payload::V1 { json!({ "place": "here" }) } else { json!({ "a": "b" }) };
        assert_eq!(event["stageVariables"], variables);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_text_or_base64_as_its_type_says() {
    let form = "application/x-www-form-urlencoded";
    for (payload, kind, expected) in [
        (Payload::V2, Some("application/json; charset=utf-8"), ("hi", false)),
        (Payload::V2, Some("text/csv"), ("hi", false)),
        (Payload::V2, Some(form), ("aGk=", true)),
        (Payload::V2, None, ("aGk=", true)),
        (Payload::V1, Some("image/png"), ("aGk=", true)),
        (Payload::Rest, Some(form), ("hi", false)),
        (Payload::Rest, None, ("hi", false)),
    ] {
        let (world, url) = of(payload, Reply::Replied(Bytes::from_static(NOTHING)));
        let request = kind.map_or(Request::post(&url), |kind| Request::post(&url).header("content-type", kind));
        assert_eq!(world.ask(request, "hi").await.status(), 204, "{kind:?}");
        let (_, event) = world.function.seen.lock().unwrap().remove(0);
        assert_eq!(
            (event["body"].as_str().unwrap(), event["isBase64Encoded"].as_bool().unwrap()),
            expected,
            "{kind:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_an_answer_or_an_error_of_the_gateway() {
    let internal = (500, "{\"message\":\"Internal Server Error\"}");
    let bad = (502, "{\"message\":\"Internal server error\"}");
    let (text_plain, json_type) = ("text/plain;charset=UTF-8", "application/json");
    for (payload, reply, expected, content_type) in [
        (Payload::V2, r#"{"statusCode": 201, "body": "made"}"#, (201, "made"), text_plain),
        (
            Payload::V2,
            r#"{"statusCode": "202", "headers": {"Content-Type": "a/b", "x": 1}, "body": "x"}"#,
            (202, "x"),
            "a/b",
        ),
        (Payload::V2, r#"{"statusCode": 200, "isBase64Encoded": true, "body": "aGk="}"#, (200, "hi"), text_plain),
        (Payload::V2, r#"{"message": "hello"}"#, (200, r#"{"message": "hello"}"#), json_type),
        (Payload::V2, r#""hello""#, (200, "hello"), json_type),
        (Payload::V2, r#"{"statusCode": "no"}"#, internal, json_type),
        (Payload::V2, r#"{"statusCode": 200, "body": {"a": 1}}"#, internal, json_type),
        (Payload::V2, r#"{"statusCode": 200, "headers": {"a b": "c"}}"#, internal, json_type),
        (Payload::V2, r#"{"statusCode": 200, "isBase64Encoded": true, "body": "?"}"#, internal, json_type),
        (Payload::V1, r#"{"statusCode": 200, "body": "x"}"#, (200, "x"), text_plain),
        (Payload::V1, r#"{"message": "hello"}"#, internal, json_type),
        (Payload::V1, "[]", internal, json_type),
        (Payload::Rest, r#"{"statusCode": 200, "body": "x"}"#, (200, "x"), json_type),
        (Payload::Rest, r#"{"body": "x"}"#, (200, "x"), json_type),
        (Payload::Rest, r#"{"statusCode": 200, "isBase64Encoded": true, "body": "aGk="}"#, (200, "aGk="), json_type),
        (Payload::Rest, r#"{"statusCode": 200, "other": 1}"#, bad, json_type),
        (Payload::Rest, r#""hello""#, bad, json_type),
        (Payload::Rest, "null", bad, json_type),
    ] {
        let (world, url) = of(payload, Reply::Replied(Bytes::from_static(reply.as_bytes())));
        let response = world.ask(Request::get(url), "").await;
        assert_eq!(text(&response), (expected.0, expected.1.to_owned()), "{payload:?} {reply}");
        assert_eq!(header(&response, "content-type"), Some(content_type), "{payload:?} {reply}");
    }
    for (payload, reply, status) in [
        (Payload::V2, Reply::Failed(Bytes::from_static(b"{}")), 500),
        (Payload::Rest, Reply::Failed(Bytes::from_static(b"{}")), 502),
        (Payload::V2, Reply::Throttled, 503),
        (Payload::Rest, Reply::Throttled, 500),
        (Payload::V2, Reply::Absent("no".to_owned()), 500),
        (Payload::Rest, Reply::Absent("no".to_owned()), 500),
    ] {
        let (world, url) = of(payload, reply.clone());
        assert_eq!(world.ask(Request::get(url), "").await.status(), status, "{payload:?} {reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn cookies_and_values_of_one_name_are_headers_of_their_own() {
    let reply = r#"{"statusCode": 200, "cookies": ["a=1", "b=2"], "multiValueHeaders": {"x": ["1", "2"]}, "headers": {"x": "2", "y": true}}"#;
    for (payload, cookies, x) in [(Payload::V2, 2, 1), (Payload::V1, 0, 2)] {
        let (world, url) = of(payload, Reply::Replied(Bytes::from_static(reply.as_bytes())));
        let response = world.ask(Request::get(url), "").await;
        let count = |name: &str| response.headers().get_all(name).iter().count();
        assert_eq!(
            (count("set-cookie"), count("x"), header(&response, "y")),
            (cookies, x, Some("true")),
            "{payload:?}"
        );
    }
    // A page of a function stays in its sandbox whatever the function says.
    let reply = r#"{"statusCode": 200, "headers": {"Content-Security-Policy": "default-src *", "Content-Length": "9"}, "body": "x"}"#;
    let (world, url) = of(Payload::V2, Reply::Replied(Bytes::from_static(reply.as_bytes())));
    let response = world.ask(Request::get(url), "").await;
    let policies = response.headers().get_all("content-security-policy").iter().collect::<Vec<_>>();
    assert_eq!(policies, ["default-src *", "sandbox"]);
    assert_eq!(header(&response, "content-length"), None);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_late_or_an_event_that_is_long_is_an_error_of_the_gateway() {
    for (api, url, seconds, expected) in [
        (http_api(vec![]), FRONT.to_owned(), 30, (503, "{\"message\":\"Service Unavailable\"}")),
        (rest_api(vec![]), format!("{FRONT}/Prod"), 29, (504, "{\"message\":\"Endpoint request timed out\"}")),
    ] {
        let payload = if api.kind == ApiKind::Rest { Payload::Rest } else { Payload::V2 };
        let large = if api.kind == ApiKind::Rest { "Request Too Long" } else { "Request Entity Too Large" };
        let api = Api { routes: vec![route("POST", "/", function(payload))], ..api };
        let world = World::new(vec![api], Duration::from_secs(40), |_| Reply::Throttled);
        let begun = world.queues.clock().now();
        let late = world.ask(Request::post(&url), "").await;
        assert_eq!(text(&late), (expected.0, expected.1.to_owned()));
        assert_eq!(world.queues.clock().now().since(begun), Duration::from_secs(seconds));
        let long = world.ask(Request::post(&url), &"\u{1}".repeat(2 * 1024 * 1024)).await;
        // Each such character takes six in JSON; Base64 takes less.
        let is_too_long = payload == Payload::Rest;
        assert_eq!(long.status() == 413, is_too_long, "{payload:?}");
        let longer = world.ask(Request::post(&url), &"x".repeat(7 * 1024 * 1024)).await;
        assert_eq!(text(&longer), (413, format!("{{\"message\":\"{large}\"}}")));
    }
}
