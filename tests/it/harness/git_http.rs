//! A git server over HTTP that wants a user and a token: git's own `http-backend` behind a bare socket.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::model::http::{Request, Wire};

/// What is done while a request of git's waits for its answer; it gets the request's path.
pub(crate) type Look = Box<dyn Fn(&str) + Send + Sync>;

/// How the server treats requests.
pub(crate) struct Manner {
    /// User and token; whoever has another is told 401.
    pub login: (String, String),
    /// The folder with the repositories.
    pub root: PathBuf,
    /// Where every request is sent on to, instead of being answered: scheme and authority.
    pub leads_to: Option<String>,
    pub look: Look,
}

/// The server; it ends when dropped.
pub(crate) struct GitHttp {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl GitHttp {
    pub(crate) fn start(host: &str, manner: Manner) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for socket in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let mut wire = Wire::new(socket.unwrap(), &stopped);
                if let Ok(request) = wire.request() {
                    // A client that went away is its own business.
                    let _gone = answer(&mut wire, &request, &manner);
                }
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for GitHttp {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _woken = TcpStream::connect(self.address);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn answer(wire: &mut Wire<'_>, request: &Request, manner: &Manner) -> std::io::Result<()> {
    (manner.look)(&request.path);
    if let Some(site) = &manner.leads_to {
        let there = format!("{site}{}", request.path);
        return wire.whole(302, "text/plain", &[("location", there)], b"elsewhere");
    }
    let (user, token) = &manner.login;
    let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{token}")));
    if request.header("authorization") != Some(expected.as_str()) {
        let asked = [("www-authenticate", "Basic realm=\"git\"".to_owned())];
        return wire.whole(401, "text/plain", &asked, b"who are you");
    }
    let (status, headers, body) = backend(request, &manner.root, user);
    let kind = headers.iter().find(|(name, _)| name == "content-type").map_or("text/plain", |(_, kind)| kind);
    wire.whole(status, kind, &[("cache-control", "no-cache".to_owned())], &body)
}

/// What `git http-backend` answers: status, headers and body.
fn backend(request: &Request, root: &Path, user: &str) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", request.header("git-protocol").unwrap_or_default())
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REMOTE_USER", user)
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("CONTENT_TYPE", request.header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", request.header("content-encoding").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let body = request.body.clone();
    let fed = std::thread::spawn(move || {
        let _unread = stdin.write_all(&body);
    });
    let output = child.wait_with_output().unwrap();
    fed.join().unwrap();
    let split = output.stdout.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&output.stdout[..split]).into_owned();
    let headers: Vec<(String, String)> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let status = headers
        .iter()
        .find(|(name, _)| name == "status")
        .map_or(200, |(_, value)| value.split(' ').next().unwrap().parse().unwrap());
    (status, headers, output.stdout[split + 4..].to_vec())
}
