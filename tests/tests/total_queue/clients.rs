//! Producers and consumers that crash and come back.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    GROUPS_EACH, PRODUCERS, Run,
    checker::{Fate, Part},
    client::{Client, Failure},
};

/// Sends its share of the messages, in order within each of its groups.
///
/// On a FIFO queue it repeats what it does not know, which the deduplication id makes safe. On a standard queue it goes on.
pub(crate) async fn produce(run: Arc<Run>, number: usize) {
    let mut client = Client::new(run.address);
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut mine = (0..run.messages).filter(|id| id % PRODUCERS == number).peekable();
    while mine.peek().is_some() {
        let size = [1, 1, 5, 10][random.usize(..4)];
        let mut left: Vec<usize> = mine.by_ref().take(size).collect();
        while !left.is_empty() {
            left = send(&run, &mut client, &mut random, left).await;
        }
    }
}

/// Sends a batch; what is to be sent again comes back.
async fn send(run: &Run, client: &mut Client, random: &mut fastrand::Rng, batch: Vec<usize>) -> Vec<usize> {
    let entry = |id: usize| {
        let mut entry = json!({ "MessageBody": id.to_string() });
        if run.fifo {
            let (producer, group) = (id % PRODUCERS, id / PRODUCERS % GROUPS_EACH);
            entry["MessageGroupId"] = json!(format!("{producer}-{group}"));
            entry["MessageDeduplicationId"] = json!(id.to_string());
        }
        entry
    };
    let (action, parameters) = if let [id] = batch[..] {
        let mut parameters = entry(id);
        parameters["QueueUrl"] = json!(run.queue);
        ("SendMessage", parameters)
    } else {
        let entries = batch.iter().map(|&id| {
            let mut entry = entry(id);
            entry["Id"] = json!(id.to_string());
            entry
        });
        ("SendMessageBatch", json!({ "QueueUrl": run.queue, "Entries": entries.collect::<Vec<_>>() }))
    };
    let crashes = random.u32(..100) == 0;
    let answer = if crashes {
        client.call_and_crash(action, &parameters).await;
        Err(Failure::Lost)
    } else {
        client.call(action, &parameters).await
    };
    let mut history = run.history.lock().unwrap();
    let fate = match answer {
        Ok(answer) => {
            let failed: Vec<usize> = ids(&answer["Failed"], "Id").collect();
            for &id in &batch {
                let fate = if failed.contains(&id) { Fate::Refused } else { Fate::Acknowledged };
                history.sent(id, fate);
            }
            return if run.fifo { failed } else { Vec::new() };
        }
        Err(Failure::Lost) => Fate::Unknown,
        Err(Failure::Refused(_)) => Fate::Refused,
    };
    for &id in &batch {
        history.sent(id, fate);
    }
    if run.fifo { batch } else { Vec::new() }
}

fn ids<'a>(list: &'a Value, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    list.as_array().into_iter().flatten().map(move |it| it[name].as_str().unwrap().parse().unwrap())
}

/// Receives and deletes, until it is told to stop. Now and then it gives messages back, or crashes with them in hand or
/// while it waits for some.
pub(crate) async fn consume(run: Arc<Run>, number: usize, stopped: watch::Receiver<bool>) {
    let mut client = Client::new(run.address);
    let mut random = fastrand::Rng::with_seed(1_000 + number as u64);
    let names = ["ApproximateReceiveCount", "MessageGroupId", "SequenceNumber"];
    let receive = json!({
        "QueueUrl": run.queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1, "MessageSystemAttributeNames": names,
    });
    while !*stopped.borrow() {
        if random.u32(..100) == 0 {
            client.call_and_crash("ReceiveMessage", &receive).await;
            continue;
        }
        let began = run.history.lock().unwrap().now();
        let Ok(answer) = client.call("ReceiveMessage", &receive).await else { continue };
        let received = answer["Messages"].as_array().cloned().unwrap_or_default();
        if received.is_empty() {
            continue;
        }
        let parts = received.iter().map(part).collect();
        run.history.lock().unwrap().delivered(began, parts);
        let handles: HashMap<usize, Value> = received.iter().map(|it| (id(it), it["ReceiptHandle"].clone())).collect();
        match random.u32(..100) {
            0..3 => give_back(&run, &mut client, &handles).await,
            3 => client.crash(),
            4..20 => {
                for (id, handle) in handles {
                    delete(&run, &mut client, &mut random, &HashMap::from([(id, handle)])).await;
                }
            }
            _ => delete(&run, &mut client, &mut random, &handles).await,
        }
    }
}

fn id(message: &Value) -> usize {
    message["Body"].as_str().unwrap().parse().unwrap()
}

fn part(message: &Value) -> Part {
    let attributes = &message["Attributes"];
    let text = |name: &str| attributes[name].as_str().map(str::to_owned);
    Part {
        id: id(message),
        group: text("MessageGroupId"),
        sequence: text("SequenceNumber").map_or(0, |number| number.parse().unwrap()),
    }
}

fn entries(handles: &HashMap<usize, Value>) -> Vec<Value> {
    handles.iter().map(|(id, handle)| json!({ "Id": id.to_string(), "ReceiptHandle": handle })).collect()
}

async fn give_back(run: &Run, client: &mut Client, handles: &HashMap<usize, Value>) {
    let began = run.history.lock().unwrap().now();
    let mut entries = entries(handles);
    for entry in &mut entries {
        entry["VisibilityTimeout"] = json!(0);
    }
    // Whatever comes of it: the messages come again.
    let _ = client.call("ChangeMessageVisibilityBatch", &json!({ "QueueUrl": run.queue, "Entries": entries })).await;
    run.history.lock().unwrap().gave_back(began, handles.keys().copied());
}

async fn delete(run: &Run, client: &mut Client, random: &mut fastrand::Rng, handles: &HashMap<usize, Value>) {
    let (action, parameters) = match (handles.len(), handles.values().next()) {
        (1, Some(handle)) => ("DeleteMessage", json!({ "QueueUrl": run.queue, "ReceiptHandle": handle })),
        _ => ("DeleteMessageBatch", json!({ "QueueUrl": run.queue, "Entries": entries(handles) })),
    };
    run.history.lock().unwrap().deletes(handles.keys().copied());
    if random.u32(..200) == 0 {
        client.call_and_crash(action, &parameters).await;
        return;
    }
    if let Ok(answer) = client.call(action, &parameters).await {
        let failed: Vec<usize> = ids(&answer["Failed"], "Id").collect();
        let deleted = handles.keys().copied().filter(|id| !failed.contains(id));
        run.history.lock().unwrap().deleted(deleted);
    }
}
