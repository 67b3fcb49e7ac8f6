use super::*;
use crate::storage::Grant;

fn sdk_config() -> SdkConfig {
    SdkConfig::builder()
        .region(aws_config::Region::new("eu-central-1"))
        .endpoint_url("http://127.0.0.1:9000/")
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test")))
        .build()
}

#[tokio::test]
async fn the_sdk_configuration_is_taken() {
    let s3 = S3::new(&sdk_config(), None).unwrap();
    assert_eq!((s3.0.endpoint.as_str(), s3.0.region.as_str()), ("http://127.0.0.1:9000", "eu-central-1"));
    assert_eq!(s3.0.credentials.get().await.unwrap().access_key_id(), "id");
}

#[test]
fn the_service_endpoint_goes_before_the_general_one_and_aws_is_the_last() {
    let s3 = S3::new(&sdk_config(), Some("http://s3.test".to_owned())).unwrap();
    assert_eq!(s3.0.endpoint, "http://s3.test");
    for (region, endpoint) in
        [("eu-west-1", "https://s3.eu-west-1.amazonaws.com"), ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn")]
    {
        let config = SdkConfig::builder().region(aws_config::Region::new(region)).build();
        assert_eq!(S3::new(&config, None).unwrap().0.endpoint, endpoint);
    }
}

#[test]
fn a_wrong_endpoint_is_named() {
    for wrong in ["127.0.0.1:9000", "ftp://s3.test", "http://", "http://s3.test/?a=b", "no url"] {
        let error = S3::new(&sdk_config(), Some(wrong.to_owned())).unwrap_err();
        assert_eq!(error, S3Error::Endpoint(wrong.to_owned()));
    }
}

#[tokio::test]
async fn missing_credentials_are_said() {
    let s3 = S3::new(&SdkConfig::builder().build(), None).unwrap();
    let error = s3.bucket("photos").get("a", Grant::none()).await.map(|_| ()).unwrap_err();
    assert_eq!(error, StoreError::Credentials("no AWS credentials are configured".to_owned()));
}
