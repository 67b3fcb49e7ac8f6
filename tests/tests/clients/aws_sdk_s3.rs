//! Buckets as the Rust SDK sees them.

use std::{net::SocketAddr, time::Duration};

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region},
    error::ProvideErrorMetadata as _,
    presigning::PresigningConfig,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use libtest_mimic::Failed;
use local_queue::{
    LocalQueue,
    buckets::Buckets,
    server::{Bounds, KeyPair, Server},
};

const PART_BYTES: usize = 7 * 1024 * 1024;

/// All of it, with signatures that are verified, those of chunks too.
pub(crate) async fn all(key_pair: [&str; 2]) -> Result<(), Failed> {
    // Of the client that knows nothing of S3, which asks for one even where nothing is encrypted.
    drop(rustls::crypto::ring::default_provider().install_default());
    let queues = LocalQueue::builder().build();
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), queues.clone(), Bounds::default()).await?;
    let endpoint = format!("http://{}", server.local_address()?);
    let server = server.require_signature(KeyPair::new(key_pair[0], key_pair[1])?);
    tokio::spawn(server.buckets(Buckets::new(&queues)).run(std::future::pending()));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(key_pair[0], key_pair[1], None, None, "test"))
        .force_path_style(true)
        .endpoint_url(endpoint);
    let client = Client::from_conf(config.build());
    client.create_bucket().bucket("sdk-photos").send().await?;
    objects(&client).await?;
    parts(&client).await?;
    pages(&client).await
}

async fn objects(client: &Client) -> Result<(), Failed> {
    for key in
        ["cat", "a b+c&d=e?.jpg", "h\u{e4}llo/w\u{f6}rld\u{1f600}.txt", "a//b", "/a", "dir/", "a/../b", "percent%20"]
    {
        let put = client.put_object().bucket("sdk-photos").key(key).metadata("owner", "me");
        put.body(ByteStream::from(key.as_bytes().to_vec())).send().await?;
        let found = client.get_object().bucket("sdk-photos").key(key).send().await?;
        assert_eq!(found.metadata().and_then(|metadata| metadata.get("owner")).map(String::as_str), Some("me"));
        assert_eq!(found.body.collect().await?.to_vec(), key.as_bytes(), "{key}");
    }
    let cat = || client.get_object().bucket("sdk-photos").key("cat");
    assert_eq!(cat().range("bytes=1-2").send().await?.body.collect().await?.to_vec(), b"at");
    let etag = client.head_object().bucket("sdk-photos").key("cat").send().await?.e_tag.unwrap();
    let not_modified = cat().if_none_match(etag).send().await.unwrap_err();
    assert_eq!(not_modified.raw_response().map(|response| response.status().as_u16()), Some(304));
    let put = client.put_object().bucket("sdk-photos").key("cat").if_none_match("*");
    assert_eq!(put.send().await.unwrap_err().code(), Some("PreconditionFailed"));
    let missing = client.get_object().bucket("sdk-photos").key("none").send().await.unwrap_err();
    assert!(missing.into_service_error().is_no_such_key());
    let valid = PresigningConfig::expires_in(Duration::from_secs(60))?;
    let signed = client.put_object().bucket("sdk-photos").key("p q").presigned(valid.clone()).await?;
    let http = reqwest::Client::new();
    assert_eq!(http.put(signed.uri()).body("presigned").send().await?.status(), 200);
    let signed = client.get_object().bucket("sdk-photos").key("p q").presigned(valid).await?;
    assert_eq!(http.get(signed.uri()).send().await?.text().await?, "presigned");
    Ok(())
}

async fn parts(client: &Client) -> Result<(), Failed> {
    let film = (0..3 * PART_BYTES - 1_000_000).map(|at| (at % 251).to_le_bytes()[0]).collect::<Vec<_>>();
    let begun = client.create_multipart_upload().bucket("sdk-photos").key("film").send().await?;
    let id = begun.upload_id.unwrap();
    let mut completed = CompletedMultipartUpload::builder();
    for (number, part) in (1..).zip(film.chunks(PART_BYTES)) {
        let upload = client.upload_part().bucket("sdk-photos").key("film").upload_id(&id).part_number(number);
        let part = upload.body(ByteStream::from(part.to_vec())).send().await?;
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(part.e_tag)
            .set_checksum_crc32(part.checksum_crc32)
            .build();
        completed = completed.parts(part);
    }
    let complete = client.complete_multipart_upload().bucket("sdk-photos").key("film").upload_id(id);
    let done = complete.multipart_upload(completed.build()).send().await?;
    assert!(done.e_tag.is_some_and(|etag| etag.ends_with("-3\"")));
    let found = client.get_object().bucket("sdk-photos").key("film").send().await?;
    assert!(found.body.collect().await?.to_vec() == film);
    Ok(())
}

async fn pages(client: &Client) -> Result<(), Failed> {
    let list = || client.list_objects_v2().bucket("sdk-photos");
    let mut pages = list().max_keys(2).into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        keys.extend(page?.contents.unwrap_or_default().into_iter().filter_map(|entry| entry.key));
    }
    let mut expected = keys.clone();
    expected.sort();
    expected.dedup();
    assert_eq!((keys.len(), &keys), (10, &expected));
    let level = list().prefix("a").delimiter("/").send().await?;
    assert_eq!(level.common_prefixes().iter().filter_map(|prefix| prefix.prefix()).collect::<Vec<_>>(), ["a/"]);
    assert_eq!(level.contents().iter().filter_map(|entry| entry.key()).collect::<Vec<_>>(), ["a b+c&d=e?.jpg"]);
    Ok(())
}
