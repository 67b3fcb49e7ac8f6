//! Buckets as `object_store` sees them, the S3 client of much of Rust's world: by path and by host, in memory and in a folder.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use libtest_mimic::Failed;
use local_queue::{
    LocalQueue,
    buckets::Buckets,
    server::{Bounds, KeyPair, Server},
};
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, MultipartUpload as _, ObjectStore, ObjectStoreExt as _, PutMode,
    PutOptions, PutPayload, UpdateVersion,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
    signer::Signer as _,
};

const PART_BYTES: usize = 7 * 1024 * 1024;

/// All of it; with a key pair every request must be signed, and objects are files.
pub(crate) async fn all(key_pair: Option<[&str; 2]>) -> Result<(), Failed> {
    let (queues, folder) = (LocalQueue::builder().build(), tempfile::tempdir()?);
    let buckets = match key_pair {
        Some(_) => Buckets::builder(&queues).open(folder.path())?.0,
        None => Buckets::new(&queues),
    };
    buckets.create_bucket("photos")?;
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), queues, Bounds::default()).await?;
    let server = match key_pair {
        Some([id, secret]) => server.require_signature(KeyPair::new(id, secret)?),
        None => server,
    };
    let address = server.local_address()?;
    tokio::spawn(server.buckets(buckets.clone()).run(std::future::pending()));
    let [id, secret] = key_pair.unwrap_or(["any", "thing"]);
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = || {
        let builder = AmazonS3Builder::new().with_bucket_name("photos").with_region("us-east-1").with_allow_http(true);
        builder.with_access_key_id(id).with_secret_access_key(secret)
    };
    let store = builder().with_endpoint(format!("http://{address}")).build()?;
    objects(&store).await?;
    parts(&store).await?;
    pages(&store).await?;
    // The name leads to this machine wherever resolvers do as they should, which is not asked of them here.
    let host = format!("photos.s3.localhost:{}", address.port());
    let hosted = builder().with_endpoint(format!("http://{host}")).with_virtual_hosted_style_request(true).build()?;
    signed_addresses(&store, address).await?;
    signed_addresses(&hosted, address).await?;
    if key_pair.is_some() {
        let wrong = builder().with_secret_access_key("wrong").with_endpoint(format!("http://{address}")).build()?;
        assert!(wrong.get(&Path::from("cat")).await.is_err());
        let unsigned = reqwest::get(format!("http://{address}/photos/cat")).await?;
        assert_eq!(unsigned.status(), 403);
    }
    Ok(())
}

async fn objects(store: &AmazonS3) -> Result<(), Failed> {
    for key in
        ["cat", "a b+c&d=e?.jpg", "h\u{e4}llo/w\u{f6}rld\u{1f600}.txt", "100%25 %2F", "~!*'();:@,$[]", "A/a/\u{1}"]
    {
        // Both ways to say a key: what is not allowed in it is escaped, or it is taken as it is.
        let keys = std::iter::once(Path::from(key)).chain(Path::parse(key));
        for path in keys {
            let body = Bytes::from(format!("bytes of {path}"));
            store.put(&path, body.clone().into()).await?;
            assert_eq!(store.get(&path).await?.bytes().await?, body, "{path}");
            assert_eq!(store.head(&path).await?.size, body.len() as u64);
            let listed = store.list(Some(&path)).try_collect::<Vec<_>>().await?;
            assert!(listed.is_empty(), "a key is not below itself: {listed:?}");
        }
    }
    let cat = Path::from("cat");
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "image/jpeg"),
        (Attribute::CacheControl, "no-store"),
        (Attribute::Metadata("name".into()), "tom"),
    ]);
    let options = PutOptions { attributes: attributes.clone(), ..PutOptions::default() };
    let put = store.put_opts(&cat, PutPayload::from_static(b"0123456789"), options).await?;
    let found = store.get(&cat).await?;
    assert_eq!(found.attributes, attributes);
    assert_eq!(store.get_range(&cat, 2..5).await?, "234");
    assert_eq!(store.get_ranges(&cat, &[0..2, 8..10]).await?, ["01", "89"]);
    let suffix = GetOptions { range: Some(GetRange::Suffix(3)), ..GetOptions::default() };
    assert_eq!(store.get_opts(&cat, suffix).await?.bytes().await?, "789");

    // Conditions of reads and writes.
    let etag = put.e_tag.clone();
    let same = GetOptions { if_none_match: etag.clone(), ..GetOptions::default() };
    assert!(matches!(store.get_opts(&cat, same).await, Err(object_store::Error::NotModified { .. })));
    let other = GetOptions { if_match: Some("\"other\"".to_owned()), ..GetOptions::default() };
    assert!(matches!(store.get_opts(&cat, other).await, Err(object_store::Error::Precondition { .. })));
    let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let refused = store.put_opts(&cat, "x".into(), create).await;
    assert!(matches!(refused, Err(object_store::Error::AlreadyExists { .. })), "{refused:?}");
    let update = |e_tag: Option<String>| PutOptions {
        mode: PutMode::Update(UpdateVersion { e_tag, version: None }),
        ..PutOptions::default()
    };
    store.put_opts(&cat, "new".into(), update(etag.clone())).await?;
    let refused = store.put_opts(&cat, "newer".into(), update(etag)).await;
    assert!(matches!(refused, Err(object_store::Error::Precondition { .. })), "{refused:?}");
    let copy = Path::from("copies/a b.jpg");
    store.copy(&cat, &copy).await?;
    assert_eq!(store.get(&copy).await?.bytes().await?, "new");
    assert!(matches!(store.get(&Path::from("none")).await, Err(object_store::Error::NotFound { .. })));
    Ok(())
}

async fn parts(store: &AmazonS3) -> Result<(), Failed> {
    let film = (0..3 * PART_BYTES - 1_000_000).map(|at| (at % 251).to_le_bytes()[0]).collect::<Vec<_>>();
    assert!(film.len() > 20_000_000);
    let path = Path::from("film");
    let mut upload = store.put_multipart(&path).await?;
    // All at once, and the last one first.
    let parts = film.chunks(PART_BYTES).map(|part| upload.put_part(part.to_vec().into())).collect::<Vec<_>>();
    futures_util::future::try_join_all(parts.into_iter().rev()).await?;
    let done = upload.complete().await?;
    assert!(done.e_tag.is_some_and(|etag| etag.ends_with("-3\"")));
    assert!(store.get(&path).await?.bytes().await? == film);
    let across = (PART_BYTES as u64 - 2)..(PART_BYTES as u64 + 2);
    let expected = &film[PART_BYTES - 2..PART_BYTES + 2];
    assert_eq!(store.get_range(&path, across).await?, expected);
    let mut upload = store.put_multipart(&Path::from("never")).await?;
    upload.put_part("x".into()).await?;
    upload.abort().await?;
    assert!(store.head(&Path::from("never")).await.is_err());
    Ok(())
}

async fn pages(store: &AmazonS3) -> Result<(), Failed> {
    let paths = (0..1_005).map(|number| Path::from(format!("many/{}/{number:04}", number % 3))).collect::<Vec<_>>();
    futures_util::stream::iter(&paths)
        .map(|path| store.put(path, "x".into()))
        .buffer_unordered(8)
        .try_collect::<Vec<_>>()
        .await?;
    let mut listed =
        store.list(Some(&Path::from("many"))).map_ok(|found| found.location).try_collect::<Vec<_>>().await?;
    listed.sort();
    let mut expected = paths.clone();
    expected.sort();
    assert!(listed == expected, "{} listed", listed.len());
    let level = store.list_with_delimiter(Some(&Path::from("many"))).await?;
    assert_eq!(level.common_prefixes, ["many/0", "many/1", "many/2"].map(Path::from));
    let behind = store.list_with_offset(Some(&Path::from("many/2")), &Path::from("many/2/1000"));
    assert_eq!(behind.count().await, 2, "1001 and 1004 are behind it");
    // A thousand at a time, by one request.
    let deleted = store.delete_stream(futures_util::stream::iter(paths.into_iter().map(Ok)).boxed());
    assert_eq!(deleted.try_collect::<Vec<_>>().await?.len(), 1_005);
    assert_eq!(store.list(Some(&Path::from("many"))).count().await, 0);
    Ok(())
}

/// Addresses that are signed, used by a client that knows nothing of S3.
async fn signed_addresses(store: &AmazonS3, server: SocketAddr) -> Result<(), Failed> {
    let (path, valid) = (Path::from("signed/a b+c\u{e4}.txt"), Duration::from_secs(60));
    let name = "photos.s3.localhost";
    let client = reqwest::Client::builder().resolve(name, server).build()?;
    let put = store.signed_url(http::Method::PUT, &path, valid).await?;
    assert_eq!(client.put(put).body("presigned").send().await?.status(), 200);
    let get = store.signed_url(http::Method::GET, &path, valid).await?;
    assert_eq!(client.get(get.clone()).send().await?.text().await?, "presigned");
    let delete = store.signed_url(http::Method::DELETE, &path, valid).await?;
    assert_eq!(client.delete(delete).send().await?.status(), 204);
    assert_eq!(client.get(get).send().await?.status(), 404);
    Ok(())
}
