//! A runtime for the tests: this very program, when Lambda's environment says that it is one. What it does wrong is its
//! handler's name.

use std::{
    env, fs,
    io::{self, BufRead, Read, Write},
    net::TcpStream,
    path::Path,
    process,
    sync::atomic::{AtomicUsize, Ordering},
    thread::{self, park},
};

static TICKS: AtomicUsize = AtomicUsize::new(0);

const RUNTIME: &str = "/2018-06-01/runtime";

/// The answer to one request.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    fn header(&self, name: &str) -> String {
        let is_it = |line: &&str| line.split_once(':').is_some_and(|(it, _)| it.eq_ignore_ascii_case(name));
        let line = self.head.lines().find(is_it).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    }
}

fn send(method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    let address = env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let mut stream = TcpStream::connect(&address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    Answer { head: String::from_utf8(answer).unwrap(), body }
}

fn next() -> Answer {
    send("GET", &format!("{RUNTIME}/invocation/next"), "", b"")
}

fn respond(request_id: &str, body: &[u8]) -> Answer {
    send("POST", &format!("{RUNTIME}/invocation/{request_id}/response"), "", body)
}

fn hang() -> ! {
    loop {
        park();
    }
}

/// Registers an extension that asks for its events for ever, or never.
fn register(events: &str, asks: bool) {
    let body = format!("{{\"events\":[{events}]}}");
    let answer = send("POST", "/2020-01-01/extension/register", "lambda-extension-name: inside\r\n", body.as_bytes());
    assert_eq!(answer.status(), "200");
    let header = format!("lambda-extension-identifier: {}\r\n", answer.header("lambda-extension-identifier"));
    if asks {
        thread::spawn(move || {
            loop {
                let answer = send("GET", "/2020-01-01/extension/event/next", &header, b"");
                println!("extension: {}", String::from_utf8_lossy(&answer.body).trim());
            }
        });
    }
}

/// Runs as `_HANDLER` says. What follows a colon is a number.
pub(crate) fn run() -> ! {
    let handler = env::var("_HANDLER").unwrap();
    let (mode, number) = handler.split_once(':').unwrap_or((&handler, "0"));
    let number = number.parse::<usize>().unwrap();
    match mode {
        "init-exit" => process::exit(i32::try_from(number).unwrap()),
        "init-hang" => hang(),
        "init-error" => {
            let body = b"{\"errorType\":\"Runtime.BadSettings\",\"errorMessage\":\"no settings\"}";
            send("POST", &format!("{RUNTIME}/init/error"), "", body);
            process::exit(1);
        }
        "extension" => register("", true),
        "extension-of-invocations" => register("\"INVOKE\"", true),
        "extension-that-never-asks" => register("", false),
        _ => {}
    }
    for count in 1.. {
        let invocation = next();
        let request_id = invocation.header("lambda-runtime-aws-request-id");
        invoke(mode, number, count, &request_id, &invocation);
    }
    unreachable!("the loop has no end");
}

/// What never comes back from an invocation.
fn fail(mode: &str, number: usize, request_id: &str) {
    match mode {
        "exit" => process::exit(i32::try_from(number).unwrap()),
        "panic" => panic!("the runtime gives up"),
        "abort" => process::abort(),
        "hang" => hang(),
        "hang-once" if !Path::new(&env::var("MARK").unwrap()).exists() => {
            fs::write(env::var("MARK").unwrap(), "").unwrap();
            hang();
        }
        "setsid" | "daemon" | "wiped" => {
            leave(mode);
            hang();
        }
        "leave-and-exit" => {
            let child = process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
            println!("child {}", child.id());
            process::exit(0);
        }
        "stop-itself" => {
            process::Command::new("/bin/kill").args(["-STOP", &process::id().to_string()]).status().unwrap();
        }
        "grandchild" => {
            let mut child = process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
            println!("grandchild {}", child.id());
            let _ = child.wait();
        }
        "answer-and-exit" => {
            respond(request_id, b"{}");
            process::exit(number.try_into().unwrap());
        }
        "answer-and-hang" => {
            respond(request_id, b"{}");
            hang();
        }
        _ => {}
    }
}

/// Starts a process that leaves the session; as a daemon it has no parent any more, and wiped no environment either.
#[expect(clippy::zombie_processes, reason = "whoever ends this process has to see to it")]
fn leave(mode: &str) {
    let arguments: &[&str] = match mode {
        "setsid" => &[],
        "daemon" => &["-f"],
        _ => &["-f", "env", "-i"],
    };
    let mut child = process::Command::new("setsid");
    child.args(arguments).args(["/bin/sh", "-c", "echo child $$; exec sleep 1000 >/dev/null"]);
    let mut child = child.stdout(process::Stdio::piped()).spawn().unwrap();
    // It has spoken before anything else happens, such as that it is stopped with its parent.
    let mut spoken = String::new();
    io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut spoken).unwrap();
    print!("{spoken}");
    io::stdout().flush().unwrap();
}

/// What the open descriptors lead to, in lines.
fn descriptors() -> String {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.map(|link| link.display().to_string()).collect::<Vec<_>>().join("\n")
}

fn invoke(mode: &str, number: usize, count: usize, request_id: &str, invocation: &Answer) {
    let answer = |body: &[u8]| {
        let answer = respond(request_id, body);
        format!("{} {}", answer.status(), String::from_utf8_lossy(&answer.body).trim())
    };
    fail(mode, number, request_id);
    match mode {
        "error" => {
            let body = b"{\"errorType\":\"BadJob\",\"errorMessage\":\"no such job\"}";
            send("POST", &format!("{RUNTIME}/invocation/{request_id}/error"), "", body);
        }
        "huge" => println!("{}", answer(&vec![b'x'; number])),
        "not-json" => drop(answer(b"not json")),
        "twice" => {
            answer(b"\"first\"");
            println!("{}", answer(b"\"second\""));
        }
        "wrong-id" => {
            let refused = respond("another", b"{}");
            println!("{} {}", refused.status(), String::from_utf8_lossy(&refused.body).trim());
            answer(b"{}");
        }
        "spam" => {
            let line = [&b"x".repeat(1023)[..], b"\n"].concat();
            let mut output = io::stdout().lock();
            for _ in 0..number {
                output.write_all(&line).unwrap();
            }
            answer(b"{}");
        }
        "environment" => {
            let variables = env::vars().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
            answer(variables.join("\n").as_bytes());
        }
        "descriptors" => drop(answer(descriptors().as_bytes())),
        "leave-and-answer" => {
            leave("daemon");
            answer(format!("{{\"pid\":{}}}", process::id()).as_bytes());
        }
        "head" => drop(answer(invocation.head.as_bytes())),
        "announce" => {
            println!("child {}", process::id());
            answer(b"{}");
        }
        // A thread that counts as long as the process is not stopped.
        "ticks" => {
            if count == 1 {
                thread::spawn(|| {
                    loop {
                        thread::park_timeout(std::time::Duration::from_millis(1));
                        println!("tick {}", TICKS.fetch_add(1, Ordering::Relaxed));
                    }
                });
            }
            let before = TICKS.load(Ordering::Relaxed);
            while TICKS.load(Ordering::Relaxed) < before + number {
                thread::yield_now();
            }
            answer(b"{}");
        }
        _ => {
            println!("out {count}");
            eprintln!("err {count}");
            answer(
                format!("{{\"pid\":{},\"event\":{}}}", process::id(), String::from_utf8_lossy(&invocation.body))
                    .as_bytes(),
            );
        }
    }
}
