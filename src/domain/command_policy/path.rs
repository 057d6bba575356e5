//! Which paths hold a system, a home or a disk.

/// Directories a system is lost without, `/home/<name>` and its like apart.
const ROOTS: &[&str] = &[
    "bin",
    "boot",
    "dev",
    "etc",
    "home",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "srv",
    "sys",
    "usr",
    "var",
    "usr/bin",
    "usr/lib",
    "usr/lib64",
    "usr/local",
    "usr/sbin",
    "usr/share",
    "var/lib",
    "Applications",
    "Library",
    "System",
    "Users",
    "Volumes",
    "private",
    "private/etc",
    "private/var",
];

/// Names of block devices after `/dev/`, by how they begin.
const DISKS: &[&str] = &[
    "sd", "hd", "vd", "xvd", "nvme", "mmcblk", "disk", "rdisk", "md", "dm-", "mapper/", "nbd", "sr", "loop",
];

/// Whether everything under a path is a system's or a person's: `/`, `/*`, `~`, `$HOME/`, `/usr`, ... in any spelling.
pub(super) fn is_vital(path: &str) -> bool {
    spellings(path).iter().any(|path| match after_home(path) {
        Some(rest) => parts(rest).is_none_or(|parts| parts.is_empty()),
        None => path.starts_with('/') && parts(path).is_none_or(|parts| is_vital_absolute(&parts)),
    })
}

fn is_vital_absolute(parts: &[&str]) -> bool {
    match parts {
        [] => true,
        [one] if one.contains(['*', '?', '[']) => true,
        ["home" | "Users", _] => true,
        parts => ROOTS.contains(&parts.join("/").as_str()),
    }
}

/// What follows the home directory in a path that begins with one; `~name` is a home too.
fn after_home(path: &str) -> Option<&str> {
    if let Some(rest) = path.strip_prefix('~') {
        return Some(rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or_default());
    }
    if let Some(rest) = path.strip_prefix("${HOME") {
        // `${HOME}`, `${HOME:?}`, `${HOME%/}`; but `${HOMEBREW}` is another variable.
        let (inner, after) = rest.split_once('}')?;
        return (!inner.starts_with(|c: char| c.is_alphanumeric() || c == '_')).then_some(after);
    }
    let rest = path.strip_prefix("$HOME")?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The components of a path without `.`, with `..` applied, and without what matches everything at its end. `None` when
/// `..` leads out of it.
fn parts(path: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut above = false;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => above |= parts.pop().is_none(),
            name => parts.push(name),
        }
    }
    while parts
        .last()
        .is_some_and(|part| matches!(*part, "*" | ".*" | "**" | "?*" | "*.*" | ".[!.]*" | ".??*"))
    {
        parts.pop();
    }
    // Above `/` is `/`; above a home is what holds it.
    (!above).then_some(parts)
}

/// A path with its first few braces spelt out, since the shell does that before anything else.
fn spellings(path: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let braces = path
            .char_indices()
            .filter(|(at, c)| *c == '{' && !path.get(..*at).is_some_and(|p| p.ends_with('$')));
        let found = braces.into_iter().find_map(|(at, _)| {
            let inner = path.get(at + 1..)?.split_once('}')?;
            inner.0.contains(',').then(|| (path.get(..at).unwrap_or_default(), inner.0, inner.1))
        });
        match found {
            // A bound, not a rule: nobody writes more by hand.
            Some((before, choices, after)) if open.len() + done.len() < 64 => {
                open.extend(choices.split(',').map(|choice| format!("{before}{choice}{after}")));
            }
            _ => done.push(path),
        }
    }
    done
}

/// Whether a path is a disk or a partition.
pub(super) fn is_disk(path: &str) -> bool {
    let Some(parts) = path.strip_prefix("/dev/") else { return false };
    let name = parts.trim_start_matches('/');
    DISKS.iter().any(|disk| name.starts_with(disk))
}
