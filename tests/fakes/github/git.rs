//! Git plumbing in bare repositories: the fake makes real commits, merges and refs, and never a working tree.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A commit to make.
pub(crate) struct Commit<'a> {
    pub branch: &'a str,
    /// `None` begins a history of its own.
    pub parent: Option<&'a str>,
    /// Contents by path; `None` removes the file.
    pub files: &'a BTreeMap<String, Option<String>>,
    pub message: &'a str,
    pub author: &'a str,
    pub seconds: i64,
}

/// Runs git in `dir` with nothing of this machine's configuration, and gives its output without the last line end.
pub(crate) fn git(dir: &Path, args: &[&str], input: &[u8]) -> Result<String, String> {
    let mut child = sealed(Command::new("git"), dir)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|err| format!("git does not start: {err}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input).map_err(|err| format!("git does not read: {err}"))?;
    }
    let output = child.wait_with_output().map_err(|err| format!("git is lost: {err}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(format!("git {args:?}: {}", String::from_utf8_lossy(&output.stderr).trim_end()))
    }
}

fn sealed(mut command: Command, dir: &Path) -> Command {
    command.current_dir(dir).env_clear();
    for (name, value) in environment(dir) {
        command.env(name, value);
    }
    command
}

/// What git may know: the search path, no configuration but our own, a fixed identity.
pub(crate) fn environment(dir: &Path) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("HOME", dir.display().to_string()),
        ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
        // A repository that is given may belong to somebody else.
        ("GIT_CONFIG_COUNT", "1".to_owned()),
        ("GIT_CONFIG_KEY_0", "safe.directory".to_owned()),
        ("GIT_CONFIG_VALUE_0", "*".to_owned()),
    ];
    for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
        all.push((name, "GitHub".to_owned()));
    }
    for name in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
        all.push((name, "noreply@github.invalid".to_owned()));
    }
    all
}

/// Makes an empty bare repository. With `objects` it shares that store, as the forks of one network do on GitHub.
pub(crate) fn init(dir: &Path, branch: &str, objects: Option<&Path>) -> Result<(), String> {
    std::fs::create_dir_all(dir).map_err(|err| err.to_string())?;
    git(dir, &["init", "--quiet", "--bare", &format!("--initial-branch={branch}")], b"")?;
    configure(dir)?;
    if let Some(objects) = objects {
        let own = dir.join("objects");
        std::fs::remove_dir_all(&own).map_err(|err| err.to_string())?;
        std::os::unix::fs::symlink(objects, own).map_err(|err| err.to_string())?;
    }
    Ok(())
}

/// Copies the branches and tags of a repository, bare or not.
pub(crate) fn copy(from: &Path, dir: &Path) -> Result<(), String> {
    std::fs::create_dir_all(dir).map_err(|err| err.to_string())?;
    let from = from.display().to_string();
    git(dir, &["clone", "--quiet", "--bare", "--no-hardlinks", &from, "."], b"")?;
    configure(dir)
}

fn configure(dir: &Path) -> Result<(), String> {
    // Nothing may be collected: forks share objects that their base's refs do not reach. Any commit may be asked for by its
    // id, and nobody may push to the refs of pull requests, as on GitHub.
    let lines = "[http]\n\treceivepack = true\n[gc]\n\tauto = 0\n[receive]\n\tautogc = false\n\thideRefs = refs/pull\n\
        [uploadpack]\n\tallowAnySHA1InWant = true\n[core]\n\tlogAllRefUpdates = false\n";
    let mut text = std::fs::read_to_string(dir.join("config")).map_err(|err| err.to_string())?;
    text.push_str(lines);
    std::fs::write(dir.join("config"), text).map_err(|err| err.to_string())
}

/// The branches and tags.
pub(crate) fn refs(dir: &Path) -> Result<BTreeMap<String, String>, String> {
    let listed =
        git(dir, &["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/", "refs/tags/"], b"")?;
    Ok(listed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, sha)| (name.to_owned(), sha.to_owned()))
        .collect())
}

/// The branch that `HEAD` names.
pub(crate) fn head(dir: &Path) -> Option<String> {
    let name = git(dir, &["symbolic-ref", "HEAD"], b"").ok()?;
    name.strip_prefix("refs/heads/").map(str::to_owned)
}

/// Points a ref to a commit, or removes it.
pub(crate) fn point(dir: &Path, name: &str, sha: Option<&str>) -> Result<(), String> {
    match sha {
        Some(sha) => git(dir, &["update-ref", name, sha], b""),
        None => git(dir, &["update-ref", "-d", name], b""),
    }
    .map(drop)
}

/// Adds a commit to a branch, whatever it pointed to, and gives its id.
pub(crate) fn commit(dir: &Path, commit: &Commit<'_>) -> Result<String, String> {
    let Commit { branch, parent, files, message, author, seconds } = commit;
    let mut stream = format!(
        "commit refs/heads/{branch}\ncommitter {author} <{author}@users.invalid> {seconds} +0000\ndata {}\n{message}\n",
        message.len()
    );
    let from = parent.map(|parent| format!("from {parent}\n"));
    stream.extend(from);
    stream.extend(files.iter().map(|(path, text)| match text {
        Some(text) => format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len()),
        None => format!("D {path}\n"),
    }));
    git(dir, &["fast-import", "--quiet", "--force", "--date-format=raw"], stream.as_bytes())?;
    git(dir, &["rev-parse", &format!("refs/heads/{branch}")], b"")
}

/// Makes the commit that merges `head` into `base`; no ref moves. A conflict is an error.
pub(crate) fn merge(
    dir: &Path,
    (base, head): (&str, &str),
    is_squash: bool,
    message: &str,
) -> Result<String, String> {
    let tree = git(dir, &["merge-tree", "--write-tree", base, head], b"")?;
    let mut args = vec!["commit-tree", tree.as_str(), "-p", base];
    if !is_squash {
        args.extend(["-p", head]);
    }
    args.extend(["-m", message]);
    git(dir, &args, b"")
}

/// The newest commit that both have; `None` where they share no history.
pub(crate) fn fork_point(dir: &Path, base: &str, head: &str) -> Option<String> {
    git(dir, &["merge-base", base, head], b"").ok()
}

/// How many commits `head` has that `base` has not; `None` where they share no history.
pub(crate) fn ahead(dir: &Path, base: &str, head: &str) -> Option<u64> {
    fork_point(dir, base, head)?;
    git(dir, &["rev-list", "--count", &format!("{base}..{head}")], b"").ok()?.parse().ok()
}

/// Whether everything of `old` is in `new`.
pub(crate) fn contains(dir: &Path, old: &str, new: &str) -> bool {
    git(dir, &["merge-base", "--is-ancestor", old, new], b"").is_ok()
}
