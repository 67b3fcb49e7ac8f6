//! What there is: buckets, their objects, uploads in parts.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
    sync::Arc,
};

use s3s::{
    S3Error, S3ErrorCode, S3Result,
    dto::{Checksum, ETag},
    s3_error,
};

use super::{
    content::Content,
    keep::{Keep, refused},
    object::{Object, Properties, Settings},
    receive::Share,
};
use crate::engine::Time;

/// A part of an upload but the last (documentation: "Amazon S3 multipart upload limits").
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// Parts of an upload.
pub(super) const PARTS_MAX: i32 = 10_000;

/// All buckets by their names.
#[derive(Debug)]
pub(super) struct Store {
    keep: Arc<dyn Keep>,
    buckets: BTreeMap<String, Bucket>,
}

/// One bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) settings: Settings,
    pub(super) objects: BTreeMap<String, Arc<Object>>,
    pub(super) uploads: BTreeMap<String, Upload>,
}

/// An upload in parts.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) initiated: Time,
    pub(super) properties: Properties,
    pub(super) tags: Vec<(String, String)>,
    /// The algorithm of its checksums, and whether the object's is one of its parts' checksums or of all bytes.
    pub(super) algorithm: Option<String>,
    pub(super) is_full_checksum: bool,
    pub(super) parts: BTreeMap<i32, Part>,
}

/// A part of an upload.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) content: Content,
    pub(super) share: Share,
    pub(super) md5: [u8; 16],
    pub(super) checksum: Checksum,
    pub(super) modified: Time,
}

/// What a part is called when an upload is completed.
#[derive(Debug)]
pub(super) struct NamedPart {
    pub(super) number: i32,
    pub(super) etag: Option<ETag>,
}

impl Bucket {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, objects: BTreeMap::new(), uploads: BTreeMap::new() }
    }

    pub(super) fn object(&self, key: &str) -> S3Result<&Arc<Object>> {
        self.objects.get(key).ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))
    }

    pub(super) fn upload(&mut self, key: &str, upload_id: &str) -> S3Result<&mut Upload> {
        let upload = self.uploads.get_mut(upload_id).filter(|upload| upload.key == key);
        upload.ok_or_else(|| {
            s3_error!(
                NoSuchUpload,
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
                 completed."
            )
        })
    }

    /// The keys behind `after`, with those that go on behind the delimiter put together, up to `max`. Says where the next
    /// page begins, if there is one.
    pub(super) fn page(&self, prefix: &str, delimiter: &str, after: &str, max: usize) -> Page<'_> {
        let mut page = Page::default();
        let start = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        let mut keys = self.objects.range::<str, _>((start, Bound::Unbounded)).peekable();
        while let Some((key, object)) = keys.next() {
            let Some(rest) = key.strip_prefix(prefix) else { break };
            let common = Some(delimiter).filter(|delimiter| !delimiter.is_empty());
            let common = common.and_then(|delimiter| Some(prefix.len() + rest.find(delimiter)? + delimiter.len()));
            let entry = match common.map(|end| &key[..end]) {
                // Said on the page before.
                Some(common) if after == common => Listed::Said,
                Some(common) => Listed::Prefix(common),
                None => Listed::Object(key, object),
            };
            if !matches!(entry, Listed::Said) {
                if page.entries.len() == max {
                    page.is_truncated = true;
                    break;
                }
                page.entries.push(entry);
            }
            // All that has this prefix has been said by it.
            if let Some(end) = common {
                let common = &key[..end];
                let behind = format!("{common}{}", char::MAX);
                keys = self.objects.range::<str, _>((Bound::Excluded(&*behind), Bound::Unbounded)).peekable();
                while keys.next_if(|(key, _)| key.starts_with(common)).is_some() {}
            }
        }
        page
    }
}

/// What is listed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Listed<'a> {
    Object(&'a str, &'a Arc<Object>),
    Prefix(&'a str),
    /// Nothing: it was on the page before.
    Said,
}

impl<'a> Listed<'a> {
    /// By what it is ordered.
    pub(super) const fn name(&self) -> &'a str {
        match self {
            Self::Object(key, _) => key,
            Self::Prefix(prefix) => prefix,
            Self::Said => "",
        }
    }
}

/// A part of a listing.
#[derive(Debug, Default)]
pub(super) struct Page<'a> {
    pub(super) entries: Vec<Listed<'a>>,
    pub(super) is_truncated: bool,
}

impl Store {
    /// With what is kept already.
    pub(super) fn new(keep: Arc<dyn Keep>, buckets: BTreeMap<String, Bucket>) -> Self {
        Self { keep, buckets }
    }

    /// Makes a bucket; says whether it is new.
    pub(super) fn create(&mut self, name: &str, now: Time) -> S3Result<bool> {
        match self.buckets.entry(name.to_owned()) {
            Entry::Vacant(vacant) => {
                let settings = Settings::new(now);
                self.keep.put_bucket(name, &settings).map_err(|error| refused(&error))?;
                vacant.insert(Bucket::new(settings));
                Ok(true)
            }
            Entry::Occupied(_) => Ok(false),
        }
    }

    /// Changes what is said of a bucket.
    pub(super) fn change(&mut self, name: &str, change: impl FnOnce(&mut Settings)) -> S3Result<()> {
        let bucket = self.buckets.get_mut(name).ok_or_else(no_such_bucket)?;
        let mut settings = bucket.settings.clone();
        change(&mut settings);
        self.keep.put_bucket(name, &settings).map_err(|error| refused(&error))?;
        bucket.settings = settings;
        Ok(())
    }

    pub(super) fn delete(&mut self, name: &str) -> S3Result<()> {
        let bucket = self.bucket(name)?;
        if !bucket.objects.is_empty() {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        self.keep.remove_bucket(name).map_err(|error| refused(&error))?;
        self.buckets.remove(name);
        Ok(())
    }

    /// Puts an object into its place.
    pub(super) fn put(&mut self, name: &str, key: &str, mut object: Object) -> S3Result<Arc<Object>> {
        let bucket = self.buckets.get_mut(name).ok_or_else(no_such_bucket)?;
        let before = bucket.objects.get(key).map(|object| &**object);
        object.content = self.keep.put(name, key, &object, before).map_err(|error| refused(&error))?;
        let object = Arc::new(object);
        bucket.objects.insert(key.to_owned(), Arc::clone(&object));
        Ok(object)
    }

    /// Gives an object other tags.
    pub(super) fn tag(&mut self, name: &str, key: &str, tags: Vec<(String, String)>) -> S3Result<Arc<Object>> {
        let bucket = self.buckets.get_mut(name).ok_or_else(no_such_bucket)?;
        let object = Arc::new(Object { tags, ..Object::clone(bucket.object(key)?) });
        self.keep.describe(name, key, &object).map_err(|error| refused(&error))?;
        bucket.objects.insert(key.to_owned(), Arc::clone(&object));
        Ok(object)
    }

    /// Takes an object away, if there is one.
    pub(super) fn remove(&mut self, name: &str, key: &str) -> S3Result<Option<Arc<Object>>> {
        let bucket = self.buckets.get_mut(name).ok_or_else(no_such_bucket)?;
        let Some(object) = bucket.objects.get(key) else { return Ok(None) };
        self.keep.remove(name, key, object).map_err(|error| refused(&error))?;
        Ok(bucket.objects.remove(key))
    }

    /// An object, and its bytes as they stay whatever is put in its place.
    pub(super) fn read(&self, name: &str, key: &str) -> S3Result<(Arc<Object>, Content)> {
        let object = Arc::clone(self.bucket(name)?.object(key)?);
        let content = object.content.pinned().map_err(|error| refused(&error))?;
        Ok((object, content))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.buckets.contains_key(name)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&String, &Bucket)> {
        self.buckets.iter()
    }

    pub(super) fn bucket(&self, name: &str) -> S3Result<&Bucket> {
        self.buckets.get(name).ok_or_else(no_such_bucket)
    }

    pub(super) fn bucket_mut(&mut self, name: &str) -> S3Result<&mut Bucket> {
        self.buckets.get_mut(name).ok_or_else(no_such_bucket)
    }

    /// Takes everything away, and makes these buckets as they were.
    pub(super) fn reset(&mut self, declared: &BTreeMap<String, Settings>) -> S3Result<()> {
        let names = self.buckets.keys().cloned().collect::<Vec<_>>();
        for name in names {
            let keys = self.bucket(&name)?.objects.keys().cloned().collect::<Vec<_>>();
            for key in keys {
                self.remove(&name, &key)?;
            }
            self.delete(&name)?;
        }
        for (name, settings) in declared {
            self.keep.put_bucket(name, settings).map_err(|error| refused(&error))?;
            self.buckets.insert(name.clone(), Bucket::new(settings.clone()));
        }
        Ok(())
    }
}

fn no_such_bucket() -> S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}

impl Upload {
    /// The parts that make the object, in their order.
    pub(super) fn check(&self, named: &[NamedPart]) -> S3Result<()> {
        let invalid = |text: &'static str| S3Error::with_message(S3ErrorCode::InvalidPart, text);
        if named.is_empty() {
            let text = "The XML you provided was not well-formed or did not validate against our published schema";
            return Err(S3Error::with_message(S3ErrorCode::MalformedXML, text));
        }
        if named.windows(2).any(|pair| pair[0].number >= pair[1].number) {
            let text = "The list of parts was not in ascending order. Parts must be ordered by part number.";
            return Err(S3Error::with_message(S3ErrorCode::InvalidPartOrder, text));
        }
        for (index, name) in named.iter().enumerate() {
            let part = self.parts.get(&name.number).filter(|part| {
                let etag = hex(&part.md5);
                name.etag.as_ref().is_none_or(|named| named.value() == etag)
            });
            let part = part.ok_or_else(|| {
                invalid(
                    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
                     specified entity tag may not match the part's entity tag.",
                )
            })?;
            if index + 1 < named.len() && part.content.bytes() < PART_BYTES_MIN {
                let text = "Your proposed upload is smaller than the minimum allowed size";
                return Err(S3Error::with_message(S3ErrorCode::EntityTooSmall, text));
            }
        }
        Ok(())
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buckets::receive::Room;

    fn bucket(keys: &[&str]) -> Bucket {
        let mut bucket = Bucket::new(Settings::new(Time::EPOCH));
        let room = Room::new(0);
        for key in keys {
            let object = Object {
                content: Content::default(),
                etag: String::new(),
                modified: Time::EPOCH,
                properties: Properties::default(),
                tags: Vec::new(),
                checksum: Checksum::default(),
                version_id: None,
                parts: Vec::new(),
                _share: Arc::new(room.empty_share()),
            };
            bucket.objects.insert((*key).to_owned(), Arc::new(object));
        }
        bucket
    }

    /// What a listing must be: the same, written down from its definition.
    fn defined(keys: &[&str], prefix: &str, delimiter: &str) -> Vec<String> {
        let mut entries = Vec::<String>::new();
        for key in keys.iter().filter(|key| key.starts_with(prefix)) {
            let end = if delimiter.is_empty() { None } else { key[prefix.len()..].find(delimiter) };
            let entry = end.map_or(*key, |end| &key[..prefix.len() + end + delimiter.len()]).to_owned();
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        entries
    }

    #[test]
    fn pages_together_are_the_listing_whatever_their_length() {
        let mut keys = vec![
            "a",
            "a//b",
            "a/b",
            "a/b/c",
            "a/c",
            "a+b",
            "a b",
            "ab",
            "b/",
            "b/x",
            "b/\u{10ffff}",
            "b0",
            "c/d/e",
            "\u{e4}/f",
        ];
        keys.sort_unstable();
        let bucket = bucket(&keys);
        for prefix in ["", "a", "a/", "a/b", "b/", "z"] {
            for delimiter in ["", "/", "b", "//"] {
                let expected = defined(&keys, prefix, delimiter);
                for max in [1, 2, 3, 100] {
                    let (mut listed, mut after) = (Vec::<String>::new(), String::new());
                    loop {
                        let page = bucket.page(prefix, delimiter, &after, max);
                        listed.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
                        if !page.is_truncated {
                            break;
                        }
                        after = listed.last().cloned().unwrap();
                    }
                    assert_eq!(listed, expected, "prefix {prefix:?}, delimiter {delimiter:?}, {max} a page");
                }
            }
        }
    }
}
