//! Looking at objects without S3's protocol, and without reading more of them than is wanted.

use bytes::Bytes;

use super::{Buckets, Destination};
use crate::engine::{QueueArn, Time};

/// What there is to know of an object at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// How many bytes it has.
    pub bytes: u64,
    /// Its entity tag, without quotes.
    pub etag: String,
    /// When it was written.
    pub modified: Time,
    /// Its first bytes, as many as were wanted.
    pub beginning: Bytes,
}

/// Where events of a bucket go, and how many have gone there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketFlow {
    /// The bucket.
    pub bucket: String,
    /// Where.
    pub to: Destination,
    /// How many events.
    pub events: u64,
}

impl Buckets {
    /// Where events of buckets go, by their notifications and the rules of EventBridge, and how many have gone there.
    #[must_use]
    pub fn flows(&self) -> Vec<BucketFlow> {
        let rules = self.shared.rules();
        let store = self.shared.store();
        let mut flows = Vec::<BucketFlow>::new();
        for (name, bucket) in store.all() {
            let notifications = &bucket.settings.notifications;
            let queues = notifications.queue_configurations.iter().flatten();
            let queues = queues.filter_map(|queue| QueueArn::parse(&queue.queue_arn)).map(Destination::Queue);
            let functions = notifications.lambda_function_configurations.iter().flatten();
            let functions = functions.map(|it| Destination::Function(it.lambda_function_arn.clone()));
            let is_bridged = notifications.event_bridge_configuration.is_some();
            let targets = rules.iter().filter(|_| is_bridged).flat_map(|rule| &rule.targets);
            let targets = targets.map(|target| target.destination.clone());
            for to in queues.chain(functions).chain(targets) {
                if flows.iter().any(|flow| flow.bucket == *name && flow.to == to) {
                    continue;
                }
                let arn = match &to {
                    Destination::Queue(queue) => queue.as_str(),
                    Destination::Function(arn) => arn,
                };
                let events = self.shared.announced.get(name, arn);
                flows.push(BucketFlow { bucket: name.clone(), to, events });
            }
        }
        flows
    }

    /// How many objects a bucket has; none if there is no such bucket.
    #[must_use]
    pub fn object_count(&self, bucket: &str) -> Option<usize> {
        Some(self.shared.store().bucket(bucket).ok()?.objects.len())
    }

    /// Looks at an object, and at its first bytes, at most `bytes_max` of them.
    #[must_use]
    pub fn glance(&self, bucket: &str, key: &str, bytes_max: u64) -> Option<Glance> {
        let (object, content) = self.shared.store().read(bucket, key).ok()?;
        let bytes = content.bytes();
        let beginning = content.part(0..bytes.min(bytes_max)).to_bytes().ok()?;
        Some(Glance { bytes, etag: object.etag.clone(), modified: object.modified, beginning })
    }

    /// Buckets and keys of up to `found_max` objects that are wanted, in the order of their names, among the first
    /// `looked_at_max` of all buckets together.
    #[must_use]
    pub fn find(
        &self,
        looked_at_max: usize,
        found_max: usize,
        wanted: impl Fn(&str, &str) -> bool,
    ) -> Vec<(String, String)> {
        let store = self.shared.store();
        let keys = store.all().flat_map(|(name, bucket)| bucket.objects.keys().map(move |key| (name, key)));
        let found = keys.take(looked_at_max).filter(|(bucket, key)| wanted(bucket, key)).take(found_max);
        found.map(|(bucket, key)| (bucket.clone(), key.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::LocalQueue;

    #[tokio::test]
    async fn a_glance_reads_no_more_than_is_wanted() {
        let queues = LocalQueue::builder().build();
        let buckets = Buckets::new(&queues);
        for bucket in ["photos", "thumbs"] {
            buckets.create_bucket(bucket).unwrap();
            for key in ["a", "b/a"] {
                let put = Request::put(format!("http://localhost/{bucket}/{key}")).body("0123456789".into()).unwrap();
                assert_eq!(buckets.respond(put).await.status(), 200);
            }
        }
        let glance = buckets.glance("photos", "a", 4).unwrap();
        assert_eq!((glance.bytes, &glance.beginning[..], glance.etag.len()), (10, &b"0123"[..], 32));
        assert_eq!(buckets.glance("photos", "a", 100).unwrap().beginning.len(), 10);
        assert_eq!(buckets.glance("photos", "none", 4), None);
        assert_eq!(buckets.glance("none", "a", 4), None);
        let found = |looked_at_max, found_max| {
            let found = buckets.find(looked_at_max, found_max, |_, key| key.ends_with("/a"));
            found.into_iter().map(|(bucket, key)| format!("{bucket} {key}")).collect::<Vec<_>>()
        };
        assert_eq!(found(100, 100), ["photos b/a", "thumbs b/a"]);
        assert_eq!((found(3, 100), found(100, 1)), (vec!["photos b/a".to_owned()], vec!["photos b/a".to_owned()]));
    }
}
