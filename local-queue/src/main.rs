//! The emulator on the command line: `local-queue serve`.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use local_queue::{
    LocalQueue,
    server::{Bounds, Server},
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
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9324", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Create a queue at start; can be given more than once.
    #[arg(long, value_name = "NAME")]
    create: Vec<String>,
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
    anyhow::ensure!(
        arguments.listen.ip().is_loopback(),
        "{} is not a loopback address: requests are not authenticated, so only this machine may send them",
        arguments.listen.ip()
    );
    let queues = LocalQueue::builder().build();
    for name in &arguments.create {
        queues.create_queue(name, &[]).with_context(|| format!("failed to create queue {name:?}"))?;
    }
    let server = Server::bind(arguments.listen, queues, Bounds::default())
        .await
        .with_context(|| format!("failed to listen on {}", arguments.listen))?;
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
