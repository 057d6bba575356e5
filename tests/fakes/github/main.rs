//! A GitHub of our own on loopback: repositories, forks, pull requests, checks, reviews and hooks, with state and with faults.
//!
//! It is started as `fake-github [--port 0] --dir DIR [--token LOGIN:TOKEN]... [--with-stdin]`, says `listening URL` when it is
//! ready, keeps bare repositories below the directory and all else in memory, and ends on SIGTERM or when its input is closed.
//! What tests and the demonstration ask of it beside GitHub's own API is in [`admin`]. It names nothing of the program it is
//! made for.

#![expect(clippy::disallowed_methods, reason = "a program of its own: it starts git and reads the clock")]
#![expect(clippy::unwrap_used, reason = "it stands in for a program in tests; a panic is a failed test")]
#![expect(clippy::print_stdout, reason = "its address is said on its standard output")]

mod admin;
mod app;
mod auth;
mod backend;
mod chance;
mod change;
mod check;
mod clock;
mod fault;
mod git;
mod graphql;
mod hook;
mod limit;
mod log;
mod make;
mod message;
mod pull;
mod refs;
mod report;
mod repository;
mod rest;
mod say;
mod sender;
mod server;
mod talk;
mod user;
mod world;

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::user::Token;
use crate::world::{Shared, World};

/// Serves a GitHub of its own on loopback
#[derive(Parser)]
#[command(name = "fake-github")]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Directory for the bare repositories
    #[arg(long)]
    dir: PathBuf,
    /// Token to know from the start, as LOGIN:TOKEN; a bare TOKEN is `octocat`'s
    #[arg(long = "token")]
    tokens: Vec<String>,
    /// End when standard input is closed
    #[arg(long)]
    with_stdin: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match serve(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            let _said = writeln!(std::io::stderr(), "fake-github: {err}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> std::io::Result<()> {
    std::fs::create_dir_all(&args.dir)?;
    let dir = args.dir.canonicalize()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let mut world = World::new(dir, origin.clone());
    for given in &args.tokens {
        let (login, text) = given.split_once(':').unwrap_or(("octocat", given));
        world.user(login);
        let token = Token { login: login.to_owned(), installation: None, expires_ms: None };
        world.tokens.insert(text.to_owned(), token);
    }
    let shared = Arc::new(Shared::new(world));
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening {origin}");
    std::io::stdout().flush()?;
    tokio::select! {
        () = server::run(listener, Arc::clone(&shared)) => {}
        () = sender::run(shared) => {}
        _ = terminate.recv() => {}
        () = closed(), if args.with_stdin => {}
    }
    Ok(())
}

/// Ends when standard input does. The thread that waits for it does not keep the program.
async fn closed() {
    let (tx, rx) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut some = [0; 64];
        while std::io::stdin().read(&mut some).is_ok_and(|count| count > 0) {}
        let _ended = tx.send(());
    });
    let _closed = rx.await;
}
