//! Everything at once, drawn from a seed.

use super::*;

/// A function that fails in every way, decided by a seed; it keeps what it has done.
#[derive(Clone)]
struct Mixed {
    random: Arc<Mutex<fastrand::Rng>>,
    done: Arc<Mutex<BTreeMap<String, usize>>>,
    running: Arc<AtomicUsize>,
    most_running: Arc<AtomicUsize>,
}

impl Mixed {
    async fn invoke(self, invocation: Invocation) -> Result<Bytes, FunctionError> {
        let (kind, millis) = {
            let mut random = self.random.lock().unwrap();
            (random.u32(0..10), random.u64(0..9_000))
        };
        self.most_running.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let running = Defer(Arc::clone(&self.running));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let records = records(&invocation);
        match kind {
            0 => return Err(FunctionError::Failed { error_type: "Mixed".to_owned(), message: String::new() }),
            1 => panic!("a planned panic"),
            2 => tokio::time::sleep(NEVER).await,
            3 => return Ok(report(&[records[0].0.clone(), String::new()])),
            _ => {}
        }
        let (failed, done): (Vec<_>, Vec<_>) = records
            .into_iter()
            .partition(|(_, body)| body.contains("poison") || self.random.lock().unwrap().u8(..) < 50);
        for (_, body) in done {
            *self.done.lock().unwrap().entry(body).or_default() += 1;
        }
        drop(running);
        Ok(report(failed.iter().map(|(id, _)| id)))
    }
}

struct Defer(Arc<AtomicUsize>);

impl Drop for Defer {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn mixed_run(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new(seed);
    let concurrency = random.u32(2..=8);
    let window = Duration::from_secs(random.u64(0..4));
    let settings = EventSourceMapping {
        batch_size: if window.is_zero() { random.u32(1..=10) } else { random.u32(1..=40) },
        maximum_batching_window: window,
        maximum_concurrency: Some(concurrency),
        ..mapping()
    };
    let mixed = Mixed {
        random: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))),
        done: Arc::default(),
        running: Arc::default(),
        most_running: Arc::default(),
    };
    let function = mixed.clone();
    let running =
        world.connect(settings.clone(), InProcess::new(move |invocation| function.clone().invoke(invocation))).await;
    let mut sent = BTreeSet::new();
    for i in 0..300 {
        let body = format!("{i} {}", if random.u8(..) < 25 { "poison" } else { "good" });
        world.send(&body);
        sent.insert(body);
        if random.u8(..) < 40 {
            tokio::time::sleep(Duration::from_millis(random.u64(0..20_000))).await;
        }
    }
    running.drain_and_stop().await;

    let context = format!("seed {seed}, {settings:?}");
    let dead = world.dead_letters().await;
    let most_running = mixed.most_running.load(Ordering::SeqCst);
    assert!(most_running <= concurrency as usize, "{most_running} ran at once: {context}");
    let done = mixed.done.lock().unwrap();
    assert!(done.values().all(|count| *count == 1), "a message that is done is not given out again: {context}");
    let done: BTreeSet<String> = done.keys().cloned().collect();
    assert!(done.is_disjoint(&dead), "what is done is deleted, not dead-lettered: {context}");
    assert_eq!(&done | &dead, sent, "nothing is lost: {context}");
    assert!(sent.iter().filter(|body| body.contains("poison")).all(|body| dead.contains(body)), "{context}");
    assert!(!done.is_empty() && !dead.is_empty(), "{context}");
}

#[tokio::test(start_paused = true)]
async fn every_message_ends_deleted_after_success_or_dead_lettered() {
    for seed in 0..20 {
        mixed_run(seed).await;
    }
}
