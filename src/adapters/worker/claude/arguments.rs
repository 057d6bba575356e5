//! What claude is started with.
//!
//! **Permissions.** A role that does not write, and a read-only sandbox, get the mode `plan`, in which the program refuses edits and
//! every command it does not know to be harmless. Behind a wall of the engine's own the mode is `bypassPermissions`: the wall says what
//! it may do, and a second list of rules would only stop honest work. The program refuses that mode to root unless `IS_SANDBOX` says
//! that there is a wall; it is said only where there is one. Without a wall the mode is `acceptEdits` with commands allowed: it
//! edits below its workspace and runs what it needs. An operator who asked for no wall at all gets `bypassPermissions`, unless
//! they are root, whom the program would refuse.
//!
//! **The repository's settings.** In this mode the program trusts every folder: a `.claude/settings.json` in the repository would run
//! its hooks and choose the address the key is sent to. `--setting-sources user` keeps it out (and the repository's `CLAUDE.md`
//! with it), `--strict-mcp-config` its `.mcp.json`. The user's settings are those of the run's own home, which an earlier attempt
//! could write to: all but the conversations and the login is removed before each start.
//!
//! **The key.** It goes into the program's environment. Commands of the model do not inherit it: each is started through `env -u`.
//! That keeps it out of what a command prints by chance; a command that wants it can still read the program's `/proc/PID/environ`.
//! (The program's own switch for this, `CLAUDE_CODE_SUBPROCESS_ENV_SCRUB`, undoes the permission mode and asks for a sandbox
//! inside the sandbox.)

use std::collections::BTreeMap;
use std::path::Path;

use crate::adapters::process::tree::private_dir_below;
use crate::adapters::worker::agent::{Launch, Stage};
use crate::adapters::worker::leavings::keep_only;
use crate::adapters::worker::login::lend;
use crate::domain::confine::{SandboxMode, Tier};
use crate::ports::worker::WorkerError;

/// Variables a key can be given in. Another name of the operator's is taken to hold an API key.
const KEYS: [&str; 3] = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"];

/// What stays in its home from one start to the next: its conversations and its login.
const KEPT: [&[u8]; 2] = [b"projects", b".credentials.json"];

/// Tools that leave the workspace, or that go on when the attempt is over.
const UNFIT: &str = "EnterWorktree,CronCreate,ScheduleWakeup";

/// A schema longer than this is not handed over: Linux takes 128 KiB in one argument at most.
const MAX_SCHEMA: usize = 100 * 1024;

/// Tries of one request after the first, by the program itself. Its own default is 10, which takes 190 s (measured); these four
/// take about 10 s, and the engine tries again later in its own way.
const RETRIES: &str = "4";

/// How long a request may wait for an answer to begin. The program's own default is 300 s (measured).
const REQUEST_MS: &str = "180000";

/// Variables that are always set: no traffic but the model's, no update of itself.
const ALWAYS: [(&str, &str); 6] = [
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
    ("CLAUDE_CODE_MAX_RETRIES", RETRIES),
    ("API_TIMEOUT_MS", REQUEST_MS),
];

/// How much the program may do without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Look only.
    Plan,
    /// Edit below the workspace, and run commands.
    AcceptEdits,
    /// Everything.
    Bypass,
}

impl Permission {
    /// What a start gets; the module says why.
    pub fn of(writes: bool, mode: SandboxMode, tier: Tier, is_root: bool) -> Self {
        if !writes || mode == SandboxMode::ReadOnly {
            return Self::Plan;
        }
        match (tier, mode, is_root) {
            (Tier::Landlock | Tier::Bubblewrap, _, _)
            | (Tier::Open, SandboxMode::DangerFullAccess, false) => Self::Bypass,
            (Tier::Open, _, _) => Self::AcceptEdits,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::AcceptEdits => "acceptEdits",
            Self::Bypass => "bypassPermissions",
        }
    }
}

/// Makes the run's own configuration ready and says how the program is started.
///
/// # Errors
/// [`WorkerError::Unavailable`] when its configuration cannot be written.
pub fn launch(stage: &Stage<'_>) -> Result<Launch, WorkerError> {
    let permission = Permission::of(
        stage.order.role.writes(),
        stage.order.confinement.mode,
        stage.tier,
        rustix::process::geteuid().is_root(),
    );
    prepare(stage).map_err(|err| {
        let home = stage.home.display();
        WorkerError::Unavailable(format!("claude's configuration below `{home}` cannot be written: {err}"))
    })?;
    Ok(Launch {
        args: args(stage, permission),
        env: env(stage, permission),
        stdin: Some(stage.order.prompt.clone()),
        readable: Vec::new(),
    })
}

/// The arguments. Options that take several values stand before others, for they take all words up to the next option.
pub fn args(stage: &Stage<'_>, permission: Permission) -> Vec<String> {
    let mut args: Vec<String> = Vec::new();
    let has = |option: &str| stage.installed.has_option(option);
    let mut push = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
    push(&["--print", "--output-format", "stream-json", "--verbose"]);
    if permission == Permission::AcceptEdits && has("--allowedTools") {
        push(&["--allowedTools", "Bash"]);
    }
    if has("--disallowedTools") {
        push(&["--disallowedTools", UNFIT]);
    }
    push(&["--setting-sources", "user", "--strict-mcp-config", "--permission-mode", permission.name()]);
    if let Some(model) = stage.model() {
        push(&["--model", model]);
    }
    if let Some(effort) = stage.setup.effort.as_deref().filter(|_| has("--effort")) {
        push(&["--effort", effort]);
    }
    if let Some(session) = stage.resume() {
        push(&["--resume", session]);
    }
    let schema = stage.order.output_schema.as_deref();
    if let Some(schema) = schema.filter(|schema| schema.len() <= MAX_SCHEMA && has("--json-schema")) {
        push(&["--json-schema", schema]);
    }
    // Both are second fences: the engine counts for itself, and ends the program.
    if let Some(turns) = stage.order.allowance.turns.filter(|_| has("--max-turns")) {
        push(&["--max-turns", &turns.max(1).to_string()]);
    }
    if let Some(micros) = stage.order.allowance.micros.filter(|_| has("--max-budget-usd")) {
        let micros = micros.max(1);
        push(&["--max-budget-usd", &format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)]);
    }
    args.extend(stage.setup.args.iter().cloned());
    args.extend(stage.order.extra_args.iter().cloned());
    args
}

/// The environment.
pub fn env(stage: &Stage<'_>, permission: Permission) -> BTreeMap<String, String> {
    let mut env = stage.env.clone();
    for (name, value) in ALWAYS {
        env.insert(name.to_owned(), value.to_owned());
    }
    env.insert("CLAUDE_CONFIG_DIR".to_owned(), stage.home.to_string_lossy().into_owned());
    let temporary = temporary(stage.runtime.as_path());
    env.insert("CLAUDE_CODE_TMPDIR".to_owned(), temporary.to_string_lossy().into_owned());
    if let Some(url) = &stage.setup.base_url {
        env.insert("ANTHROPIC_BASE_URL".to_owned(), url.clone());
    }
    if let Some(key) = &stage.setup.key {
        let variable = KEYS.into_iter().find(|name| *name == key.variable).unwrap_or(KEYS[0]);
        env.insert(variable.to_owned(), key.value.clone());
        env.insert("CLAUDE_CODE_SHELL_PREFIX".to_owned(), without(variable));
    }
    if permission == Permission::Bypass && stage.tier != Tier::Open {
        env.insert("IS_SANDBOX".to_owned(), "1".to_owned());
    }
    env
}

/// The prefix that starts a command of the model without a variable.
///
/// The program quotes everything before the last blank that is followed by a dash, and puts the quoted command behind it; so there
/// must be one such blank only, and tabs stand for the others (measured on 2.1.197).
fn without(variable: &str) -> String {
    format!("/usr/bin/env -u{variable}\tbash\t-c")
}

fn temporary(runtime: &Path) -> std::path::PathBuf {
    runtime.join("claude-tmp")
}

fn prepare(stage: &Stage<'_>) -> std::io::Result<()> {
    private_dir_below(&stage.runtime, &temporary(&stage.runtime))?;
    keep_only(&stage.home, &KEPT)?;
    let Some(login) = &stage.setup.login else { return Ok(()) };
    lend(login, &stage.home, ".credentials.json")
}
