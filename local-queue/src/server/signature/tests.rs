//! The examples that AWS published for Signature Version 4, and requests with one thing wrong.

use http::Request;

use super::*;

// The access key and secret of AWS's own examples.
const SERVICE: &str = "sqs";
const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SIGNED_AT: &str = "20150830T123600Z";

/// Name, method, target, header, body, signature.
type Vector =
    (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)], &'static str, &'static str);

fn sign(service: &str, request: &Request<&str>, signed_headers: &[&str]) -> String {
    let scope = CredentialScope { date: "20150830", region: "us-east-1", service };
    let body = request.body().as_bytes();
    let canonical = canonical_request(request.method(), request.uri(), request.headers(), signed_headers, body);
    let mac = scope.mac(SECRET, &scope.string_to_sign(SIGNED_AT, &canonical));
    encode_hex(&mac.finalize().into_bytes())
}

/// The requests and signatures of the suite "aws-sig-v4-test-suite", whose service is called `service`.
#[test]
fn the_official_vectors_are_signed_as_aws_signs_them() {
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let vectors: &[Vector] = &[
        ("get-vanilla", "GET", "/", &[], "", vanilla),
        (
            "get-vanilla-empty-query-key",
            "GET",
            "/?Param1=value1",
            &[],
            "",
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        ),
        (
            "get-vanilla-query-order-key-case",
            "GET",
            "/?Param2=value2&Param1=value1",
            &[],
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        ("get-slash", "GET", "//", &[], "", vanilla),
        ("get-slash-dot-slash", "GET", "/./", &[], "", vanilla),
        ("get-relative", "GET", "/example/..", &[], "", vanilla),
        ("get-relative-relative", "GET", "/example1/example2/../..", &[], "", vanilla),
        ("post-vanilla", "POST", "/", &[], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "post-vanilla-query",
            "POST",
            "/?Param1=value1",
            &[],
            "",
            "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        ),
        (
            "post-header-key-sort",
            "POST",
            "/",
            &[("my-header1", "value1")],
            "",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
        (
            "post-x-www-form-urlencoded",
            "POST",
            "/",
            &[("content-type", "application/x-www-form-urlencoded")],
            "Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ];
    for (name, method, target, headers, body, expected) in vectors {
        let mut request = Request::builder().method(*method).uri(*target);
        let mut signed = vec!["host", "x-amz-date"];
        for (name, value) in *headers {
            request = request.header(*name, *value);
            signed.push(name);
        }
        let request = request.header("host", "example.amazonaws.com").header("x-amz-date", SIGNED_AT);
        signed.sort_unstable();
        assert_eq!(sign("service", &request.body(*body).unwrap(), &signed), *expected, "{name}");
    }
}

/// The worked example of the documentation "Create a signed AWS API request": `ListUsers` of IAM.
#[test]
fn the_documentations_example_is_signed_as_it_says() {
    let request = Request::get("https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .header("host", "iam.amazonaws.com")
        .header("x-amz-date", SIGNED_AT)
        .body("")
        .unwrap();
    let signature = sign("iam", &request, &["content-type", "host", "x-amz-date"]);
    assert_eq!(signature, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

type Change = fn(&mut Request<&'static str>);

const TARGET: &str = "AmazonSQS.SendMessage";
const BODY: &str = r#"{"QueueUrl":"jobs","MessageBody":"hello"}"#;

fn signed_request() -> Request<&'static str> {
    let request = Request::post("/000000000000/jobs?b=%7E1&a=x%20y")
        .header("content-type", "application/x-amz-json-1.0")
        .header("host", "localhost:9324")
        .header("x-amz-date", SIGNED_AT)
        .header("x-amz-target", TARGET);
    let mut request = request.body(BODY).unwrap();
    let names = ["content-type", "host", "x-amz-date", "x-amz-target"];
    let signature = sign(SERVICE, &request, &names);
    let authorization = authorization(&names.join(";"), &signature);
    request.headers_mut().insert(AUTHORIZATION, authorization.try_into().unwrap());
    request
}

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!(
        "{ALGORITHM} Credential={ACCESS_KEY_ID}/20150830/us-east-1/{SERVICE}/aws4_request, \
         SignedHeaders={signed_headers}, Signature={signature}"
    )
}

/// The code with which a request is refused `seconds` after it was signed.
fn check_after(seconds: i64, request: Request<&str>) -> Result<(), Refusal> {
    let key_pair = KeyPair::new(ACCESS_KEY_ID, SECRET).unwrap();
    let now = u64::try_from(date::parse(SIGNED_AT).unwrap() + seconds).unwrap() * 1_000;
    let (parts, body) = request.into_parts();
    check(&key_pair, SERVICE, Time::from_millis(now), &parts, body.as_bytes())
}

fn code(request: Request<&str>) -> (u16, &'static str) {
    check_after(0, request).map_or_else(|refusal| (refusal.status.as_u16(), refusal.code), |()| (200, ""))
}

#[test]
fn a_signed_request_is_let_in_and_one_with_anything_changed_is_not() {
    assert_eq!(code(signed_request()), (200, ""));
    let changes: &[(&str, Change)] = &[
        ("method", |request| *request.method_mut() = Method::GET),
        ("path", |request| *request.uri_mut() = Uri::from_static("/000000000000/other?b=%7E1&a=x%20y")),
        ("query", |request| *request.uri_mut() = Uri::from_static("/000000000000/jobs?b=%7E1&a=xy")),
        ("no query", |request| *request.uri_mut() = Uri::from_static("/000000000000/jobs")),
        ("host", |request| drop(request.headers_mut().insert("host", "127.0.0.1:9324".parse().unwrap()))),
        ("action", |request| {
            drop(request.headers_mut().insert("x-amz-target", "AmazonSQS.DeleteQueue".parse().unwrap()));
        }),
        ("second action", |request| {
            request.headers_mut().append("x-amz-target", "AmazonSQS.DeleteQueue".parse().unwrap());
        }),
        ("date", |request| drop(request.headers_mut().insert("x-amz-date", "20150830T123601Z".parse().unwrap()))),
        ("body", |request| *request.body_mut() = r#"{"QueueUrl":"jobs","MessageBody":"hellp"}"#),
        ("no body", |request| *request.body_mut() = ""),
    ];
    for (name, change) in changes {
        let mut request = signed_request();
        change(&mut request);
        assert_eq!(code(request), (403, "SignatureDoesNotMatch"), "{name}");
    }
    // An equal query in another order and spelling is the same request.
    let mut request = signed_request();
    *request.uri_mut() = Uri::from_static("/000000000000/./jobs?a=x%20y&b=~1");
    assert_eq!(code(request), (200, ""));
}

#[test]
fn every_flipped_bit_of_the_signature_is_noticed() {
    let good = signed_request().headers()[AUTHORIZATION].to_str().unwrap().to_owned();
    let (rest, signature) = good.split_once("Signature=").unwrap();
    let signature = decode_hex(signature).unwrap();
    for bit in 0..256 {
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let header = format!("{rest}Signature={}", encode_hex(&flipped));
        let mut request = signed_request();
        request.headers_mut().insert(AUTHORIZATION, header.try_into().unwrap());
        assert_eq!(code(request), (403, "SignatureDoesNotMatch"), "bit {bit}");
    }
    for signature in ["0", "zz", &encode_hex(&signature[..31]), &encode_hex(&[signature.clone(), vec![0]].concat())] {
        let mut request = signed_request();
        request.headers_mut().insert(AUTHORIZATION, format!("{rest}Signature={signature}").try_into().unwrap());
        assert_eq!(code(request), (403, "SignatureDoesNotMatch"), "{signature}");
    }
}

#[test]
fn the_errors_are_those_of_aws() {
    let good = signed_request().headers()[AUTHORIZATION].to_str().unwrap().to_owned();
    let incomplete = (400, "IncompleteSignature");
    let mismatch = (403, "SignatureDoesNotMatch");
    let cases = [
        (good.replace(ACCESS_KEY_ID, "AKIDOTHER"), (403, "InvalidClientTokenId")),
        (good.replace(ACCESS_KEY_ID, "akidexample"), (403, "InvalidClientTokenId")),
        (good.replace("/sqs/", "/sns/"), mismatch),
        (good.replace("/us-east-1/", "/eu-west-1/"), mismatch),
        (good.replace("/20150830/", "/20150831/"), mismatch),
        (good.replace(";x-amz-target", ""), mismatch),
        (good.replace("host;", ""), mismatch),
        (good.replace("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA1 "), incomplete),
        (good.replace("AWS4-HMAC-SHA256 ", "Basic "), incomplete),
        (good.replace("Signature=", "signature="), incomplete),
        (good.replace("host;x-amz-date", "x-amz-date;host"), incomplete),
        (good.replace("host;", "Host;"), incomplete),
        (good.replace("/aws4_request", ""), incomplete),
        (good.replace("/aws4_request", "/aws5_request"), incomplete),
        (format!("{good}, Signature=00"), incomplete),
        (good.split(", Signature").next().unwrap().to_owned(), incomplete),
        ("AWS4-HMAC-SHA256".to_owned(), incomplete),
        ("AWS4-HMAC-SHA256 ".to_owned(), incomplete),
        (String::new(), incomplete),
    ];
    for (header, expected) in cases {
        let mut request = signed_request();
        request.headers_mut().insert(AUTHORIZATION, header.clone().try_into().unwrap());
        assert_eq!(code(request), expected, "{header}");
    }
    let mut request = signed_request();
    request.headers_mut().remove(AUTHORIZATION);
    assert_eq!(code(request), (403, "AccessDenied"));
    let mut request = signed_request();
    request.headers_mut().append(AUTHORIZATION, good.try_into().unwrap());
    assert_eq!(code(request), incomplete);
    for date in ["", "2015-08-30T12:36:00Z", "20151330T123600Z", "20150830T126000Z", "Sun, 30 Aug 2015 12:36:00 GMT"] {
        let mut request = signed_request();
        request.headers_mut().insert("x-amz-date", date.parse().unwrap());
        assert_eq!(code(request), incomplete, "{date:?}");
    }
    let mut request = signed_request();
    request.headers_mut().remove("x-amz-date");
    assert_eq!(code(request), incomplete);
}

#[test]
fn a_signature_is_good_for_fifteen_minutes_either_way() {
    for seconds in [-900, -301, 0, 301, 900] {
        assert_eq!(check_after(seconds, signed_request()), Ok(()), "{seconds}");
    }
    let late = check_after(901, signed_request()).unwrap_err();
    assert_eq!((late.status.as_u16(), late.code), (403, "SignatureDoesNotMatch"));
    let expected =
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)";
    assert_eq!(late.message, expected);
    let early = check_after(-901, signed_request()).unwrap_err();
    let expected =
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)";
    assert_eq!(early.message, expected);
}

#[test]
fn a_key_pair_shows_nothing_and_is_one() {
    let shown = format!("{:?}", KeyPair::new(ACCESS_KEY_ID, SECRET).unwrap());
    assert!(!shown.contains(ACCESS_KEY_ID) && !shown.contains(SECRET), "{shown}");
    for (id, secret) in [("", "secret"), ("a/b", "secret"), ("a b", "secret"), ("key", "")] {
        assert!(KeyPair::new(id, secret).is_err(), "{id:?}");
    }
}

/// The request of old clients: the date is in the header of HTTP, in HTTP's own spelling.
fn signed_with_date(header: &'static str, value: &str) -> Request<&'static str> {
    let mut request = signed_request();
    request.headers_mut().remove("x-amz-date");
    request.headers_mut().insert(header, value.parse().unwrap());
    let mut names = vec!["content-type", "host", header, "x-amz-target"];
    names.sort_unstable();
    let signature = sign(SERVICE, &request, &names);
    request.headers_mut().insert(AUTHORIZATION, authorization(&names.join(";"), &signature).try_into().unwrap());
    request
}

#[test]
fn the_date_header_of_http_does_where_there_is_no_other() {
    for date in ["Sun, 30 Aug 2015 12:36:00 GMT", SIGNED_AT] {
        assert_eq!(code(signed_with_date("date", date)), (200, ""), "{date}");
    }
    assert_eq!(code(signed_with_date("date", "yesterday")), (400, "IncompleteSignature"));
    // The date that counts must be signed.
    let mut request = signed_with_date("date", SIGNED_AT);
    let unsigned = request.headers()[AUTHORIZATION].to_str().unwrap().replace("date;", "");
    request.headers_mut().insert(AUTHORIZATION, unsigned.try_into().unwrap());
    assert_eq!(code(request), (403, "SignatureDoesNotMatch"));
}

/// A presigned URL, good for a minute.
fn presigned(query: &str) -> Request<&'static str> {
    let credential = format!("{ACCESS_KEY_ID}%2F20150830%2Fus-east-1%2F{SERVICE}%2Faws4_request");
    let target = format!(
        "/000000000000/jobs?{query}&X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={SIGNED_AT}\
         &X-Amz-Expires=60&X-Amz-SignedHeaders=host"
    );
    let mut request = Request::get(&target).header("host", "localhost:9324").body("").unwrap();
    let signature = sign(SERVICE, &request, &["host"]);
    *request.uri_mut() = format!("{target}&X-Amz-Signature={signature}").parse().unwrap();
    request
}

#[test]
fn a_presigned_url_is_let_in_until_it_expires_and_with_anything_changed_it_is_not() {
    const QUERY: &str = "Action=SendMessage&MessageBody=a%20b";
    for (seconds, expected) in [(-901, 403), (-900, 200), (0, 200), (60, 200), (61, 403)] {
        let status = check_after(seconds, presigned(QUERY)).map_or_else(|refusal| refusal.status.as_u16(), |()| 200);
        assert_eq!(status, expected, "{seconds}");
    }
    let mismatch = (403, "SignatureDoesNotMatch");
    let incomplete = (400, "IncompleteSignature");
    let good = presigned(QUERY).uri().to_string();
    let cases = [
        ("SendMessage", "DeleteQueue", mismatch),
        ("a%20b", "a%20c", mismatch),
        ("/jobs?", "/other?", mismatch),
        ("?", "?DelaySeconds=1&", mismatch),
        ("Expires=60", "Expires=61", mismatch),
        ("Expires=60", "Expires=604801", incomplete),
        ("Expires=60", "Expires=0", incomplete),
        ("Expires=60", "Expires=", incomplete),
        ("&X-Amz-Expires=60", "", incomplete),
        ("SignedHeaders=host", "SignedHeaders=date", mismatch),
        ("HMAC-SHA256", "HMAC-SHA1", incomplete),
        (ACCESS_KEY_ID, "AKIDOTHER", (403, "InvalidClientTokenId")),
        ("%2Fsqs%2F", "%2Fsns%2F", mismatch),
        ("Date=2015", "Date=2016", mismatch),
        ("Signature=", "Signature=&X-Amz-Signature=", incomplete),
        ("X-Amz-Signature=", "x-amz-signature=", (403, "AccessDenied")),
    ];
    for (from, to, expected) in cases {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good);
        let mut request = presigned(QUERY);
        *request.uri_mut() = changed.parse().unwrap();
        assert_eq!(code(request), expected, "{from} -> {to}");
    }
    // The signature is found, and left out of what is signed, in any spelling of its name.
    let mut request = presigned(QUERY);
    *request.uri_mut() = good.replace("X-Amz-Signature=", "X%2DAmz-Signature=").parse().unwrap();
    assert_eq!(code(request), (200, ""));
    let mut request = presigned(QUERY);
    request.headers_mut().insert("x-amz-target", "AmazonSQS.DeleteQueue".parse().unwrap());
    assert_eq!(code(request), mismatch, "an action that is not signed");
    let mut request = presigned(QUERY);
    *request.body_mut() = "Action=DeleteQueue";
    assert_eq!(code(request), mismatch, "a body that is not signed");
}
