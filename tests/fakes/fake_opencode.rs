//! A program that is started as `opencode serve` is, and does what a script says: `FAKE_OPENCODE` names the file.

#![expect(clippy::disallowed_methods, reason = "a program of its own: it looks at its variables")]
#![expect(clippy::unwrap_used, reason = "it stands in for a program in tests; a panic is a failed test")]
#![expect(clippy::print_stdout, reason = "its address is said on its standard output")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

#[path = "../it/harness/opencode.rs"]
#[expect(dead_code, reason = "tests ask the server what it heard; a program cannot be asked")]
mod opencode;

use opencode::{FakeServer, Script, append};

fn main() -> ExitCode {
    let file = std::env::var("FAKE_OPENCODE").unwrap_or_default();
    let Ok(text) = std::fs::read_to_string(file) else { return ExitCode::from(64) };
    let Ok(mut script) = serde_json::from_str::<Script>(&text) else { return ExitCode::from(65) };
    script.password = std::env::var("OPENCODE_SERVER_PASSWORD").ok();
    if let Some(log) = &script.log {
        let env: BTreeMap<String, String> = std::env::vars().collect();
        let args: Vec<String> = std::env::args().skip(1).collect();
        append(log, &serde_json::json!({"args": args, "env": env}));
    }
    for _ in 0..script.noise / 1_000 {
        println!("{}", "x".repeat(999));
    }
    if let Some(code) = script.exit {
        println!("a setting is wrong");
        return ExitCode::from(code);
    }
    let is_silent = script.silent;
    let server = FakeServer::start(script);
    if !is_silent {
        println!("Warning: this is no opencode\nopencode server listening on {}", server.url());
    }
    let _closed = std::io::stdout().flush();
    loop {
        std::thread::park();
    }
}
