//! An S3 server of somebody else's over a folder, so that what is tested is the client that ships.

use std::{net::SocketAddr, path::Path};

use aws_sdk_sqs::config::{Credentials, Region, SharedCredentialsProvider};
use handler::storage::S3;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use object_store::{ObjectStore, aws::AmazonS3Builder};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::{net::TcpListener, task::JoinHandle};

/// The access key id and the secret access key that it accepts.
pub const KEY_PAIR: [&str; 2] = ["test", "test"];

/// A running server. Each folder in its folder is a bucket. Ends when dropped.
#[derive(Debug)]
pub struct S3Folder {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl S3Folder {
    /// Serves a folder on a free port of this machine.
    pub async fn serve(folder: &Path) -> Self {
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY_PAIR[0], KEY_PAIR[1]));
        let service = service.build();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    // A client that goes away is none of the server's troubles.
                    let _ = builder.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, accepting }
    }

    /// What `AWS_ENDPOINT_URL_S3` is to be.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A bucket of this server, or of another one that takes the same key pair, by another client than the one that ships.
#[must_use]
pub fn bucket(endpoint_url: &str, region: &str, name: &str) -> impl ObjectStore + use<> {
    // Calling it again, or after somebody else chose a provider, changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    AmazonS3Builder::new()
        .with_bucket_name(name)
        .with_region(region)
        .with_endpoint(endpoint_url)
        .with_allow_http(true)
        .with_access_key_id(KEY_PAIR[0])
        .with_secret_access_key(KEY_PAIR[1])
        .build()
        .unwrap()
}

/// The client that ships, with this key pair.
#[must_use]
pub fn s3(endpoint_url: &str, region: &str) -> S3 {
    let config = handler::aws::SdkConfig::builder()
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            KEY_PAIR[0],
            KEY_PAIR[1],
            None,
            None,
            "test",
        )))
        .build();
    S3::new(&config, Some(endpoint_url.to_owned())).unwrap()
}

impl Drop for S3Folder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
