//! What a page costs where there is much, and the pictures of pages in the README. Both are asked for by a variable.
//!
//! `FIGURES=1 cargo test -p tests --test console --release -- figures --nocapture` prints how long pages take.
//! `SCREENSHOTS=1 cargo test -p tests --test console -- screenshots` writes `local-queue/screenshots`.

use std::{path::PathBuf, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use local_queue::engine::{MessageBody, SendMessage};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    Emulator, WATCH, chromium,
    devtools::{Browser, Page},
    looks::busy,
    visit,
};

const QUEUES: usize = 200;
const MESSAGES: usize = 10_000;
const ROUNDS: usize = 9;
/// Bytes of a picture of a page.
const BYTES_MAX: usize = 60 * 1024;
const SIZE: (u32, u32) = (1_000, 640);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_of_a_page_with_ten_thousand_messages_and_two_hundred_queues() {
    let Some(chromium) = chromium().filter(|_| std::env::var_os("FIGURES").is_some()) else {
        return println!("left out: FIGURES is not set, or Chromium is not installed");
    };
    let emulator = Emulator::start().await;
    for number in 0..QUEUES {
        emulator.queues.create_queue(&format!("queue-{number:03}"), &[]).unwrap();
    }
    for number in 0..MESSAGES {
        emulator.send(&emulator.jobs, &format!(r#"{{"source": "s3://photos/{number}.jpg", "outputs": []}}"#), &[]);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(&chromium, folder.path());
    let mut page = browser.open(WATCH).await;
    page.call("Performance.enable", json!({})).await;
    println!("{QUEUES} queues, {MESSAGES} messages in one of them; milliseconds, the median of {ROUNDS} rounds");
    println!("{:<12} {:>12} {:>14} {:>22}", "page", "first paint", "until updated", "main thread an update");
    for (name, url) in [
        ("overview", emulator.url("")),
        ("queue", emulator.page_of(&emulator.jobs)),
        ("pictures", emulator.url("console/pictures")),
        ("time", emulator.url("console/time")),
    ] {
        let (mut painted, mut updated, mut busy) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            visit(&mut page, &url).await;
            page.until("performance.getEntriesByName('first-contentful-paint').length > 0").await;
            let paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime";
            painted.push(page.eval(paint).await.as_f64().unwrap());
            // What loading began has ended.
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            let (before, began) = (task_millis(&mut page).await, Instant::now());
            let known = page.eval("document.querySelector('#clock').dataset.now").await;
            emulator.clock.advance(Duration::from_secs(1));
            emulator.queues.send(&emulator.dead, SendMessage::new(MessageBody::parse("more").unwrap())).unwrap();
            let is_new = format!("document.querySelector('#clock').dataset.now !== {known}");
            while page.eval(&is_new).await != true {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            updated.push(began.elapsed().as_secs_f64() * 1e3);
            busy.push(task_millis(&mut page).await - before);
        }
        println!("{name:<12} {:>12.0} {:>14.0} {:>22.1}", median(painted), median(updated), median(busy));
    }
}

/// What the page's main thread has worked so far.
async fn task_millis(page: &mut Page<'_>) -> f64 {
    let metrics = page.call("Performance.getMetrics", json!({})).await;
    let metrics = metrics["metrics"].as_array().unwrap();
    let task = metrics.iter().find(|metric| metric["name"] == "TaskDuration").unwrap();
    task["value"].as_f64().unwrap() * 1e3
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn screenshots_of_the_main_views() {
    let Some(chromium) = chromium().filter(|_| std::env::var_os("SCREENSHOTS").is_some()) else {
        return println!("left out: SCREENSHOTS is not set, or Chromium is not installed");
    };
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../local-queue/screenshots");
    std::fs::create_dir_all(&target).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(&chromium, folder.path());
    let mut page = browser.open(WATCH).await;
    let (demo, pages) = busy().await;
    page.size(SIZE.0, SIZE.1).await;
    visit(&mut page, &demo.url("")).await;
    // Some seconds of traffic for the rates, of this machine's time.
    for _ in 0..40 {
        demo.send(r#"{"number": 1}"#);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    for (name, url) in pages.iter().take(5) {
        visit(&mut page, url).await;
        page.until("[...document.querySelectorAll('img[data-picture]')].every(it => it.naturalWidth > 0)").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let asked = json!({ "format": "webp", "quality": 60 });
        let shot = page.call("Page.captureScreenshot", asked).await;
        let shot = BASE64_STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        assert!(shot.len() <= BYTES_MAX, "{name}: {} bytes", shot.len());
        std::fs::write(target.join(format!("{name}.webp")), shot).unwrap();
    }
}
