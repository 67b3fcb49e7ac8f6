//! How fast messages come into queues and go from them, measured while a page is open.
//!
//! Nothing is measured while nobody listens, so that what is known begins with the first page that was opened, and begins
//! anew after a time without one. Rates are those of this machine's time, whatever clock the queues live by.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    time::Duration,
};

use tokio::time::Instant;

use crate::{LocalQueue, engine::QueueArn};

/// How often counts are taken.
const INTERVAL: Duration = Duration::from_secs(3);
/// After so long without one, nobody has listened.
const GAP_MAX: Duration = Duration::from_secs(10);
/// Counts that are kept: of five minutes.
const SAMPLES_MAX: usize = 101;
const STEPS: f64 = 100.0;
/// Queues whose counts are taken.
const QUEUES_MAX: usize = 500;
/// What the rate of now is taken over.
const NOW: usize = 3;
/// A plot, in the units of its drawing.
const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 44.0;

/// What has come into a queue and gone from it.
type Counts = [u64; 2];

/// The counts of the last minutes.
#[derive(Debug, Default)]
pub(super) struct History {
    samples: VecDeque<(Instant, BTreeMap<QueueArn, Counts>)>,
    /// Changes when a plot does.
    version: u64,
}

/// The rates of a queue, with their plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rates {
    /// Messages a second, in and out, of the last seconds.
    now: [f64; 2],
    /// The most of any moment.
    most: f64,
    /// Points of the lines of a plot.
    pub(super) lines: [String; 2],
}

impl History {
    /// Takes the counts, if it is time for that.
    pub(super) fn sample(&mut self, queues: &LocalQueue) {
        let now = Instant::now();
        if let Some((last, _)) = self.samples.back() {
            let since = now.duration_since(*last);
            if since < INTERVAL {
                return;
            }
            if since > GAP_MAX {
                self.samples.clear();
            }
        }
        let counts = queues.call(|engine, _| {
            let arns = engine.queues().take(QUEUES_MAX);
            let traffic = arns.filter_map(|arn| Some((arn.clone(), engine.traffic(arn.as_str())?)));
            traffic.map(|(arn, traffic)| (arn, [traffic.entered, traffic.left])).collect::<BTreeMap<_, _>>()
        });
        let is_still = self.samples.iter().all(|(_, before)| *before == counts);
        self.version += u64::from(!is_still || self.samples.len() < 2);
        self.samples.push_back((now, counts));
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// How far back it goes; none while there is no rate yet.
    pub(super) fn span(&self) -> Option<Duration> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        (self.samples.len() > 1).then(|| last.0.duration_since(first.0))
    }

    /// The rates of a queue; none while there are none, or if it is not among those that are counted.
    pub(super) fn rates(&self, queue: &QueueArn) -> Option<Rates> {
        let last = self.samples.back()?.0;
        self.samples.back()?.1.get(queue)?;
        let pairs = self.samples.iter().zip(self.samples.iter().skip(1));
        let steps = pairs.map(|((from, before), (to, after))| {
            let [before, after] = [before, after].map(|counts| counts.get(queue).copied().unwrap_or_default());
            let seconds = to.duration_since(*from).as_secs_f64();
            (*to, [0, 1].map(|side| rate(before[side], after[side], seconds)))
        });
        let steps = steps.collect::<Vec<_>>();
        if steps.is_empty() {
            return None;
        }
        let most = steps.iter().flat_map(|(_, rates)| *rates).fold(0.0, f64::max);
        let recent = &steps[steps.len().saturating_sub(NOW)..];
        #[expect(clippy::cast_precision_loss, reason = "no more than a few")]
        let now = [0, 1].map(|side| recent.iter().map(|(_, rates)| rates[side]).sum::<f64>() / recent.len() as f64);
        let lines =
            [0, 1].map(|side| line(steps.iter().map(|(at, rates)| (last.duration_since(*at), rates[side])), most));
        Some(Rates { now, most, lines })
    }
}

/// A queue that was deleted and made anew begins with nothing.
fn rate(before: u64, after: u64, seconds: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = after.saturating_sub(if after < before { 0 } else { before }) as f64;
    count / seconds.max(0.001)
}

/// The newest at the right edge, and the most at the upper one. A point between two of its height is left out.
fn line(steps: impl Iterator<Item = (Duration, f64)>, most: f64) -> String {
    let whole = INTERVAL.as_secs_f64() * STEPS;
    #[expect(clippy::cast_possible_truncation, reason = "within the plot")]
    let points = steps.map(|(ago, rate)| {
        let x = WIDTH - ago.as_secs_f64() / whole * WIDTH;
        let y = HEIGHT - 1.0 - if most > 0.0 { rate / most * (HEIGHT - 2.0) } else { 0.0 };
        (x.round() as i32, y.round() as i32)
    });
    let points = points.collect::<Vec<_>>();
    let mut line = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let is_same = |other: Option<&(i32, i32)>| other.is_some_and(|other| other.1 == *y);
        if index == 0 || !is_same(points.get(index - 1)) || !is_same(points.get(index + 1)) {
            let _ = write!(line, "{x},{y} ");
        }
    }
    line
}

impl Rates {
    pub(super) fn in_now(&self) -> String {
        text(self.now[0])
    }

    pub(super) fn out_now(&self) -> String {
        text(self.now[1])
    }

    /// The plot in words.
    pub(super) fn words(&self) -> String {
        let [come, go] = self.now.map(text);
        format!("{come} in and {go} out a second, at most {} in the last minutes", text(self.most))
    }
}

/// Three digits are enough.
fn text(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        rate if rate < 10.0 => format!("{rate:.1}"),
        rate => format!("{rate:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{MessageBody, Receive, SendMessage};

    #[tokio::test(start_paused = true)]
    async fn rates_are_those_of_the_last_seconds_and_begin_with_the_first_look() {
        let queues = LocalQueue::virtual_time();
        let jobs = queues.create_queue("jobs", &[]).unwrap();
        let mut history = History::default();
        let send = || queues.send(&jobs, SendMessage::new(MessageBody::parse("hello").unwrap())).unwrap();
        send();
        history.sample(&queues);
        assert_eq!((history.rates(&jobs), history.span()), (None, None), "one count is no rate");
        for _ in 0..5 {
            for _ in 0..60 {
                send();
            }
            tokio::time::advance(INTERVAL).await;
            history.sample(&queues);
            history.sample(&queues);
        }
        let rates = history.rates(&jobs).unwrap();
        assert_eq!((rates.now, rates.most, history.span()), ([20.0, 0.0], 20.0, Some(5 * INTERVAL)));
        assert_eq!(rates.lines, ["230,1 240,1 ", "230,43 240,43 "]);
        for delivery in queues.receive(&jobs, Receive { max_messages: 10, ..Receive::default() }).await.unwrap() {
            queues.delete(&jobs, delivery.receipt_handle).unwrap();
        }
        tokio::time::advance(INTERVAL).await;
        history.sample(&queues);
        let rates = history.rates(&jobs).unwrap();
        assert_eq!(rates.words(), "13 in and 1.1 out a second, at most 20 in the last minutes");
        assert_eq!(rates.lines, ["228,1 238,1 240,43 ", "228,43 238,43 240,36 "]);
        let version = history.version();
        for _ in 0..400 {
            tokio::time::advance(INTERVAL).await;
            history.sample(&queues);
        }
        assert_eq!((history.rates(&jobs).unwrap().now, history.samples.len()), ([0.0, 0.0], SAMPLES_MAX));
        let quiet = history.version();
        assert!(quiet > version, "what has been leaves the plot");
        tokio::time::advance(INTERVAL).await;
        history.sample(&queues);
        assert_eq!(history.version(), quiet, "a plot of nothing does not change");
        tokio::time::advance(GAP_MAX + INTERVAL).await;
        history.sample(&queues);
        assert_eq!(history.span(), None, "nobody has listened for a while");
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_is_made_anew_begins_with_nothing() {
        assert!((rate(10, 4, 2.0) - 2.0).abs() < 0.001);
        let queues = LocalQueue::virtual_time();
        let mut history = History::default();
        history.sample(&queues);
        let jobs = queues.create_queue("jobs", &[]).unwrap();
        tokio::time::advance(INTERVAL).await;
        history.sample(&queues);
        assert_eq!(history.rates(&jobs).unwrap().words(), "0 in and 0 out a second, at most 0 in the last minutes");
        queues.reset();
        tokio::time::advance(INTERVAL).await;
        history.sample(&queues);
        assert_eq!(history.rates(&jobs), None);
    }
}
