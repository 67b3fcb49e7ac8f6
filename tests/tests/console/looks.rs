//! What people see, and what others do not: pictures, accessibility, narrow windows, the hour of a mapping, and strangers'
//! pages on the same port.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};

use crate::{
    WATCH, assert_nothing_ran, chromium,
    demo::{Demo, HOSTILE_PAGE},
    devtools::{Browser, Page},
    functions, visit,
};

const HOUR_MINUTES: usize = 60;
/// A failure of these is one that somebody cannot get around.
const SERIOUS: &str = "result.violations.filter(it => ['serious', 'critical'].includes(it.impact))
    .map(it => `${it.id}: ${it.nodes.map(node => node.html.slice(0, 160)).join(' | ')}`)";

/// axe-core, as `.ci/install_clients` has installed it.
fn axe() -> Option<String> {
    let modules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients/node_modules");
    std::fs::read_to_string(modules.join("axe-core/axe.min.js")).ok()
}

/// A stack with something in each place, and the addresses of all kinds of pages of it.
pub(crate) async fn busy() -> (Demo, Vec<(&'static str, String)>) {
    let demo = Demo::start().await;
    demo.put_photo("landscape/hills-at-dusk.jpg", "in/hills.jpg").await;
    demo.put_photo("portrait/lighthouse.jpg", "lighthouse.jpg").await;
    let job = demo.send(JOB);
    demo.settle().await;
    demo.send(r#"{"fails": true, "source": "photos"}"#);
    demo.send("no JSON, which fails too");
    demo.settle().await;
    for _ in 0..2 {
        demo.clock.advance(Duration::from_secs(61));
        demo.settle().await;
    }
    let dead = demo.queues.peek(&demo.dead, 0, 10).unwrap();
    assert_eq!(dead.len(), 2, "both are dead letters");
    let waiting = demo.send(r#"{"fails": true}"#);
    demo.settle().await;
    let pages = vec![
        ("overview", demo.url("")),
        ("queue", demo.page_of(&demo.jobs)),
        ("dead-letters", demo.page_of(&demo.dead)),
        ("pictures", demo.url("console/pictures")),
        ("time", demo.url("console/time")),
        ("message", demo.page_of_message(&demo.jobs, waiting)),
        ("done", demo.page_of_message(&demo.jobs, job)),
        ("dead-letter", demo.page_of_message(&demo.dead, dead[0].message.id)),
        ("missing", demo.url("console/none")),
    ];
    (demo, pages)
}

const JOB: &str = r#"{"source": "s3://photos/lighthouse.jpg", "outputs": [
    {"target": "s3://thumbs/lighthouse-320.webp", "width": 320},
    {"target": "s3://thumbs/lighthouse-96.webp", "width": 96}]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_are_seen_and_strangers_see_nothing() {
    let Some(chromium) = chromium() else {
        return println!("left out: Chromium is not installed");
    };
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(&chromium, folder.path());
    let mut page = browser.open(WATCH).await;
    let (demo, pages) = busy().await;
    pictures(&mut page, &demo, &pages).await;
    narrow(&mut page, &pages).await;
    let (_emulator, pages) = functions::pages().await;
    narrow(&mut page, &pages).await;
    let errors = page.errors();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    strangers(&mut page, &demo).await;
}

/// A job's pictures are loaded and shown; an object that is none is not.
async fn pictures(page: &mut Page<'_>, demo: &Demo, pages: &[(&str, String)]) {
    demo.put("photos", "own.jpg", "<svg xmlns='http://www.w3.org/2000/svg' onload='own()'/>").await;
    let job = demo.send(
        r#"{"source": "s3://photos/own.jpg", "outputs": [{"target": "javascript:own()", "width": 1}], "fails": true}"#,
    );
    let done = &pages.iter().find(|(name, _)| *name == "done").unwrap().1;
    visit(page, done).await;
    let images = "[...document.querySelectorAll('.pictures img')]";
    page.until(&format!("{images}.length === 3 && {images}.every(it => it.naturalWidth > 0 && !it.hidden)")).await;
    let widths = page.eval(&format!("{images}.map(it => it.naturalWidth)")).await;
    assert_eq!(widths, json!([900, 320, 96]), "the source and its two renditions");
    visit(page, &demo.page_of_message(&demo.jobs, job)).await;
    assert_eq!(page.eval(&format!("{images}.length")).await, 0);
    let text = page.eval("document.querySelector('main').innerText").await.as_str().unwrap().to_owned();
    assert!(text.contains("no image that is shown here") && text.contains("In no bucket of this server"), "{text}");
    visit(page, &demo.url("console/pictures")).await;
    page.until(&format!("{images}.filter(it => it.naturalWidth > 0).length >= 5")).await;
    // Each image once, and each by the console's own address.
    let addresses = page.eval(&format!("{images}.map(it => it.src.split(':')[0])")).await;
    assert!(addresses.as_array().unwrap().iter().all(|scheme| scheme == "blob"), "{addresses}");
    assert_nothing_ran(page, "pictures").await;
}

/// At 400 pixels nothing but what scrolls by itself is wider than the window.
async fn narrow(page: &mut Page<'_>, pages: &[(&str, String)]) {
    page.size(400, 800).await;
    for (name, url) in pages {
        visit(page, url).await;
        let width = page.eval("document.documentElement.scrollWidth").await;
        assert!(width.as_u64().unwrap() <= 400, "{name} is {width} pixels wide");
    }
    page.size(1_200, 800).await;
}

/// An object and an answer of an API, each a page with a script, on the port of the console: they do not run. Where nothing
/// keeps them from running, they still get nothing.
async fn strangers(page: &mut Page<'_>, demo: &Demo) {
    demo.put("photos", "page.html", HOSTILE_PAGE).await;
    demo.put("photos", "page.svg", format!("<svg xmlns='http://www.w3.org/2000/svg'>{HOSTILE_PAGE}</svg>")).await;
    let own = format!("http://{}", demo.address);
    let queues = demo.queues.list_queues().len();
    for is_guarded in [true, false] {
        page.call("Page.setBypassCSP", json!({ "enabled": !is_guarded })).await;
        for path in ["/photos/page.html", "/_local-queue/apis/front/page"] {
            page.visit(&format!("{own}{path}")).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let title = page.title().await;
            assert_eq!(title, if is_guarded { "quiet" } else { "ran" }, "{path}");
            assert_eq!(demo.queues.list_queues().len(), queues, "{path} has reset the server");
            let stolen = demo.queues.peek(&demo.stolen, 0, 10).unwrap();
            assert!(stolen.is_empty(), "{path} has sent a message with the token");
        }
    }
    page.call("Page.setBypassCSP", json!({ "enabled": false })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_of_a_mapping_is_watched_and_the_counts_are_right_at_its_end() {
    let Some(chromium) = chromium() else {
        return println!("left out: Chromium is not installed");
    };
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(&chromium, folder.path());
    let mut page = browser.open(WATCH).await;
    let demo = Demo::start().await;
    visit(&mut page, &demo.url("")).await;
    let (mut done, mut failing) = (0_u64, 0_u64);
    for minute in 0..HOUR_MINUTES {
        for number in 0..10 {
            let fails = (minute + number) % 7 == 0;
            demo.send(&format!(r#"{{"number": {number}, "fails": {fails}}}"#));
            *if fails { &mut failing } else { &mut done } += 1;
        }
        demo.settle().await;
        demo.clock.advance(Duration::from_secs(60));
    }
    for _ in 0..3 {
        demo.clock.advance(Duration::from_secs(61));
        demo.settle().await;
    }
    let count = |verb: &str, count: u64| {
        format!(
            "[...document.querySelectorAll('.stack title')].some(it => it.textContent.includes('{verb}') && \
             it.textContent.includes(': {count} '))"
        )
    };
    page.until(&count("is read by", done)).await;
    page.until(&count("gives up to", failing)).await;
    let row =
        "[...document.querySelectorAll('#overview tbody tr')].find(it => it.innerText.startsWith('thumbnails-dead'))";
    page.until(&format!("{row}.querySelector('td.n').innerText === '{failing}'")).await;
    let shown = page.eval("document.querySelector('#clock').dataset.now").await;
    assert_eq!(shown, json!(demo.clock.now().as_millis().to_string()), "the page has the time of the queues");
    assert_nothing_ran(&mut page, "the hour").await;
    let errors = page.errors();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_accessible() {
    let (Some(chromium), Some(axe)) = (chromium(), axe()) else {
        return println!("left out: Chromium or axe-core is not installed");
    };
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(&chromium, folder.path());
    let mut page = browser.open(WATCH).await;
    let ((_demo, mut pages), (_emulator, of_functions)) = (busy().await, functions::pages().await);
    pages.extend(of_functions);
    let mut found = Vec::new();
    for scheme in ["light", "dark"] {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        page.call("Emulation.setEmulatedMedia", features).await;
        for width in [1_200, 400] {
            page.size(width, 800).await;
            for (name, url) in &pages {
                visit(&mut page, url).await;
                page.eval("document.querySelectorAll('details').forEach(it => (it.open = true))").await;
                page.eval(&format!("{axe}; 0")).await;
                let serious = page.eval(&format!("axe.run(document).then(result => {SERIOUS})")).await;
                let serious = serious.as_array().unwrap().iter().map(Value::to_string);
                found.extend(serious.map(|serious| format!("{name}, {scheme}, {width} px: {serious}")));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
