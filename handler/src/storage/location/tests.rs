use super::*;

#[rustfmt::skip]
const REFUSED: &[&str] = &[
    // Keys.
    "s3://bucket/..", "s3://bucket/../c", "s3://bucket/a/../../c", "s3://bucket/./../c", "s3://bucket//../c",
    "s3://bucket/.", "s3://bucket/a/..", "s3://bucket/", "s3://bucket", "s3://bucket/a\u{0}",
    // Buckets.
    "s3:///a", "s3://", "s3://../secret/x", "s3://./secret/x", "s3://.../x", "s3://ab/x", "s3://b c/a", "s3://bucket%2f/a",
    "s3://u@bucket/a", "s3://bucket:80/a", "s3://b\u{fc}cket/a", "s3://Bucket/a", "s3://buc_ket/a", "s3://-bucket/a",
    "s3://bucket-/a", "s3://.bucket/a", "s3://bucket./a", "s3://buc..ket/a", "s3://192.168.5.4/a", "s3://1.2.3.999/a",
    "s3://xn--bucket/a", "s3://sthree-bucket/a", "s3://amzn-s3-demo-bucket/a", "s3://bucket-s3alias/a",
    "s3://bucket--ol-s3/a", "s3://bucket.mrap/a", "s3://bucket--x-s3/a", "s3://bucket--table-s3/a",
    "s3://bucket\u{0}/a", "s3://bucket\\/a",
    "memory:///a", "memory://./a", "memory://../a", "memory://m/../a", "memory://m/a//b", "memory://m/./a", "memory://m/a/",
    // Files.
    "file:///..", "file:///../etc/passwd", "file:///a/../b", "file:///a/%2e%2e/b", "file:///%2E%2E/b", "file:///a/.%2e/b",
    "file:///a%2f..%2fb", "file:///a/%2e/b", "file:///a%00b", "file:///a%ff", "file:////etc/passwd", "file:///", "file://",
    "file://host/a", "file://localhost/a", "file:/a", "file:a", "file:///a//b", "file:///a/", "file:///./a",
    "file:///a/..%00/b",
    // Schemes.
    "/etc/passwd", "a/b", "", "s3:bucket/a", "S3://bucket/a", "s3//bucket/a", "http://h/a", "https://h/a", "ftp://h/a",
    "data:,a", "javascript:a", "gs://bucket/a", " s3://bucket/a",
];

#[test]
fn what_leaves_or_confuses_is_refused() {
    let long_segment = format!("file:///{}", "a".repeat(256));
    let long_path = format!("file:///{}", "a/".repeat(2100) + "a");
    let long_key = format!("s3://bucket/{}", "a".repeat(1025));
    let long_bucket = format!("s3://{}/a", "a".repeat(64));
    let long = [long_segment.as_str(), &long_path, &long_key, &long_bucket];
    for text in REFUSED.iter().copied().chain(long) {
        assert!(Location::parse(text).is_err(), "accepted {text:?}");
    }
}

#[test]
fn locations_are_read_and_written_back() {
    let longest = format!("s3://bucket/{}", "\u{e9}".repeat(512));
    let name_of_255_bytes = format!("file:///tmp/{}", "a".repeat(255));
    for text in [
        "s3://photos/2026/cat.jpg",
        "s3://photos/a b+c%20d.jpg",
        "s3://photos/...",
        "s3://photos/a//b.jpg",
        "s3://photos/a\\b.jpg",
        "s3://photos/dir/../x.jpg",
        "s3://photos/./x",
        "s3://photos//x",
        "s3://photos/folder/",
        "s3://photos/a\nb\u{7f}\u{85}",
        "s3://photos/\u{5199}\u{771f}/caf\u{e9}.jpg",
        "s3://my.photos-2026/p/a..b/c.",
        "s3://1.2.3/a",
        longest.as_str(),
        "memory://m/a",
        "file:///tmp/photos/caf%C3%A9.png",
        "file:///tmp/100%25%20sure%23.png",
        "file:///tmp/a%0Ab\\c",
        name_of_255_bytes.as_str(),
    ] {
        assert_eq!(Location::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn a_legal_key_that_no_file_can_have_is_not_blamed_on_the_job() {
    let failure = |text: &str| Location::parse(text).unwrap_err().failure(Role::Target, "target");
    for text in ["file:///a//b", "file:///a/../b", "file:///a/", &format!("file:///{}", "a".repeat(256))] {
        let failure = failure(text);
        assert_eq!((failure.blame, failure.kind, failure.is_permanent()), (Blame::Target, "unsupported-key", true));
    }
    for text in ["s3://bucket/../a", "s3://../a/b", "http://h/a", "file://host/a"] {
        assert_eq!((failure(text).blame, failure(text).kind), (Blame::Job, "bad-location"), "{text}");
    }
}

#[test]
fn locations_are_compared_with_their_dots_resolved() {
    for (key, expected) in [
        ("a/b.jpg", "a/b.jpg"),
        ("a/../b.jpg", "b.jpg"),
        ("./b.jpg", "b.jpg"),
        ("a/./c/../b.jpg", "a/b.jpg"),
        ("a//b.jpg", "a//b.jpg"),
        ("a/b...jpg/..c", "a/b...jpg/..c"),
    ] {
        let location = Location::s3("photos", key).unwrap();
        assert_eq!(location.canonical(), Location::s3("photos", expected).unwrap());
    }
}

#[test]
fn a_key_is_taken_apart_for_templates() {
    for (key, dir, stem, extension) in [
        ("2026/05/cat.final.jpg", "2026/05", "cat.final", "jpg"),
        ("cat", "", "cat", ""),
        (".hidden", "", ".hidden", ""),
        ("a.b/c", "a.b", "c", ""),
        ("a//b.jpg", "a/", "b", "jpg"),
    ] {
        let location = Location::s3("bucket", key).unwrap();
        assert_eq!((location.dir(), location.stem(), location.extension()), (dir, stem, extension));
    }
}
