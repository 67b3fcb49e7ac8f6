//! What the clients saw, and whether a queue may have done that.
//!
//! Every request has a begin and an end by one clock; what the server did, it did in between. So of two deliveries one is
//! known to come before the other only if its answer was there before the other's request began. Who compares when answers
//! were *noted* finds inversions, and messages that come after their delete, that never happened: a client whose message was
//! delivered once more on purpose may note it after another has received and deleted it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    time::{Duration, Instant},
};

/// What the sender of a message knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Acknowledged,
    /// The server said that nothing was done.
    Refused,
    Unknown,
}

/// One message of a delivery.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) id: usize,
    pub(crate) group: Option<String>,
    pub(crate) sequence: u128,
}

#[derive(Debug)]
struct Delivery {
    began: Duration,
    ended: Duration,
    parts: Vec<Part>,
}

#[derive(Debug, Default)]
struct Acknowledgements {
    deletes: Vec<Duration>,
    /// When a delete was first acknowledged.
    deleted: Option<Duration>,
    /// From when to when it was being given back. That may be late, and end the visibility timeout of another receive: on a
    /// standard queue an older handle works.
    given_back: Vec<(Duration, Duration)>,
}

pub(crate) struct History {
    start: Instant,
    sent: HashMap<usize, BTreeSet<u8>>,
    deliveries: Vec<Delivery>,
    told: HashMap<usize, Acknowledgements>,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    acknowledged: usize,
    received: usize,
    deliveries: usize,
    lost: Vec<usize>,
    unexpected: Vec<usize>,
    recovered: usize,
    duplicated: usize,
    copies: u64,
    copies_max: u64,
    unexplained: Vec<String>,
    inversions: Vec<String>,
    pub(crate) groups: usize,
    seconds: u64,
}

/// What the emulator counts time in: a timeout that begins within a tick ends with one, up to so much early.
const TICK: Duration = Duration::from_millis(1);

impl History {
    #[expect(clippy::disallowed_methods, reason = "real clients and a real server live by a real clock")]
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), sent: HashMap::new(), deliveries: Vec::new(), told: HashMap::new() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn sent(&mut self, id: usize, fate: Fate) {
        self.sent.entry(id).or_default().insert(fate as u8);
    }

    /// How many messages have been acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.sent.values().filter(|fates| fates.contains(&(Fate::Acknowledged as u8))).count()
    }

    pub(crate) fn delivered(&mut self, began: Duration, parts: Vec<Part>) {
        let ended = self.now();
        self.deliveries.push(Delivery { began, ended, parts });
    }

    pub(crate) fn gave_back(&mut self, began: Duration, ids: impl Iterator<Item = usize>) {
        let ended = self.now();
        ids.for_each(|id| self.told.entry(id).or_default().given_back.push((began, ended)));
    }

    pub(crate) fn deletes(&mut self, ids: impl Iterator<Item = usize>) {
        let now = self.now();
        ids.for_each(|id| self.told.entry(id).or_default().deletes.push(now));
    }

    pub(crate) fn deleted(&mut self, ids: impl Iterator<Item = usize>) {
        let now = self.now();
        ids.for_each(|id| {
            self.told.entry(id).or_default().deleted.get_or_insert(now);
        });
    }

    /// Judges the history of one queue, on which receives were duplicated so many times.
    pub(crate) fn judge(&self, fifo: bool, visibility: Duration, duplications: u64) -> Findings {
        let mut by_id: BTreeMap<usize, Vec<&Delivery>> = BTreeMap::new();
        for delivery in &self.deliveries {
            delivery.parts.iter().for_each(|part| by_id.entry(part.id).or_default().push(delivery));
        }
        let has = |id: &usize, fate: Fate| self.sent.get(id).is_some_and(|fates| fates.contains(&(fate as u8)));
        let mut findings = Findings { seconds: self.now().as_secs(), ..Findings::default() };
        findings.acknowledged = self.sent.keys().filter(|id| has(id, Fate::Acknowledged)).count();
        findings.received = by_id.len();
        findings.deliveries = by_id.values().map(Vec::len).sum();
        findings.lost =
            self.sent.keys().filter(|id| has(id, Fate::Acknowledged) && !by_id.contains_key(id)).copied().collect();
        let is_known = |id: &usize| has(id, Fate::Acknowledged) || has(id, Fate::Unknown);
        findings.unexpected = by_id.keys().filter(|id| !is_known(id)).copied().collect();
        findings.recovered = by_id.keys().filter(|id| is_known(id) && !has(id, Fate::Acknowledged)).count();
        findings.duplicated = by_id.values().filter(|deliveries| deliveries.len() > 1).count();
        // A receive of ten messages is duplicated as a whole. On a FIFO queue there are no copies.
        findings.copies_max = if fifo { 0 } else { duplications * 10 };
        for (&id, deliveries) in &by_id {
            self.judge_message(id, deliveries, visibility, duplications > 0, &mut findings);
        }
        if fifo {
            self.judge_order(&mut findings);
        }
        findings
    }

    /// Every delivery after the first has a reason.
    fn judge_message(
        &self,
        id: usize,
        deliveries: &[&Delivery],
        visibility: Duration,
        is_duplicated: bool,
        findings: &mut Findings,
    ) {
        let unknown = Acknowledgements::default();
        let told = self.told.get(&id).unwrap_or(&unknown);
        let mut deliveries = deliveries.to_vec();
        deliveries.sort_by_key(|delivery| delivery.ended);
        for pair in deliveries.windows(2) {
            let (before, again) = (pair[0], pair[1]);
            // A long poll may have begun before the other and been answered after it, so that either may be the first.
            let began = before.began.min(again.began);
            let timed_out = again.ended + TICK >= began + visibility;
            let mut given_back = told.given_back.iter();
            let given_back = given_back.any(|(from, to)| *from <= again.ended && *to >= began);
            if told.deleted.is_some_and(|at| at < again.began) {
                findings.copies += 1;
            } else if !timed_out && !given_back && !is_duplicated {
                findings.unexplained.push(format!("message {id}: {before:?}, then {again:?}, {told:?}"));
            }
        }
    }

    /// When a message of a group is handed out, all before it are deleted, or are handed out with it. So nothing before it
    /// comes after it.
    fn judge_order(&self, findings: &mut Findings) {
        let mut groups: BTreeMap<&str, Vec<(&Delivery, u128, u128)>> = BTreeMap::new();
        let mut sequences: BTreeMap<&str, BTreeMap<u128, usize>> = BTreeMap::new();
        for delivery in &self.deliveries {
            let mut seen: BTreeMap<&str, Vec<u128>> = BTreeMap::new();
            for part in &delivery.parts {
                let group = part.group.as_deref().unwrap();
                seen.entry(group).or_default().push(part.sequence);
                sequences.entry(group).or_default().insert(part.sequence, part.id);
            }
            for (group, numbers) in seen {
                if !numbers.is_sorted() {
                    findings.inversions.push(format!("within one delivery of {group}: {delivery:?}"));
                }
                groups.entry(group).or_default().push((delivery, numbers[0], numbers[numbers.len() - 1]));
            }
        }
        findings.groups = groups.len();
        for (group, deliveries) in &groups {
            for (delivery, first, _) in deliveries {
                let before = deliveries.iter().filter(|(other, ..)| other.ended < delivery.began);
                // What was first in the latest of those that came before: everything before that is gone.
                if let Some((other, later, _)) = before.max_by_key(|(_, later, _)| *later)
                    && later > first
                {
                    findings.inversions.push(format!("in {group}: {delivery:?} after {other:?}"));
                }
            }
        }
        for (group, ids) in sequences {
            if !ids.values().is_sorted() {
                findings.inversions.push(format!("{group} is not in the order of its producer: {ids:?}"));
            }
        }
    }
}

impl Findings {
    pub(crate) fn assert(&self, messages: usize) {
        assert!(self.lost.is_empty(), "lost: {:?}", self.lost);
        assert!(self.unexpected.is_empty(), "unexpected: {:?}", self.unexpected);
        assert!(self.unexplained.is_empty(), "delivered again without a reason: {:#?}", self.unexplained);
        assert!(self.inversions.is_empty(), "out of order: {:#?}", self.inversions);
        let (copies, copies_max) = (self.copies, self.copies_max);
        assert!(copies <= copies_max, "{copies} deliveries after a delete, of at most {copies_max} copies");
        // A run in which nothing was received or repeated has shown nothing.
        assert!(self.received > messages * 8 / 10 && self.duplicated > 0, "{self}");
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} acknowledged, {} received in {} deliveries: lost {}, unexpected {}, duplicated {} ({} unexplained, {} after \
             a delete), recovered {}, groups {}, inversions {}, {} s",
            self.acknowledged,
            self.received,
            self.deliveries,
            self.lost.len(),
            self.unexpected.len(),
            self.duplicated,
            self.unexplained.len(),
            self.copies,
            self.recovered,
            self.groups,
            self.inversions.len(),
            self.seconds,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn delivery(began: u64, ended: u64, sequences: &[u128]) -> Delivery {
        let part = |&sequence: &u128| {
            let id = usize::try_from(sequence).unwrap();
            Part { id, group: Some("g".to_owned()), sequence }
        };
        Delivery { began: seconds(began), ended: seconds(ended), parts: sequences.iter().map(part).collect() }
    }

    /// Messages 1 to 3, acknowledged and delivered like this.
    fn history(deliveries: Vec<Delivery>) -> History {
        let mut history = History::new();
        (1..=3).for_each(|id| history.sent(id, Fate::Acknowledged));
        history.deliveries = deliveries;
        history
    }

    fn judge(history: &History, fifo: bool, duplications: u64) -> [usize; 5] {
        let findings = history.judge(fifo, seconds(10), duplications);
        let Findings { lost, unexpected, unexplained, inversions, copies, .. } = findings;
        [lost.len(), unexpected.len(), unexplained.len(), inversions.len(), usize::try_from(copies).unwrap()]
    }

    #[test]
    fn each_kind_of_fault_is_found() {
        let good = || vec![delivery(0, 1, &[1]), delivery(2, 3, &[2]), delivery(4, 5, &[3])];
        assert_eq!(judge(&history(good()), true, 0), [0; 5]);
        assert_eq!(
            judge(&history(good()[..2].iter().map(|it| delivery(0, 1, &[it.parts[0].sequence])).collect()), true, 0)[0],
            1
        );
        let mut refused = history(good());
        refused.sent.insert(3, BTreeSet::from([Fate::Refused as u8]));
        assert_eq!(judge(&refused, true, 0)[1], 1);
        let again = || vec![delivery(0, 1, &[1, 2, 3]), delivery(2, 3, &[1])];
        assert_eq!(judge(&history(again()), true, 0)[2], 1, "twice within the visibility timeout");
        assert_eq!(judge(&history(again()), true, 1)[2], 0, "which a duplication explains");
        let inverted = vec![delivery(0, 1, &[2]), delivery(2, 3, &[1]), delivery(4, 5, &[3])];
        assert_eq!(judge(&history(inverted), true, 0)[3], 1);
        let beside = vec![delivery(0, 3, &[2]), delivery(2, 3, &[1]), delivery(4, 5, &[3])];
        assert_eq!(judge(&history(beside), true, 0)[3], 0, "which of two at a time came first is not known");
        let mut deleted = history(vec![delivery(0, 1, &[1, 2, 3]), delivery(20, 21, &[1])]);
        assert_eq!(judge(&deleted, true, 0), [0; 5]);
        deleted.told.entry(1).or_default().deleted = Some(seconds(2));
        assert_eq!(judge(&deleted, true, 0)[4], 1);
    }
}
