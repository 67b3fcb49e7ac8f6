//! The emulator on the command line: `local-queue serve`.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use local_queue::{
    LocalQueue,
    server::{Bounds, Guard, KeyPair, Server},
};

/// An Amazon SQS emulator.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer SQS requests over HTTP until Ctrl-C. Queues live in memory and end with the process.
    Serve(Serve),
}

#[derive(Debug, clap::Args)]
struct Serve {
    #[command(flatten)]
    reach: Reach,
    /// Create a queue at start; can be given more than once.
    #[arg(long, value_name = "NAME")]
    create: Vec<String>,
}

/// Who can reach the server, and who of them is answered.
#[derive(Debug, clap::Args)]
struct Reach {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9324", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Answer only requests signed with `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` of the environment.
    #[arg(long)]
    require_signature: bool,
    /// Listen on an address that other machines reach although requests need no signature.
    #[arg(long)]
    trust_network: bool,
    /// Also answer to this host name (NAME, *.NAME, with :PORT if clients use another); can be given more than once.
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
    /// Also answer web pages of this origin; can be given more than once.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
}

impl Reach {
    /// Takes the address, if whoever can reach it may.
    async fn bind(&self, queues: LocalQueue) -> anyhow::Result<Server> {
        let Self { listen, .. } = self;
        anyhow::ensure!(
            listen.ip().is_loopback() || self.require_signature || self.trust_network,
            "{} is not a loopback address: other machines could send requests. Add --require-signature so that they \
             must be signed, or --trust-network to answer anybody",
            listen.ip()
        );
        let guard = self.allow_host.iter().try_fold(Guard::default(), |guard, host| guard.allow_host(host))?;
        let guard = self.allow_origin.iter().try_fold(guard, |guard, origin| guard.allow_origin(origin))?;
        let key_pair = self.require_signature.then(key_pair_of_environment).transpose()?;
        let server = Server::bind(*listen, queues, Bounds::default()).await;
        let mut server = server.with_context(|| format!("failed to listen on {listen}"))?.guard(guard);
        if let Some(key_pair) = key_pair {
            server = server.require_signature(key_pair);
        } else if !listen.ip().is_loopback() {
            eprintln!("local-queue: warning: anybody who reaches {listen} can read and change all queues");
        }
        Ok(server)
    }
}

/// From the environment, because a command line can be read by every user of the machine.
fn key_pair_of_environment() -> anyhow::Result<KeyPair> {
    let variable = |name| std::env::var(name).with_context(|| format!("--require-signature needs {name}"));
    Ok(KeyPair::new(variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?)?)
}

fn main() -> ExitCode {
    let Arguments { command: Command::Serve(arguments) } = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match serve(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("local-queue: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[tokio::main]
async fn serve(arguments: &Serve) -> anyhow::Result<()> {
    let queues = LocalQueue::builder().build();
    for name in &arguments.create {
        queues.create_queue(name, &[]).with_context(|| format!("failed to create queue {name:?}"))?;
    }
    let server = arguments.reach.bind(queues).await?;
    let address = server.local_address().context("failed to read the address listened on")?;
    println!("local-queue listens on http://{address} (in memory: messages end with the process)");
    for name in &arguments.create {
        println!("  http://{address}/000000000000/{name}");
    }
    server.run(stop_signal()).await;
    Ok(())
}

async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}
