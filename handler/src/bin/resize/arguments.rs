//! What can be said on the command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use handler::job::{self, SIDE_PIXELS_MAX, position_from_word};
use handler::pixels::options;
use serde_json::{Map, Value};

mod dead_letters;

pub(crate) use dead_letters::{
    DeadLetters, DeleteDeadLetters, ListDeadLetters, PurgeDeadLetters, RedriveDeadLetters, Selection, SendDeadLetters,
    ShowDeadLetter,
};

/// Resize images through a queue.
#[derive(Debug, Parser)]
#[command(name = "resize", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<Run>),
    Submit(Box<Submit>),
    Work(Work),
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Print the script that completes arguments in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages, for packages.
    #[command(hide = true)]
    Man {
        /// The folder, which is made if need be.
        dir: PathBuf,
    },
}

/// Resize images on this machine, through an embedded queue and the code that runs in AWS Lambda.
///
/// Every image becomes a job in a local queue, which an event source mapping takes to the function in batches. What
/// can never succeed ends in a dead-letter queue, and is listed with its reason.
///
/// Images are found by content, not by name, at any depth: JPEG, PNG, WebP, GIF, TIFF, BMP and HEIC. Other files are passed
/// over (the video of a Live Photo by name), and so are pipes, sockets and devices, for which nobody waits. The folders of a
/// PATH are kept below --out; of several PATHs, each folder goes below its own name.
///
/// Exit code: 0 when every image was made, 1 when any was not, 2 when nothing was begun because the command cannot be
/// carried out, 130 after Ctrl-C.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("size").required(true).multiple(true).args(["width", "height", "renditions"])))]
pub(crate) struct Run {
    /// Images, and folders of images.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// The folder for the outputs; made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    #[command(flatten)]
    pub(crate) output: Output,

    /// Several outputs of each image: a JSON list such as `[{"target":"{dir}/{stem}-{width}.{format}","width":320}]`.
    ///
    /// The fields are those of the function's setting RENDITIONS, but a target is a path below --out. In it stand {dir},
    /// {stem}, {ext} and {key} (the whole) for the image's own path, {width}, {height} and {format} for the output.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["width", "height", "rotate", "fit", "position", "grayscale", "metadata", "format", "quality", "max_bytes", "progressive", "enlarge"])]
    pub(crate) renditions: Option<PathBuf>,

    /// What is done about outputs that are there already; with --renditions, for those that do not say it themselves.
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) if_exists: Option<IfExists>,

    /// Memory for images, in MiB; half of what this machine has free unless given.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(128..=1_048_576))]
    pub(crate) memory: Option<u64>,

    /// Make what there is of a file that ends before its image does; what is missing is gray or transparent.
    #[arg(long)]
    pub(crate) allow_truncated: bool,

    /// Keep the jobs in this folder, so that the same command goes on after Ctrl-C, a crash or a power failure.
    ///
    /// Only images that were being made at that moment are made again. What is kept is removed when the run is over.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Print one JSON document, with every image, instead of the table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Fit {
    /// Fill both, crop what hangs over
    Cover,
    /// Fit within both, fill the rest with black
    Contain,
    /// Stretch to both
    Fill,
    /// As large as possible within both
    Inside,
    /// As small as possible around both
    Outside,
}

impl Fit {
    /// As in a job.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().expect("no value is hidden").get_name().to_owned()
    }
}

impl From<Fit> for options::Fit {
    fn from(fit: Fit) -> Self {
        match fit {
            Fit::Cover => Self::Cover,
            Fit::Contain => Self::Contain,
            Fit::Fill => Self::Fill,
            Fit::Inside => Self::Inside,
            Fit::Outside => Self::Outside,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Auto,
    #[value(alias = "jpg")]
    Jpeg,
    Png,
    Webp,
    /// Slow, and small
    #[cfg(feature = "avif")]
    Avif,
}

impl Format {
    /// As in a job.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().expect("no value is hidden").get_name().to_owned()
    }
}

impl From<Format> for options::OutputFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Auto => Self::Auto,
            Format::Jpeg => Self::Jpeg,
            Format::Png => Self::Png,
            Format::Webp => Self::Webp,
            #[cfg(feature = "avif")]
            Format::Avif => Self::Avif,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Metadata {
    /// Nothing but pixels, in sRGB
    Strip,
    /// The colour profile
    KeepIcc,
    /// The colour profile, and EXIF and XMP without the place
    Keep,
}

impl Metadata {
    /// As in a job.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().expect("no value is hidden").get_name().to_owned()
    }
}

impl From<Metadata> for options::Metadata {
    fn from(metadata: Metadata) -> Self {
        match metadata {
            Metadata::Strip => Self::Strip,
            Metadata::KeepIcc => Self::KeepIcc,
            Metadata::Keep => Self::Keep,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum IfExists {
    /// Make them anew; the default
    Replace,
    /// Leave them as they are; an image of which all outputs are there is not even read
    Skip,
    /// Leave those as they are that are newer than their image
    IfNewer,
}

impl From<IfExists> for job::IfExists {
    fn from(if_exists: IfExists) -> Self {
        match if_exists {
            IfExists::Replace => Self::Replace,
            IfExists::Skip => Self::Skip,
            IfExists::IfNewer => Self::IfNewer,
        }
    }
}

fn position(text: &str) -> Result<String, &'static str> {
    position_from_word(text).map(|_| text.to_owned()).ok_or("expected a side, a corner, center, attention or entropy")
}

fn degrees(text: &str) -> Result<options::Rotation, &'static str> {
    text.parse().ok().and_then(options::Rotation::from_degrees).ok_or("expected 0, 90, 180 or 270")
}

/// One output, by flags.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Pixels; without it, from the height and the proportions.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=i64::from(SIDE_PIXELS_MAX)))]
    pub(crate) width: Option<u32>,

    /// Pixels; without it, from the width and the proportions.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=i64::from(SIDE_PIXELS_MAX)))]
    pub(crate) height: Option<u32>,

    /// Degrees clockwise by which images are turned, after their EXIF orientation; width and height are those of the turned image.
    #[arg(long, value_name = "DEGREES", value_parser = degrees, default_value = "0")]
    pub(crate) rotate: options::Rotation,

    /// How an image meets both width and height.
    #[arg(long, value_enum, default_value_t = Fit::Cover)]
    pub(crate) fit: Fit,

    /// Format of the outputs. `auto` keeps JPEG, PNG and WebP; GIF becomes PNG, and so do TIFF, BMP and HEIC
    /// with transparency, otherwise they become JPEG.
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    pub(crate) format: Format,

    /// From 1 to 100, for JPEG and WebP; 80 unless given. PNG has none.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: Option<u8>,

    /// What a crop keeps: center, north, northeast, ... or what it looks for, attention or entropy.
    #[arg(long, value_name = "WORD", value_parser = position)]
    pub(crate) position: Option<String>,

    /// Leave out the hues.
    #[arg(long)]
    pub(crate) grayscale: bool,

    /// What is kept of what an image says of itself.
    #[arg(long, value_enum, default_value_t = Metadata::Strip)]
    pub(crate) metadata: Metadata,

    /// Write JPEGs that are shown whole before they are there whole.
    #[arg(long)]
    pub(crate) progressive: bool,

    /// The most bytes an output may have: the best quality that fits is taken, not above --quality. What cannot fit fails.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_bytes: Option<u32>,

    /// Enlarge images that are smaller than asked.
    #[arg(long)]
    pub(crate) enlarge: bool,
}

impl Output {
    /// The fields of an output in a job.
    pub(crate) fn fields(&self) -> Map<String, Value> {
        let fields = [
            ("width", self.width.map(Value::from)),
            ("height", self.height.map(Value::from)),
            ("rotate", Some(self.rotate.degrees().into())),
            ("position", self.position.as_deref().map(Value::from)),
            ("metadata", Some(self.metadata.word().into())),
            ("grayscale", self.grayscale.then(|| true.into())),
            ("fit", Some(self.fit.word().into())),
            ("format", Some(self.format.word().into())),
            ("quality", self.quality.map(Value::from)),
            ("progressive", self.progressive.then(|| true.into())),
            ("max_bytes", self.max_bytes.map(Value::from)),
            ("enlarge", Some(self.enlarge.into())),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// Send resize jobs to an SQS queue.
///
/// The jobs are either made here - of each SOURCE, with outputs by flags or by --renditions - or read from --jobs. All are
/// checked before the first is sent. The queue is reached by the usual AWS configuration: region, credentials, profile and
/// `AWS_ENDPOINT_URL` from the environment.
///
/// Exit code: 0 when every job was sent, 1 when some were not, 2 when none was.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["sources", "jobs"])))]
pub(crate) struct Submit {
    /// The queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    /// Images as `s3://BUCKET/KEY`; one that ends with a slash stands for all images below it.
    #[arg(value_name = "SOURCE", requires = "rendition-choice")]
    pub(crate) sources: Vec<String>,

    /// Jobs as they are, one JSON object a line; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target", "width", "height", "rotate", "fit", "position", "grayscale", "metadata", "format", "quality", "max_bytes", "progressive", "enlarge", "if_exists", "renditions"])]
    pub(crate) jobs: Option<PathBuf>,

    /// Where the output goes, such as `s3://thumbs/{dir}/{stem}-{width}.{ext}`.
    ///
    /// In it stand {bucket}, {key}, {dir}, {stem} and {ext} for the source, {width}, {height} and {format} for the output.
    #[arg(long, value_name = "TEMPLATE", group = "rendition-choice")]
    pub(crate) target: Option<String>,

    #[command(flatten)]
    pub(crate) output: Output,

    /// Several outputs of each source: a JSON list as in the function's setting RENDITIONS.
    #[arg(long, value_name = "FILE", group = "rendition-choice", conflicts_with_all = ["width", "height", "rotate", "fit", "position", "grayscale", "metadata", "format", "quality", "max_bytes", "progressive", "enlarge"])]
    pub(crate) renditions: Option<PathBuf>,

    /// What is done about outputs that are there already; with --renditions, for those that do not say it themselves.
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) if_exists: Option<IfExists>,
}

/// Work on the jobs of an SQS queue, with the code that runs in AWS Lambda.
///
/// Messages are received by long polling, kept invisible while they are worked on, and deleted when done. What can never
/// succeed goes to the dead-letter queue with its reason; what may succeed later is retried after a pause. Queue and
/// S3 are reached by the usual AWS configuration: region, credentials, profile and `AWS_ENDPOINT_URL` from the environment.
///
/// SIGTERM or Ctrl-C: nothing more is received, running jobs end, the rest is given back to the queue, all of it within
/// --stop-within. A second signal ends at once.
///
/// Exit code: 0, also after a signal; 1 when an attempt ended by a defect of this program; 2 when the queue cannot be used.
/// Warnings go to standard error; `RUST_LOG` says what else.
#[derive(Debug, Args)]
pub(crate) struct Work {
    /// The queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    /// Where hopeless messages go with their reason. Without it they are tried until the queue's redrive policy moves them.
    #[arg(long, value_name = "URL")]
    pub(crate) dead_letter_queue_url: Option<String>,

    /// End when the queue is empty.
    #[arg(long)]
    pub(crate) drain: bool,

    /// Messages worked on at once; twice the cores of this machine unless given.
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) concurrency: Option<u16>,

    /// How long stopping may take in all. The last fifth, at most 5 seconds, is for deleting and giving back messages.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) stop_within: u16,

    /// What to make of images that S3 announces: a JSON list as in the function's setting RENDITIONS.
    #[arg(long, value_name = "FILE")]
    pub(crate) renditions: Option<PathBuf>,

    /// A folder below which `file://` sources and targets may be. It is opened once; below it no symbolic link is followed.
    #[arg(long, value_name = "DIR")]
    pub(crate) file_root: Option<PathBuf>,

    /// Take only jobs whose sources and targets are within PREFIX, such as `s3://photos/in/` or `file:///srv/out/`; may be
    /// given several times. Without it a job may name every bucket that these credentials can reach.
    ///
    /// A PREFIX ends where a segment ends: `s3://photos/in` means that object and what is below it, but not
    /// `s3://photos/in-2`. Other jobs are dead letters of the kind `location-not-allowed`.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) allow: Vec<String>,

    /// Memory for images, in MiB; half of what this machine has free unless given.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(128..=1_048_576))]
    pub(crate) memory: Option<u64>,
}
