//! The command line: subcommands, options and their help.

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

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<Run>),
    Submit(Box<Submit>),
    Work(Work),
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages to a folder, for packages.
    #[command(hide = true)]
    Man {
        /// Folder, created if necessary.
        dir: PathBuf,
    },
}

/// Resize images on this machine, through an embedded queue and the code that runs in AWS Lambda.
///
/// Each image becomes a job in a local queue. An event source mapping passes the jobs to the function in batches. Jobs that
/// can never succeed move to a dead-letter queue and are listed with the reason.
///
/// Images are recognised by content, not by name, at any depth: JPEG, PNG, WebP, GIF, TIFF, BMP and HEIC. Other files are
/// skipped (the video of a Live Photo by name), as are pipes, sockets and devices. The folder structure below each PATH is
/// kept below --out; with several PATHs, each folder is placed below its own name.
///
/// Exit code: 0 if every image was made, 1 if any failed, 2 if the command could not start, 130 after Ctrl-C.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("size").required(true).multiple(true).args(["width", "height", "renditions"])))]
pub(crate) struct Run {
    /// Images and folders of images.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Output folder; created if it does not exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    #[command(flatten)]
    pub(crate) output: Output,

    /// Several outputs of each image: a JSON list such as `[{"target":"{dir}/{stem}-{width}.{format}","width":320}]`.
    ///
    /// The fields are those of the function's setting RENDITIONS, but each target is a path below --out. Placeholders: {dir},
    /// {stem}, {ext} and {key} (the full path) of the image; {width}, {height} and {format} of the output.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["width", "height", "rotate", "fit", "position", "grayscale", "metadata", "format", "quality", "max_bytes", "progressive", "enlarge"])]
    pub(crate) renditions: Option<PathBuf>,

    /// Action for outputs that already exist; with --renditions, the default for renditions without `if_exists`.
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) if_exists: Option<IfExists>,

    /// Memory for images, in MiB [default: half of the free memory]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(128..=1_048_576))]
    pub(crate) memory: Option<u64>,

    /// Accept truncated files; missing pixels become gray or transparent.
    #[arg(long)]
    pub(crate) allow_truncated: bool,

    /// Keep the jobs in this folder, so that the same command resumes after Ctrl-C, a crash or a power failure.
    ///
    /// Only images that were being made at that moment are made again. What is kept is removed when the run is over.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Print one JSON document that lists every image, instead of the table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Fit {
    /// Fill width and height, cropping the excess
    Cover,
    /// Fit within width and height, padding with black
    Contain,
    /// Stretch to width and height
    Fill,
    /// Scale to the largest size within width and height
    Inside,
    /// Scale to the smallest size that covers width and height
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
    /// Slow to encode; small files
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
    /// Remove all metadata; convert to sRGB
    Strip,
    /// Keep the colour profile
    KeepIcc,
    /// Keep the colour profile, EXIF and XMP, without the location
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
    /// Overwrite them (default)
    Replace,
    /// Keep them; an image whose outputs all exist is not read
    Skip,
    /// Keep those that are newer than their image
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

/// One output, described by options.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Width in pixels [default: from the height and the aspect ratio]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=i64::from(SIDE_PIXELS_MAX)))]
    pub(crate) width: Option<u32>,

    /// Height in pixels [default: from the width and the aspect ratio]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=i64::from(SIDE_PIXELS_MAX)))]
    pub(crate) height: Option<u32>,

    /// Clockwise rotation in degrees, applied after the EXIF orientation; width and height apply to the rotated image.
    #[arg(long, value_name = "DEGREES", value_parser = degrees, default_value = "0")]
    pub(crate) rotate: options::Rotation,

    /// How the image fits the given width and height.
    #[arg(long, value_enum, default_value_t = Fit::Cover)]
    pub(crate) fit: Fit,

    /// Output format. `auto` keeps JPEG, PNG and WebP, and writes GIF as PNG; TIFF, BMP and HEIC become PNG if they have
    /// transparency, and JPEG otherwise.
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    pub(crate) format: Format,

    /// Quality of JPEG and WebP, 1 to 100; ignored for PNG [default: 80]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: Option<u8>,

    /// Part of the image that a crop keeps: center, north, northeast, ..., or a strategy, attention or entropy.
    #[arg(long, value_name = "WORD", value_parser = position)]
    pub(crate) position: Option<String>,

    /// Convert to grayscale.
    #[arg(long)]
    pub(crate) grayscale: bool,

    /// Metadata to keep.
    #[arg(long, value_enum, default_value_t = Metadata::Strip)]
    pub(crate) metadata: Metadata,

    /// Write progressive JPEGs.
    #[arg(long)]
    pub(crate) progressive: bool,

    /// Maximum size of an output in bytes. The highest quality that fits is used, up to --quality; if none fits, the job fails.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_bytes: Option<u32>,

    /// Enlarge images that are smaller than the requested size.
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
/// Jobs are either created for each SOURCE, with outputs from options or --renditions, or read from --jobs. All jobs are
/// validated before the first is sent. The usual AWS configuration applies: profile, region, credentials and
/// `AWS_ENDPOINT_URL` from the environment.
///
/// Exit code: 0 if every job was sent, 1 if some were not, 2 if none was.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["sources", "jobs"])))]
pub(crate) struct Submit {
    /// URL of the queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    /// Images as `s3://BUCKET/KEY`; with a trailing slash, all images below that prefix.
    #[arg(value_name = "SOURCE", requires = "rendition-choice")]
    pub(crate) sources: Vec<String>,

    /// File of complete jobs, one JSON object per line; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target", "width", "height", "rotate", "fit", "position", "grayscale", "metadata", "format", "quality", "max_bytes", "progressive", "enlarge", "if_exists", "renditions"])]
    pub(crate) jobs: Option<PathBuf>,

    /// Template of the output's location, such as `s3://thumbs/{dir}/{stem}-{width}.{ext}`.
    ///
    /// Placeholders: {bucket}, {key}, {dir}, {stem} and {ext} of the source; {width}, {height} and {format} of the output.
    #[arg(long, value_name = "TEMPLATE", group = "rendition-choice")]
    pub(crate) target: Option<String>,

    #[command(flatten)]
    pub(crate) output: Output,

    /// Several outputs of each source: a JSON list like the function's setting RENDITIONS.
    #[arg(long, value_name = "FILE", group = "rendition-choice", conflicts_with_all = ["width", "height", "rotate", "fit", "position", "grayscale", "metadata", "format", "quality", "max_bytes", "progressive", "enlarge"])]
    pub(crate) renditions: Option<PathBuf>,

    /// Action for outputs that already exist; with --renditions, the default for renditions without `if_exists`.
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) if_exists: Option<IfExists>,
}

/// Process the jobs of an SQS queue, with the code that runs in AWS Lambda.
///
/// The worker receives messages by long polling, extends their visibility timeout while it processes them, and deletes them
/// when they are done. Jobs that can never succeed go to the dead-letter queue with the reason; other failures are retried
/// after a pause. The usual AWS configuration applies: profile, region, credentials and `AWS_ENDPOINT_URL` from the
/// environment.
///
/// On SIGTERM or Ctrl-C the worker stops receiving, finishes running jobs, and releases the remaining messages, all within
/// --stop-within. A second signal exits immediately.
///
/// Exit code: 0, also after a signal; 1 if an attempt failed through a defect of this program; 2 if the queue cannot be used.
/// Warnings go to standard error; `RUST_LOG` selects more.
#[derive(Debug, Args)]
pub(crate) struct Work {
    /// URL of the queue.
    #[arg(long, value_name = "URL")]
    pub(crate) queue_url: String,

    /// URL of the dead-letter queue for jobs that can never succeed [default: the queue's redrive policy moves them]
    #[arg(long, value_name = "URL")]
    pub(crate) dead_letter_queue_url: Option<String>,

    /// Exit when the queue is empty.
    #[arg(long)]
    pub(crate) drain: bool,

    /// Number of messages processed at once [default: twice the number of cores]
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) concurrency: Option<u16>,

    /// Time limit for stopping. The last fifth, at most 5 seconds, is reserved for deleting and releasing messages.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) stop_within: u16,

    /// Outputs for images from S3 event notifications: a JSON list like the function's setting RENDITIONS.
    #[arg(long, value_name = "FILE")]
    pub(crate) renditions: Option<PathBuf>,

    /// Root folder for `file://` sources and targets. It is opened once; symbolic links below it are not followed.
    #[arg(long, value_name = "DIR")]
    pub(crate) file_root: Option<PathBuf>,

    /// Accept only jobs whose sources and targets are within PREFIX, such as `s3://photos/in/` or `file:///srv/out/`;
    /// repeatable [default: every location that the credentials can reach]
    ///
    /// A PREFIX matches whole segments: `s3://photos/in` matches that object and everything below it, but not
    /// `s3://photos/in-2`. Other jobs become dead letters of the kind `location-not-allowed`.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) allow: Vec<String>,

    /// Memory for images, in MiB [default: half of the free memory]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(128..=1_048_576))]
    pub(crate) memory: Option<u64>,
}

#[cfg(test)]
mod tests;
