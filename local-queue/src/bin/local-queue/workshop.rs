//! Functions of packages that clients send by Lambda's API.

use std::{pin::Pin, sync::Arc};

use local_queue::{
    event_source_mapping::Invocation,
    lambda_api::{FunctionConfiguration, Runner, Workshop},
    runtime_api::{Function, FunctionMetrics, Invoked, RecentLog, TemporaryFolder},
    template::{Code, Logging, StackFunction},
};

use super::{
    code::{NotFound, Search},
    functions::{Functions, Known, build, lock},
    interpreters::Interpreters,
    plan::Planned,
    unpack::unpack_bytes,
    variables::Variables,
};

/// What makes functions of packages, as it makes those of a template.
#[derive(Debug)]
pub(crate) struct Packages {
    pub(crate) arguments: Functions,
    pub(crate) variables: Variables,
    pub(crate) region: String,
    pub(crate) endpoint_url: String,
    pub(crate) known: Known,
}

/// A function with the folders that it needs.
struct Packaged {
    function: Function,
    _made: Vec<TemporaryFolder>,
}

impl Runner for Packaged {
    fn run(&self, invocation: Invocation, with_log: bool) -> Pin<Box<dyn Future<Output = Invoked> + Send + '_>> {
        Box::pin(self.function.invoke_told(invocation, with_log))
    }

    fn enforces_timeout(&self) -> bool {
        true
    }

    fn shut_down(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.function.shut_down())
    }

    fn metrics(&self) -> Option<FunctionMetrics> {
        Some(self.function.metrics())
    }

    fn recent_log(&self) -> Option<Arc<RecentLog>> {
        Some(self.function.recent_log())
    }
}

impl Workshop for Packages {
    fn make(&self, configuration: &FunctionConfiguration, package: &[u8]) -> Result<Arc<dyn Runner>, String> {
        let folder = TemporaryFolder::new().map_err(|error| format!("failed to create a temporary folder: {error}"))?;
        unpack_bytes(package, folder.path()).map_err(|error| format!("the package cannot be unpacked: {error:#}"))?;
        let declared = declared(configuration);
        let interpreters = Interpreters::new(self.arguments.python.clone(), self.arguments.node.clone());
        let search = Search {
            folder: folder.path(),
            given: &[],
            packages: self.arguments.runtime_packages.as_deref(),
            interpreters: &interpreters,
        };
        let found = search.find(&declared).map_err(|reason| match reason {
            NotFound::Kind(reason) => reason,
            // The folder is nobody's business, and a client has no command line.
            NotFound::Missing(reason) => {
                let folder = folder.path().display().to_string();
                let reason = reason.split("; ").next().unwrap_or_default();
                reason.replace(&format!("{folder}/."), "the package").replace(&folder, "the package")
            }
        })?;
        let planned = Planned { declared: &declared, found };
        let function = build(&self.arguments, &planned, &self.region, &self.endpoint_url, &self.variables);
        let function = function.map_err(|error| format!("{error:#}"))?;
        lock(&self.known).insert(declared.name.clone(), function.clone());
        let mut made = planned.found.made;
        made.push(folder);
        Ok(Arc::new(Packaged { function, _made: made }))
    }
}

/// The same as a template would have it.
fn declared(configuration: &FunctionConfiguration) -> StackFunction {
    StackFunction {
        logical_id: configuration.name.clone(),
        file: None,
        line: 0,
        name: configuration.name.clone(),
        runtime: configuration.runtime.clone(),
        handler: configuration.handler.clone(),
        code: Code::Path(".".to_owned()),
        asset_path: None,
        layers: Vec::new(),
        binary: None,
        architecture: configuration.architecture.clone(),
        timeout: configuration.timeout,
        memory_megabytes: configuration.memory_mib,
        reserved_concurrency: configuration.reserved_concurrency,
        environment: configuration.environment.clone(),
        logging: Logging::default(),
        mappings: Vec::new(),
    }
}
