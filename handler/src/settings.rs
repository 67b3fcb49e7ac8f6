//! The environment, read once into values. Every wrong variable is named, with its value and what it accepts.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::batch::{Backoff, BatchOptions};
use crate::event::body::Renditions;
use crate::resize::ResizeOptions;
use crate::storage::Allowed;

/// How the function is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `RENDITIONS`: what to make of objects that notifications announce.
    pub renditions: Option<Renditions>,
    /// `DEAD_LETTER_QUEUE_URL`: where messages go that can never succeed.
    pub dead_letter_queue_url: Option<String>,
    /// `QUEUE_URL`: the queue the messages come from; asked for by name when absent.
    pub queue_url: Option<String>,
    /// `FILE_ROOT`: the folder below which `file://` works.
    pub file_root: Option<String>,
    /// `ALLOWED_LOCATIONS`: the only locations that jobs may name.
    pub allowed_locations: Option<Allowed>,
    /// `AWS_ENDPOINT_URL_S3`: where S3 is, when not at AWS.
    pub s3_endpoint_url: Option<String>,
    /// `DEADLINE_RESERVE_MS`: how long before the deadline work stops; default 1,000.
    pub deadline_reserve: Duration,
    /// `MAX_CONCURRENCY`, `BACKOFF_BASE_SECONDS`, `BACKOFF_MAX_SECONDS`.
    pub batch: BatchOptions,
    /// From `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, with `MAX_SOURCE_BYTES` and `MAX_PIXELS`.
    pub resize: ResizeOptions,
    /// `METRICS_NAMESPACE`: the namespace of the embedded metrics; default `ImageResize`.
    pub metrics_namespace: String,
    /// `AWS_LAMBDA_FUNCTION_NAME`: the dimension of the metrics.
    pub function_name: String,
    /// `AWS_LAMBDA_LOG_FORMAT`: whether logs are JSON.
    pub log_json: bool,
    /// `AWS_LAMBDA_LOG_LEVEL`, else `RUST_LOG`: what is logged.
    pub log_filter: Targets,
}

/// All variables that are wrong, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the settings are wrong: {}", .0.join("; "))]
pub struct SettingsError(pub Vec<String>);

const MIB: u64 = 1024 * 1024;

impl Settings {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::read(std::env::vars_os().filter_map(|(name, value)| {
            // Names and values that are not UTF-8 are none of ours.
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// Reads variables.
    pub fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, SettingsError> {
        let mut reader = Reader { variables: variables.into_iter().collect(), wrong: Vec::new() };
        let settings = reader.settings();
        if reader.wrong.is_empty() { Ok(settings) } else { Err(SettingsError(reader.wrong)) }
    }
}

struct Reader {
    variables: BTreeMap<String, String>,
    wrong: Vec<String>,
}

impl Reader {
    fn settings(&mut self) -> Settings {
        let backoff = Backoff::default();
        let base = self.number("BACKOFF_BASE_SECONDS", 0, 43_200).map_or(backoff.base, Duration::from_secs);
        let max = self.number("BACKOFF_MAX_SECONDS", 0, 43_200).map_or(backoff.max, Duration::from_secs);
        let mut batch = BatchOptions { backoff: Backoff { base, max }, ..BatchOptions::default() };
        if let Some(concurrency) = self.number("MAX_CONCURRENCY", 1, 1000) {
            batch.concurrency_max = usize::try_from(concurrency).unwrap_or(batch.concurrency_max);
        }
        let reserve = self.number("DEADLINE_RESERVE_MS", 100, 60_000).unwrap_or(1000);
        Settings {
            renditions: self.parsed("RENDITIONS", Renditions::parse),
            dead_letter_queue_url: self.url("DEAD_LETTER_QUEUE_URL"),
            queue_url: self.url("QUEUE_URL"),
            file_root: self.text("FILE_ROOT"),
            allowed_locations: self.parsed("ALLOWED_LOCATIONS", Allowed::parse),
            s3_endpoint_url: self.url("AWS_ENDPOINT_URL_S3"),
            deadline_reserve: Duration::from_millis(reserve),
            batch,
            resize: self.resize(),
            metrics_namespace: self.text("METRICS_NAMESPACE").unwrap_or_else(|| "ImageResize".to_owned()),
            function_name: self.text("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "local".to_owned()),
            log_json: self.log_json(),
            log_filter: self.log_filter(),
        }
    }

    fn resize(&mut self) -> ResizeOptions {
        let memory_mib = self.number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 128, 1_048_576).unwrap_or(1024);
        let mut resize = ResizeOptions::for_memory(memory_mib * MIB);
        if let Some(bytes) = self.number("MAX_SOURCE_BYTES", 1, 1 << 40) {
            // What is larger than the memory for sources fails by its own name anyway.
            resize.source_bytes_max = bytes;
            resize.limits.file_bytes_max = bytes;
        }
        if let Some(pixels_max) = self.number("MAX_PIXELS", 1, 1_000_000_000) {
            resize.limits.pixels_max = pixels_max;
        }
        resize
    }

    fn log_json(&mut self) -> bool {
        match self.text("AWS_LAMBDA_LOG_FORMAT").as_deref() {
            Some("JSON") => true,
            None | Some("Text") => false,
            Some(other) => {
                self.refuse("AWS_LAMBDA_LOG_FORMAT", other, "expected JSON or Text");
                false
            }
        }
    }

    fn log_filter(&mut self) -> Targets {
        let Some(level) = self.text("AWS_LAMBDA_LOG_LEVEL") else {
            let expected = "is not accepted; expected a level, or a list like info,handler=debug,hyper_util=off";
            let parsed = self.parsed("RUST_LOG", |text| text.parse().map_err(|_| expected.to_owned()));
            return parsed.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
        };
        let level = match level.to_ascii_uppercase().as_str() {
            "TRACE" => LevelFilter::TRACE,
            "DEBUG" => LevelFilter::DEBUG,
            "INFO" => LevelFilter::INFO,
            "WARN" => LevelFilter::WARN,
            "ERROR" | "FATAL" => LevelFilter::ERROR,
            _ => {
                self.refuse("AWS_LAMBDA_LOG_LEVEL", &level, "expected TRACE, DEBUG, INFO, WARN, ERROR or FATAL");
                LevelFilter::INFO
            }
        };
        Targets::new().with_default(level)
    }

    /// An empty variable counts as absent, because templates cannot leave one out.
    fn text(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.trim().is_empty()).cloned()
    }

    fn number(&mut self, name: &str, min: u64, max: u64) -> Option<u64> {
        self.parsed(name, |text| {
            let number = text.parse().ok().filter(|number| (min..=max).contains(number));
            number.ok_or_else(|| format!("is not accepted; expected a whole number from {min} to {max}"))
        })
    }

    fn url(&mut self, name: &str) -> Option<String> {
        self.parsed(name, |text| match url::Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text.to_owned()),
            _ => Err("is not accepted; expected an http:// or https:// URL".to_owned()),
        })
    }

    fn parsed<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.refuse(name, &text, &reason);
                None
            }
        }
    }

    fn refuse(&mut self, name: &str, value: &str, reason: &str) {
        let value: String = value.chars().take(200).collect();
        self.wrong.push(format!("{name}={value:?} {reason}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn an_empty_environment_has_defaults() {
        let settings = read(&[("DEAD_LETTER_QUEUE_URL", ""), ("UNRELATED", "\u{7}")]).unwrap();
        assert_eq!(settings.deadline_reserve, Duration::from_secs(1));
        assert_eq!((settings.dead_letter_queue_url, settings.renditions), (None, None));
        assert_eq!((settings.log_json, settings.log_filter.default_level()), (false, Some(LevelFilter::INFO)));
    }

    #[test]
    fn every_wrong_variable_is_named_with_its_value_and_what_it_accepts() {
        let error = read(&[
            ("RENDITIONS", r#"[{"target":"s3://bucket/{stem}","width":0}]"#),
            ("DEAD_LETTER_QUEUE_URL", "dead-letters"),
            ("MAX_CONCURRENCY", "0"),
            ("DEADLINE_RESERVE_MS", "soon"),
            ("MAX_PIXELS", "-1"),
            ("ALLOWED_LOCATIONS", "s3://photos/ photos"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "64"),
            ("AWS_LAMBDA_LOG_FORMAT", "xml"),
            ("AWS_LAMBDA_LOG_LEVEL", "loud"),
        ])
        .unwrap_err();
        let expected = [
            "RENDITIONS=\"[{\\\"target\\\":\\\"s3://bucket/{stem}\\\",\\\"width\\\":0}]\" [0].width is 0",
            "DEAD_LETTER_QUEUE_URL=\"dead-letters\" is not accepted; expected an http:// or https:// URL",
            "MAX_CONCURRENCY=\"0\" is not accepted; expected a whole number from 1 to 1000",
            "DEADLINE_RESERVE_MS=\"soon\" is not accepted; expected a whole number from 100 to 60000",
            "MAX_PIXELS=\"-1\" is not accepted; expected a whole number from 1 to 1000000000",
            "ALLOWED_LOCATIONS=\"s3://photos/ photos\" \"photos\" is not a prefix of locations; expected prefixes such as",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=\"64\" is not accepted; expected a whole number from 128",
            "AWS_LAMBDA_LOG_FORMAT=\"xml\" expected JSON or Text",
            "AWS_LAMBDA_LOG_LEVEL=\"loud\" expected TRACE",
        ];
        for part in expected {
            assert!(error.0.iter().any(|line| line.starts_with(part)), "{part}\nis not in\n{:#?}", error.0);
        }
        assert_eq!(error.0.len(), expected.len());
        let error = read(&[("RUST_LOG", "handler=loud")]).unwrap_err();
        assert!(error.0[0].starts_with("RUST_LOG=\"handler=loud\" is not accepted; expected a level"), "{error}");
    }

    #[test]
    fn set_variables_are_taken() {
        let settings = read(&[
            ("RENDITIONS", r#"[{"target":"s3://thumbs/{stem}.{format}","width":9,"format":"png"}]"#),
            ("ALLOWED_LOCATIONS", "s3://photos/,\n s3://thumbs/small"),
            ("MAX_CONCURRENCY", "3"),
            ("BACKOFF_BASE_SECONDS", "2"),
            ("MAX_SOURCE_BYTES", "1000"),
            ("MAX_PIXELS", "77"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_LOG_LEVEL", "FATAL"),
            ("RUST_LOG", "trace"),
        ])
        .unwrap();
        assert!(settings.renditions.is_some());
        assert_eq!(settings.allowed_locations.unwrap().to_string(), "s3://photos/, s3://thumbs/small");
        assert_eq!((settings.batch.concurrency_max, settings.batch.backoff.base), (3, Duration::from_secs(2)));
        assert_eq!((settings.resize.source_bytes_max, settings.resize.limits.pixels_max), (1000, 77));
        assert_eq!((settings.log_json, settings.log_filter.default_level()), (true, Some(LevelFilter::ERROR)));
    }
}
