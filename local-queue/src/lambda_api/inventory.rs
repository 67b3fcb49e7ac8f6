//! What there is of functions and mappings and how they do, for the developer's API and the console; and what people do with
//! them there.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;

use super::{
    FunctionConfiguration, LambdaApi,
    error::NotDone,
    functions::FunctionSlot,
    invoke::{Counted, Event},
    mappings::Mapping,
    names::{FunctionName, function_arn},
};
use crate::{
    engine::QueueArn,
    event_source_mapping::{EventSourceMapping, Handle, Metrics},
    runtime_api::{FunctionMetrics, Invoked, RecentLog},
};

/// A function.
#[derive(Clone, Debug)]
pub(crate) struct FunctionState {
    pub(crate) configuration: Arc<FunctionConfiguration>,
    /// None if it does not count.
    pub(crate) metrics: Option<FunctionMetrics>,
    /// None if it has no log.
    pub(crate) log: Option<Arc<RecentLog>>,
}

/// A mapping.
#[derive(Clone, Debug)]
pub(crate) struct MappingState {
    pub(crate) uuid: String,
    pub(crate) queue: QueueArn,
    /// The function's name.
    pub(crate) function: String,
    pub(crate) settings: EventSourceMapping,
    /// `State`, in the words of Lambda.
    pub(crate) state: &'static str,
    /// Whether it works, or is about to: what it is when it is settled.
    pub(crate) is_enabled: bool,
    /// Whether nothing is being changed.
    pub(crate) is_settled: bool,
    /// Invocations that run.
    pub(crate) concurrent_invocations: usize,
    pub(crate) metrics: Metrics,
}

/// What came of an invocation by hand.
#[derive(Clone, Debug)]
pub(crate) struct InvokedOnce {
    pub(crate) request_id: String,
    pub(crate) duration: Duration,
    pub(crate) invoked: Invoked,
}

impl FunctionState {
    fn of(slot: &FunctionSlot) -> Self {
        let runner = slot.runner();
        Self { configuration: slot.configuration(), metrics: runner.metrics(), log: runner.recent_log() }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.configuration.name
    }
}

impl MappingState {
    fn of(mapping: &Mapping) -> Self {
        let status = mapping.status();
        let running = status.running.as_ref();
        Self {
            uuid: mapping.uuid.clone(),
            queue: mapping.queue.clone(),
            function: status.function.name().to_owned(),
            settings: status.settings.clone(),
            state: status.state.name(),
            is_enabled: status.state.is_enabled(),
            is_settled: status.state.is_settled(),
            concurrent_invocations: running.map(Handle::concurrent_invocations).unwrap_or_default(),
            metrics: status.earlier + running.map(Handle::metrics).unwrap_or_default(),
        }
    }
}

impl LambdaApi {
    /// The functions, in the order of their names.
    pub(crate) fn functions(&self) -> Vec<FunctionState> {
        let slots = self.shared.state().functions.values().cloned().collect::<Vec<_>>();
        slots.iter().map(|slot| FunctionState::of(slot)).collect()
    }

    /// The function of this name, or of this logical id.
    pub(crate) fn function(&self, name: &str) -> Option<FunctionState> {
        Some(FunctionState::of(&*self.slot_of(name)?))
    }

    fn slot_of(&self, name: &str) -> Option<Arc<FunctionSlot>> {
        self.shared.slot(&FunctionName { name: name.to_owned(), qualifier: None })
    }

    /// The mappings, in the order in which they were made.
    pub(crate) fn mappings(&self) -> Vec<MappingState> {
        let mappings = self.shared.state().mappings.clone();
        mappings.iter().map(|mapping| MappingState::of(mapping)).collect()
    }

    /// The mapping of this UUID.
    pub(crate) fn mapping(&self, uuid: &str) -> Option<MappingState> {
        let mapping = self.shared.mapping(uuid).ok()?;
        Some(MappingState::of(&mapping))
    }

    /// Lets a mapping work, or pauses it: running invocations end as they began, and what the function has not seen is given
    /// back. It goes on when the future is dropped.
    pub(crate) async fn enable_mapping(&self, uuid: &str, enabled: bool) -> Result<(), NotDone> {
        let (shared, uuid) = (Arc::clone(&self.shared), uuid.to_owned());
        let updating = async move { shared.update_mapping(&uuid, &json!({ "Enabled": enabled })).await };
        let updated = self.shared.runtime.spawn(updating).await;
        let stopping = || NotDone { status: 500, message: "The server is stopping.".to_owned() };
        updated.map_err(|_| stopping())?.map(drop).map_err(NotDone::from)
    }

    /// Runs a function once, and tells the end of its log; nothing if there is no such function. It goes on when the future is
    /// dropped.
    pub(crate) async fn invoke_once(&self, name: &str, payload: Bytes) -> Option<Result<InvokedOnce, NotDone>> {
        let slot = self.slot_of(name)?;
        let shared = Arc::clone(&self.shared);
        let invoking = async move {
            let function_arn = function_arn(slot.name(), shared.queues.scope()).into();
            let event = Event { slot, function_arn, request_id: shared.next_id(), payload };
            let _counted = Counted::new(&shared.invocations);
            let began = Instant::now();
            let invoked = shared.run(&event, true).await;
            InvokedOnce { request_id: event.request_id, duration: began.elapsed(), invoked }
        };
        let invoked = self.shared.runtime.spawn(invoking).await;
        Some(invoked.map_err(|_| NotDone { status: 500, message: "The server is stopping.".to_owned() }))
    }
}
