//! Why a message is not visible, or no longer there, for people and for programs.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use crate::engine::{Departure, DepartureCause, Place, Time, Visibility};

pub(super) const fn place(place: Place) -> &'static str {
    match place {
        Place::Ready => "ready",
        Place::Delayed => "delayed",
        Place::InFlight => "in_flight",
    }
}

/// A stretch of time as people say it.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), format!("{:03}", self.0.subsec_millis()));
        match millis.trim_end_matches('0') {
            "" => write!(f, "{seconds} s"),
            part => write!(f, "{seconds}.{part} s"),
        }
    }
}

/// Why a message of the queue is not visible, or that it is, in a sentence.
#[cfg(feature = "console")]
pub(crate) fn sentence(visibility: &Visibility, now: Time) -> String {
    told(visibility, now).1
}

/// How a message left its queue, in a sentence.
#[cfg(feature = "console")]
pub(crate) fn departure_sentence(departure: &Departure, now: Time) -> String {
    told_departure(departure, now).1
}

/// The name of the reason, and a sentence.
fn told(visibility: &Visibility, now: Time) -> (&'static str, String) {
    let left = Seconds(visibility.until().map_or(Duration::ZERO, |until| until.since(now)));
    match visibility {
        Visibility::Visible => ("visible", "It can be received.".to_owned()),
        Visibility::Delayed { .. } => ("delayed", format!("Its delay ends in {left}.")),
        Visibility::InFlight { receive, received_at, .. } => {
            let ago = Seconds(now.since(*received_at));
            let text = format!("Receive {receive} of it, {ago} ago, holds it for another {left} unless it is deleted.");
            ("in_flight", text)
        }
        Visibility::BehindGroup { blocked_by, place: is, .. } => {
            let is = if *is == Place::Delayed { "delayed" } else { "in flight" };
            let text = format!("Message {blocked_by} of its group comes before it, and is {is} for another {left}.");
            ("behind_group", text)
        }
        Visibility::BehindTenants { next, in_flight, in_flight_total, .. } => {
            let share = format!("{in_flight} of {in_flight_total} messages in flight");
            let text = format!("Its tenant is noisy, with {share}: message {next} of a quieter one comes first.");
            ("behind_tenants", text)
        }
        Visibility::InFlightFull { in_flight_max, .. } => {
            let text = format!(
                "{in_flight_max} messages of its queue are in flight, the limit; the first becomes visible again in {left}."
            );
            ("in_flight_full", text)
        }
        Visibility::OutOfReceives { dead_letter_queue, max_receive_count } => {
            let (to, count) = (dead_letter_queue.name(), max_receive_count);
            let text = format!("Its maxReceiveCount of {count} is used up: the next receive moves it to {to}.");
            ("out_of_receives", text)
        }
    }
}

/// Why a message of the queue is not visible, or that it is.
pub(crate) fn here(visibility: &Visibility, now: Time) -> Value {
    let (reason, text) = told(visibility, now);
    let mut why = json!({ "reason": reason, "text": text });
    if let Some(until) = visibility.until() {
        why["until"] = json!(until.as_millis());
    }
    match visibility {
        Visibility::Visible | Visibility::Delayed { .. } => {}
        Visibility::InFlight { receive, received_at, attempt_id, .. } => {
            why["receive"] = json!(receive);
            why["received_at"] = json!(received_at.as_millis());
            why["attempt_id"] = json!(attempt_id);
        }
        Visibility::BehindGroup { blocked_by, place: is, .. } => {
            why["blocked_by"] = json!(blocked_by.to_string());
            why["blocked_by_place"] = json!(place(*is));
        }
        Visibility::BehindTenants { next, in_flight, in_flight_total, .. } => {
            why["next"] = json!(next.to_string());
            why["in_flight"] = json!(in_flight);
            why["in_flight_total"] = json!(in_flight_total);
        }
        Visibility::InFlightFull { in_flight_max, .. } => why["in_flight_max"] = json!(in_flight_max),
        Visibility::OutOfReceives { dead_letter_queue, max_receive_count } => {
            why["dead_letter_queue"] = json!(dead_letter_queue.as_str());
            why["max_receive_count"] = json!(max_receive_count);
        }
    }
    why
}

/// The name of the cause, and a sentence.
fn told_departure(departure: &Departure, now: Time) -> (&'static str, String) {
    let ago = Seconds(now.since(departure.at));
    match &departure.cause {
        DepartureCause::Deleted => ("deleted", format!("A receiver deleted it {ago} ago.")),
        DepartureCause::DeadLettered { to } => {
            ("dead_lettered", format!("It moved to the dead-letter queue {} {ago} ago, under the same id.", to.name()))
        }
        DepartureCause::Moved { to, message_id } => {
            let text = format!("A message move task sent it to {} {ago} ago, as message {message_id}.", to.name());
            ("moved", text)
        }
        DepartureCause::Expired => ("expired", format!("Its retention period ended {ago} ago.")),
        DepartureCause::Purged => ("purged", format!("Its queue was purged {ago} ago.")),
        DepartureCause::QueueDeleted => ("queue_deleted", format!("Its queue was deleted {ago} ago.")),
    }
}

/// How a message left its queue.
pub(crate) fn gone(departure: &Departure, now: Time) -> Value {
    let (reason, text) = told_departure(departure, now);
    let mut why = json!({ "reason": reason, "text": text, "at": departure.at.as_millis() });
    if let DepartureCause::DeadLettered { to } | DepartureCause::Moved { to, .. } = &departure.cause {
        why["to"] = json!(to.as_str());
    }
    if let DepartureCause::Moved { message_id, .. } = &departure.cause {
        why["message_id"] = json!(message_id.to_string());
    }
    why
}
