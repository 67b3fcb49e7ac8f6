//! The template while it is served: a change of it takes effect at the next start, and that is said at once.

use std::{
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use local_queue::template::{Stack, StackFunction};
use local_queue_terminal::note;

/// How often the files are looked at: some of them, by their times and sizes.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What was read at the start, from where.
pub(crate) struct Watched {
    files: Vec<PathBuf>,
    /// How the files were then: a change while the functions start counts.
    seen: Vec<Seen>,
    stack: Stack,
}

/// A file as it was: none if it is not there.
type Seen = Option<(SystemTime, u64)>;

impl Watched {
    /// A stack of this template, with further files that it was made of.
    pub(crate) fn new(template: &Path, stack: Stack, more: impl IntoIterator<Item = PathBuf>) -> Self {
        let folder = template.parent().unwrap_or(Path::new("")).to_owned();
        let own = [template.to_owned()].into_iter();
        let files = own.chain(stack.files.iter().map(|file| folder.join(file))).chain(more).collect::<Vec<_>>();
        let seen = look(&files);
        Self { files, seen, stack }
    }

    /// Says what changes, for ever. `read` reads the template anew, and gives what is wrong with it as text.
    pub(crate) async fn tell(self, read: impl Fn() -> Result<Stack, String>) -> Infallible {
        let mut seen = self.seen;
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        loop {
            looks.tick().await;
            let now = look(&self.files);
            let changed = self.files.iter().zip(seen.iter().zip(&now)).filter(|(_, (was, is))| was != is);
            let changed = changed.map(|(file, _)| file.display().to_string()).collect::<Vec<_>>();
            if changed.is_empty() {
                continue;
            }
            let names = changed.join(" and ");
            match read() {
                Err(wrong) => {
                    note(format_args!(
                        "local-queue: {names} changed and would be refused; the running stack is unchanged"
                    ));
                    wrong.lines().for_each(|line| note(format_args!("local-queue: {line}")));
                }
                Ok(stack) => match differences(&self.stack, &stack) {
                    Some(what) => {
                        note(format_args!("local-queue: {names} changed: restart local-queue for {what}"));
                    }
                    None => note(format_args!("local-queue: {names} changed; nothing that runs here is affected")),
                },
            }
            seen = now;
        }
    }
}

fn look(files: &[PathBuf]) -> Vec<Seen> {
    let look = |file: &PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(look).collect()
}

/// What is new, gone or other in a stack than in the one that runs.
fn differences(running: &Stack, read: &Stack) -> Option<String> {
    let mut what = Vec::new();
    let queues =
        |stack: &Stack| stack.queues.iter().map(|it| (it.name.to_string(), format!("{it:?}"))).collect::<Vec<_>>();
    what.extend(compared("queue", &queues(running), &queues(read)));
    // Where something is in the file makes no difference.
    let functions = |stack: &Stack| {
        let of = |function: &StackFunction| {
            let mut function = StackFunction { line: 0, file: None, ..function.clone() };
            function.mappings.iter_mut().for_each(|mapping| mapping.line = 0);
            (function.logical_id.clone(), format!("{function:?}"))
        };
        stack.functions.iter().map(of).collect::<Vec<_>>()
    };
    what.extend(compared("function", &functions(running), &functions(read)));
    let apis = |stack: &Stack| {
        let all = stack.apis.iter().map(|api| (api.logical_id.clone(), format!("{:?} {:?}", api.api, api.unenforced)));
        all.collect::<Vec<_>>()
    };
    what.extend(compared("API", &apis(running), &apis(read)));
    (!what.is_empty()).then(|| what.join(", "))
}

fn compared(kind: &str, running: &[(String, String)], read: &[(String, String)]) -> Vec<String> {
    let find =
        |all: &[(String, String)], name: &str| all.iter().find(|(known, _)| known == name).map(|(_, it)| it.clone());
    let other = read.iter().filter_map(|(name, is)| match find(running, name) {
        None => Some(format!("{kind} {name} (new)")),
        Some(was) => (was != *is).then(|| format!("{kind} {name}")),
    });
    let gone = running.iter().filter(|(name, _)| find(read, name).is_none());
    other.chain(gone.map(|(name, _)| format!("{kind} {name} (gone)"))).collect()
}

#[cfg(test)]
mod tests {
    use local_queue::{engine::Limits, template};

    use super::*;

    #[test]
    fn what_must_be_started_again_is_named() {
        let read = |text: &str| template::read(text, &template::Options::default(), &Limits::STRICT).unwrap();
        let text = "Resources:\n  Jobs: { Type: 'AWS::SQS::Queue' }\n  Work: { Type: 'AWS::Lambda::Function', Properties: { \
                    Code: { ZipFile: x }, Role: r, Runtime: python3.12, Handler: index.h, Timeout: 3 } }\n";
        for (from, to, expected) in [
            ("Resources:", "# a remark\nResources:", None),
            ("Timeout: 3", "Description: d", None),
            ("Timeout: 3", "Timeout: 4", Some("function Work")),
            ("Jobs:", "Tasks:", Some("queue local-Tasks (new), queue local-Jobs (gone)")),
            ("Queue' }", "Queue', Properties: { DelaySeconds: 1 } }", Some("queue local-Jobs")),
        ] {
            let found = differences(&read(text), &read(&text.replace(from, to)));
            assert_eq!(found.as_deref(), expected, "{to}");
        }
    }
}
