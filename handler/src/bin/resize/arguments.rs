//! What can be said on the command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use handler::job::SIDE_PIXELS_MAX;
use handler::pixels::options;

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
}

/// Resize images on this machine, through an embedded queue and the code that runs in AWS Lambda.
///
/// Every image becomes a job in a local queue, which an event source mapping takes to the function in batches. What
/// can never succeed ends in a dead-letter queue, and is listed with its reason.
///
/// Images are found by content, not by name, at any depth: JPEG, PNG, WebP, GIF, TIFF and BMP. Other files are passed
/// over. The folders of a PATH are kept below --out; of several PATHs, each folder goes below its own name.
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

    /// Pixels; without it, from the height and the proportions.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=i64::from(SIDE_PIXELS_MAX)))]
    pub(crate) width: Option<u32>,

    /// Pixels; without it, from the width and the proportions.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=i64::from(SIDE_PIXELS_MAX)))]
    pub(crate) height: Option<u32>,

    /// How an image meets both width and height.
    #[arg(long, value_enum, default_value_t = Fit::Cover)]
    pub(crate) fit: Fit,

    /// Format of the outputs. `auto` keeps JPEG, PNG and WebP; GIF becomes PNG, and so do TIFF and BMP with
    /// transparency, otherwise they become JPEG.
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    pub(crate) format: Format,

    /// From 1 to 100, for JPEG and WebP; 80 unless given.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: Option<u8>,

    /// Enlarge images that are smaller than asked.
    #[arg(long)]
    pub(crate) enlarge: bool,

    /// Several outputs of each image: a JSON list such as `[{"target":"{dir}/{stem}-{width}.{format}","width":320}]`.
    ///
    /// The fields are those of the function's setting RENDITIONS, but a target is a path below --out. In it stand {dir},
    /// {stem}, {ext} and {key} (the whole) for the image's own path, {width}, {height} and {format} for the output.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["width", "height", "fit", "format", "quality", "enlarge"])]
    pub(crate) renditions: Option<PathBuf>,

    /// Memory for images, in MiB; half of what this machine has free unless given.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(128..=1_048_576))]
    pub(crate) memory: Option<u64>,

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
}

impl From<Format> for options::OutputFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Auto => Self::Auto,
            Format::Jpeg => Self::Jpeg,
            Format::Png => Self::Png,
            Format::Webp => Self::Webp,
        }
    }
}
