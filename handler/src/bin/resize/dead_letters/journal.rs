//! What a redrive has sent, written down before it deletes: so that the next one neither sends it twice nor loses it.
//!
//! A line for each request that is about to be made, with the messages in it, and a line for each answer. A line that a kill
//! has cut off counts as not written: of a request's line the request was not made, of an answer's line nobody knows what
//! became of the request. The file is removed when nothing is left to know.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use aws_sdk_sqs::types::Message;
use serde::{Deserialize, Serialize};

use super::select::sent_millis;
use crate::send::digest;

/// What is known of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It is in the queue that it was to go to.
    Sent,
    /// A request with it was under way, since when in milliseconds, and nobody wrote down what became of it.
    Unsure { since_millis: i64 },
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Sending { messages: Vec<String>, at: i64 },
    Sent { messages: Vec<String> },
    NotSent { messages: Vec<String> },
    Deleted { messages: Vec<String> },
}

/// The open file, and what it says. While it is open, nobody else can open it.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    known: HashMap<String, Known>,
}

/// By what a message is known again: its id, when it was sent, and its body. An emulator that begins anew with the same seed
/// gives the same ids to others.
pub(super) fn mark(message: &Message) -> String {
    let sent = sent_millis(message).unwrap_or_default();
    let body = digest(message.body().unwrap_or_default());
    format!("{} {sent} {body}", message.message_id().unwrap_or_default())
}

/// The file of a queue, where people's programs keep what they know.
pub(super) fn default_path(queue_url: &str, queue_arn: &str) -> PathBuf {
    let folder = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
    let folder = folder.or_else(home).unwrap_or_else(std::env::temp_dir);
    folder.join("resize").join(format!("redrive-{}.jsonl", digest(&format!("{queue_url} {queue_arn}"))))
}

impl Journal {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let failed = || format!("cannot keep the journal {}; --journal FILE keeps another", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(failed)?;
        }
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).with_context(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another redrive of this queue is running; it holds the lock of the journal {}", path.display());
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(failed)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut journal = Self { path: path.to_owned(), file, known: HashMap::new() };
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let damaged = || format!("{} is not a journal of `resize dead-letters redrive`", path.display());
            journal.learn(serde_json::from_slice(line).with_context(damaged)?);
        }
        // What is behind the last whole line would join the next one.
        journal.file.set_len(whole as u64).with_context(failed)?;
        journal.file.seek(SeekFrom::End(0)).with_context(failed)?;
        Ok(journal)
    }

    fn learn(&mut self, line: Line) {
        match line {
            Line::Sending { messages, at } => {
                self.known.extend(messages.into_iter().map(|message| (message, Known::Unsure { since_millis: at })));
            }
            Line::Sent { messages } => {
                self.known.extend(messages.into_iter().map(|message| (message, Known::Sent)));
            }
            Line::NotSent { messages } | Line::Deleted { messages } => {
                for message in messages {
                    self.known.remove(&message);
                }
            }
        }
    }

    /// Writes a line, through to the disk: a machine may stop too.
    fn write(&mut self, line: Line) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        written.with_context(|| format!("cannot write to the journal {}", self.path.display()))?;
        self.learn(line);
        Ok(())
    }

    pub(super) fn known(&self, mark: &str) -> Option<Known> {
        self.known.get(mark).copied()
    }

    /// How many messages something is known of.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn sending(&mut self, messages: Vec<String>, at: i64) -> anyhow::Result<()> {
        self.write(Line::Sending { messages, at })
    }

    pub(super) fn sent(&mut self, messages: Vec<String>) -> anyhow::Result<()> {
        if messages.is_empty() { Ok(()) } else { self.write(Line::Sent { messages }) }
    }

    pub(super) fn not_sent(&mut self, messages: Vec<String>) -> anyhow::Result<()> {
        if messages.is_empty() { Ok(()) } else { self.write(Line::NotSent { messages }) }
    }

    pub(super) fn deleted(&mut self, messages: Vec<String>) -> anyhow::Result<()> {
        if messages.is_empty() { Ok(()) } else { self.write(Line::Deleted { messages }) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file if nothing in it is needed any more.
    pub(super) fn close(self) {
        if self.known.is_empty() {
            // What cannot be removed says nothing wrong.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for Journal {
    /// Gives the lock back at once. A process that is being started at this moment has the file, too, until it becomes another
    /// program, and would keep the lock so long.
    fn drop(&mut self) {
        // A lock that cannot be given back ends with the file.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_journal_cut_off_anywhere_knows_what_its_whole_lines_say() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/journal");
        let mut journal = Journal::open(&path).unwrap();
        journal.sending(texts(&["a", "b", "c"]), 7).unwrap();
        journal.sent(texts(&["a", "b"])).unwrap();
        journal.not_sent(texts(&["c"])).unwrap();
        journal.deleted(texts(&["a"])).unwrap();
        drop(journal);
        let whole = fs::read(&path).unwrap();
        for end in 0..=whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            let mut journal = Journal::open(&path).unwrap();
            let lines = whole[..end].split(|byte| *byte == b'\n').count() - 1;
            let unsure = Some(Known::Unsure { since_millis: 7 });
            let expected = match lines {
                0 => [None, None, None],
                1 => [unsure; 3],
                2 => [Some(Known::Sent), Some(Known::Sent), unsure],
                3 => [Some(Known::Sent), Some(Known::Sent), None],
                _ => [None, Some(Known::Sent), None],
            };
            assert_eq!(["a", "b", "c"].map(|mark| journal.known(mark)), expected, "{end} bytes");
            journal.sent(texts(&["d"])).unwrap();
            drop(journal);
            assert_eq!(Journal::open(&path).unwrap().known("d"), Some(Known::Sent), "{end} bytes");
        }
    }

    #[test]
    fn a_journal_has_one_writer_and_goes_when_it_knows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        let refused = Journal::open(&path).unwrap_err().to_string();
        assert!(refused.starts_with("another redrive of this queue is running"), "{refused}");
        journal.sending(texts(&["a"]), 0).unwrap();
        journal.close();
        let mut journal = Journal::open(&path).unwrap();
        journal.deleted(texts(&["a"])).unwrap();
        journal.close();
        assert!(!path.exists());
        fs::write(&path, "what is this\n").unwrap();
        let refused = Journal::open(&path).unwrap_err().to_string();
        assert!(refused.contains("is not a journal"), "{refused}");
    }
}
