//! The event source mappings: their states, and how clients make, change and delete them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    LambdaApi, Shared,
    error::ApiError,
    functions::{FunctionSlot, page},
    names::FunctionName,
    route::Query,
    sources::AnySource,
};
use crate::{
    engine::{QueueArn, Time},
    event_source_mapping::{
        Driver, EventSourceMapping, EventSourceMappingError, FilterCriteria, Handle, Metrics, ProvisionedPollers,
        SourceError,
    },
};

/// How many mappings there may be.
const MAPPINGS_MAX: usize = 1_000;
/// How many are listed at once (API reference, `ListEventSourceMappings`).
const PAGE_MAX: usize = 100;

/// A mapping to be made.
#[derive(Clone, Debug)]
pub struct NewMapping {
    /// The queue.
    pub queue: QueueArn,
    /// How it is read, and by which function.
    pub mapping: EventSourceMapping,
    /// Whether it works from the beginning.
    pub enabled: bool,
}

/// What a mapping has done since it was made, whatever its settings were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingMetrics {
    /// The queue's name.
    pub queue: String,
    /// The function's name.
    pub function: String,
    /// The numbers.
    pub metrics: Metrics,
}

/// Why a mapping could not be created or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// The queue is mapped to this function already. The text is AWS's (recorded).
    #[error(
        "An event source mapping with SQS arn (\" {queue} \") and function (\" {function} \") already exists. Please \
         update or delete the existing mapping with UUID {uuid}"
    )]
    Exists {
        /// The queue.
        queue: QueueArn,
        /// The function.
        function: String,
        /// The mapping that there is.
        uuid: String,
    },
    /// There is no such function.
    #[error("Function not found: {function}")]
    NoFunction {
        /// Its ARN.
        function: String,
    },
    /// There is no such mapping. The text is AWS's.
    #[error("The resource you requested does not exist.")]
    NotThere,
    /// It is being changed already.
    #[error("Cannot update the event source mapping because it is in use.")]
    InUse,
    /// Its settings, or its queue's, are refused.
    #[error(transparent)]
    Settings(#[from] EventSourceMappingError),
    /// The queue cannot be found.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Nothing is started any more.
    #[error("The server is stopping.")]
    Stopping,
}

impl From<MappingError> for ApiError {
    fn from(error: MappingError) -> Self {
        let text = error.to_string();
        match error {
            MappingError::Exists { .. } => Self::conflict(text),
            MappingError::NoFunction { .. } | MappingError::NotThere => Self::not_found(text),
            MappingError::InUse => Self::in_use(text),
            MappingError::Settings(_) | MappingError::Source(_) => Self::invalid(text),
            MappingError::Stopping => Self::service(text),
        }
    }
}

/// `State`, in the words of Lambda.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Creating,
    Enabling,
    Enabled,
    Disabling,
    Disabled,
    Updating,
    Deleting,
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Enabling => "Enabling",
            Self::Enabled => "Enabled",
            Self::Disabling => "Disabling",
            Self::Disabled => "Disabled",
            Self::Updating => "Updating",
            Self::Deleting => "Deleting",
        }
    }

    pub(super) const fn is_enabled(self) -> bool {
        matches!(self, Self::Creating | Self::Enabling | Self::Enabled | Self::Updating)
    }

    pub(super) const fn is_settled(self) -> bool {
        matches!(self, Self::Enabled | Self::Disabled)
    }
}

/// A mapping.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) uuid: String,
    pub(super) queue: QueueArn,
    status: Mutex<Status>,
}

#[derive(Debug)]
pub(super) struct Status {
    /// Another function of the same name, created after the first was deleted.
    pub(super) function: Arc<FunctionSlot>,
    pub(super) settings: EventSourceMapping,
    pub(super) state: State,
    modified_at: Time,
    /// What runs, or has run last.
    pub(super) running: Option<Handle<AnySource>>,
    /// What was done under earlier settings.
    pub(super) earlier: Metrics,
}

/// A mapping that is ready to run.
type Connected = (Driver<AnySource, Arc<FunctionSlot>>, Handle<AnySource>);

impl Mapping {
    pub(super) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells it to stop: after its running invocations, or without them.
    pub(super) fn stop(&self, at_once: bool) {
        if let Some(running) = &self.status().running {
            if at_once { running.stop_at_once() } else { running.stop() }
        }
    }

    pub(super) async fn stopped(&self) {
        let running = self.status().running.clone();
        if let Some(running) = running {
            running.stopped().await;
        }
    }

    fn function(&self) -> Arc<FunctionSlot> {
        Arc::clone(&self.status().function)
    }

    /// The ARN of its function or alias.
    fn function_name(&self) -> String {
        self.status().settings.function_name.clone()
    }
}

impl LambdaApi {
    /// Makes a mapping of a function that was added; gives its UUID. If it is enabled, it works when this has returned.
    pub async fn add_mapping(&self, new: NewMapping) -> Result<String, MappingError> {
        let mapping = self.shared.create(new).await?;
        Ok(mapping.uuid.clone())
    }

    /// The numbers of all mappings.
    #[must_use]
    pub fn mapping_metrics(&self) -> Vec<MappingMetrics> {
        let mappings = self.shared.state().mappings.clone();
        let of = |mapping: &Arc<Mapping>| {
            let status = mapping.status();
            let now = status.running.as_ref().map(Handle::metrics).unwrap_or_default();
            MappingMetrics {
                queue: mapping.queue.name().to_owned(),
                function: status.function.name().to_owned(),
                metrics: status.earlier + now,
            }
        };
        mappings.iter().map(of).collect()
    }
}

impl Shared {
    /// Makes a mapping, which is in the state `Creating` until it runs.
    async fn create(self: &Arc<Self>, new: NewMapping) -> Result<Arc<Mapping>, MappingError> {
        let NewMapping { queue, mapping: settings, enabled } = new;
        let scope = self.queues.scope();
        let no_function = || MappingError::NoFunction { function: settings.function_name.clone() };
        let named = FunctionName::parse(&settings.function_name, None, scope).map_err(|_| no_function())?;
        let function = self.slot(&named).ok_or_else(|| MappingError::NoFunction { function: named.arn(scope) })?;
        let name = FunctionName { name: function.name().to_owned(), ..named };
        let settings = EventSourceMapping { function_name: name.arn(scope), ..settings };
        let mapping = self.reserve(queue, function, settings.clone())?;
        match self.connect(&mapping, &settings, enabled).await {
            Ok(next) => {
                self.settle(&mapping, next, None);
                Ok(mapping)
            }
            Err(error) => {
                self.remove(&mapping);
                Err(error)
            }
        }
    }

    /// Takes the place of a mapping, of which there is one for each queue and function.
    fn reserve(
        &self,
        queue: QueueArn,
        function: Arc<FunctionSlot>,
        settings: EventSourceMapping,
    ) -> Result<Arc<Mapping>, MappingError> {
        let uuid = self.next_id();
        let modified_at = self.queues.clock().now();
        let mut state = self.state();
        if state.is_stopping {
            return Err(MappingError::Stopping);
        }
        let name = &settings.function_name;
        let same = |other: &&Arc<Mapping>| other.queue == queue && other.function_name() == *name;
        if let Some(other) = state.mappings.iter().find(same) {
            let (function, uuid) = (name.rsplit("function:").next().unwrap_or(name).to_owned(), other.uuid.clone());
            return Err(MappingError::Exists { queue, function, uuid });
        }
        if state.mappings.len() >= MAPPINGS_MAX {
            let (setting, value) = ("number of mappings", MAPPINGS_MAX as u64 + 1);
            return Err(EventSourceMappingError::OutOfRange { setting, value, min: 0, max: MAPPINGS_MAX as u64 }.into());
        }
        let status = Status {
            function,
            settings,
            state: State::Creating,
            modified_at,
            running: None,
            earlier: Metrics::default(),
        };
        let mapping = Arc::new(Mapping { uuid, queue, status: Mutex::new(status) });
        state.mappings.push(Arc::clone(&mapping));
        Ok(mapping)
    }

    fn remove(&self, mapping: &Arc<Mapping>) {
        self.state().mappings.retain(|other| !Arc::ptr_eq(other, mapping));
    }

    /// Asks all that could refuse the settings; gives what is to run, if that is wanted.
    async fn connect(
        &self,
        mapping: &Mapping,
        settings: &EventSourceMapping,
        enabled: bool,
    ) -> Result<Option<Connected>, MappingError> {
        let clock = self.queues.clock();
        settings.validate(&mapping.queue)?;
        if !enabled && !self.sources.are_here() {
            // It is asked when it is enabled: who answers there may not be there yet.
            return Ok(None);
        }
        let source = self.sources.find(&mapping.queue, clock).await?;
        if !enabled {
            settings.check(&source).await?;
            return Ok(None);
        }
        Ok(Some(settings.connect(source, mapping.function(), clock.clone()).await?))
    }

    /// Lets what runs of a mapping come to its end, and then what is next begin. Nothing is next when it is disabled, or
    /// deleted.
    fn settle(self: &Arc<Self>, mapping: &Arc<Mapping>, next: Option<Connected>, before: Option<Handle<AnySource>>) {
        let (shared, mapping) = (Arc::clone(self), Arc::clone(mapping));
        let Some(before) = before else { return shared.begin(&mapping, next) };
        before.stop();
        self.runtime.spawn(async move {
            before.stopped().await;
            shared.begin(&mapping, next);
        });
    }

    /// Begins with what is next of a mapping, of which nothing runs.
    fn begin(&self, mapping: &Arc<Mapping>, next: Option<Connected>) {
        let is_stopping = self.state().is_stopping;
        let mut status = mapping.status();
        if let Some(ended) = status.running.take() {
            status.earlier = status.earlier + ended.metrics();
        }
        if status.state == State::Deleting {
            drop(status);
            self.remove(mapping);
            return;
        }
        let next = next.filter(|_| !is_stopping && !status.function.is_deleted());
        status.state = if next.is_some() { State::Enabled } else { State::Disabled };
        let Some((driver, handle)) = next else { return };
        status.running = Some(handle);
        drop(status);
        // Who stops all looks for what runs after this is set.
        if self.state().is_stopping {
            mapping.stop(false);
        }
        let running = self.runtime.spawn(driver.run());
        self.runtime.spawn(async move {
            if let Err(error) = running.await {
                tracing::error!(
                    %error,
                    "a mapping ended early; its messages become visible again at the end of their visibility timeout"
                );
            }
        });
    }

    pub(super) fn mapping(&self, uuid: &str) -> Result<Arc<Mapping>, MappingError> {
        let state = self.state();
        let found = state.mappings.iter().find(|mapping| mapping.uuid == uuid);
        found.cloned().ok_or(MappingError::NotThere)
    }

    pub(super) async fn create_mapping(self: &Arc<Self>, asked: &Value) -> Result<Value, ApiError> {
        let source = asked["EventSourceArn"].as_str().unwrap_or_default();
        let queue = QueueArn::parse(source).ok_or_else(|| {
            ApiError::invalid(format!("EventSourceArn takes the ARN of a queue here, such as of SQS, not {source:?}"))
        })?;
        let name = asked["FunctionName"].as_str().unwrap_or_default();
        let named = FunctionName::parse(name, None, self.queues.scope())?;
        let slot = self.slot(&named);
        let timeout = slot.map_or(Duration::from_secs(3), |slot| slot.configuration().timeout);
        let defaults = EventSourceMapping { function_timeout: timeout, ..EventSourceMapping::new(name) };
        let mapping = settings(defaults, asked)?;
        let enabled = asked["Enabled"].as_bool().unwrap_or(true);
        let mapping = self.create(NewMapping { queue, mapping, enabled }).await?;
        let mut document = self.describe_mapping(&mapping);
        // What Lambda answers at first; the next look sees more.
        document["State"] = State::Creating.name().into();
        Ok(document)
    }

    pub(super) fn get_mapping(&self, uuid: &str) -> Result<Value, ApiError> {
        Ok(self.describe_mapping(&*self.mapping(uuid)?))
    }

    pub(super) fn list_mappings(&self, query: &Query) -> Result<Value, ApiError> {
        let mut mappings = self.state().mappings.clone();
        if let Some(source) = query.get("EventSourceArn") {
            mappings.retain(|mapping| mapping.queue.as_str() == source);
        }
        if let Some(name) = query.get("FunctionName") {
            let named = FunctionName::parse(name, None, self.queues.scope())?;
            let slot = self.slot(&FunctionName { qualifier: None, ..named.clone() });
            let name = slot.map_or(named.name, |slot| slot.name().to_owned());
            let arn = FunctionName { name: name.clone(), ..named }.arn(self.queues.scope());
            mappings.retain(|mapping| mapping.function().name() == name && mapping.function_name() == arn);
        }
        let marker = query.get("Marker").unwrap_or_default();
        let (page, next) = page(&mappings, query, PAGE_MAX, |mapping| mapping.uuid == marker)?;
        let documents = page.iter().map(|mapping| self.describe_mapping(mapping)).collect::<Vec<_>>();
        let mut document = json!({ "EventSourceMappings": documents });
        if let Some(next) = next {
            document["NextMarker"] = next.uuid.as_str().into();
        }
        Ok(document)
    }

    pub(super) async fn update_mapping(self: &Arc<Self>, uuid: &str, asked: &Value) -> Result<Value, ApiError> {
        let mapping = self.mapping(uuid)?;
        let (before, changed, enabled) = {
            let mut status = mapping.status();
            if !status.state.is_settled() {
                return Err(MappingError::InUse.into());
            }
            let before = status.state;
            let is_enabled = before == State::Enabled;
            let enabled = asked["Enabled"].as_bool().unwrap_or(is_enabled);
            if status.function.is_deleted() {
                match self.named_again(&status.settings.function_name) {
                    Some(function) => status.function = function,
                    None if enabled => {
                        return Err(MappingError::NoFunction { function: status.settings.function_name.clone() }.into());
                    }
                    None => {}
                }
            }
            let timeout = status.function.configuration().timeout;
            let current = EventSourceMapping { function_timeout: timeout, ..status.settings.clone() };
            let changed = settings(current, asked)?;
            status.state = match (is_enabled, enabled) {
                (false, true) => State::Enabling,
                (true, false) => State::Disabling,
                _ => State::Updating,
            };
            (before, changed, enabled)
        };
        let next = match self.connect(&mapping, &changed, enabled).await {
            Ok(next) => next,
            Err(error) => {
                mapping.status().state = before;
                return Err(error.into());
            }
        };
        let running = {
            let mut status = mapping.status();
            (status.settings, status.modified_at) = (changed, self.queues.clock().now());
            status.running.clone()
        };
        let document = self.describe_mapping(&mapping);
        self.settle(&mapping, next, running);
        Ok(document)
    }

    pub(super) fn delete_mapping(self: &Arc<Self>, uuid: &str) -> Result<Value, ApiError> {
        let mapping = self.mapping(uuid)?;
        let running = {
            let mut status = mapping.status();
            if !status.state.is_settled() {
                return Err(MappingError::InUse.into());
            }
            status.state = State::Deleting;
            status.running.clone()
        };
        let document = self.describe_mapping(&mapping);
        self.settle(&mapping, None, running);
        Ok(document)
    }

    /// The function that a mapping's ARN names now.
    fn named_again(&self, arn: &str) -> Option<Arc<FunctionSlot>> {
        self.slot(&FunctionName::parse(arn, None, self.queues.scope()).ok()?)
    }

    /// Disables the mappings of a function that was deleted. They stay until somebody deletes them, too (API reference,
    /// `DeleteFunction`), and take no messages.
    pub(super) fn disable_mappings_of(self: &Arc<Self>, function: &Arc<FunctionSlot>) {
        let mut mappings = self.state().mappings.clone();
        mappings.retain(|mapping| Arc::ptr_eq(&mapping.function(), function));
        for mapping in mappings {
            let running = {
                let mut status = mapping.status();
                // One that is being changed sees itself that there is no function any more.
                if status.state != State::Enabled {
                    continue;
                }
                status.state = State::Disabling;
                status.running.clone()
            };
            self.settle(&mapping, None, running);
        }
    }

    /// `EventSourceMappingConfiguration`, in the form of Lambda.
    fn describe_mapping(&self, mapping: &Mapping) -> Value {
        let Mapping { uuid, queue, status, .. } = mapping;
        let status = status.lock().unwrap_or_else(PoisonError::into_inner);
        let Status { function, settings, state, modified_at, .. } = &*status;
        let scope = self.queues.scope();
        let types = if settings.report_batch_item_failures { &["ReportBatchItemFailures"][..] } else { &[] };
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this millennium are below 2^52")]
        let modified_at = modified_at.as_millis() as f64 / 1_000.0;
        let mut document = json!({
            "UUID": uuid,
            "EventSourceMappingArn":
                format!("arn:aws:lambda:{}:{}:event-source-mapping:{uuid}", scope.region, scope.account),
            "EventSourceArn": queue.as_str(),
            "FunctionArn": settings.function_name,
            "BatchSize": settings.batch_size,
            "MaximumBatchingWindowInSeconds": settings.maximum_batching_window.as_secs(),
            "FunctionResponseTypes": types,
            "LastModified": modified_at,
            "State": state.name(),
            "StateTransitionReason": "USER_INITIATED",
        });
        if function.is_deleted() {
            document["LastProcessingResult"] = "PROBLEM: Function not found".into();
        }
        if let Some(concurrency) = settings.maximum_concurrency {
            document["ScalingConfig"] = json!({ "MaximumConcurrency": concurrency });
        }
        if !settings.filter_criteria.is_empty() {
            let filters = settings.filter_criteria.texts().map(|pattern| json!({ "Pattern": pattern }));
            document["FilterCriteria"] = json!({ "Filters": filters.collect::<Vec<_>>() });
        }
        if let Some(pollers) = settings.provisioned_pollers {
            let pollers = [("MinimumPollers", pollers.minimum), ("MaximumPollers", pollers.maximum)];
            let given = pollers.into_iter().filter_map(|(name, count)| Some((name.to_owned(), count?.into())));
            document["ProvisionedPollerConfig"] = Value::Object(given.collect());
        }
        document
    }
}

/// Settings with what a request says of them. What it does not name stays.
fn settings(before: EventSourceMapping, asked: &Value) -> Result<EventSourceMapping, ApiError> {
    let number = |of: &Value, name: &str| match &of[name] {
        Value::Null => Ok(None),
        value => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.map(Some).ok_or_else(|| ApiError::invalid(format!("{name} takes a whole number, not {value}")))
        }
    };
    let mut settings = before;
    if let Some(size) = number(asked, "BatchSize")? {
        settings.batch_size = size;
    }
    if let Some(seconds) = number(asked, "MaximumBatchingWindowInSeconds")? {
        settings.maximum_batching_window = Duration::from_secs(seconds.into());
    }
    if let Some(scaling) = asked["ScalingConfig"].as_object() {
        // An empty one takes the limit away.
        settings.maximum_concurrency = number(&Value::Object(scaling.clone()), "MaximumConcurrency")?;
    }
    if let Some(pollers) = asked["ProvisionedPollerConfig"].as_object() {
        let pollers = Value::Object(pollers.clone());
        let (minimum, maximum) = (number(&pollers, "MinimumPollers")?, number(&pollers, "MaximumPollers")?);
        settings.provisioned_pollers =
            (minimum.is_some() || maximum.is_some()).then_some(ProvisionedPollers { minimum, maximum });
    }
    if !asked["FilterCriteria"].is_null() {
        let criteria = FilterCriteria::from_json(&asked["FilterCriteria"]);
        settings.filter_criteria = criteria.map_err(EventSourceMappingError::from)?;
    }
    if let Some(types) = asked["FunctionResponseTypes"].as_array() {
        settings.report_batch_item_failures = match types.as_slice() {
            [] => false,
            [only] if only == "ReportBatchItemFailures" => true,
            _ => {
                let found = types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                return Err(ApiError::not_in("functionResponseTypes", &found, &["ReportBatchItemFailures"]));
            }
        };
    }
    if let Some(name) = asked["FunctionName"].as_str()
        && name != settings.function_name
        && !settings.function_name.ends_with(&format!(":{name}"))
    {
        return Err(ApiError::invalid("A mapping stays with its function here: delete it and create another one."));
    }
    Ok(settings)
}
