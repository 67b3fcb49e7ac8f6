//! One message of resize jobs: look, fetch, probe, spend, render, store. The only place that knows this order.
//!
//! The order is what keeps a stranger's image from taking the process down: the header is read before any pixel is
//! decoded, and its price is paid before the memory is used.

mod document;
mod due;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use document::Described;
use futures_util::future::try_join_all;
use tokio::sync::Semaphore;

use crate::batch::{JobContext, Runner};
use crate::budget::{Deadline, Memory, MemoryPermit};
use crate::event::body::BodyReader;
use crate::failure::{Blame, Failure, Retry};
use crate::job::{IfExists, Output, ResizeJob};
use crate::pixels::jpeg::Arena;
use crate::pixels::options::Rendition;
use crate::pixels::{self, Encoded, EncodedFormat, Fault, Limits, PixelError, ProfileUse, Summary};
use crate::storage::{About, Grant, Headers, Location, Storage};

/// What resizing may cost.
#[derive(Clone, Debug)]
pub struct ResizeOptions {
    /// Bytes of a source; larger ones are refused unread.
    pub source_bytes_max: u64,
    /// Memory for sources, apart from that for pixels so that fetching and decoding cannot wait for each other.
    pub source_memory: Memory,
    /// Memory for decoded pixels.
    pub pixel_memory: Memory,
    /// Images rendered at once.
    pub render_concurrency: usize,
    /// Sources that are fetched or rendered at once. More than are rendered hide how far away they are, and take memory.
    pub source_concurrency: usize,
    /// Limits of one image.
    pub limits: Limits,
}

/// Part of the memory that decoded pixels may take, in percent; the rest is for sources, results and the process itself.
const PIXEL_MEMORY_PERCENT: u64 = 60;
/// Part of the memory that sources may take, in percent.
const SOURCE_MEMORY_PERCENT: u64 = 15;
/// How long a job waits for memory before another invocation is the better place.
const MEMORY_WAIT_MAX: Duration = Duration::from_mins(10);
/// What a renderer may keep from one image to the next, so that it need not ask the system for it again. Small beside the
/// memory that is left to the process.
const ARENA_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a connection may hold of a source before its body is asked for.
const OPENING_BYTES: u64 = 256 * 1024;
/// Bytes of a source, unless configured.
const SOURCE_BYTES_MAX: u64 = 64 * 1024 * 1024;

impl ResizeOptions {
    /// Shares so many bytes out to the parts of the work.
    #[must_use]
    pub fn for_memory(bytes: u64) -> Self {
        let source_bytes = bytes / 100 * SOURCE_MEMORY_PERCENT;
        let pixel_bytes = bytes / 100 * PIXEL_MEMORY_PERCENT;
        Self {
            source_bytes_max: SOURCE_BYTES_MAX.min(source_bytes),
            source_memory: Memory::new(source_bytes, MEMORY_WAIT_MAX),
            pixel_memory: Memory::new(pixel_bytes, MEMORY_WAIT_MAX),
            render_concurrency: std::thread::available_parallelism().map_or(1, NonZero::get),
            source_concurrency: Semaphore::MAX_PERMITS,
            limits: Limits { memory_bytes_max: pixel_bytes, ..Limits::default() },
        }
    }
}

impl Default for ResizeOptions {
    /// As for one gibibyte.
    fn default() -> Self {
        Self::for_memory(1024 * 1024 * 1024)
    }
}

/// The [`Runner`] of resize jobs.
#[derive(Clone, Debug)]
pub struct Resizer {
    storage: Storage,
    bodies: BodyReader,
    options: ResizeOptions,
    renderers: Arc<Semaphore>,
    sources: Arc<Semaphore>,
    /// Those that no renderer uses; never more than there are renderers.
    arenas: Arc<Mutex<Vec<Arena>>>,
}

/// Memory of a source, raised from where it is found.
#[derive(Clone, Debug)]
struct SourcePermit(Arc<Mutex<MemoryPermit>>);

impl SourcePermit {
    fn new(permit: MemoryPermit) -> Self {
        Self(Arc::new(Mutex::new(permit)))
    }
}

/// What is made of one source.
struct Wanted<'j> {
    images: Vec<WantedImage<'j>>,
    documents: Vec<&'j Output>,
}

struct WantedImage<'j> {
    output: &'j Output,
    rendition: &'j Rendition,
    /// Whether it is stored too.
    is_due: bool,
}

impl<'j> Wanted<'j> {
    /// Of a job some of whose outputs are due. A document is about all images of its job: for its sake those are made, too,
    /// that are to stay as they are.
    fn of(job: &'j ResizeJob, due: &[bool]) -> Self {
        let outputs = || job.outputs().iter().zip(due.iter().copied());
        let due = outputs().filter(|(_, is_due)| *is_due);
        let documents: Vec<&Output> =
            due.map(|(output, _)| output).filter(|output| output.rendition().is_none()).collect();
        let images = outputs().filter_map(|(output, is_due)| {
            let rendition = output.rendition()?;
            (is_due || !documents.is_empty()).then_some(WantedImage { output, rendition, is_due })
        });
        Self { images: images.collect(), documents }
    }
}

/// What was made of one source.
struct Rendered {
    files: Vec<Encoded>,
    /// What a document says of it, where there is to be one.
    summary: Option<Described>,
    oddities: Oddities,
}

/// What was made of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resized {
    /// Bytes read.
    pub bytes_in: u64,
    /// What was stored, in the order of the job.
    pub outputs: Vec<ResizedOutput>,
    /// Targets that stay as they were, as their jobs ask by [`IfExists`], in the order of the job.
    pub skipped: Vec<Location>,
    /// Sources that were not as they should be.
    pub oddities: Oddities,
}

/// Sources of a message from which images were made although something about them was odd. Worth counting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Those whose colour profile was skipped: [`ProfileUse::Ignored`].
    pub profiles_ignored: u64,
    /// Why the first of them was.
    pub profile_ignored_because: Option<&'static str>,
    /// Those in four inks (CMYK) without a profile that could be used, whose colours are those of the simple formula.
    pub inks_without_profile: u64,
    /// Those that ended before their image did, where the job allows it.
    pub truncated: u64,
}

impl std::ops::AddAssign for Oddities {
    fn add_assign(&mut self, other: Self) {
        self.profiles_ignored += other.profiles_ignored;
        self.profile_ignored_because = self.profile_ignored_because.or(other.profile_ignored_because);
        self.inks_without_profile += other.inks_without_profile;
        self.truncated += other.truncated;
    }
}

/// One stored output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResizedOutput {
    /// Where it is.
    pub target: Location,
    /// Encoded bytes.
    pub bytes: u64,
    /// What an image is; none of a document.
    pub image: Option<MadeImage>,
}

/// What an image is that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MadeImage {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Its format; for `auto` the one that was chosen.
    pub format: EncodedFormat,
    /// The quality it was encoded with, which its `max_bytes` may have lowered; none for PNG and lossless WebP.
    pub quality: Option<u8>,
}

impl Resized {
    /// Of what was stored of a job, in any order.
    fn of(job: &ResizeJob, bytes_in: u64, stored: Vec<ResizedOutput>, oddities: Oddities) -> Self {
        let mut stored: BTreeMap<Location, ResizedOutput> =
            stored.into_iter().map(|output| (output.target.clone(), output)).collect();
        let mut resized = Self { bytes_in, oddities, ..Self::default() };
        for Output { target, .. } in job.outputs() {
            match stored.remove(target) {
                Some(output) => resized.outputs.push(output),
                None => resized.skipped.push(target.clone()),
            }
        }
        resized
    }

    /// Bytes stored.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.outputs.iter().map(|output| output.bytes).sum()
    }
}

impl Resizer {
    /// Resizes between the places of a storage. Bodies that are not jobs need a reader with renditions.
    #[must_use]
    pub fn new(storage: Storage, bodies: BodyReader, options: ResizeOptions) -> Self {
        let renderers = Arc::new(Semaphore::new(options.render_concurrency.max(1)));
        let sources = Arc::new(Semaphore::new(options.source_concurrency.clamp(1, Semaphore::MAX_PERMITS)));
        Self { storage, bodies, options, renderers, sources, arenas: Arc::default() }
    }

    /// Where it reads and writes.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    async fn resize(&self, job: &ResizeJob, deadline: &Deadline) -> Result<Resized, Failure> {
        let options = &self.options;
        let due = due::outputs(job, &self.storage).await?;
        if !due.contains(&true) {
            return Ok(Resized::of(job, 0, Vec::new(), Oddities::default()));
        }
        let turn = self.sources.acquire().await;
        let (bytes, headers, source_permit) = self.fetch(job.source(), deadline).await?;
        let bytes_in = bytes.len() as u64;

        let Wanted { images, documents } = Wanted::of(job, &due);
        let renditions = images.iter().map(|image| image.rendition.clone()).collect();
        let with_summary = !documents.is_empty();
        let limits = Limits { truncated: job.truncated(), ..options.limits.clone() };
        let Rendered { files, summary, oddities } =
            self.render(bytes, renditions, with_summary, limits, deadline).await?;
        drop((source_permit, turn));
        assert_eq!(files.len(), images.len(), "one file for each image");

        let facts = images.iter().zip(&files).map(|(image, file)| (&image.output.target, file));
        let document = summary.map(|summary| document::write(&summary, bytes_in, facts)).transpose()?;
        let due = images.iter().zip(files).filter(|(image, _)| image.is_due);
        let stores = due.map(|(image, file)| {
            let Encoded { bytes, format, width, height, quality, .. } = file;
            self.store(image.output, &headers, bytes.into(), Some(MadeImage { width, height, format, quality }))
        });
        let mut outputs = try_join_all(stores).await?;
        // Last, so that what a document tells of is there.
        if let Some(document) = document {
            let stores = documents.iter().map(|output| self.store(output, &headers, document.clone(), None));
            outputs.extend(try_join_all(stores).await?);
        }
        Ok(Resized::of(job, bytes_in, outputs.into_iter().flatten().collect(), oddities))
    }

    /// Finds a source and reads it once its memory is granted.
    ///
    /// How much that is only the answer says, so what a connection holds before its body is read is paid first. When the
    /// rest is not free at once, the connection is given up: nothing is held open while others have the memory.
    async fn fetch(&self, source: &Location, deadline: &Deadline) -> Result<(Bytes, Headers, SourcePermit), Failure> {
        let Self { storage, options, .. } = self;
        let memory = &options.source_memory;
        let permit = SourcePermit::new(memory.spend(OPENING_BYTES.min(memory.total_bytes()), deadline).await?);
        let raise = {
            let (memory, permit) = (memory.clone(), permit.clone());
            move |bytes| memory.try_raise(&mut permit.0.lock().unwrap_or_else(PoisonError::into_inner), bytes)
        };
        let download = storage.open(source, options.source_bytes_max, Grant::new(raise.clone())).await?;
        let declared = download.declared_bytes();
        if raise(declared) {
            let headers = download.headers().clone();
            return Ok((download.read().await?, headers, permit));
        }
        drop((download, raise, permit));
        let permit = SourcePermit::new(memory.spend(declared, deadline).await?);
        let paid = Grant::new(move |bytes| bytes <= declared);
        let download = storage.open(source, options.source_bytes_max, paid).await?;
        if download.declared_bytes() > declared {
            let text = format!("source {source} grew while it waited for memory");
            return Err(Failure::transient(Blame::Source, "conflict", text));
        }
        let headers = download.headers().clone();
        Ok((download.read().await?, headers, permit))
    }

    /// Makes the renditions, and with a summary what a document says of the source.
    async fn render(
        &self,
        bytes: Bytes,
        renditions: Vec<Rendition>,
        with_summary: bool,
        limits: Limits,
        deadline: &Deadline,
    ) -> Result<Rendered, Failure> {
        let probe = pixels::probe(&bytes, &limits).map_err(|error| failure(&error))?;
        let memory_bytes = if with_summary {
            let all: Vec<Rendition> = renditions.iter().cloned().chain([Summary::rendition()]).collect();
            probe.memory_bytes_max(&all)
        } else {
            probe.memory_bytes_max(&renditions)
        };
        let memory = self.options.pixel_memory.spend(memory_bytes, deadline).await?;
        let (is_inks, is_truncated) = (probe.is_inks(), probe.truncated);
        let (size, format, has_alpha) = (probe.oriented_size(), probe.format, probe.has_alpha);
        let renderer = self.renderers.clone().acquire_owned().await;
        let (deadline, arenas) = (*deadline, Arc::clone(&self.arenas));
        // The permits move into the thread: a job that is dropped at the deadline leaves its thread running, and what that
        // thread uses is not free before it ends.
        let rendering = tokio::task::spawn_blocking(move || {
            let _held = (memory, renderer);
            if deadline.is_reached() {
                return Err(Failure::deadline("the time was up before the image was decoded"));
            }
            let mut arena = arenas.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            let made = if with_summary {
                pixels::render_with_summary(&bytes, &probe, &renditions, &limits, &mut arena)
                    .map(|(files, summary)| (files, Some(summary)))
            } else {
                pixels::render(&bytes, &probe, &renditions, &limits, &mut arena).map(|files| (files, None))
            };
            arena.shrink_to(ARENA_BYTES_MAX);
            arenas.lock().unwrap_or_else(PoisonError::into_inner).push(arena);
            made.map_err(|error| failure(&error))
        });
        let (files, summary) = rendering.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => Err(Failure::panic(&*panic)),
            Err(_) => Err(Failure::deadline("the process is stopping")),
        })?;
        let mut profiles = files.iter().map(|file| file.profile).chain(summary.iter().map(|summary| summary.profile));
        let profile = profiles.next().unwrap_or_default();
        let ignored = if let ProfileUse::Ignored(reason) = profile { Some(reason) } else { None };
        if let Some(reason) = ignored {
            tracing::info!("ignored the colour profile of an image: {reason}");
        }
        let oddities = Oddities {
            profiles_ignored: u64::from(ignored.is_some()),
            profile_ignored_because: ignored,
            inks_without_profile: u64::from(is_inks && profile != ProfileUse::Converted),
            truncated: u64::from(is_truncated),
        };
        let summary = summary.map(|summary| Described { size, format, has_alpha, summary });
        Ok(Rendered { files, summary, oddities })
    }

    /// Nothing where an object has come there in the meantime that is to stay.
    async fn store(
        &self,
        output: &Output,
        source: &Headers,
        bytes: Bytes,
        image: Option<MadeImage>,
    ) -> Result<Option<ResizedOutput>, Failure> {
        let target = &output.target;
        let stored = ResizedOutput { target: target.clone(), bytes: bytes.len() as u64, image };
        let content_type = image.map_or(document::CONTENT_TYPE, |image| image.format.content_type());
        let about = About { content_type, headers: output.headers.resolve(source) };
        let is_stored = match output.if_exists {
            IfExists::Skip => self.storage.create(target, bytes, &about).await?,
            IfExists::Replace | IfExists::IfNewer => {
                self.storage.store_with(target, bytes, &about).await?;
                true
            }
        };
        Ok(is_stored.then_some(stored))
    }
}

/// What is wrong with a file's bytes never changes, and neither does what was asked of them; only memory may be there the
/// next time.
fn failure(error: &PixelError) -> Failure {
    let (blame, retry, kind) = match (error, error.fault()) {
        (PixelError::OutOfMemory { .. }, _) => (Blame::Limits, Retry::Later, "out-of-memory"),
        (PixelError::OverMaxBytes { .. }, _) => (Blame::Job, Retry::Never, "over-max-bytes"),
        (_, Fault::Input) => (Blame::Source, Retry::Never, "bad-image"),
        (_, Fault::Limit) => (Blame::Limits, Retry::Never, "image-too-large"),
        (_, Fault::Request) => (Blame::Job, Retry::Never, "bad-output"),
        (_, Fault::Ours) => (Blame::Ours, Retry::Never, "internal"),
    };
    Failure::new(blame, retry, kind, error.to_string())
}

impl Runner for Resizer {
    type Job = Vec<ResizeJob>;
    type Output = Resized;

    fn parse(&self, body: &str) -> Result<Self::Job, Failure> {
        self.bodies.read(body)
    }

    /// A message of several jobs is done when all are. All are tried, so that one broken image does not keep the others
    /// from being made, and the message is given up only when nothing that failed can be helped.
    async fn run(&self, jobs: Self::Job, context: &JobContext) -> Result<Resized, Failure> {
        let mut all = Resized::default();
        let mut failed: Option<Failure> = None;
        for job in &jobs {
            let resized = match job.check(&self.storage) {
                Ok(()) => self.resize(job, &context.deadline).await,
                Err(failure) => Err(failure),
            };
            match resized {
                Ok(resized) => {
                    all.bytes_in += resized.bytes_in;
                    all.outputs.extend(resized.outputs);
                    all.skipped.extend(resized.skipped);
                    all.oddities += resized.oddities;
                }
                Err(failure) => {
                    failed = Some(match failed.take() {
                        Some(earlier) => earlier.or_more_hopeful(failure),
                        None => failure,
                    });
                }
            }
        }
        failed.map_or(Ok(all), Err)
    }
}

#[cfg(test)]
mod tests;
