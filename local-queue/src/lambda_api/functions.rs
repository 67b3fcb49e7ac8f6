//! The functions: what is said of them, and how clients make, change and delete them.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::{
    LambdaApi, Shared,
    configuration::FunctionConfiguration,
    error::ApiError,
    names::{FunctionName, LATEST, function_arn},
    route::Query,
    runner::Runner,
};
use crate::{
    clock::Clock,
    engine::Time,
    event_source_mapping::{FunctionError, Invocation, Invoker},
};

/// The longest name (API reference, `CreateFunction`).
const NAME_BYTES_MAX: usize = 64;
/// Documented ranges.
const TIMEOUT_SECONDS: std::ops::RangeInclusive<u64> = 1..=900;
const MEMORY_MIB: std::ops::RangeInclusive<u64> = 128..=10_240;
/// How many functions there may be, and how much of the packages that clients send is kept.
const FUNCTIONS_MAX: usize = 1_000;
const PACKAGES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How many are listed at once (API reference, `ListFunctions`).
const PAGE_MAX: usize = 50;

/// A function, which may be exchanged for another one of its name while somebody uses it.
pub(super) struct FunctionSlot {
    name: String,
    current: RwLock<Current>,
    is_deleted: AtomicBool,
}

impl fmt::Debug for FunctionSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionSlot").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Current {
    configuration: Arc<FunctionConfiguration>,
    runner: Arc<dyn Runner>,
    /// What a client has sent.
    package: Option<Bytes>,
    modified_at: Time,
    revision: String,
}

impl FunctionSlot {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn configuration(&self) -> Arc<FunctionConfiguration> {
        Arc::clone(&self.current().configuration)
    }

    pub(super) fn runner(&self) -> Arc<dyn Runner> {
        Arc::clone(&self.current().runner)
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Relaxed)
    }
}

/// Whatever runs a function, as a mapping wants it.
impl Invoker for FunctionSlot {
    async fn invoke(&self, invocation: Invocation) -> Result<Bytes, FunctionError> {
        if self.is_deleted() {
            let (error_type, message) = ("ResourceNotFoundException".to_owned(), "Function not found".to_owned());
            return Err(FunctionError::Failed { error_type, message });
        }
        let runner = self.runner();
        runner.run(invocation, false).await.reply
    }

    fn enforces_timeout(&self) -> bool {
        self.runner().enforces_timeout()
    }
}

impl LambdaApi {
    /// Adds a function, or exchanges the one of its name.
    pub fn add_function(&self, configuration: FunctionConfiguration, runner: impl Runner) {
        self.shared.put_function(configuration, Arc::new(runner), None);
    }

    /// The names of the functions.
    #[must_use]
    pub fn function_names(&self) -> Vec<String> {
        self.shared.state().functions.keys().cloned().collect()
    }
}

impl Shared {
    fn put_function(
        &self,
        configuration: FunctionConfiguration,
        runner: Arc<dyn Runner>,
        package: Option<Bytes>,
    ) -> Arc<FunctionSlot> {
        let (name, revision) = (configuration.name.clone(), self.next_id());
        let configuration = Arc::new(configuration);
        let current = Current { configuration, runner, package, modified_at: Clock::wall_now(), revision };
        let mut state = self.state();
        if let Some(slot) = state.functions.get(&name) {
            let before = std::mem::replace(&mut *slot.current.write().unwrap_or_else(PoisonError::into_inner), current);
            // What runs goes on to its end.
            self.runtime.spawn(async move { before.runner.shut_down().await });
            return Arc::clone(slot);
        }
        let is_deleted = AtomicBool::new(false);
        let slot = Arc::new(FunctionSlot { name: name.clone(), current: RwLock::new(current), is_deleted });
        state.functions.insert(name, Arc::clone(&slot));
        slot
    }

    /// The function that a request names; nothing if there is none, or not with this qualifier.
    pub(super) fn slot(&self, named: &FunctionName) -> Option<Arc<FunctionSlot>> {
        let state = self.state();
        let by_logical_id = || {
            let mut slots = state.functions.values();
            slots.find(|slot| slot.current().configuration.logical_id.as_deref() == Some(named.name.as_str()))
        };
        let slot = state.functions.get(&named.name).or_else(by_logical_id)?;
        let configuration = slot.configuration();
        let is_known =
            |qualifier: &str| qualifier == LATEST || configuration.aliases.iter().any(|alias| alias == qualifier);
        named.qualifier.as_deref().is_none_or(is_known).then(|| Arc::clone(slot))
    }

    fn named(&self, subject: &str, query: &Query) -> Result<Arc<FunctionSlot>, ApiError> {
        let scope = self.queues.scope();
        let name = FunctionName::parse(subject, query.get("Qualifier"), scope)?;
        self.slot(&name).ok_or_else(|| ApiError::not_found(format!("Function not found: {}", name.arn(scope))))
    }

    pub(super) fn list_functions(&self, query: &Query) -> Result<Value, ApiError> {
        let slots = self.state().functions.values().cloned().collect::<Vec<_>>();
        let marker = query.get("Marker").unwrap_or_default();
        let (page, next) = page(&slots, query, PAGE_MAX, |slot| slot.name() >= marker)?;
        let functions = page.iter().map(|slot| self.describe(slot)).collect::<Vec<_>>();
        let mut document = json!({ "Functions": functions });
        if let Some(next) = next {
            document["NextMarker"] = next.name().into();
        }
        Ok(document)
    }

    pub(super) fn get_function_configuration(&self, subject: &str, query: &Query) -> Result<Value, ApiError> {
        Ok(self.describe(&*self.named(subject, query)?))
    }

    pub(super) fn get_function(&self, subject: &str, query: &Query) -> Result<Value, ApiError> {
        let slot = self.named(subject, query)?;
        // A location would be a URL to fetch the package from.
        let mut document = json!({ "Configuration": self.describe(&slot), "Code": {}, "Tags": {} });
        if let Some(reserved) = slot.configuration().reserved_concurrency {
            document["Concurrency"] = json!({ "ReservedConcurrentExecutions": reserved });
        }
        Ok(document)
    }

    /// `FunctionConfiguration`, in the form of Lambda.
    fn describe(&self, slot: &FunctionSlot) -> Value {
        let Current { configuration, package, modified_at, revision, .. } = slot.current().clone();
        let package = package.unwrap_or_default();
        let scope = self.queues.scope();
        let role = || format!("arn:aws:iam::{}:role/lambda-role", scope.account);
        let mut document = json!({
            "FunctionName": configuration.name,
            "FunctionArn": function_arn(&configuration.name, scope),
            "Role": configuration.role.clone().unwrap_or_else(role),
            "Handler": configuration.handler,
            "CodeSize": package.len(),
            "CodeSha256": STANDARD.encode(Sha256::digest(&package)),
            "Description": configuration.description,
            "Timeout": configuration.timeout.as_secs(),
            "MemorySize": configuration.memory_mib,
            "LastModified": iso(modified_at),
            "Version": LATEST,
            "TracingConfig": { "Mode": "PassThrough" },
            "RevisionId": revision,
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": [configuration.architecture],
            "EphemeralStorage": { "Size": 512 },
            "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
            "LoggingConfig": { "LogFormat": "Text", "LogGroup": format!("/aws/lambda/{}", configuration.name) },
        });
        if let Some(runtime) = &configuration.runtime {
            document["Runtime"] = runtime.as_str().into();
        }
        if !configuration.environment.is_empty() {
            document["Environment"] = json!({ "Variables": configuration.environment });
        }
        document
    }

    pub(super) async fn create_function(&self, asked: &Value) -> Result<Value, ApiError> {
        let name = asked["FunctionName"].as_str().unwrap_or_default();
        let named = FunctionName::parse(name, None, self.queues.scope())?;
        if named.name.len() > NAME_BYTES_MAX || named.qualifier.is_some() || named.name.contains('$') {
            let takes = format!("FunctionName takes 1 to {NAME_BYTES_MAX} letters, digits, - and _, not {name:?}");
            return Err(ApiError::invalid(takes));
        }
        let exists = || ApiError::conflict(format!("Function already exist: {}", named.name));
        {
            let state = self.state();
            if state.functions.contains_key(&named.name) {
                return Err(exists());
            }
            if state.functions.len() >= FUNCTIONS_MAX {
                return Err(ApiError::invalid(format!("There are {FUNCTIONS_MAX} functions already.")));
            }
        }
        let package = package_of(&asked["Code"])?;
        let mut configuration = FunctionConfiguration::new(named.name.clone());
        change(&mut configuration, asked)?;
        if configuration.runtime.is_none() || configuration.handler.is_empty() {
            return Err(ApiError::invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
            ));
        }
        let slot = self.make(configuration, package).await?;
        Ok(self.describe(&slot))
    }

    pub(super) async fn update_function_code(&self, subject: &str, asked: &Value) -> Result<Value, ApiError> {
        let slot = self.named(subject, &Query::default())?;
        let package = package_of(asked)?;
        let slot = self.make(FunctionConfiguration::clone(&slot.configuration()), package).await?;
        Ok(self.describe(&slot))
    }

    pub(super) async fn update_function_configuration(&self, subject: &str, asked: &Value) -> Result<Value, ApiError> {
        let slot = self.named(subject, &Query::default())?;
        let package = slot.current().package.clone();
        let package = package.ok_or_else(|| {
            let name = slot.name();
            ApiError::invalid(format!(
                "The code of {name} was not uploaded by a client; change it where it is declared."
            ))
        })?;
        let mut configuration = FunctionConfiguration::clone(&slot.configuration());
        change(&mut configuration, asked)?;
        let slot = self.make(configuration, package).await?;
        Ok(self.describe(&slot))
    }

    pub(super) fn delete_function(self: &Arc<Self>, subject: &str) -> Result<Value, ApiError> {
        let slot = self.named(subject, &Query::default())?;
        self.state().functions.remove(slot.name());
        slot.is_deleted.store(true, Ordering::Relaxed);
        self.disable_mappings_of(&slot);
        self.runtime.spawn(async move {
            let runner = slot.runner();
            runner.shut_down().await;
        });
        Ok(Value::Null)
    }

    /// Makes a function of a package, and puts it in its place.
    async fn make(&self, configuration: FunctionConfiguration, package: Bytes) -> Result<Arc<FunctionSlot>, ApiError> {
        let kept = |name: &str| {
            let state = self.state();
            let others = state.functions.values().filter(|slot| slot.name() != name);
            others.map(|slot| slot.current().package.as_ref().map_or(0, Bytes::len)).sum::<usize>()
        };
        if kept(&configuration.name) + package.len() > PACKAGES_BYTES_MAX {
            return Err(ApiError::invalid("Code storage limit exceeded."));
        }
        let workshop = self.workshop.clone().ok_or_else(|| {
            ApiError::invalid("This server makes no functions of packages: it has nothing to run them with.")
        })?;
        let (asked, given) = (configuration.clone(), package.clone());
        let made = self.runtime.spawn_blocking(move || workshop.make(&asked, &given)).await;
        let runner = made.map_err(|_| ApiError::service("Failed to create the function."))?;
        let runner = runner.map_err(ApiError::invalid)?;
        Ok(self.put_function(configuration, runner, Some(package)))
    }
}

/// The items from a marker on, as many as are wanted, and the one after them.
pub(super) fn page<'a, T>(
    items: &'a [T],
    query: &Query,
    count_max: usize,
    is_from_marker: impl Fn(&T) -> bool,
) -> Result<(&'a [T], Option<&'a T>), ApiError> {
    let wanted =
        query.get("MaxItems").map(|text| text.parse::<usize>().ok().filter(|wanted| (1..=10_000).contains(wanted)));
    let wanted =
        wanted.map(|wanted| wanted.ok_or_else(|| ApiError::invalid("MaxItems takes 1 to 10000."))).transpose()?;
    let start = match query.get("Marker") {
        None => 0,
        Some(_) => items.iter().position(is_from_marker).unwrap_or(items.len()),
    };
    let rest = items.get(start..).unwrap_or_default();
    let (page, after) = rest.split_at(wanted.unwrap_or(count_max).min(count_max).min(rest.len()));
    Ok((page, after.first()))
}

/// The package in `Code`, or beside the rest of an update.
fn package_of(code: &Value) -> Result<Bytes, ApiError> {
    let Some(text) = code["ZipFile"].as_str() else {
        return Err(ApiError::invalid(
            "Packages must be uploaded as ZipFile; code in S3 and images are not supported.",
        ));
    };
    let package = STANDARD.decode(text);
    let package = package.map_err(|error| ApiError::invalid(format!("ZipFile is not in base64: {error}")))?;
    Ok(package.into())
}

/// Takes over what a request says of a function.
fn change(configuration: &mut FunctionConfiguration, asked: &Value) -> Result<(), ApiError> {
    let text = |name: &str| asked[name].as_str().map(ToOwned::to_owned);
    let number = |name: &str, range: &std::ops::RangeInclusive<u64>| match &asked[name] {
        Value::Null => Ok(None),
        value => {
            let number = value.as_u64().filter(|number| range.contains(number));
            let (from, to) = (range.start(), range.end());
            number.map(Some).ok_or_else(|| ApiError::invalid(format!("{name} takes {from} to {to}, not {value}")))
        }
    };
    configuration.runtime = text("Runtime").or(configuration.runtime.take());
    configuration.role = text("Role").or(configuration.role.take());
    if let Some(handler) = text("Handler") {
        configuration.handler = handler;
    }
    if let Some(description) = text("Description") {
        configuration.description = description;
    }
    if let Some(seconds) = number("Timeout", &TIMEOUT_SECONDS)? {
        configuration.timeout = Duration::from_secs(seconds);
    }
    if let Some(memory) = number("MemorySize", &MEMORY_MIB)? {
        configuration.memory_mib = u32::try_from(memory).unwrap_or(u32::MAX);
    }
    if let Some(architecture) = asked["Architectures"][0].as_str() {
        architecture.clone_into(&mut configuration.architecture);
    }
    if let Some(variables) = asked["Environment"]["Variables"].as_object() {
        let variables = variables.iter().map(|(name, value)| {
            let value = value.as_str().ok_or_else(|| ApiError::invalid(format!("variable {name} is not a text")))?;
            Ok((name.clone(), value.to_owned()))
        });
        configuration.environment = variables.collect::<Result<_, ApiError>>()?;
    }
    Ok(())
}

/// As Lambda writes the time of a function: `2026-11-30T23:37:03.123+0000`.
fn iso(at: Time) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or_default();
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}+0000",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second(),
        at.as_millis() % 1_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_function_is_written_as_lambda_does() {
        assert_eq!(iso(Time::from_millis(1_796_081_823_007)), "2026-11-30T23:37:03.007+0000");
    }
}
