//! What must hold for every file, whoever made it: no panic, no more memory than was named, no more time than is due, and
//! of a refusal that it says why.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use image_renditions::jpeg::Arena;
use image_renditions::options::{Fit, OutputFormat, Rendition};
use image_renditions::{Encoded, Fault, Limits, PixelError, Probe, render};

use super::Expected;
use super::rendition::rendition;

/// Memory beyond the price that nobody counts: what the formatting of an error takes, tables made once in a process.
pub const SLACK_BYTES: u64 = 16 * 1024 * 1024;

/// A refusal that the header shows must not take longer, and no probe may.
const PROBE_CPU_MAX: Duration = Duration::from_millis(50);

/// Nothing may take longer than this.
const CPU_MAX: Duration = Duration::from_secs(2);
/// How often a file that took too long is looked at again.
const REPEATS_MAX: u32 = 3;

/// Characters of a reason.
const TEXT_CHARS_MAX: usize = 300;

/// Measures this process. Bytes are of all its threads, time is of this one.
pub trait Meter {
    /// Begins a measurement of bytes.
    fn mark(&self);
    /// The most bytes that were held at once since the mark, without those held then.
    fn peak_bytes(&self) -> u64;
    /// The time that this thread has run, not the time that passed: others may use the machine.
    fn cpu(&self) -> Duration;
}

/// What became of a file.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What came of it, if anything did.
    pub images: Option<Vec<Encoded>>,
    /// Whether the probe took it.
    pub probed: bool,
    /// The text of the refusal, if it was refused.
    pub refusal: Option<String>,
    /// Time of the probe.
    pub probe_cpu: Duration,
    /// Time in all.
    pub cpu: Duration,
    /// The most memory that was held.
    pub peak_bytes: u64,
    /// The price that the probe named, also where it refused the file for its price; 0 when it refused it for anything else.
    pub price_bytes: u64,
    /// What must not be.
    pub problems: Vec<String>,
}

/// What every file is asked for: 200 pixels, as JPEG and as PNG.
#[must_use]
pub fn renditions() -> [Rendition; 2] {
    [rendition(200, Fit::Inside, OutputFormat::Jpeg), rendition(200, Fit::Cover, OutputFormat::Png)]
}

/// The one place that calls the probe.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    image_renditions::probe(bytes, limits)
}

/// Probes a file, renders it if the probe takes it, and notes everything that must not be.
///
/// What takes too long is looked at again: neighbours on a busy machine take caches and make a thread's time longer, and
/// never shorter.
pub fn examine(
    bytes: &[u8],
    expected: Expected,
    renditions: &[Rendition],
    limits: &Limits,
    arena: &mut Arena,
    meter: &dyn Meter,
) -> Outcome {
    let mut outcome = examine_once(bytes, renditions, limits, arena, meter);
    for _ in 0..REPEATS_MAX {
        if outcome.cpu <= CPU_MAX && outcome.probe_cpu <= PROBE_CPU_MAX {
            break;
        }
        let again = examine_once(bytes, renditions, limits, arena, meter);
        outcome.cpu = outcome.cpu.min(again.cpu);
        outcome.probe_cpu = outcome.probe_cpu.min(again.probe_cpu);
    }
    outcome.check(expected, limits, renditions.len());
    outcome
}

fn examine_once(
    bytes: &[u8],
    renditions: &[Rendition],
    limits: &Limits,
    arena: &mut Arena,
    meter: &dyn Meter,
) -> Outcome {
    let mut outcome = Outcome::default();
    meter.mark();
    let began = meter.cpu();
    let probed = guarded("probe", &mut outcome.problems, || probe(bytes, limits));
    outcome.probe_cpu = meter.cpu().saturating_sub(began);
    if let Some(Ok(probe)) = &probed {
        outcome.probed = true;
        outcome.price_bytes = probe.memory_bytes_max(renditions);
    }
    let result = match probed {
        Some(Ok(probe)) => {
            guarded("render", &mut outcome.problems, || render(bytes, &probe, renditions, limits, arena))
        }
        Some(Err(error)) => Some(Err(error)),
        None => None,
    };
    outcome.cpu = meter.cpu().saturating_sub(began);
    outcome.peak_bytes = meter.peak_bytes();
    match result {
        Some(Ok(images)) => outcome.images = Some(images),
        Some(Err(error)) => outcome.refuse(&error),
        // After a panic nothing may be thought of what the arena holds.
        None => *arena = Arena::default(),
    }
    outcome
}

impl Outcome {
    fn refuse(&mut self, error: &PixelError) {
        if !matches!(error.fault(), Fault::Input | Fault::Limit) {
            self.problems.push(format!("the refusal blames {:?}: {error}", error.fault()));
        }
        if let PixelError::OverMemory { bytes, .. } = error {
            self.price_bytes = self.price_bytes.max(*bytes);
        }
        let text = error.to_string();
        if let Some(reason) = unfit_text(&text) {
            self.problems.push(format!("the refusal's text {reason}: {text:?}"));
        }
        self.refusal = Some(text);
    }

    fn check(&mut self, expected: Expected, limits: &Limits, outputs: usize) {
        let mut problems = Vec::new();
        match (expected, &self.refusal) {
            (Expected::Accepted, Some(text)) => problems.push(format!("a good file was refused: {text}")),
            (Expected::RefusedByProbe, _) if self.probed => problems.push("the probe took it".to_owned()),
            _ => {}
        }
        if self.probe_cpu > PROBE_CPU_MAX {
            problems.push(format!("the probe took {:?}, the limit is {PROBE_CPU_MAX:?}", self.probe_cpu));
        }
        if self.cpu > CPU_MAX {
            problems.push(format!("it took {:?}, the limit is {CPU_MAX:?}", self.cpu));
        }
        // A refused job may have held what it was refused for, but never more than the policy allows.
        let allowed = self.price_bytes.min(limits.memory_bytes_max) + SLACK_BYTES;
        if self.peak_bytes > allowed {
            problems.push(format!("it held {} bytes, its price was {}", self.peak_bytes, self.price_bytes));
        }
        if let Some(images) = &self.images {
            if images.len() != outputs || images.iter().any(|image| image.bytes.is_empty()) {
                problems.push(format!("{} images instead of {outputs}", images.len()));
            }
            if self.price_bytes > limits.memory_bytes_max {
                problems.push(format!("it was made although its price is {} bytes", self.price_bytes));
            }
        }
        self.problems.extend(problems);
    }
}

/// What a person could not read as a reason.
fn unfit_text(text: &str) -> Option<&'static str> {
    let dumps = ["Some(", "None", "Err(", "Ok(", "::", "{ ", " }", "Error(", "Custom", "unwrap"];
    match () {
        () if text.trim().is_empty() => Some("is empty"),
        () if text.chars().count() > TEXT_CHARS_MAX => Some("is too long"),
        () if text.chars().any(char::is_control) => Some("has control characters"),
        () if dumps.iter().any(|dump| text.contains(dump)) => Some("shows the insides of the program"),
        () => None,
    }
}

/// Runs a step; a panic is a problem.
fn guarded<T>(step: &str, problems: &mut Vec<String>, run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run))
        .inspect_err(|panic| {
            let text =
                panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            problems.push(format!("{step} panicked: {}", text.unwrap_or("without a text")));
        })
        .ok()
}
