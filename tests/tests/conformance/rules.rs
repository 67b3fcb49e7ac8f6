//! The list of rules, and how it is run.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::client::{Protocol, Sqs};

/// How a rule is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// An answer of the real service was recorded and published.
    Recorded,
    /// A published test asserts it, and its authors have run that test against the real service.
    Validated,
    /// AWS's documentation or service model says so.
    Documented,
    /// Users quote it from answers of the real service.
    Quoted,
    /// Only other implementations say so, or it is this project's choice where nothing is known.
    Unverified,
}

impl Evidence {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Recorded, "recorded"),
        (Self::Validated, "validated"),
        (Self::Documented, "documented"),
        (Self::Quoted, "quoted"),
        (Self::Unverified, "unverified"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(evidence, _)| *evidence == self).map_or("", |(_, name)| name)
    }
}

enum Run {
    /// Over each of these protocols, with an emulator of its own.
    Over(&'static [Protocol], fn(&Sqs)),
    /// On its own.
    Once(fn()),
    /// Not at all, for this reason.
    No(&'static str),
}

struct Rule {
    section: &'static str,
    words: &'static str,
    evidence: Evidence,
    run: Run,
}

/// All rules.
#[derive(Default)]
pub(crate) struct Rules(Vec<Rule>);

/// The rules on one subject, to which more are added.
pub(crate) struct Section<'a> {
    name: &'static str,
    rules: &'a mut Vec<Rule>,
}

impl Section<'_> {
    fn add(&mut self, evidence: Evidence, words: &'static str, run: Run) {
        self.rules.push(Rule { section: self.name, words, evidence, run });
    }

    /// A rule that holds over both protocols.
    pub(crate) fn both(&mut self, evidence: Evidence, words: &'static str, rule: fn(&Sqs)) {
        self.add(evidence, words, Run::Over(&[Protocol::Json, Protocol::Query], rule));
    }

    /// A rule of AWS JSON.
    pub(crate) fn json(&mut self, evidence: Evidence, words: &'static str, rule: fn(&Sqs)) {
        self.add(evidence, words, Run::Over(&[Protocol::Json], rule));
    }

    /// A rule of the Query protocol.
    pub(crate) fn query(&mut self, evidence: Evidence, words: &'static str, rule: fn(&Sqs)) {
        self.add(evidence, words, Run::Over(&[Protocol::Query], rule));
    }

    /// A rule that brings its own emulator.
    pub(crate) fn once(&mut self, evidence: Evidence, words: &'static str, rule: fn()) {
        self.add(evidence, words, Run::Once(rule));
    }

    /// A rule that is left out on purpose.
    pub(crate) fn not_covered(&mut self, evidence: Evidence, words: &'static str, reason: &'static str) {
        self.add(evidence, words, Run::No(reason));
    }
}

impl Rules {
    pub(crate) fn section(&mut self, name: &'static str) -> Section<'_> {
        Section { name, rules: &mut self.0 }
    }

    /// Runs the rules that the command line asks for, and closes with the table.
    pub(crate) fn run(self) -> ExitCode {
        let arguments = Arguments::from_args();
        let table = self.table();
        let trials = self.0.into_iter().map(Rule::into_trial).collect();
        let is_whole = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list;
        let conclusion = libtest_mimic::run(&arguments, trials);
        if is_whole {
            println!("{table}");
        }
        conclusion.exit_code()
    }

    fn table(&self) -> String {
        use std::fmt::Write as _;
        let mut table = String::from("how the rules are known   kept   not covered\n");
        for (evidence, name) in Evidence::ALL {
            let of_grade = self.0.iter().filter(|rule| rule.evidence == evidence);
            let (left_out, kept): (Vec<_>, Vec<_>) = of_grade.partition(|rule| matches!(rule.run, Run::No(_)));
            writeln!(table, "{name:<24} {:>5} {:>13}", kept.len(), left_out.len()).unwrap();
        }
        let left_out = self.0.iter().filter(|rule| matches!(rule.run, Run::No(_))).count();
        writeln!(table, "{:<24} {:>5} {left_out:>13}", "all", self.0.len() - left_out).unwrap();
        table.push_str("\nnot covered, and why\n");
        for rule in &self.0 {
            if let Run::No(reason) = rule.run {
                writeln!(table, "- {} ({}): {reason}", rule.words, rule.evidence.name()).unwrap();
            }
        }
        table
    }
}

impl Rule {
    fn into_trial(self) -> Trial {
        let name = format!("{}::{}", self.section, self.words);
        let is_covered = !matches!(self.run, Run::No(_));
        let run = move || match self.run {
            Run::Over(protocols, rule) => protocols.iter().try_for_each(|protocol| {
                caught(|| rule(&Sqs::new(*protocol))).map_err(|panic| format!("over {protocol:?}: {panic}").into())
            }),
            Run::Once(rule) => caught(rule).map_err(Failed::from),
            Run::No(_) => Ok(()),
        };
        Trial::test(name, run).with_kind(self.evidence.name()).with_ignored_flag(!is_covered)
    }
}

fn caught(run: impl FnOnce()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
    })
}
