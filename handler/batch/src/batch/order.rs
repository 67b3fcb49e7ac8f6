//! Which records run, and which of them one after the other.

use std::collections::HashMap;

use crate::event::{Message, Record};

/// The order of a batch. Pure, and made before anything runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Records of one sequence run in order; sequences run side by side.
    pub(super) sequences: Vec<Vec<usize>>,
    /// For each record, the earlier one it is a copy of.
    pub(super) duplicate_of: Vec<Option<usize>>,
}

pub(super) fn arrange(records: &[Record]) -> Order {
    let mut sequences: Vec<Vec<usize>> = Vec::new();
    let mut sequence_of_group = HashMap::new();
    let mut first_with_id = HashMap::new();
    let mut duplicate_of = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        let message = &record.message;
        let first = first_copy(&mut first_with_id, records, index);
        duplicate_of.push(first);
        if first.is_some() {
            continue;
        }
        if !message.is_fifo() {
            sequences.push(vec![index]);
            continue;
        }
        // A FIFO message without a group is not what SQS sends; all of them in one sequence is the order nobody can fault.
        let group = (message.queue_arn.as_deref(), message.group().unwrap_or_default());
        let sequence = *sequence_of_group.entry(group).or_insert_with(|| {
            sequences.push(Vec::new());
            sequences.len() - 1
        });
        sequences[sequence].push(index);
    }
    Order { sequences, duplicate_of }
}

/// AWS: a standard queue delivers at least once, so a batch can hold a message twice (documentation: "Amazon SQS
/// at-least-once delivery"). Only an equal body makes two records one: what merely claims the same id runs for itself.
fn first_copy<'a>(first_with_id: &mut HashMap<&'a str, usize>, records: &'a [Record], index: usize) -> Option<usize> {
    let Message { id, body, .. } = &records[index].message;
    let first = *first_with_id.entry(id.as_deref()?).or_insert(index);
    (first != index && records[first].message.body == *body).then_some(first)
}
