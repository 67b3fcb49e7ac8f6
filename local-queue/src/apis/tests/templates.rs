//! Mapped integrations of REST APIs.

use super::{
    super::{Mapped, MappedResponse, MappedTarget, MappingTemplate, Passthrough, RequestParameter, ResponseParameter},
    *,
};

const URL: &str = "http://localhost/_local-queue/apis/front/Prod";
const FORM: (&str, &str) = ("integration.request.header.Content-Type", "'application/x-www-form-urlencoded'");

fn templates(of: &[(&str, &str)]) -> Vec<(String, MappingTemplate)> {
    of.iter().map(|(kind, text)| ((*kind).to_owned(), MappingTemplate::parse(text).unwrap())).collect()
}

fn response(pattern: Option<&str>, status: u16, headers: &[(&str, &str)], template: Option<&str>) -> MappedResponse {
    let headers = headers
        .iter()
        .map(|(name, value)| ResponseParameter::parse(&format!("method.response.header.{name}"), value).unwrap());
    MappedResponse {
        pattern: pattern.map(ToOwned::to_owned),
        status,
        headers: headers.collect(),
        templates: template.map_or_else(Vec::new, |text| templates(&[("application/json", text)])),
    }
}

fn mapped(target: MappedTarget, parameters: &[(&str, &str)], template: &str, responses: Vec<MappedResponse>) -> Mapped {
    let parameters = parameters.iter().map(|(name, value)| RequestParameter::parse(name, value).unwrap());
    Mapped {
        target,
        parameters: parameters.collect(),
        templates: templates(&[("application/json", template)]),
        passthrough: Passthrough::Never,
        responses,
    }
}

fn jobs() -> MappedTarget {
    MappedTarget::Queues { path: "000000000000/jobs".to_owned(), action: None }
}

fn world(mapped: Mapped, reply: Reply) -> World {
    let mut api = Api::new("front", ApiKind::Rest);
    api.routes = vec![route("ANY", "/jobs/{id}", Integration::Mapped(Box::new(mapped)))];
    api.stages = vec![stage("Prod", &[("place", "here")])];
    World::new(vec![api], Duration::ZERO, move |_| reply.clone())
}

#[tokio::test(start_paused = true)]
async fn a_request_template_sends_and_a_response_template_answers() {
    let sent = "#set($sent = $input.path('$.SendMessageResponse.SendMessageResult'))\n{\"id\": \"$sent.MessageId\"}";
    let responses = vec![
        response(None, 202, &[("X-Request", "context.requestId"), ("X-Fixed", "'a b'")], Some(sent)),
        response(
            Some("4\\d{2}"),
            400,
            &[("X-Of", "integration.response.header.Content-Type")],
            Some("{\"message\": \"no\"}"),
        ),
    ];
    let template = "Action=SendMessage&MessageBody=$util.urlEncode($input.body)&DelaySeconds=$input.params('delay')";
    let world = world(mapped(jobs(), &[FORM], template, responses), Reply::Throttled);
    let answer = world.ask(Request::post(format!("{URL}/jobs/7?delay=0")), "{\"a\": \"b c&=+é\"}").await;
    let (status, body) = text(&answer);
    assert_eq!(status, 202, "{body}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["id"].as_str().unwrap().len(), 36);
    assert_eq!(world.bodies(), ["{\"a\": \"b c&=+é\"}"]);
    assert_eq!(header(&answer, "content-type"), Some("application/json"));
    assert_eq!(header(&answer, "x-fixed"), Some("a b"));
    assert_eq!(header(&answer, "x-request"), header(&answer, "x-amzn-requestid"));

    let refused = world.ask(Request::post(format!("{URL}/jobs/7?delay=x")), "m").await;
    assert_eq!(text(&refused), (400, "{\"message\": \"no\"}".to_owned()));
    assert_eq!(header(&refused, "x-of"), Some("application/json"));
    let other = Request::post(format!("{URL}/jobs/7")).header("content-type", "text/plain");
    assert_eq!(text(&world.ask(other, "m").await), (415, "{\"message\":\"Unsupported Media Type\"}".to_owned()));
    for (path, message) in [("/nope", "Missing Authentication Token"), ("/jobs", "Missing Authentication Token")] {
        let found = text(&world.ask(Request::post(format!("{URL}{path}")), "").await);
        assert_eq!(found, (403, format!("{{\"message\":\"{message}\"}}")), "{path}");
    }
    let stageless = world.ask(Request::post("http://localhost/_local-queue/apis/front/jobs"), "").await;
    assert_eq!(text(&stageless), (403, "{\"message\":\"Forbidden\"}".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn parameters_make_a_request_without_a_template() {
    let target =
        MappedTarget::Queues { path: "000000000000/{queue}".to_owned(), action: Some("SendMessage".to_owned()) };
    let parameters = [
        ("integration.request.path.queue", "'jobs'"),
        ("integration.request.querystring.MessageBody", "method.request.path.id"),
        ("integration.request.querystring.DelaySeconds", "method.request.querystring.nope"),
    ];
    let mut mapped = mapped(target, &parameters, "", vec![response(None, 200, &[], None)]);
    mapped.templates.clear();
    mapped.passthrough = Passthrough::WhenNoTemplates;
    let world = world(mapped, Reply::Throttled);
    let (status, body) = text(&world.ask(Request::get(format!("{URL}/jobs/seven")), "").await);
    assert!(status == 200 && body.starts_with("{\"SendMessageResponse\":"), "{status} {body}");
    assert_eq!(world.bodies(), ["seven"]);
    for wrong in [
        ("integration.request.header.A", "unquoted"),
        ("header.A", "'a'"),
        ("integration.request.header.A", "method.request"),
    ] {
        assert_eq!(RequestParameter::parse(wrong.0, wrong.1), None, "{wrong:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_type_that_sqs_does_not_read_sends_nothing() {
    let world = world(
        mapped(jobs(), &[], "Action=SendMessage&MessageBody=m", vec![response(None, 200, &[], None)]),
        Reply::Throttled,
    );
    let (_, body) = text(&world.ask(Request::post(format!("{URL}/jobs/7")), "").await);
    assert_eq!(body, "<UnknownOperationException/>");
    assert!(world.bodies().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_mock_answers_by_itself() {
    let headers = [("Access-Control-Allow-Origin", "'*'"), ("Access-Control-Allow-Headers", "'content-type'")];
    let responses = vec![response(None, 204, &headers, None), response(Some("500"), 500, &[], Some("{\"bad\": true}"))];
    let template = "{\"statusCode\": #if($input.params('bad') == 'yes')500#{else}200#end}";
    let world = world(mapped(MappedTarget::Mock, &[], template, responses), Reply::Throttled);
    let ask =
        |query: &str| Request::options(format!("{URL}/jobs/1{query}")).header("access-control-request-method", "POST");
    let answer = world.ask(ask("").header("origin", "https://a.example"), "").await;
    assert_eq!((text(&answer), header(&answer, "access-control-allow-origin")), ((204, String::new()), Some("*")));
    assert_eq!(text(&world.ask(ask("?bad=yes"), "").await), (500, "{\"bad\": true}".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_function_gets_what_a_template_makes_and_its_errors_choose_the_answer() {
    let responses = || {
        vec![
            response(None, 200, &[], None),
            response(
                Some(".*gone.*"),
                404,
                &[],
                Some("#set($context.responseOverride.status = 410)\n$input.json('$.errorMessage')"),
            ),
        ]
    };
    let replied = Reply::Replied(Bytes::from_static(b"{\"ok\": true}"));
    let failed = |text: &str| Reply::Failed(Bytes::from(format!("{{\"errorMessage\": \"{text}\"}}")));
    for (reply, expected) in [
        (replied, (200, "{\"ok\": true}")),
        (failed("it is gone"), (410, "\"it is gone\"")),
        (failed("other"), (200, "{\"errorMessage\": \"other\"}")),
    ] {
        let template = "{\"id\": \"$input.params('id')\", \"all\": $input.json('$')}";
        let world = world(mapped(MappedTarget::Function("f".to_owned()), &[], template, responses()), reply);
        let answer = world.ask(Request::post(format!("{URL}/jobs/7")), "{ \"b\": 1, \"a\": \"x y\" }").await;
        assert_eq!(text(&answer), (expected.0, expected.1.to_owned()));
        let (_, event) = world.function.seen.lock().unwrap().remove(0);
        assert_eq!(event, serde_json::json!({ "id": "7", "all": { "a": "x y", "b": 1 } }));
    }
}

/// What a template makes of a request with a body.
async fn made(template: &str, body: &str) -> String {
    let mapped = mapped(MappedTarget::Mock, &[], "{\"statusCode\": 200}", vec![response(None, 200, &[], None)]);
    let echo = format!(
        "Action=SendMessage&MessageBody=#set($made = \"\")$util.urlEncode(\"{}\")",
        template.replace('"', "\"\"")
    );
    let mut mapped = Mapped { target: jobs(), ..mapped };
    mapped.parameters = vec![RequestParameter::parse(FORM.0, FORM.1).unwrap()];
    mapped.templates = templates(&[("application/json", &echo)]);
    let world = world(mapped, Reply::Throttled);
    let request = Request::post(format!("{URL}/jobs/7?q=a&q=b")).header("x-h", "h");
    let response = world.ask(request, body).await;
    assert_eq!(response.status(), 200, "{template}: {:?}", response.body());
    world.bodies().pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_language_of_templates_is_that_of_the_samples() {
    let body = "{\"a\": {\"b\": [1, 2]}, \"t\": \"it's \\\"x\\\"\", \"n\": null}";
    for (template, expected) in [
        ("$input.json('$.a')", "{\"b\":[1,2]}"),
        ("$input.json('$')", "{\"a\":{\"b\":[1,2]},\"t\":\"it's \\\"x\\\"\",\"n\":null}"),
        ("$input.json('$.t')", "\"it's \\\"x\\\"\""),
        ("$input.path('$.t')", "it's \"x\""),
        ("$input.path('$.a')", "{b=[1,2]}"),
        ("[$input.path('$.nope')][$input.json('$.nope')]", "[][\"\"]"),
        ("$input.path('$.a.b').size() $input.path('$.a').b[1]", "2 2"),
        ("$util.escapeJavaScript($input.path('$.t'))", "it\\'s \\\"x\\\""),
        ("$util.base64Encode('hi') $util.base64Decode('aGk=') $util.urlDecode('a+b%21')", "aGk= hi a b!"),
        ("$util.parseJson('{\"a\": 1}').a", "1"),
        ("$input.params('id') $input.params('q') $input.params('x-h') $input.params().path.id", "7 b h 7"),
        ("$input.params().querystring.get('q') $input.params('path').id", "b 7"),
        (
            "$context.httpMethod ${context.stage} $context.resourcePath [$context.authorizer.claims.sub]",
            "POST Prod /jobs/{id} []",
        ),
        ("$stageVariables.place ${stageVariables['place']} $stageVariables.get('place')", "here here here"),
        ("#set($x = 1 + 2 * 3)$x $!nope $nope ${nope.y} $5 a#b \\$x", "7  $nope ${nope.y} $5 a#b $x"),
        ("#if($input.path('$.n'))n#elseif(1 < 2 && !false)less#{else}more#end", "less"),
        ("#foreach($i in [1, 2, 3])$i#if($foreach.hasNext),#end#end", "1,2,3"),
        ("#foreach($k in $input.path('$.a').keySet())$foreach.index:$k#end", "0:b"),
        ("#set($m = {'a': 1})#set($done = $m.put('b', 'c'))$m.b#set($l = [])#set($done = $l.add(5))$l.size()", "c1"),
        (
            "#set($s = 'A-b')$s.toLowerCase().replace('-', '+') $s.substring(0, 1) $s.replaceAll('[A-Z]', 'z')",
            "a+b A z-b",
        ),
        ("a ## a remark\nb#* another\n one *#c", "a bc"),
        ("#set($t = 'plain $context.stage')$t", "plain $context.stage"),
    ] {
        assert_eq!(made(template, body).await, expected, "{template}");
    }
    assert_eq!(made("$input.path('$').length() $input.json('$.a')", "no json").await, "7 \"\"");
}

#[test]
fn what_is_not_emulated_is_refused_with_its_line() {
    for (template, line, text) in [
        ("a\n#macro(x)#end", 2, "#macro is not emulated"),
        ("\n\n#parse('x')", 3, "#parse is not emulated"),
        ("$util.time.now()", 1, "$util has no function time here"),
        ("$input.bodies", 1, "$input has no function bodies here"),
        ("a\n$x.getClass()", 2, "$x has no function getClass here"),
        ("#if($x)\na", 2, "an #if without an #end"),
        ("#foreach($x in $y) a", 1, "a #foreach without an #end"),
        ("#end", 1, "without a block"),
        ("#set($x.y = 1)", 1, "#set of a part"),
        ("#set($context.stage = 1)", 1, "only responseOverride"),
        ("#set($x = )", 1, "a value is missing"),
        ("#set($x = 'a)", 1, "an unterminated string"),
        ("${x", 1, "an unterminated ${"),
        ("#* a", 1, "an unterminated comment"),
    ] {
        let error = MappingTemplate::parse(template).unwrap_err();
        assert!(error.line == line && error.text.contains(text), "{template:?}: {error}");
    }
    let deep = "#if(true)".repeat(100);
    assert!(MappingTemplate::parse(&deep).unwrap_err().text.contains("nested"));
    assert!(MappingTemplate::parse(&format!("#set($x = {}1)", "(".repeat(1_000))).is_err());
    assert!(MappingTemplate::parse(&format!("#set($x = {}true)", "!".repeat(1_000))).is_err());
}
