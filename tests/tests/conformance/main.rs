//! The rules of Amazon SQS that the emulator keeps, each named by a sentence and marked with how it is known.
//!
//! Rules speak raw requests, without a socket, and most are run over both protocols. They are run like tests, so that
//! `cargo test -p tests --test conformance -- "dead letter"` runs those with these words in their names. A table at the
//! end counts them, and lists rules that are left out on purpose, with the reason.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod absent;
mod batches;
mod client;
mod create_queue;
mod dead_letters;
mod delete_and_visibility;
mod errors;
mod fair_queues_and_limits;
mod fifo;
mod hostile_text;
mod message_attributes;
mod move_tasks;
mod over_http;
mod permissions_and_tags;
mod policies;
mod purge_and_lists;
mod query;
mod queue_attributes;
mod receive;
mod redrive_policy;
mod rules;
mod send;
mod wire;
mod xml;

use rules::Rules;

fn main() -> std::process::ExitCode {
    let mut rules = Rules::default();
    wire::rules(&mut rules.section("wire"));
    errors::rules(&mut rules.section("errors"));
    absent::rules(&mut rules.section("absent"));
    create_queue::rules(&mut rules.section("create_queue"));
    redrive_policy::rules(&mut rules.section("redrive_policy"));
    queue_attributes::rules(&mut rules.section("queue_attributes"));
    purge_and_lists::rules(&mut rules.section("purge_and_lists"));
    send::rules(&mut rules.section("send"));
    message_attributes::rules(&mut rules.section("message_attributes"));
    batches::rules(&mut rules.section("batches"));
    receive::rules(&mut rules.section("receive"));
    fifo::rules(&mut rules.section("fifo"));
    fair_queues_and_limits::rules(&mut rules.section("fair_queues_and_limits"));
    delete_and_visibility::rules(&mut rules.section("delete_and_visibility"));
    dead_letters::rules(&mut rules.section("dead_letters"));
    move_tasks::rules(&mut rules.section("move_tasks"));
    permissions_and_tags::rules(&mut rules.section("permissions_and_tags"));
    policies::rules(&mut rules.section("policies"));
    query::rules(&mut rules.section("query"));
    hostile_text::rules(&mut rules.section("hostile_text"));
    over_http::rules(&mut rules.section("over_http"));
    rules.run()
}
