//! A GitHub for one test: the fake as a program of its own, and what other people do there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than any answer takes, hung ones too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running fake, which ends with this value. Its calls are listed in `tests/fakes/github/admin`.
pub(crate) struct FakeGitHub {
    child: Child,
    /// `127.0.0.1:PORT`.
    address: String,
    /// Holds the bare repositories.
    _dir: TempDir,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// A header's value, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl FakeGitHub {
    /// Starts one, and returns when it listens.
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_fake-github"))
            .args(["--with-stdin", "--dir"])
            .arg(dir.path())
            // Held by the child value: the fake ends with this process, whatever becomes of it.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening http://").unwrap().to_owned();
        Self { child, address, _dir: dir }
    }

    /// The base of the REST API.
    pub(crate) fn api(&self) -> String {
        format!("{}/api/v3", self.web())
    }

    /// The base of web pages and of git.
    pub(crate) fn web(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn git_url(&self, owner: &str, name: &str) -> String {
        format!("{}/{owner}/{name}.git", self.web())
    }

    /// Makes a token of somebody, who comes to be with it.
    pub(crate) fn user(&self, login: &str) -> String {
        self.admin("tokens", &json!({"login": login}))["token"].as_str().unwrap().to_owned()
    }

    /// Makes a repository `owner/name` whose default branch `main` has one commit with these files; gives its id, directory
    /// and commit as `id`, `dir` and `sha`.
    pub(crate) fn repository(&self, full_name: &str, files: &[(&str, &str)]) -> Value {
        let (owner, name) = full_name.split_once('/').unwrap();
        let files: serde_json::Map<String, Value> =
            files.iter().map(|(path, text)| ((*path).to_owned(), json!(text))).collect();
        self.admin("repos", &json!({"owner": owner, "name": name, "files": files}))
    }

    /// Lets somebody do something: `pull`, `triage`, `push`, `maintain` or `admin`.
    pub(crate) fn allow(&self, repository: &str, login: &str, right: &str) {
        self.act(repository, "rights", &json!({login: right}));
    }

    /// Adds a hook, which is pinged; gives its id.
    pub(crate) fn hook(&self, repository: &str, url: &str, secret: &str, events: &[&str]) -> u64 {
        let body = json!({"url": url, "secret": secret, "events": events});
        self.act(repository, "hooks", &body)["id"].as_u64().unwrap()
    }

    /// Makes a check run, or changes the one with `id`; gives `id` and `suite`.
    pub(crate) fn check(&self, repository: &str, body: &Value) -> Value {
        self.act(repository, "checks", body)
    }

    /// Reviews as `by`: `approved`, `changes_requested` or `commented`. Gives the review's id.
    pub(crate) fn review(&self, repository: &str, number: u64, by: &str, state: &str, body: &str) -> u64 {
        let body = json!({"by": by, "state": state, "body": body});
        self.pull_act(repository, number, "review", &body)["id"].as_u64().unwrap()
    }

    /// Comments on a pull request as `by`.
    pub(crate) fn comment(&self, repository: &str, number: u64, by: &str, body: &str) {
        self.pull_act(repository, number, "comment", &json!({"by": by, "body": body}));
    }

    /// Merges as the owner of the repository; gives the merge commit.
    pub(crate) fn merge(&self, repository: &str, number: u64) -> String {
        self.pull_act(repository, number, "merge", &json!({}))["sha"].as_str().unwrap().to_owned()
    }

    pub(crate) fn close(&self, repository: &str, number: u64) {
        self.pull_act(repository, number, "close", &json!({}));
    }

    /// Adds a commit of somebody else to a branch; gives the commit.
    pub(crate) fn push_by_other(
        &self,
        repository: &str,
        branch: &str,
        by: &str,
        file: (&str, &str),
    ) -> String {
        let body = json!({"branch": branch, "by": by, "files": {file.0: file.1}});
        self.act(repository, "commits", &body)["sha"].as_str().unwrap().to_owned()
    }

    /// Puts a plan of faults in force; what was planned before is forgotten.
    pub(crate) fn faults(&self, plan: &Value) {
        self.admin("faults", plan);
    }

    /// Every request so far but those of the harness.
    pub(crate) fn requests(&self) -> Vec<Value> {
        serde_json::from_value(self.call("GET", "/_fake/requests", None, None).json()).unwrap()
    }

    /// The whole state.
    pub(crate) fn state(&self) -> Value {
        self.call("GET", "/_fake/state", None, None).json()
    }

    /// Every pull request of a repository.
    pub(crate) fn pulls(&self, repository: &str) -> Vec<Value> {
        serde_json::from_value(self.state()["repositories"][repository]["pulls"].clone()).unwrap()
    }

    /// Returns when no delivery is queued or on its way.
    pub(crate) fn flush(&self) {
        self.admin("hooks/flush", &json!({}));
    }

    /// Something else somebody does in a repository.
    #[track_caller]
    pub(crate) fn act(&self, repository: &str, what: &str, body: &Value) -> Value {
        self.admin(&format!("repos/{repository}/{what}"), body)
    }

    #[track_caller]
    pub(crate) fn pull_act(&self, repository: &str, number: u64, what: &str, body: &Value) -> Value {
        self.act(repository, &format!("pulls/{number}/{what}"), body)
    }

    /// A call of the admin API, which must succeed.
    #[track_caller]
    pub(crate) fn admin(&self, what: &str, body: &Value) -> Value {
        let reply = self.call("POST", &format!("/_fake/{what}"), None, Some(body));
        assert!(reply.status < 300, "{what} {body}: {} {}", reply.status, reply.json());
        reply.json()
    }

    /// A request as `token`, with any answer.
    pub(crate) fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Reply {
        self.send(method, path, token, &[], body).unwrap()
    }

    /// A request with headers; an error where the connection ended before the answer did.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> std::io::Result<Reply> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nuser-agent: test\r\n",
            self.address
        );
        head.extend(token.map(|token| format!("authorization: Bearer {token}\r\n")));
        head.extend(headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
        head.extend([format!("content-length: {}\r\n\r\n", body.len())]);
        let mut socket = TcpStream::connect(&self.address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(head.as_bytes())?;
        socket.write_all(body.as_bytes())?;
        read(&socket)
    }
}

impl Drop for FakeGitHub {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn read(socket: &TcpStream) -> std::io::Result<Reply> {
    let mut input = BufReader::new(socket);
    let mut line = String::new();
    input.read_line(&mut line)?;
    let status = line.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    let mut reply = Reply {
        status: status.ok_or(std::io::ErrorKind::UnexpectedEof)?,
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        line.clear();
        input.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        reply.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = reply.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    reply.body.resize(length, 0);
    input.read_exact(&mut reply.body)?;
    Ok(reply)
}
