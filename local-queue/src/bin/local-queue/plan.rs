//! What of a template runs, with where its code came from, and what does not, with the reason: the table at the start.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use local_queue::{
    runtime_api::Language,
    template::{Stack, StackDestination, StackFunction, StackMapping, StackNotification, StackOutput},
};

use super::{
    apis::{self, Urls},
    code::{Found, NotFound, Program, Search},
    functions::{Clients, Functions},
    interpreters::Interpreters,
    place,
    ready::Announcement,
    variables::Variables,
};

/// Where debuggers look when nothing else is said.
const DEBUG_PORTS: [(Language, u16); 2] = [(Language::Python, 5678), (Language::Node, 9229)];

/// A function that will run.
#[derive(Debug)]
pub(crate) struct Planned<'a> {
    pub(crate) declared: &'a StackFunction,
    pub(crate) found: Found,
}

/// What will run.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    pub(crate) functions: Vec<Planned<'a>>,
    pub(crate) variables: Variables,
    rows: Vec<Row>,
    notes: Vec<String>,
}

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    kind: String,
    /// Nothing of what does not run.
    runs: bool,
    /// How, or why not.
    text: String,
}

impl<'a> Plan<'a> {
    /// Looks for the code of every function.
    pub(crate) fn make(
        arguments: &Functions,
        stack: &'a Stack,
        urls: &Urls,
        queue_urls: &str,
        variables: Variables,
    ) -> anyhow::Result<Self> {
        let Some(template) = &arguments.template else { return Ok(Self::default()) };
        check_names(arguments, stack, template)?;
        let interpreters = Interpreters::new(arguments.python.clone(), arguments.node.clone());
        let folder = template.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let search = Search {
            folder,
            given: &arguments.function,
            packages: arguments.runtime_packages.as_deref(),
            interpreters: &interpreters,
        };
        let mut plan = Self { variables, ..Self::default() };
        let unknown = plan.variables.unknown(&stack.functions).into_iter();
        plan.notes
            .extend(unknown.map(|name| format!("--env-file names {name}, which is not a function of the template")));
        for queue in &stack.queues {
            let text = format!("{queue_urls}/{}", queue.name);
            plan.rows.push(Row { name: queue.name.as_str().to_owned(), kind: "queue".to_owned(), runs: true, text });
        }
        for bucket in stack.buckets.iter().filter(|_| arguments.source.is_none()) {
            let versions = if bucket.is_versioned { " (of each object the newest version only)" } else { "" };
            let mut text = format!("s3://{}{versions}", bucket.name);
            for StackNotification { event, destination, .. } in &bucket.notifications {
                text.extend([", ", event, " to ", target_name(destination)]);
            }
            if bucket.event_bridge {
                text.push_str(", events to EventBridge");
            }
            plan.rows.push(Row { name: bucket.logical_id.clone(), kind: "bucket".to_owned(), runs: true, text });
        }
        for rule in stack.rules.iter().filter(|_| arguments.source.is_none()) {
            let to = rule.targets.iter().map(|target| target_name(&target.destination)).collect::<Vec<_>>().join(", ");
            let text = format!("events of buckets to {}", if to.is_empty() { "nowhere" } else { &to });
            plan.rows.push(Row { name: rule.logical_id.clone(), kind: "rule".to_owned(), runs: true, text });
        }
        for api in &stack.apis {
            for (name, kind, state) in apis::lines(api, urls, arguments.source.is_some()) {
                let (runs, text) = state.map_or_else(|why| (false, why), |how| (true, how));
                plan.rows.push(Row { name, kind: kind.to_owned(), runs, text });
            }
        }
        for StackOutput { name, value, here } in &stack.api_outputs {
            let here = here.as_ref().map(|here| format!(", here {here}")).unwrap_or_default();
            plan.notes.push(format!("output {name} is {value}{here}"));
        }
        let called = called(stack);
        let mut missing = Vec::new();
        for function in &stack.functions {
            if let Some(reason) = plan.add(arguments, function, &search, called.contains(function.name.as_str()))? {
                let place = place(template, function.file.as_deref(), function.line);
                missing.push(format!("{place}: {}: {reason}", function.logical_id));
            }
        }
        // Queues alone are something, but not what somebody wants whose only mistake is one that can be mended.
        let is_wanted = |it: &StackFunction| !it.mappings.is_empty() || called.contains(it.name.as_str());
        let none_works = !plan.functions.iter().any(|planned| is_wanted(planned.declared));
        if none_works && !missing.is_empty() {
            bail!(missing.join("\n"));
        }
        for other in &stack.others {
            let text = "not emulated".to_owned();
            plan.rows.push(Row { name: other.logical_id.clone(), kind: other.kind.clone(), runs: false, text });
        }
        Ok(plan)
    }

    /// Adds a function to what runs, or to what does not; gives the reason if that can be mended.
    fn add(
        &mut self,
        arguments: &Functions,
        function: &'a StackFunction,
        search: &Search<'_>,
        is_called: bool,
    ) -> anyhow::Result<Option<String>> {
        let row = |runs, text: String| {
            let (name, kind) = (function.logical_id.clone(), "function".to_owned());
            Row { name, kind, runs, text }
        };
        let is_mapped = !function.mappings.is_empty();
        let is_wanted = is_mapped || is_called;
        if !is_wanted && arguments.lambda_api == Clients::Off {
            self.rows.push(row(false, "no queue invokes it".to_owned()));
            return Ok(None);
        }
        let mut found = match search.find(function) {
            Ok(found) => found,
            Err(NotFound::Kind(reason)) => {
                self.rows.push(row(false, reason));
                return Ok(None);
            }
            Err(NotFound::Missing(reason)) => {
                self.rows.push(row(false, reason.clone()));
                return Ok(is_wanted.then_some(reason));
            }
        };
        let debugged = debug(arguments, function, &mut found)?;
        let handler = match found.program {
            Program::Bootstrap(_) => String::new(),
            Program::Interpreted(_) => format!("{} of ", function.handler),
        };
        let on_request = match (is_mapped, is_called) {
            (true, _) => "",
            (false, true) => ", when an API invokes it",
            (false, false) => ", when it is invoked by Lambda's API",
        };
        self.rows.push(row(true, format!("{handler}{}{debugged}{on_request}", found.from)));
        self.notes.extend(found.notes.iter().map(|note| format!("{}: {note}", function.logical_id)));
        for mapping in &function.mappings {
            self.rows.push(describe(mapping));
        }
        self.functions.push(Planned { declared: function, found });
        Ok(None)
    }

    /// Prints the table, and what there is to say beside it.
    pub(crate) fn print(&self, announcement: &Announcement) {
        let width =
            |of: fn(&Row) -> &str| self.rows.iter().map(|row| of(row).chars().count()).max().unwrap_or_default();
        let (names, kinds) = (width(|row| &row.name), width(|row| &row.kind));
        for Row { name, kind, runs, text } in &self.rows {
            let state = if *runs { "runs:" } else { "skipped:" };
            announcement.say(format_args!("  {name:names$}  {kind:kinds$}  {state} {text}"));
        }
        for note in &self.notes {
            announcement.say(format_args!("  note: {note}"));
        }
    }
}

/// The names of functions that APIs invoke.
fn called(stack: &Stack) -> BTreeSet<&str> {
    let routes = stack.apis.iter().flat_map(|declared| &declared.api.routes);
    let names = routes.filter_map(|route| {
        let (_, name) = route.integration.function()?.split_once(":function:")?;
        name.split(':').next()
    });
    names.collect()
}

/// Refuses options for functions that the template does not have.
fn check_names(arguments: &Functions, stack: &Stack, template: &Path) -> anyhow::Result<()> {
    let functions = arguments.function.iter().map(|(id, _)| ("--function", id));
    let debugged = arguments.debug.iter().map(|(id, _)| ("--debug", id));
    for (option, id) in functions.chain(debugged) {
        if !stack.functions.iter().any(|function| function.logical_id == *id) {
            let known: Vec<_> = stack.functions.iter().map(|function| function.logical_id.as_str()).collect();
            bail!("{option} {id}: {} has no such function; it has {}", template.display(), known.join(", "));
        }
    }
    Ok(())
}

/// Lets a debugger connect, if one is wanted; says where.
fn debug(arguments: &Functions, function: &StackFunction, found: &mut Found) -> anyhow::Result<String> {
    if !arguments.debugs(function) {
        return Ok(String::new());
    }
    let port = arguments.debug.iter().find(|(id, _)| *id == function.logical_id).and_then(|(_, port)| *port);
    let Program::Interpreted(program) = &mut found.program else { return Ok(", without a timeout".to_owned()) };
    if program.language == Language::Python {
        let mut command = Command::new(&program.interpreter);
        command.args(["-c", "import debugpy"]).current_dir(&program.code).stdin(Stdio::null());
        let answer =
            command.output().with_context(|| format!("{} cannot be started", program.interpreter.display()))?;
        if !answer.status.success() {
            let python = program.interpreter.display();
            bail!(
                "--debug {}: {python} has no debugpy; install it with {python} -m pip install debugpy",
                function.logical_id
            );
        }
    }
    let usual = DEBUG_PORTS.iter().find(|(language, _)| *language == program.language).map(|(_, port)| *port);
    program.debug_port = port.or(usual);
    let port = program.debug_port.map(|port| format!(", a debugger connects to 127.0.0.1:{port}"));
    Ok(port.unwrap_or_default())
}

fn describe(declared: &StackMapping) -> Row {
    let (name, kind) = (format!("  {}", declared.logical_id), "mapping".to_owned());
    if !declared.enabled {
        return Row { name, kind, runs: false, text: "it is not enabled".to_owned() };
    }
    let mapping = &declared.mapping;
    let mut parts = vec![format!("{}, batches of {}", declared.queue.name(), mapping.batch_size)];
    let window = mapping.maximum_batching_window;
    parts.extend((!window.is_zero()).then(|| format!("within {} s", window.as_secs())));
    parts.extend(mapping.report_batch_item_failures.then(|| "which may fail in part".to_owned()));
    parts.extend(mapping.maximum_concurrency.map(|concurrency| format!("{concurrency} at a time")));
    parts.extend((!mapping.filter_criteria.is_empty()).then(|| "filtered".to_owned()));
    Row { name, kind, runs: true, text: parts.join(", ") }
}

/// Where events go, for people.
fn target_name(destination: &StackDestination) -> &str {
    match destination {
        StackDestination::Queue(queue) => queue.name(),
        StackDestination::Function(arn) => arn.split_once(":function:").map_or(&**arn, |(_, name)| name),
    }
}
