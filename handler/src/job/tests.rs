use super::*;
use crate::failure::{Blame, Retry};
use crate::pixels::options::{Blur, Rotation, Sharpen};

fn job(output: &str) -> String {
    format!(r#"{{"source":"s3://photos/a.jpg","outputs":[{{"target":"s3://thumbs/a.webp",{output}}}]}}"#)
}

fn refusal(body: &str) -> String {
    let failure = ResizeJob::parse(body).expect_err(body);
    assert_eq!((failure.blame, failure.retry), (Blame::Job, Retry::Never), "{body}");
    failure.message
}

#[test]
fn every_refusal_names_the_field_and_says_what_is_accepted() {
    let output = |fields: &str, expected: &[&str]| (job(fields), expected.iter().map(|s| (*s).to_owned()).collect());
    let body = |body: &str, expected: &[&str]| {
        (body.to_owned(), expected.iter().map(|s| (*s).to_owned()).collect::<Vec<String>>())
    };
    let table: Vec<(String, Vec<String>)> = vec![
        body("nonsense", &["not JSON", "expected a job object"]),
        body("", &["not JSON"]),
        body("[]", &["the job is a list", "expected an object"]),
        body("null", &["the job is null"]),
        body("{}", &["source is missing"]),
        body(r#"{"source":7}"#, &["source is a number", "s3://bucket/key"]),
        body(r#"{"source":null,"outputs":[]}"#, &["source is missing"]),
        body(r#"{"source":"s3://bucket/a"}"#, &["outputs is missing"]),
        body(r#"{"source":"s3://bucket/a","outputs":{}}"#, &["outputs is an object", "expected a list"]),
        body(r#"{"source":"s3://bucket/a","outputs":[]}"#, &["outputs is empty", "at least one"]),
        body(r#"{"source":"s3://bucket/a","outputs":[7]}"#, &["outputs[0] is a number"]),
        body(r#"{"source":"s3://bucket/a","outputs":[{"width":1}]}"#, &["outputs[0].target is missing"]),
        body(
            r#"{"source":"s3://bucket/a","outputs":[],"color":1}"#,
            &["color is not a known field", "source, outputs"],
        ),
        body(r#"{"source":"http://h/a","outputs":[]}"#, &["source:", "no supported scheme", "s3://bucket/key"]),
        body(r#"{"source":"s3://bucket/../a","outputs":[]}"#, &["source:", "'..' segments"]),
        body(
            r#"{"source":"s3://bucket/a","outputs":[{"target":"s3://bucket/a","width":1}]}"#,
            &["outputs[0].target is the source itself"],
        ),
        body(
            r#"{"source":"s3://bucket/a","outputs":[{"target":"s3://bucket/c","width":1},{"target":"s3://bucket/c","width":2}]}"#,
            &["outputs[1].target", "earlier output"],
        ),
        output(r#""fit":"cover""#, &["outputs[0].width and height are both missing"]),
        output(r#""width":0"#, &["outputs[0].width is 0", "1 to 16383"]),
        output(r#""width":-5"#, &["outputs[0].width is -5", "1 to 16383"]),
        output(r#""height":16384"#, &["outputs[0].height is 16384", "1 to 16383"]),
        output(r#""height":1e400"#, &["not JSON"]),
        output(r#""height":99999999999999999999"#, &["outputs[0].height is", "1 to 16383"]),
        output(r#""width":1.5"#, &["outputs[0].width is 1.5", "whole number"]),
        output(r#""width":"320""#, &["outputs[0].width is a string", "whole number"]),
        output(r#""width":1,"fit":"crop""#, &["outputs[0].fit is \"crop\"", "cover, contain, fill"]),
        output(r#""width":1,"position":"middle""#, &["outputs[0].position is \"middle\"", "northwest", "focal"]),
        output(r#""width":1,"position":{"x":2,"y":0}"#, &["outputs[0].position.x is 2", "from 0 to 1"]),
        output(r#""width":1,"position":{"x":0}"#, &["outputs[0].position.y is missing"]),
        output(r#""width":1,"position":{"x":0,"y":0,"z":0}"#, &["outputs[0].position.z is not a known field", "x, y"]),
        output(r#""width":1,"position":7"#, &["outputs[0].position is a number"]),
        output(r#""width":1,"enlarge":"yes""#, &["outputs[0].enlarge is a string", "true or false"]),
        output(r#""width":1,"background":"red""#, &["outputs[0].background is \"red\"", "#rrggbb"]),
        output(r##""width":1,"background":"#12345""##, &["outputs[0].background", "#rgb"]),
        output(r##""width":1,"background":"#+12345""##, &["outputs[0].background", "#rgb"]),
        output(r#""width":1,"kernel":"lanczos2""#, &["outputs[0].kernel", "lanczos3"]),
        output(r#""width":1,"format":"tiff""#, &["outputs[0].format is \"tiff\"", "jpeg, png, webp"]),
        output(r#""width":1,"widht":2"#, &["outputs[0].widht is not a known field", "width"]),
    ];
    for (body, expected) in table {
        let message = refusal(&body);
        for part in expected {
            assert!(message.contains(&part), "{body}\n  says {message:?}\n  and not {part:?}");
        }
    }
}

#[test]
fn every_option_of_encoding_names_itself_and_says_what_is_accepted() {
    let truncated = |word: &str| {
        format!(r#"{{"source":"s3://bucket/a","truncated":{word},"outputs":[{{"target":"s3://bucket/c","width":1}}]}}"#)
    };
    let table: &[(String, &[&str])] = &[
        (job(r#""width":1,"effort":10"#), &["outputs[0].effort is 10", "0 (fast) to 9 (small)"]),
        (job(r#""width":1,"effort":"max""#), &["outputs[0].effort is a string", "0 (fast) to 9 (small)"]),
        (job(r#""width":1,"progressive":1"#), &["outputs[0].progressive is a number", "true or false"]),
        (job(r#""width":1,"chroma":"4:2:2""#), &["outputs[0].chroma is \"4:2:2\"", "4:2:0 or 4:4:4"]),
        (job(r#""width":1,"chroma":420"#), &["outputs[0].chroma is a number", "4:2:0 or 4:4:4"]),
        (job(r#""width":1,"lossless":1"#), &["outputs[0].lossless is a number", "true or false"]),
        (job(r#""width":1,"lossless":true"#), &["outputs[0].lossless is true and format auto", "webp or png"]),
        (job(r#""width":1,"lossless":true,"format":"jpg""#), &["lossless is true and format jpeg", "webp or png"]),
        (job(r#""width":1,"flatten":"white""#), &["outputs[0].flatten is a string", "true or false"]),
        (job(r#""width":1,"quality":0"#), &["outputs[0].quality is 0", "1 to 100"]),
        (job(r#""width":1,"quality":101"#), &["outputs[0].quality is 101", "1 to 100"]),
        (job(r#""width":1,"metadata":"all""#), &["outputs[0].metadata is \"all\"", "expected strip, keep-icc or keep"]),
        (
            job(r#""width":1,"metadata":true"#),
            &["outputs[0].metadata is a boolean", "expected strip, keep-icc or keep"],
        ),
        (job(r#""width":1,"max_bytes":0"#), &["outputs[0].max_bytes is 0", "bytes from 1 to 4294967295"]),
        (job(r#""width":1,"max_bytes":4294967296"#), &["outputs[0].max_bytes is 4294967296", "from 1 to 4294967295"]),
        (job(r#""width":1,"max_bytes":"20k""#), &["outputs[0].max_bytes is a string", "bytes from 1 to 4294967295"]),
        (job(r#""width":1,"if_exists":"keep""#), &["outputs[0].if_exists is \"keep\"", "replace, skip or if-newer"]),
        (job(r#""width":1,"if_exists":true"#), &["outputs[0].if_exists is a boolean", "replace, skip or if-newer"]),
        (truncated("true"), &["truncated is a boolean", "refuse or allow"]),
        (truncated("\"ok\""), &["truncated is \"ok\"", "refuse or allow"]),
    ];
    for (body, expected) in table {
        let message = refusal(body);
        for part in *expected {
            assert!(message.contains(part), "{body}\n  says {message:?}\n  and not {part:?}");
        }
    }
}

#[test]
fn headers_that_no_object_keeps_are_refused_by_name() {
    let to_file = r#"{"source":"s3://bucket/a","outputs":[{"target":"file:///a","width":1,"headers":"copy"}]}"#;
    let of = |headers: &str| job(&format!(r#""width":1,"headers":{headers}"#));
    let table: &[(String, &str)] = &[
        (of("7"), "outputs[0].headers is a number; expected \"copy\", or an object of cache-control, "),
        (of("\"keep\""), "outputs[0].headers is \"keep\"; expected \"copy\""),
        (of(r#"{"cache-control":60}"#), "outputs[0].headers.cache-control is a number; expected a string"),
        (of(r#"{"x-amz-acl":"public-read"}"#), "outputs[0].headers.x-amz-acl is not a header of an object; expected "),
        (of(r#"{"content-type":"text/html"}"#), "outputs[0].headers.content-type is not a header of an object"),
        (of(r#"{"cache-control":"a\r\nb: c"}"#), "outputs[0].headers.cache-control has a value that is not plain"),
        (of(r#"{"tags":["a"]}"#), "outputs[0].headers.tags is a list; expected an object of texts"),
        (of(r#"{"tags":{"a&b":"c"}}"#), "outputs[0].headers.tags.a&b is not a tag; expected "),
        (to_file.to_owned(), "outputs[0].headers apply to s3:// targets only"),
    ];
    for (body, expected) in table {
        let message = refusal(body);
        assert!(message.starts_with(expected), "{body}\n  says {message:?}");
    }
}

#[test]
fn headers_are_read_and_written_back() {
    for headers in [json!("copy"), json!({ "x-amz-meta-a": "b", "cache-control": "max-age=60", "tags": { "k": "v" } })]
    {
        let parsed = ResizeJob::parse(&job(&format!(r#""width":1,"headers":{headers}"#))).unwrap();
        let body = serde_json::to_value(&parsed).unwrap();
        assert_eq!(body["outputs"][0]["headers"], headers);
        assert_eq!(ResizeJob::from_value(&body).unwrap(), parsed);
    }
    let none = serde_json::to_string(&ResizeJob::parse(&job(r#""width":1,"headers":{}"#)).unwrap()).unwrap();
    assert!(!none.contains("headers"), "{none}");
}

#[test]
fn what_is_done_to_the_pixels_names_itself_and_says_what_is_accepted() {
    let accepted = [
        ("rotate", "expected 0, 90, 180 or 270 degrees clockwise"),
        ("grayscale", "expected true or false"),
        ("blur", "expected true, false or a sigma from 0.3 to 1000"),
        ("sharpen", "expected true, false or a sigma from 0.000001 to 10"),
    ];
    let table = [
        ("rotate", "45", "45"),
        ("rotate", "-90", "-90"),
        ("rotate", "360", "360"),
        ("rotate", "90.5", "90.5"),
        ("rotate", "true", "a boolean"),
        ("rotate", "\"90\"", "a string"),
        ("grayscale", "1", "a number"),
        ("grayscale", "\"yes\"", "a string"),
        ("blur", "0", "0"),
        ("blur", "0.29", "0.29"),
        ("blur", "1000.5", "1000.5"),
        ("blur", "\"true\"", "a string"),
        ("blur", "{\"sigma\":1}", "an object"),
        ("sharpen", "0", "0"),
        ("sharpen", "-1", "-1"),
        ("sharpen", "10.1", "10.1"),
        ("sharpen", "[1]", "a list"),
    ];
    for (name, value, found) in table {
        let (_, accepted) = accepted.iter().find(|(field, _)| *field == name).unwrap();
        let message = refusal(&job(&format!(r#""width":1,"{name}":{value}"#)));
        assert_eq!(message, format!("outputs[0].{name} is {found}; {accepted}"));
    }
    // Also of a rendition that was not read.
    for rendition in [
        Rendition { width: Some(1), blur: Some(Blur::Sigma(f64::NAN)), ..Rendition::default() },
        Rendition { width: Some(1), sharpen: Some(Sharpen::Sigma(11.0)), ..Rendition::default() },
    ] {
        let target = Location::s3("thumbs", "a").unwrap();
        let output = Output::new(target, Product::Image(rendition));
        let error = ResizeJob::new(Location::s3("photos", "a").unwrap(), vec![output]).unwrap_err();
        assert!(error.message.contains("a sigma from"), "{}", error.message);
    }
}

#[test]
fn what_is_done_to_the_pixels_is_read_and_written_back() {
    let none = Rendition { width: Some(1), ..Rendition::default() };
    for (fields, expected) in [
        (r#""rotate":0,"grayscale":false,"blur":false,"sharpen":false"#, none.clone()),
        (r#""rotate":null,"blur":null"#, none.clone()),
        (r#""rotate":90"#, Rendition { rotate: Rotation::Quarter, ..none.clone() }),
        (r#""rotate":180"#, Rendition { rotate: Rotation::Half, ..none.clone() }),
        (r#""rotate":270"#, Rendition { rotate: Rotation::ThreeQuarters, ..none.clone() }),
        (r#""grayscale":true"#, Rendition { grayscale: true, ..none.clone() }),
        (r#""blur":true"#, Rendition { blur: Some(Blur::Mild), ..none.clone() }),
        (r#""blur":0.3"#, Rendition { blur: Some(Blur::Sigma(0.3)), ..none.clone() }),
        (r#""blur":1000"#, Rendition { blur: Some(Blur::Sigma(1000.0)), ..none.clone() }),
        (r#""sharpen":true"#, Rendition { sharpen: Some(Sharpen::Mild), ..none.clone() }),
        (r#""sharpen":1e-6"#, Rendition { sharpen: Some(Sharpen::Sigma(1e-6)), ..none.clone() }),
        (r#""sharpen":10"#, Rendition { sharpen: Some(Sharpen::Sigma(10.0)), ..none }),
    ] {
        let parsed = ResizeJob::parse(&job(&format!(r#""width":1,{fields}"#))).unwrap();
        assert_eq!(parsed.outputs()[0].rendition(), Some(&expected), "{fields}");
        let body = serde_json::to_string(&parsed).unwrap();
        assert_eq!(ResizeJob::parse(&body).unwrap(), parsed, "{body}");
        assert_eq!(body.contains("blur"), expected.blur.is_some(), "{body}");
    }
}

/// Known everywhere, so that the refusal says what is missing instead of calling it unknown.
#[test]
fn avif_needs_its_feature_and_takes_no_profile() {
    let avif = ResizeJob::parse(&job(r#""width":1,"format":"avif""#));
    if cfg!(feature = "avif") {
        assert_eq!(avif.unwrap().outputs()[0].rendition().unwrap().format, OutputFormat::Avif);
        for word in ["keep-icc", "keep"] {
            let text = refusal(&job(&format!(r#""width":1,"format":"avif","metadata":"{word}""#)));
            assert!(text.contains(&format!("outputs[0].metadata is {word} and format avif")), "{text}");
        }
    } else {
        assert_eq!(
            avif.unwrap_err().message,
            "outputs[0].format is avif, which needs a build with the feature avif; expected jpeg, png, webp, auto or json"
        );
    }
}

#[test]
fn a_document_has_no_fields_of_images() {
    for (fields, expected) in [
        (
            r#""width":8"#,
            "outputs[0].width is not a field of an output with the format json; expected target, format, headers, ",
        ),
        (r#""quality":80"#, "outputs[0].quality is not a field of an output with the format json"),
        (r#""max_bytes":80"#, "outputs[0].max_bytes is not a field of an output with the format json"),
        (r#""fromat":"a""#, "outputs[0].fromat is not a field of an output with the format json"),
        (r#""if_exists":"no""#, "outputs[0].if_exists is \"no\"; expected replace, skip or if-newer"),
        (r#""headers":7"#, "outputs[0].headers is a number"),
    ] {
        let message = refusal(&job(&format!(r#""format":"json",{fields}"#)));
        assert!(message.starts_with(expected), "{fields} says {message:?}");
    }
    let parsed = ResizeJob::parse(&job(r#""format":"json","if_exists":"skip","headers":"copy""#)).unwrap();
    let output = &parsed.outputs()[0];
    assert_eq!(
        (&output.product, output.if_exists, &output.headers),
        (&Product::Document, IfExists::Skip, &OutputHeaders::Copy)
    );
}

#[test]
fn too_many_outputs_are_refused() {
    let outputs: Vec<_> =
        (0..=OUTPUTS_MAX).map(|index| json!({ "target": format!("s3://bucket/{index}"), "width": 1 })).collect();
    let message = refusal(&json!({ "source": "s3://bucket/a", "outputs": outputs }).to_string());
    assert!(message.contains("at most 64"), "{message}");
}

#[test]
fn a_place_that_is_not_configured_is_refused_by_field() {
    let storage = Storage::memory();
    let check = |source: &str, target: &str| {
        let body = json!({ "source": source, "outputs": [{ "target": target, "width": 1 }] }).to_string();
        let failure = ResizeJob::parse(&body).unwrap().check(&storage).unwrap_err();
        assert_eq!((failure.kind, failure.is_permanent()), ("bad-location", true));
        failure.message
    };
    assert_eq!(check("s3://bucket/a", "memory://m/a"), "source: s3:// is not configured here");
    assert_eq!(check("memory://m/a", "file:///b"), "outputs[0].target: file:// is not configured here");
}

#[test]
fn one_place_under_two_spellings_is_one_place() {
    let kind = |source: &str, targets: &[&str]| {
        let outputs: Vec<_> = targets.iter().map(|target| json!({ "target": target, "width": 1 })).collect();
        ResizeJob::parse(&json!({ "source": source, "outputs": outputs }).to_string()).map(|_| ()).map_err(|it| it.kind)
    };
    assert_eq!(kind("s3://photos/a.jpg", &["s3://photos/x/../a.jpg"]), Err("loop"));
    assert_eq!(kind("s3://photos/./a.jpg", &["s3://photos/a.jpg"]), Err("loop"));
    assert_eq!(kind("s3://photos/a.jpg", &["s3://other/b/../a.jpg", "s3://other/a.jpg"]), Err("bad-job"));
    assert_eq!(kind("file:///a%2Fb.jpg", &["file:///a/b.jpg"]), Err("loop"));
    assert_eq!(kind("s3://photos/a.jpg", &["s3://../photos/a.jpg"]), Err("bad-location"));
    assert_eq!(kind("s3://photos/a.jpg", &["s3://photos/a.jpg/"]), Ok(()));
    assert_eq!(kind("s3://photos/a//b.jpg", &["s3://photos/a/b.jpg"]), Ok(()), "S3 keeps them apart");
}

#[test]
fn the_two_names_of_a_root_are_one_place() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    std::fs::create_dir(folder.join("real")).unwrap();
    std::os::unix::fs::symlink("real", folder.join("root")).unwrap();
    let storage = Storage::builder().file_root(folder.join("root")).unwrap().build();
    let check = |source: &str, targets: &[&str]| {
        let at = |name: &str| format!("file://{}/{name}", folder.display());
        let outputs: Vec<_> = targets.iter().map(|target| json!({ "target": at(target), "width": 1 })).collect();
        let job = ResizeJob::parse(&json!({ "source": at(source), "outputs": outputs }).to_string()).unwrap();
        job.check(&storage).map_err(|failure| failure.kind)
    };
    assert_eq!(check("root/a.jpg", &["real/a.jpg"]), Err("loop"));
    assert_eq!(check("root/a.jpg", &["real/b.jpg", "root/b.jpg"]), Err("bad-job"));
    assert_eq!(check("root/a.jpg", &["real/b.jpg", "root/c.jpg"]), Ok(()));
}

#[test]
fn a_file_that_can_have_no_such_name_is_not_blamed_on_the_job() {
    let parse = |source: &str, target: &str| {
        let body = json!({ "source": source, "outputs": [{ "target": target, "width": 1 }] }).to_string();
        let failure = ResizeJob::parse(&body).unwrap_err();
        assert_eq!((failure.kind, failure.is_permanent()), ("unsupported-key", true), "{failure}");
        (failure.blame.as_str(), failure.message)
    };
    let (blame, message) = parse("file:///a//b.jpg", "s3://other/b.jpg");
    assert_eq!(blame, "source");
    assert!(message.starts_with("source: the file \"a//b.jpg\" has an empty segment"), "{message}");
    let (blame, message) = parse("s3://photos/a//b.jpg", "file:///out/a//b.jpg");
    assert_eq!((blame, message.contains("outputs[0].target")), ("target", true));
}

#[test]
fn the_example_of_the_documentation_is_read() {
    let job = ResizeJob::parse(
        r#"{ "source": "s3://photos/2026/cat.jpg",
             "outputs": [ { "target": "s3://thumbs/2026/cat-320.webp", "width": 320, "height": 240, "fit": "cover",
                            "position": "center", "format": "webp", "quality": 80 } ] }"#,
    )
    .unwrap();
    let rendition = job.outputs()[0].rendition().unwrap();
    assert_eq!((rendition.width, rendition.height, rendition.quality), (Some(320), Some(240), Some(80)));
    assert_eq!((rendition.fit, rendition.format, rendition.enlarge), (Fit::Cover, OutputFormat::Webp, false));
}

#[test]
fn words_are_sharps() {
    for (word, x, y) in [
        ("centre", 0.5, 0.5),
        ("top", 0.5, 0.0),
        ("right top", 1.0, 0.0),
        ("right", 1.0, 0.5),
        ("right bottom", 1.0, 1.0),
        ("bottom", 0.5, 1.0),
        ("left bottom", 0.0, 1.0),
        ("left", 0.0, 0.5),
        ("left top", 0.0, 0.0),
        ("northwest", 0.0, 0.0),
        ("southeast", 1.0, 1.0),
    ] {
        let job = ResizeJob::parse(&job(&format!(r#""width":1,"position":"{word}""#))).unwrap();
        assert_eq!(job.outputs()[0].rendition().unwrap().position, Position { x, y, focal: false }, "{word}");
    }
    for (word, strategy) in [("attention", Strategy::Attention), ("entropy", Strategy::Entropy)] {
        let parsed = ResizeJob::parse(&job(&format!(r#""width":1,"position":"{word}""#))).unwrap();
        let rendition = parsed.outputs()[0].rendition().unwrap();
        assert_eq!((rendition.position, rendition.strategy), (Position::CENTER, Some(strategy)), "{word}");
        let body = serde_json::to_string(&parsed).unwrap();
        assert_eq!(ResizeJob::parse(&body).unwrap(), parsed, "{body}");
    }
    for (text, rgba) in [
        ("#fff", [255, 255, 255, 255]),
        ("#1a2", [17, 170, 34, 255]),
        ("#102030", [16, 32, 48, 255]),
        ("#10203040", [16, 32, 48, 64]),
        ("#ABCDEF", [171, 205, 239, 255]),
    ] {
        let job = ResizeJob::parse(&job(&format!(r#""width":1,"background":"{text}""#))).unwrap();
        assert_eq!(job.outputs()[0].rendition().unwrap().background.rgba, rgba, "{text}");
    }
}

mod round_trip {
    use super::*;
    use proptest::prelude::*;
    use proptest::strategy::Strategy;

    fn renditions() -> impl Strategy<Value = Rendition> {
        let sides = (proptest::option::of(1..=SIDE_PIXELS_MAX), 1..=SIDE_PIXELS_MAX);
        let gravities =
            ["center", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest"];
        let position = prop_oneof![
            proptest::sample::select(gravities.to_vec()).prop_map(|word| gravity_from(word).unwrap()),
            (0..=64_u8, 0..=64_u8).prop_map(|(x, y)| Position {
                x: f64::from(x) / 64.0,
                y: f64::from(y) / 64.0,
                focal: true
            }),
        ];
        let fits = proptest::sample::select(vec![Fit::Cover, Fit::Contain, Fit::Fill, Fit::Inside, Fit::Outside]);
        let kernels = proptest::sample::select(vec![Kernel::Nearest, Kernel::Cubic, Kernel::Lanczos3]);
        let formats = proptest::sample::select(vec![OutputFormat::Auto, OutputFormat::Jpeg, OutputFormat::Webp]);
        let rest = (
            any::<[u8; 4]>(),
            any::<[bool; 3]>(),
            proptest::option::of(1..=100_u8),
            0..=9_u8,
            proptest::option::of(1..=u32::MAX),
        );
        (sides, position, fits, kernels, formats, rest).prop_map(
            |(
                (width, height),
                position,
                fit,
                kernel,
                format,
                (rgba, [enlarge, flatten, keep], quality, effort, max_bytes),
            )| {
                Rendition {
                    width,
                    height: Some(height),
                    fit,
                    position,
                    enlarge,
                    background: Color { rgba },
                    kernel,
                    format,
                    quality,
                    max_bytes: max_bytes.map(u64::from),
                    effort: Effort::new(effort).unwrap(),
                    progressive: quality.map(|quality| quality % 2 == 0),
                    chroma: quality.map(|quality| if quality % 3 == 0 { Chroma::Half } else { Chroma::Full }),
                    lossless: format == OutputFormat::Webp && flatten,
                    flatten,
                    metadata: match (keep, enlarge) {
                        (true, true) => Metadata::Keep,
                        (true, false) => Metadata::KeepIcc,
                        (false, _) => Metadata::Strip,
                    },
                    ..Rendition::default()
                }
            },
        )
    }

    fn products() -> impl Strategy<Value = Product> {
        prop_oneof![9 => renditions().prop_map(Product::Image), 1 => Just(Product::Document)]
    }

    fn if_exists() -> impl Strategy<Value = IfExists> {
        proptest::sample::select(vec![IfExists::Replace, IfExists::Skip, IfExists::IfNewer])
    }

    proptest! {
        #[test]
        fn a_written_job_is_read_as_the_same_job(product in products(), key in "[a-z#%+ {}]{1,12}/[a-z]{1,4}", allow in any::<bool>(), if_exists in if_exists()) {
            let source = Location::s3("photos", &format!("x{key}")).unwrap();
            let target = Location::file(std::path::Path::new(&format!("/{key}"))).unwrap();
            let truncated = if allow { Truncated::Allow } else { Truncated::Refuse };
            let job = ResizeJob::new(source, vec![Output { if_exists, ..Output::new(target, product) }]).unwrap().with_truncated(truncated);
            let body = serde_json::to_string(&job).unwrap();
            prop_assert_eq!(ResizeJob::parse(&body).unwrap(), job);
        }

        #[test]
        fn no_body_panics(body in "\\PC{0,64}") {
            drop(ResizeJob::parse(&body));
        }
    }
}
