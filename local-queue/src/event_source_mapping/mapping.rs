//! The configuration of a mapping, in AWS's words and within AWS's limits.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    advice,
    driver::{Connection, Driver, function_of},
    filter::{FilterCriteria, FilterError},
    handle::Handle,
    invoker::Invoker,
    planner::PlannerSettings,
    scaling::Scaling,
    source::{Source, SourceError},
};
use crate::{clock::Clock, engine::QueueArn};

/// `BatchSize` of a standard queue (developer guide).
const BATCH_SIZE: RangeInclusive<u64> = 1..=10_000;
/// `BatchSize` of a FIFO queue, and of any queue without a batching window.
const BATCH_SIZE_SMALL: RangeInclusive<u64> = 1..=10;
/// `MaximumBatchingWindowInSeconds` (developer guide).
const BATCHING_WINDOW_SECONDS: RangeInclusive<u64> = 0..=300;
/// `MaximumConcurrency` (developer guide).
const MAXIMUM_CONCURRENCY: RangeInclusive<u64> = 2..=1_000;
/// `MinimumPollers` and `MaximumPollers` (`ProvisionedPollerConfig` in the API reference).
const MINIMUM_POLLERS: RangeInclusive<u64> = 2..=200;
/// The newest copy of the API reference says 10,000; most say 2,000.
const MAXIMUM_POLLERS: RangeInclusive<u64> = 2..=10_000;
/// `Timeout` of a function (developer guide).
const FUNCTION_TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=900;
/// The longest visibility timeout that a receive may ask for.
const VISIBILITY_TIMEOUT_MAX: Duration = Duration::from_hours(12);
/// What is added to window and function timeout where they do not fit into the queue's visibility timeout.
const VISIBILITY_TIMEOUT_EXTRA: Duration = Duration::from_secs(30);

/// How a function reads a queue. [`EventSourceMapping::new`] has AWS's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSourceMapping {
    /// The function's name, or its whole ARN. A name is taken to be in the queue's account and region.
    pub function_name: String,
    /// The most messages that the function gets at once: 1 to 10, with a batching window to 10,000.
    pub batch_size: u32,
    /// How long to collect a batch before it is invoked, 0 to 300 whole seconds.
    ///
    /// The window starts as soon as there is a place for another invocation. AWS may wait up to 20 seconds on a quiet
    /// queue even if the window is shorter; here the window ends when it should.
    pub maximum_batching_window: Duration,
    /// The most invocations at the same time, 2 to 1,000; `None` is 1,250.
    ///
    /// Of a standard queue there are five at first, and more as long as there is a backlog: see [`ScaleUp`]. Of a FIFO
    /// queue there are as many as there are message groups with messages, at most one for each.
    ///
    /// As on AWS 1 is refused. On a machine with two cores 2 is the natural choice for a function that computes: with a
    /// batch size of 10 it can still work on twenty messages at once, and those that wait stay in the queue, where
    /// their visibility timeout is not running. A function that must never run twice at once has to see to that itself.
    pub maximum_concurrency: Option<u32>,
    /// How fast more invocations run at the same time while there is a backlog.
    pub scale_up: ScaleUp,
    /// Pollers that are kept ready (`ProvisionedPollerConfig`); not together with a maximum concurrency.
    pub provisioned_pollers: Option<ProvisionedPollers>,
    /// Which messages the function gets. The others are deleted.
    pub filter_criteria: FilterCriteria,
    /// Whether the reply names the messages that failed (`FunctionResponseTypes: ["ReportBatchItemFailures"]`).
    /// Otherwise any reply means that all are done.
    pub report_batch_item_failures: bool,
    /// After this time an invocation is given up, 1 to 900 whole seconds. Not longer than the queue's visibility
    /// timeout.
    pub function_timeout: Duration,
}

/// How fast a mapping comes to work on many batches at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleUp {
    /// As Lambda does: five at first, then 300 more each minute while there is a backlog, and five again after an idle time.
    #[default]
    Gradual,
    /// As many as there may be, from the beginning. Lambda has no such thing: for programs that use a mapping as their own
    /// pool of workers.
    AtOnce,
}

/// `ProvisionedPollerConfig`: each poller makes ten invocations at the same time (API reference).
///
/// Documented are the ranges and defaults, ten invocations for each poller, and that 1,000 more run at the same time each
/// minute (developer guide, "Provisioned mode"). Inferred is what that makes of a mapping here: it begins with ten for each
/// poller of the minimum, grows by one each 60 ms as long as there is a backlog up to ten for each poller of the maximum, and
/// is at the minimum again after an idle time; it backs off from failures like any other mapping. That a poller carries 1 MB
/// a second is not emulated: nothing here limits bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvisionedPollers {
    /// `MinimumPollers`, 2 to 200; 2 if not given.
    pub minimum: Option<u32>,
    /// `MaximumPollers`, 2 to 10,000, not below the minimum; 200 if not given.
    pub maximum: Option<u32>,
}

impl ProvisionedPollers {
    /// Invocations at a time by each.
    const INVOCATIONS: u32 = 10;

    /// How many invocations at the same time are possible from the beginning, and always.
    #[must_use]
    pub const fn invocations_min(self) -> u32 {
        self.bounds().0.saturating_mul(Self::INVOCATIONS)
    }

    const fn bounds(self) -> (u32, u32) {
        let minimum = match self.minimum {
            Some(minimum) => minimum,
            None => 2,
        };
        let maximum = match self.maximum {
            Some(maximum) => maximum,
            None => 200,
        };
        (minimum, maximum)
    }

    const fn scaling(self) -> Scaling {
        let (minimum, maximum) = self.bounds();
        Scaling {
            start: minimum.saturating_mul(Self::INVOCATIONS) as usize,
            max: maximum.saturating_mul(Self::INVOCATIONS) as usize,
            step: Duration::from_millis(60_000 / 1_000),
        }
    }
}

/// Why a mapping could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventSourceMappingError {
    /// A setting is outside its range.
    #[error("{setting} {value} is not between {min} and {max}")]
    OutOfRange {
        /// AWS's name for it.
        setting: &'static str,
        /// The value given, in seconds if it is a time.
        value: u64,
        /// The smallest accepted value.
        min: u64,
        /// The largest accepted value.
        max: u64,
    },
    /// A time is not whole seconds.
    #[error("{setting} {value:?} is not a whole number of seconds")]
    NotWholeSeconds {
        /// AWS's name for it.
        setting: &'static str,
        /// The value given.
        value: Duration,
    },
    /// More than ten messages come only together with a window. The text is AWS's.
    #[error("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")]
    BatchSizeWithoutWindow,
    /// FIFO queues have no batching window.
    #[error("batching window is not supported for FIFO queue {queue}")]
    WindowOnFifoQueue {
        /// The queue.
        queue: QueueArn,
    },
    /// Messages would become visible while the function still processes them. The text is AWS's.
    #[error(
        "Queue visibility timeout: {} seconds is less than Function timeout: {} seconds",
        visibility_timeout.as_secs(),
        function_timeout.as_secs()
    )]
    VisibilityTimeoutTooShort {
        /// The queue's.
        visibility_timeout: Duration,
        /// The function's.
        function_timeout: Duration,
    },
    /// The queue is not there. The text is AWS's.
    #[error(
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error \
         Message: The specified queue does not exist."
    )]
    QueueDoesNotExist {
        /// The queue that was looked for.
        queue: QueueArn,
    },
    /// A maximum concurrency and provisioned pollers exclude each other (API reference, `ProvisionedPollerConfig`).
    #[error("MaximumConcurrency cannot be set together with ProvisionedPollerConfig")]
    MaximumConcurrencyWithProvisionedPollers,
    /// There are fewer pollers at most than at least.
    #[error("MinimumPollers {minimum} exceeds MaximumPollers {maximum}")]
    PollersReversed {
        /// The minimum given, or the default.
        minimum: u32,
        /// The maximum given, or the default.
        maximum: u32,
    },
    /// The filter criteria are not valid.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The queue could not be asked for its visibility timeout.
    #[error("queue cannot be read: {0}")]
    Source(#[source] SourceError),
}

impl EventSourceMappingError {
    /// The code by which AWS's API would refuse it: of recorded and documented refusals of mappings it is always this one.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "InvalidParameterValueException"
    }
}

impl EventSourceMapping {
    /// A mapping with AWS's defaults: batches of ten, no window, whole replies, a function timeout of three seconds.
    #[must_use]
    pub fn new(function_name: impl Into<String>) -> Self {
        Self {
            function_name: function_name.into(),
            batch_size: 10,
            maximum_batching_window: Duration::ZERO,
            maximum_concurrency: None,
            scale_up: ScaleUp::Gradual,
            provisioned_pollers: None,
            filter_criteria: FilterCriteria::default(),
            report_batch_item_failures: false,
            function_timeout: Duration::from_secs(3),
        }
    }

    /// Connects a queue and a function. Nothing happens before [`Driver::run`].
    ///
    /// The queue's visibility timeout is looked at once, here: who changes it later connects again.
    pub async fn connect<S: Source, I: Invoker>(
        &self,
        source: S,
        invoker: I,
        clock: Clock,
    ) -> Result<(Driver<S, I>, Handle<S>), EventSourceMappingError> {
        let visibility_timeout = self.check(&source).await?;
        let function_timeout = self.function_timeout;
        let settings = self.planner_settings(source.queue_arn(), visibility_timeout);
        let function_arn = self.function_arn(source.queue_arn());
        let (function, queue) = (function_of(&function_arn), source.queue_arn().name());
        let (window, receives) = (self.maximum_batching_window, source.max_receive_count().await);
        for line in advice::of_queue((function, queue), function_timeout, window, visibility_timeout, receives) {
            tracing::warn!("{line}");
        }
        let filter_criteria = self.filter_criteria.clone();
        let connection = Connection { source, invoker, clock, function_arn, function_timeout, filter_criteria };
        Ok(Driver::new(connection, settings))
    }

    /// Asks everything that may refuse the mapping of this queue, and gives the queue's visibility timeout.
    pub async fn check<S: Source>(&self, source: &S) -> Result<Duration, EventSourceMappingError> {
        self.validate(source.queue_arn())?;
        let visibility_timeout = source.visibility_timeout().await.map_err(|error| match error {
            SourceError::QueueDoesNotExist { queue } => EventSourceMappingError::QueueDoesNotExist { queue },
            other => EventSourceMappingError::Source(other),
        })?;
        // AWS (developer guide, "Configuring a queue"): refused when the mapping is created or updated.
        let function_timeout = self.function_timeout;
        if function_timeout > visibility_timeout {
            return Err(EventSourceMappingError::VisibilityTimeoutTooShort { visibility_timeout, function_timeout });
        }
        Ok(visibility_timeout)
    }

    /// Checks the settings against AWS's limits for such a queue.
    pub fn validate(&self, queue: &QueueArn) -> Result<(), EventSourceMappingError> {
        let window = self.maximum_batching_window;
        let batch_size = if queue.is_fifo() { &BATCH_SIZE_SMALL } else { &BATCH_SIZE };
        in_range("BatchSize", self.batch_size.into(), batch_size)?;
        seconds_in_range("MaximumBatchingWindowInSeconds", window, &BATCHING_WINDOW_SECONDS)?;
        seconds_in_range("Timeout", self.function_timeout, &FUNCTION_TIMEOUT_SECONDS)?;
        if let Some(maximum_concurrency) = self.maximum_concurrency {
            in_range("MaximumConcurrency", maximum_concurrency.into(), &MAXIMUM_CONCURRENCY)?;
        }
        if let Some(pollers) = self.provisioned_pollers {
            self.validate_pollers(pollers)?;
        }
        if queue.is_fifo() && !window.is_zero() {
            return Err(EventSourceMappingError::WindowOnFifoQueue { queue: queue.clone() });
        }
        if window.is_zero() && !BATCH_SIZE_SMALL.contains(&self.batch_size.into()) {
            return Err(EventSourceMappingError::BatchSizeWithoutWindow);
        }
        Ok(())
    }

    fn validate_pollers(&self, pollers: ProvisionedPollers) -> Result<(), EventSourceMappingError> {
        let (minimum, maximum) = pollers.bounds();
        in_range("MinimumPollers", minimum.into(), &MINIMUM_POLLERS)?;
        in_range("MaximumPollers", maximum.into(), &MAXIMUM_POLLERS)?;
        if minimum > maximum {
            return Err(EventSourceMappingError::PollersReversed { minimum, maximum });
        }
        if self.maximum_concurrency.is_some() {
            return Err(EventSourceMappingError::MaximumConcurrencyWithProvisionedPollers);
        }
        Ok(())
    }

    pub(super) fn scaling(&self, queue: &QueueArn) -> Scaling {
        let scaling = self.provisioned_pollers.map_or(Scaling::STANDARD, ProvisionedPollers::scaling);
        let scaling = self.maximum_concurrency.map_or(scaling, |maximum| scaling.at_most(maximum as usize));
        // AWS (developer guide, "Scaling"): the groups of a FIFO queue are its limit, not a rate of growth.
        if queue.is_fifo() || self.scale_up == ScaleUp::AtOnce { scaling.at_once() } else { scaling }
    }

    fn planner_settings(&self, queue: &QueueArn, visibility_timeout: Duration) -> PlannerSettings {
        let window = self.maximum_batching_window;
        // AWS (developer guide of 2023): with a window, the effective visibility timeout is window plus function
        // timeout plus 30 seconds where those two do not fit into the queue's own. Lambda may not change a message's
        // visibility, so it must be the receive that asks for it (inferred from its documented permissions).
        let needed = window + self.function_timeout;
        let overridden = (!window.is_zero() && needed > visibility_timeout)
            .then(|| (needed + VISIBILITY_TIMEOUT_EXTRA).min(VISIBILITY_TIMEOUT_MAX));
        PlannerSettings {
            batch_size: self.batch_size as usize,
            batching_window: window,
            scaling: self.scaling(queue),
            report_batch_item_failures: self.report_batch_item_failures,
            visibility_timeout: overridden,
            hidden_for: overridden.unwrap_or(visibility_timeout),
            is_fifo: queue.is_fifo(),
        }
    }

    fn function_arn(&self, queue: &QueueArn) -> String {
        if self.function_name.starts_with("arn:") {
            return self.function_name.clone();
        }
        format!("arn:aws:lambda:{}:{}:function:{}", queue.region(), queue.account(), self.function_name)
    }
}

fn seconds_in_range(
    setting: &'static str,
    value: Duration,
    range: &RangeInclusive<u64>,
) -> Result<(), EventSourceMappingError> {
    if value.subsec_nanos() != 0 {
        return Err(EventSourceMappingError::NotWholeSeconds { setting, value });
    }
    in_range(setting, value.as_secs(), range)
}

fn in_range(setting: &'static str, value: u64, range: &RangeInclusive<u64>) -> Result<(), EventSourceMappingError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(EventSourceMappingError::OutOfRange { setting, value, min: *range.start(), max: *range.end() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Scope;

    fn refusal(change: impl FnOnce(&mut EventSourceMapping), queue: &str) -> Option<String> {
        let mut mapping = EventSourceMapping::new("resize");
        change(&mut mapping);
        mapping.validate(&Scope::default().arn(queue)).err().map(|error| error.to_string())
    }

    #[test]
    fn settings_have_the_ranges_of_aws() {
        let window = |mapping: &mut EventSourceMapping| mapping.maximum_batching_window = Duration::from_secs(1);
        assert_eq!(refusal(|_| {}, "jobs"), None);
        for batch_size in [1, 10] {
            assert_eq!(refusal(|mapping| mapping.batch_size = batch_size, "jobs"), None);
        }
        let big = |mapping: &mut EventSourceMapping| {
            mapping.batch_size = 10_000;
            window(mapping);
        };
        assert_eq!(refusal(big, "jobs"), None);
        let refused = |change: fn(&mut EventSourceMapping)| refusal(change, "jobs").unwrap();
        assert_eq!(refused(|it| it.batch_size = 0), "BatchSize 0 is not between 1 and 10000");
        assert_eq!(refused(|it| it.batch_size = 10_001), "BatchSize 10001 is not between 1 and 10000");
        assert_eq!(
            refused(|it| it.batch_size = 11),
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        );
        assert_eq!(
            refused(|it| it.maximum_batching_window = Duration::from_secs(301)),
            "MaximumBatchingWindowInSeconds 301 is not between 0 and 300"
        );
        assert_eq!(
            refused(|it| it.maximum_batching_window = Duration::from_millis(1_500)),
            "MaximumBatchingWindowInSeconds 1.5s is not a whole number of seconds"
        );
        for (concurrency, text) in [(1, "1"), (0, "0"), (1_001, "1001")] {
            let text = format!("MaximumConcurrency {text} is not between 2 and 1000");
            assert_eq!(refusal(|mapping| mapping.maximum_concurrency = Some(concurrency), "jobs"), Some(text));
        }
        for concurrency in [2, 1_000] {
            assert_eq!(refusal(|mapping| mapping.maximum_concurrency = Some(concurrency), "jobs"), None);
        }
        assert_eq!(refused(|it| it.function_timeout = Duration::ZERO), "Timeout 0 is not between 1 and 900");
        assert_eq!(
            refused(|it| it.function_timeout = Duration::from_secs(901)),
            "Timeout 901 is not between 1 and 900"
        );
    }

    #[test]
    fn a_fifo_queue_has_batches_of_ten_and_no_window() {
        assert_eq!(refusal(|_| {}, "jobs.fifo"), None);
        let window = refusal(|mapping| mapping.maximum_batching_window = Duration::from_secs(1), "jobs.fifo");
        assert!(window.unwrap().starts_with("batching window is not supported for FIFO queue"));
        let batch_size = refusal(|mapping| mapping.batch_size = 11, "jobs.fifo");
        assert_eq!(batch_size.unwrap(), "BatchSize 11 is not between 1 and 10");
    }

    #[test]
    fn the_visibility_timeout_is_the_queues_own_unless_window_and_timeout_do_not_fit() {
        let seconds = Duration::from_secs;
        let table = [
            (0, 30, 30, None),
            (10, 20, 30, None),
            (10, 21, 30, Some(61)),
            (300, 900, 43_200, None),
            (300, 900, 900, Some(1_230)),
        ];
        for (window, timeout, visibility_timeout, expected) in table {
            let mapping = EventSourceMapping {
                maximum_batching_window: seconds(window),
                function_timeout: seconds(timeout),
                ..EventSourceMapping::new("resize")
            };
            let settings = mapping.planner_settings(&Scope::default().arn("jobs"), seconds(visibility_timeout));
            assert_eq!(settings.visibility_timeout, expected.map(seconds), "{window} {timeout} {visibility_timeout}");
            assert_eq!(settings.hidden_for, seconds(expected.unwrap_or(visibility_timeout)));
        }
    }

    #[test]
    fn concurrency_grows_from_five_unless_something_else_is_asked_for() {
        let scaling = |change: fn(&mut EventSourceMapping), queue: &str| {
            let mut mapping = EventSourceMapping::new("resize");
            change(&mut mapping);
            let queue = Scope::default().arn(queue);
            mapping.validate(&queue).unwrap();
            let Scaling { start, max, step } = mapping.planner_settings(&queue, Duration::from_secs(30)).scaling;
            (start, max, step.as_millis())
        };
        let pollers = |minimum, maximum| Some(ProvisionedPollers { minimum, maximum });
        assert_eq!(scaling(|_| {}, "jobs"), (5, 1_250, 200));
        assert_eq!(scaling(|it| it.maximum_concurrency = Some(8), "jobs"), (5, 8, 200));
        assert_eq!(scaling(|it| it.maximum_concurrency = Some(2), "jobs"), (2, 2, 200));
        assert_eq!(scaling(|it| it.scale_up = ScaleUp::AtOnce, "jobs"), (1_250, 1_250, 200));
        // Of a FIFO queue the groups are the limit.
        assert_eq!(scaling(|_| {}, "jobs.fifo"), (1_250, 1_250, 200));
        assert_eq!(scaling(|it| it.maximum_concurrency = Some(8), "jobs.fifo"), (8, 8, 200));
        let mut mapping = EventSourceMapping::new("resize");
        mapping.provisioned_pollers = pollers(None, None);
        let settings = mapping.planner_settings(&Scope::default().arn("jobs"), Duration::from_secs(30));
        assert_eq!(settings.scaling, Scaling { start: 20, max: 2_000, step: Duration::from_millis(60) });
        for (minimum, maximum, expected) in [
            (Some(1), None, Some("MinimumPollers 1 is not between 2 and 200")),
            (Some(201), None, Some("MinimumPollers 201 is not between 2 and 200")),
            (None, Some(10_001), Some("MaximumPollers 10001 is not between 2 and 10000")),
            (Some(5), Some(4), Some("MinimumPollers 5 exceeds MaximumPollers 4")),
            (Some(5), Some(5), None),
        ] {
            let found = refusal(|mapping| mapping.provisioned_pollers = pollers(minimum, maximum), "jobs");
            assert_eq!(found.as_deref(), expected);
        }
        let both = refusal(
            |mapping| (mapping.provisioned_pollers, mapping.maximum_concurrency) = (pollers(None, None), Some(5)),
            "jobs",
        );
        assert_eq!(both.unwrap(), "MaximumConcurrency cannot be set together with ProvisionedPollerConfig");
    }

    #[test]
    fn a_function_name_becomes_an_arn_beside_the_queue() {
        let queue = Scope::new("eu-west-1", "123456789012").arn("jobs");
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:resize";
        assert_eq!(EventSourceMapping::new("resize").function_arn(&queue), arn);
        assert_eq!(EventSourceMapping::new(arn).function_arn(&queue), arn);
    }
}
