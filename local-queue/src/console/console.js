// Sends what is written into forms, renews the parts of a page that change, and lets relative times pass.
//
// Texts of strangers are written by the server, which escapes them, or as text; no markup is made here. The server is the
// only one who makes pages: a change is shown by asking for the page anew and taking its live parts.

const token = document.querySelector("meta[name=token]").content
const said = document.getElementById("said")
// Times after a change within which the page is not asked for again.
const PAUSE_MS = 500
const WAIT_MS = 10_000
const OFFLINE_AFTER_MS = 4_000

function say(text, isError) {
    said.textContent = text
    said.classList.toggle("error", Boolean(isError))
}

// Relative times, as the server says them.

function span(seconds) {
    if (seconds < 120) return `${seconds} s`
    if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`
    if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`
    return `${Math.floor(seconds / 86_400)} d`
}

let shownAt = performance.now()

function now() {
    const clock = document.getElementById("clock")
    const passed = clock.dataset.clock === "manual" ? 0 : performance.now() - shownAt
    return Number(clock.dataset.now) + passed
}

function letTimePass() {
    const present = now()
    for (const time of document.querySelectorAll("time[data-at]")) {
        const left = Number(time.dataset.at) - present
        const seconds = Math.floor(Math.abs(left) / 1_000)
        const text = seconds === 0 ? "now" : left > 0 ? `in ${span(seconds)}` : `${span(seconds)} ago`
        if (time.textContent !== text) time.textContent = text
    }
    const exact = new Date(present).toISOString().replace("T", " ").replace("Z", " UTC")
    document.querySelector("#clock time").textContent = exact
}

// Live parts.

const FOCUSABLE = "a, button, input, select, textarea, summary, [tabindex]"
const written = new Map()

function live() {
    return document.querySelectorAll("[data-live]")
}

for (const part of live()) written.set(part.id, part.innerHTML)

function ask(url) {
    return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest()
        request.open("GET", url)
        request.responseType = "document"
        request.setRequestHeader("x-local-queue-token", token)
        request.timeout = WAIT_MS
        request.onload = () => {
            // After a restart the token is another: only a page that is loaded anew has it.
            if (request.status === 403) say("The server has been restarted. Reload the page.", true)
            if (request.status === 403 || !request.response) reject(new Error("no page"))
            else resolve(request.response)
        }
        request.onerror = request.ontimeout = () => reject(new Error("the server does not answer"))
        request.send()
    })
}

// Who has scrolled up reads there, and is not taken to the end.
function isAtEnd(scrolled) {
    return scrolled.scrollTop + scrolled.clientHeight >= scrolled.scrollHeight - 2
}

function replace(old, part) {
    const isSame = written.get(old.id) === part.innerHTML
    written.set(old.id, part.innerHTML)
    if (isSame) {
        for (const [name, value] of Object.entries(part.dataset)) old.dataset[name] = value
        return
    }
    const focused = [...old.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement)
    const open = new Map([...old.querySelectorAll("details")].map((it, index) => [it.id || index, it.open]))
    const focusedId = old.contains(document.activeElement) ? document.activeElement.id : ""
    const scrolled = [...old.querySelectorAll(".wide, pre")].map(it => [it.scrollLeft, it.scrollTop, isAtEnd(it)])
    document.adoptNode(part)
    old.replaceWith(part)
    enable(part)
    part.querySelectorAll("details").forEach((it, index) => (it.open = open.get(it.id || index) ?? false))
    part.querySelectorAll(".wide, pre").forEach((it, index) => {
        const [left, top, wasAtEnd] = scrolled[index] ?? [0, 0, true]
        it.scrollLeft = left
        it.scrollTop = wasAtEnd && "follow" in it.dataset ? it.scrollHeight : top
    })
    const kept = focusedId ? document.getElementById(focusedId) : part.querySelectorAll(FOCUSABLE)[focused]
    if (focused >= 0) kept?.focus({ preventScroll: true })
}

// Nothing is taken away from under somebody who writes into it or has something of it under way.
function isBusy(part) {
    return part.querySelector("[aria-busy=true]") || part.querySelector("input:focus, select:focus, textarea:focus")
}

async function renew() {
    const page = await ask(location.href)
    shownAt = performance.now()
    for (const old of live()) {
        const part = page.getElementById(old.id)
        if (isBusy(old)) continue
        if (part) replace(old, part)
        else old.replaceChildren()
    }
    letTimePass()
}

let isRenewing = false
let isStale = false

// At most one at a time, none while nobody looks, and the last change is never missed.
async function changed() {
    isStale = true
    if (isRenewing || document.hidden) return
    isRenewing = true
    while (isStale && !document.hidden) {
        isStale = false
        try {
            await renew()
        } catch {
            // The events say when the server is there again.
        }
        await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
    }
    isRenewing = false
}

let events
let offline

// A page that nobody sees listens to nothing.
function listen() {
    if (document.hidden) {
        events?.close()
        events = undefined
        return
    }
    if (events) return
    events = new EventSource("/_local-queue/console/events")
    events.onopen = () => {
        clearTimeout(offline)
        document.body.classList.remove("offline")
        changed()
    }
    events.onerror = () => {
        // The server ends a connection now and then, after which the browser is soon back.
        clearTimeout(offline)
        offline = setTimeout(() => document.body.classList.add("offline"), OFFLINE_AFTER_MS)
        // What was refused does not come back by itself.
        if (events?.readyState === EventSource.CLOSED) {
            events = undefined
            setTimeout(listen, WAIT_MS)
        }
    }
    events.addEventListener("change", changed)
}

// Forms.

function value(control) {
    const text = control.value
    switch (control.dataset.type) {
        case "number": {
            const number = Number(text)
            if (Number.isNaN(number)) throw new Error(`${text} is not a number.`)
            return number
        }
        case "json":
            return JSON.parse(text)
        default:
            return text
    }
}

function members(form) {
    const members = {}
    for (const control of form.elements) {
        const isUnchanged =
            control.localName === "textarea" && control.defaultValue === control.value && !("always" in control.dataset)
        const isLeftOut = control.type === "checkbox" ? !control.checked : control.value === "" || isUnchanged
        if (!control.name || isLeftOut) continue
        const names = control.name.split(".")
        const last = names.pop()
        const into = names.reduce((object, name) => (object[name] ??= {}), members)
        into[last] = value(control)
    }
    return members
}

async function send(form) {
    const method = form.dataset.method ?? "POST"
    const headers = { "x-local-queue-token": token, "content-type": "application/json" }
    const body = method === "DELETE" ? undefined : JSON.stringify(members(form))
    const answer = await fetch(form.dataset.path, { method, headers, body })
    const text = await answer.text()
    let json = {}
    try {
        json = JSON.parse(text)
    } catch {
        // Many answers have nothing to say.
    }
    if (!answer.ok) throw new Error(json.error ?? json.message ?? json.Message ?? `The answer was ${answer.status}.`)
    return json
}

// Sends again what does a part each time, until nothing is left or somebody stops it.
async function repeat(form) {
    const stop = form.querySelector(".cancel")
    let [count, isStopped] = [0, false]
    stop.onclick = () => (isStopped = true)
    stop.hidden = false
    try {
        for (;;) {
            const answer = await send(form)
            count += answer[form.dataset.repeat]
            say(`${count} ${form.dataset.done}`)
            if (answer.is_last || isStopped) return
        }
    } finally {
        stop.hidden = true
    }
}

// An answer, as text.
function showAnswer(id, answer) {
    const shown = document.getElementById(id)
    const text = value => (typeof value === "string" ? value : JSON.stringify(value, undefined, 2))
    shown.textContent = Object.entries(answer).map(([name, value]) => `${name}: ${text(value)}`).join("\n")
    shown.hidden = false
}

function isConfirmed(form) {
    const typed = form.querySelector("[data-typed]")
    return !typed || typed.value === form.dataset.confirm
}

function remember(form) {
    const values = [...form.elements].filter(it => it.name && it.type !== "hidden").map(it => [it.name, it.value])
    sessionStorage.setItem(form.dataset.remember, JSON.stringify(Object.fromEntries(values)))
}

function recall(form) {
    const values = JSON.parse(sessionStorage.getItem(form.dataset.remember) ?? "{}")
    for (const control of form.elements) {
        if (control.name && control.type !== "hidden" && Object.hasOwn(values, control.name)) control.value = values[control.name]
    }
}

async function submit(event) {
    const form = event.target
    event.preventDefault()
    if (form.getAttribute("aria-busy") === "true") return
    if (!isConfirmed(form)) return say(`Type ${form.dataset.confirm} to confirm.`, true)
    form.setAttribute("aria-busy", "true")
    try {
        if (form.dataset.remember) remember(form)
        if (form.dataset.repeat) {
            await repeat(form)
        } else {
            const answer = await send(form)
            if (form.dataset.shows) showAnswer(form.dataset.shows, answer)
            say(form.dataset.done)
        }
        if (form.dataset.then) return location.assign(form.dataset.then)
    } catch (error) {
        say(error.message, true)
    } finally {
        form.removeAttribute("aria-busy")
    }
    changed()
}

// Pictures are asked for with the token, which no image of markup sends; the same one is asked for once.

const PICTURES_MAX = 200
const pictures = new Map()

async function picture(path) {
    const answer = await fetch(path, { headers: { "x-local-queue-token": token } })
    if (!answer.ok) throw new Error(`The answer was ${answer.status}.`)
    return URL.createObjectURL(await answer.blob())
}

function forget(path) {
    pictures.get(path).then(URL.revokeObjectURL, () => {})
    pictures.delete(path)
}

async function show(image) {
    const path = image.dataset.picture
    if (!pictures.has(path)) pictures.set(path, picture(path))
    if (pictures.size > PICTURES_MAX) forget(pictures.keys().next().value)
    try {
        image.src = await pictures.get(path)
        image.hidden = false
        image.nextElementSibling.hidden = true
    } catch {
        // Its address is still there to be opened.
        pictures.delete(path)
    }
}

// Copies the text that is shown beside a button.
async function copy(event) {
    const text = event.target.parentElement.querySelector("pre").textContent
    try {
        await navigator.clipboard.writeText(text)
        say("Copied.")
    } catch {
        say("The browser lets no page copy here: select the text and copy it.", true)
    }
}

// Forms and pictures are for those who have this module.
function enable(root) {
    root.querySelectorAll("img[data-picture]").forEach(show)
    for (const button of root.querySelectorAll("button[data-copy]")) {
        button.hidden = false
        button.addEventListener("click", copy)
    }
    for (const form of root.querySelectorAll("form[data-path]")) {
        form.hidden = false
        form.addEventListener("submit", submit)
        if (form.dataset.remember) recall(form)
    }
}

enable(document)
for (const followed of document.querySelectorAll("[data-follow]")) followed.scrollTop = followed.scrollHeight
document.addEventListener("visibilitychange", () => {
    listen()
    if (!document.hidden && isStale) changed()
})
setInterval(letTimePass, 1_000)
listen()
document.documentElement.dataset.ready = ""
