//! Git over HTTP: git's own server program does the work, this decides who may start it.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::auth::Credential;
use crate::git;
use crate::message::{Ask, Reply};
use crate::rest;
use crate::user::Level;
use crate::world::{Found, World};

/// A request that git may answer.
pub(crate) struct Granted {
    pub id: u64,
    dir: PathBuf,
    /// What follows the repository's name.
    tail: String,
    pub login: String,
    /// Whether refs may have moved afterwards.
    pub is_push: bool,
}

/// Looks who asks for what, and refuses as GitHub does.
pub(crate) fn admit(world: &mut World, ask: &Ask, credential: &Credential) -> Result<Granted, Reply> {
    let plain = |status: u16, words: &str| Reply::bytes(status, "text/plain; charset=utf-8", words.into());
    let nothing = || plain(404, "Repository not found.");
    let path = ask.path.trim_start_matches('/');
    let mut parts = path.splitn(3, '/');
    let (Some(owner), Some(name), Some(tail)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(nothing());
    };
    let is_push = tail == "git-receive-pack" || ask.asked("service") == Some("git-receive-pack");
    let who = credential.who(world);
    // No credential, or one that says nothing: git asks its helper then.
    let ask_again =
        || plain(401, "Authentication required.").with("www-authenticate", "Basic realm=\"GitHub\"");
    if who.is_none() && (credential.kind != "none" || is_push) {
        return Err(ask_again());
    }
    let id = match world.find(owner, name.trim_end_matches(".git")) {
        Found::Here(id) => id,
        Found::Moved(id) => {
            let full =
                world.repositories.get(&id).map(crate::repository::Repository::full_name).unwrap_or_default();
            let query = if ask.raw_query.is_empty() { String::new() } else { format!("?{}", ask.raw_query) };
            return Err(rest::moved("GET", &format!("{}/{full}.git/{tail}{query}", world.origin)));
        }
        Found::Nowhere => return Err(if who.is_none() { ask_again() } else { nothing() }),
    };
    let repository = world.repositories.get_mut(&id).ok_or_else(nothing)?;
    let level = repository.level(who.as_ref());
    if level == Level::None {
        return Err(if who.is_none() { ask_again() } else { nothing() });
    }
    if repository.looks > 0 {
        repository.looks -= 1;
        return Err(nothing());
    }
    let login = who.map(|who| who.login).unwrap_or_default();
    if is_push && repository.is_archived {
        return Err(plain(403, "This repository was archived so it is read-only."));
    }
    if is_push && level < Level::Push {
        return Err(plain(403, &format!("Permission to {}.git denied to {login}.", repository.full_name())));
    }
    Ok(Granted { id, dir: repository.dir.clone(), tail: tail.to_owned(), login, is_push })
}

/// Lets git answer.
pub(crate) async fn run(granted: &Granted, ask: &Ask) -> Reply {
    match answer(granted, ask).await {
        Ok(reply) => reply,
        Err(err) => Reply::bytes(500, "text/plain", err.to_string().into_bytes()),
    }
}

async fn answer(granted: &Granted, ask: &Ask) -> std::io::Result<Reply> {
    let Granted { dir, tail, login, .. } = granted;
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let mut command = Command::new("git");
    command.arg("http-backend").env_clear().envs(git::environment(dir)).current_dir(dir);
    command
        .env("GIT_PROJECT_ROOT", dir.parent().unwrap_or(dir))
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", format!("/{name}/{tail}"))
        .env("QUERY_STRING", &ask.raw_query)
        .env("REQUEST_METHOD", &ask.method)
        .env("CONTENT_TYPE", ask.header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", ask.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", ask.header("content-encoding").unwrap_or_default())
        .env("GIT_PROTOCOL", ask.header("git-protocol").unwrap_or_default())
        .env("REMOTE_USER", login)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn()?;
    let stdin = child.stdin.take();
    let body = ask.body.clone();
    // Git may answer before it has read everything, so both directions run at once.
    let feeding = tokio::spawn(async move {
        if let Some(mut stdin) = stdin {
            let _gone = stdin.write_all(&body).await;
        }
    });
    let output = child.wait_with_output().await?;
    let _fed = feeding.await;
    Ok(parsed(&output.stdout))
}

/// Takes the answer of a CGI program apart.
fn parsed(output: &[u8]) -> Reply {
    let gap = output.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(gap) = gap else { return Reply::bytes(500, "text/plain", b"git said nothing".to_vec()) };
    let (head, body) = output.split_at(gap);
    let mut reply = Reply::empty(200);
    reply.body = body.get(4..).unwrap_or_default().to_vec();
    for line in String::from_utf8_lossy(head).lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.to_ascii_lowercase().as_str() {
            "status" => {
                reply.status = value.trim().get(..3).and_then(|code| code.parse().ok()).unwrap_or(500);
            }
            "content-type" => reply = reply.with("content-type", value.trim()),
            "cache-control" => reply = reply.with("cache-control", value.trim()),
            _ => {}
        }
    }
    reply
}
