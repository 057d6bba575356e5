//! Calls of the `git` program: explicit arguments, a fixed environment, a time limit, and errors that can be shown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::askpass::{self, Desk};
use super::credential::Credential;
use super::remote::{Remote, mask_credentials};
use crate::adapters::process::short::{ShortError, ShortOrder, ShortOutput, run_short_seen};

/// How long a command on local objects may take.
const LOCAL_LIMIT: Duration = Duration::from_secs(120);

/// How long a remote may take to say what it has.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);

/// How long a command that talks to a remote or copies a whole history may take.
pub const TRANSFER_LIMIT: Duration = Duration::from_secs(900);

/// Bytes of output kept of one command, unless the caller asks for another cap.
const OUTPUT_CAP: usize = 64 * 1024 * 1024;

/// Characters of git's own words kept in an error.
const WORDS_CAP: usize = 600;

/// Variables git gets from the parent: how to find programs and how to reach a remote.
const INHERITED: [&str; 10] = [
    "PATH",
    "HOME",
    "SSH_AUTH_SOCK",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
];

/// Variables that shut out every configuration but the repository's own, prompts and filters.
const FIXED: [(&str, &str); 9] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_LFS_SKIP_SMUDGE", "1"),
    ("GIT_ALLOW_PROTOCOL", "file:https:ssh"),
    (
        "GIT_SSH_COMMAND",
        "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=3",
    ),
    ("LC_ALL", "C"),
];

/// The home of a command that has a credential handed to it.
const NO_HOME: &str = "/nonexistent";

/// What is allowed instead for a remote of this machine that speaks without encryption.
const WITH_PLAIN_HTTP: &str = "file:http:https:ssh";

/// Settings that win over any repository's.
const SETTINGS: [&str; 14] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.excludesFile=/dev/null",
    "core.attributesFile=/dev/null",
    "core.askPass=",
    "credential.helper=",
    // A forge leads from a repository's old name to its new one; a redirect of anything but the first request is somebody else's
    // wish. The host that is led to is asked about by its own name, so it gets no credential of another.
    "http.followRedirects=initial",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.ext.allow=never",
    // A transfer that stands still for a minute is given up; one that is slow is not.
    "http.lowSpeedLimit=100",
    "http.lowSpeedTime=60",
    "commit.gpgSign=false",
    "advice.detachedHead=false",
];

/// Knows credentials by site.
pub trait Keys: Send + Sync + fmt::Debug {
    /// The credential of a site, such as `https://github.com`; asked when git was asked for one. May block.
    fn of_site(&self, site: &str) -> Option<Credential>;
}

/// The git program.
#[derive(Debug, Clone)]
pub struct Git {
    env: BTreeMap<String, String>,
    askpass: Option<PathBuf>,
    keys: Option<Arc<dyn Keys>>,
}

/// Why a git command did not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It could not be run, or took too long.
    #[error("cannot run `git {command}`: {source}")]
    NotRun {
        /// The subcommand.
        command: String,
        /// What went wrong.
        source: ShortError,
    },
    /// It said no.
    #[error("`git {command}` failed: {said}")]
    Failed {
        /// The subcommand.
        command: String,
        /// Its exit code.
        code: Option<i32>,
        /// What it said, made printable, without credentials.
        said: String,
    },
}

impl GitError {
    /// What went wrong, without the name of the command.
    pub fn said(&self) -> String {
        match self {
            Self::NotRun { source, .. } => source.to_string(),
            Self::Failed { said, .. } => said.clone(),
        }
    }
}

impl Git {
    /// Takes what git needs from the parent's environment.
    pub fn new(parent: &BTreeMap<String, String>) -> Self {
        let inherited =
            INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), parent.get(*name)?.clone())));
        let fixed = FIXED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { env: inherited.chain(fixed).collect(), askpass: None, keys: None }
    }

    /// Says which program git asks for credentials with: this one, by its absolute path, whose `main` calls
    /// [`askpass::askpass_entry`]. Without it no credential is ever given.
    #[must_use]
    pub fn asking_with(mut self, program: PathBuf) -> Self {
        self.askpass = Some(program);
        self
    }

    /// Gives every command on a remote (see [`GitCall::to`]) the credential of its site, unless it was handed one of its own.
    #[must_use]
    pub fn with_keys(mut self, keys: Arc<dyn Keys>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Begins a command on the repository whose git directory is `git_dir`; nothing is discovered.
    pub fn on(&self, git_dir: &Path) -> GitCall<'_> {
        let mut call = self.anywhere(git_dir);
        call.args.push(format!("--git-dir={}", git_dir.display()));
        call
    }

    /// Begins a command on a repository with a work tree that the engine made and nobody else has touched.
    pub fn in_tree(&self, tree: &Path) -> GitCall<'_> {
        self.on(&tree.join(".git")).arg(format!("--work-tree={}", tree.display())).from(tree)
    }

    /// Begins a command that needs no repository.
    pub fn anywhere(&self, dir: &Path) -> GitCall<'_> {
        let args = SETTINGS.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]).collect();
        GitCall {
            git: self,
            dir: dir.to_owned(),
            args,
            command: None,
            remote: None,
            credential: None,
            env: BTreeMap::new(),
            stdin: Vec::new(),
            limit: LOCAL_LIMIT,
            cap: OUTPUT_CAP,
        }
    }
}

/// One command, in the making.
#[derive(Debug, Clone)]
pub struct GitCall<'a> {
    git: &'a Git,
    dir: PathBuf,
    args: Vec<String>,
    command: Option<String>,
    remote: Option<Remote>,
    credential: Option<Credential>,
    env: BTreeMap<String, String>,
    stdin: Vec<u8>,
    limit: Duration,
    cap: usize,
}

impl GitCall<'_> {
    /// Adds the subcommand and its arguments.
    #[must_use]
    pub fn run<const N: usize>(mut self, args: [&str; N]) -> Self {
        self.command = self.command.or_else(|| args.first().map(|first| (*first).to_owned()));
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds the address of a remote as an argument, and with it what the command needs to reach it.
    #[must_use]
    pub fn to(mut self, remote: &Remote) -> Self {
        self.remote = Some(remote.clone());
        self.arg(remote.address())
    }

    /// Hands it a credential, which is given only to the site it is for, and only when that asks.
    #[must_use]
    pub fn credential(mut self, credential: &Credential) -> Self {
        self.credential = Some(credential.clone());
        self
    }

    /// Sets the current directory.
    #[must_use]
    pub fn from(mut self, dir: &Path) -> Self {
        dir.clone_into(&mut self.dir);
        self
    }

    /// Sets a variable for this command.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Gives it something to read.
    #[must_use]
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = bytes;
        self
    }

    /// Gives it the time of a transfer.
    #[must_use]
    pub fn transfer(mut self) -> Self {
        self.limit = TRANSFER_LIMIT;
        self
    }

    /// Gives it the time a remote has to say what it has.
    #[must_use]
    pub fn question(mut self) -> Self {
        self.limit = ANSWER_LIMIT;
        self
    }

    /// Keeps at most this many bytes of its output.
    #[must_use]
    pub fn cap(mut self, cap: usize) -> Self {
        self.cap = cap;
        self
    }

    /// Runs it; a code other than 0 is an error.
    ///
    /// # Errors
    /// [`GitError`].
    pub fn output(self) -> Result<ShortOutput, GitError> {
        let command = self.command.clone().unwrap_or_default();
        let output = self.answer()?;
        if output.code == Some(0) {
            return Ok(output);
        }
        Err(GitError::Failed { command, code: output.code, said: said(&output) })
    }

    /// Runs it; any code is an answer.
    ///
    /// # Errors
    /// [`GitError::NotRun`].
    pub fn answer(self) -> Result<ShortOutput, GitError> {
        let command = self.command.clone().unwrap_or_default();
        let mut env = self.git.env.clone();
        if self.remote.as_ref().is_some_and(Remote::is_plain_http) {
            env.insert("GIT_ALLOW_PROTOCOL".to_owned(), WITH_PLAIN_HTTP.to_owned());
        }
        if self.credential.is_some() {
            // git takes a login of the operator's own from `~/.netrc` without asking for the one that is to be used.
            env.insert("HOME".to_owned(), NO_HOME.to_owned());
        }
        let mut desk = match self.desk(&mut env) {
            Ok(desk) => desk,
            Err(err) => return Err(GitError::NotRun { command, source: err.into() }),
        };
        env.extend(self.env);
        let order = ShortOrder {
            program: PathBuf::from("git"),
            args: self.args,
            dir: self.dir,
            env,
            stdin: self.stdin,
            limit: self.limit,
            output_cap: self.cap,
        };
        let serve = |git| {
            if let Some(desk) = &mut desk {
                desk.serve(git);
            }
        };
        run_short_seen(&order, serve).map_err(|source| GitError::NotRun { command, source })
    }

    /// Makes the place where git may ask, if there is something to answer, and tells git of it.
    fn desk(&self, env: &mut BTreeMap<String, String>) -> std::io::Result<Option<Desk>> {
        let Some(program) = &self.git.askpass else {
            return match self.credential {
                Some(_) => Err(std::io::Error::other("there is no program to ask for a credential with")),
                None => Ok(None),
            };
        };
        let desk = match (&self.credential, &self.git.keys) {
            (Some(credential), _) => {
                let credential = credential.clone();
                Desk::new(Box::new(move || Some(credential.clone())))?
            }
            (None, Some(keys)) => {
                let Some(site) = self.remote.as_ref().and_then(Remote::site) else { return Ok(None) };
                let keys = Arc::clone(keys);
                Desk::new(Box::new(move || keys.of_site(&site)))?
            }
            (None, None) => return Ok(None),
        };
        env.insert("GIT_ASKPASS".to_owned(), program.display().to_string());
        env.insert(askpass::VARIABLE.to_owned(), desk.socket().display().to_string());
        Ok(Some(desk))
    }

    /// Runs it and gives its output as text without the last line break.
    ///
    /// # Errors
    /// [`GitError`].
    pub fn text(self) -> Result<String, GitError> {
        let output = self.output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
    }
}

/// What git said, for people: its errors without control characters and credentials, on one line.
pub fn said(output: &ShortOutput) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    let printable: String = line.chars().filter(|c| !c.is_control()).collect();
    let masked = mask_credentials(&printable);
    if masked.is_empty() {
        return output
            .code
            .map_or("a signal ended it".to_owned(), |code| format!("it ended with code {code}"));
    }
    masked.chars().take(WORDS_CAP).collect()
}
