//! The arguments of `bwrap` for a plan.
//!
//! The root is empty and of memory; what the plan names is mounted into it, folders before what lies in them. Folders of memory have
//! a size, because no other limit counts them.

use std::path::{Path, PathBuf};

use super::plan::Plan;

/// Size of `/tmp`, `/var/tmp` and `/dev/shm`, in bytes. `TMPDIR` names a folder of the runtime directory, which has no such limit.
const MEMORY_FOLDER: u64 = 256 * 1024 * 1024;

/// Size of folders that nobody should fill.
const SMALL_FOLDER: u64 = 16 * 1024 * 1024;

/// The arguments for a plan, up to the program's own.
pub(super) fn arguments(plan: &Plan, dir: &Path, network: bool) -> Vec<String> {
    let mut args = Arguments(Vec::new());
    args.add(&["--unshare-all"]);
    if network {
        args.add(&["--share-net"]);
    }
    // Without `--cap-drop` root would keep its capabilities over its own mounts, and could make them writable again.
    args.add(&["--cap-drop", "ALL", "--die-with-parent", "--hostname", "agentpr"]);
    args.add(&["--proc", "/proc", "--dev", "/dev"]);
    args.memory("/dev/shm", MEMORY_FOLDER);
    args.add(&["--remount-ro", "/dev"]);
    args.memory("/tmp", MEMORY_FOLDER);
    args.memory("/var/tmp", MEMORY_FOLDER);
    args.memory("/run", SMALL_FOLDER);
    for (link, target) in &plan.links {
        args.add(&["--symlink", &text(target), &text(link)]);
    }
    for mount in in_order(plan) {
        match mount {
            Mount::Hide(path) => args.memory(&text(path), SMALL_FOLDER),
            Mount::Read(path, source) => args.add(&["--ro-bind", &text(source), &text(path)]),
            Mount::Write(path) => args.add(&["--bind", &text(path), &text(path)]),
        }
    }
    args.add(&["--chdir", &text(dir)]);
    args.0
}

#[derive(Clone, Copy)]
enum Mount<'a> {
    Hide(&'a Path),
    Read(&'a Path, &'a Path),
    Write(&'a Path),
}

/// Everything the plan mounts; what lies deeper comes later, and on one place hiding comes first.
fn in_order(plan: &Plan) -> Vec<Mount<'_>> {
    let mut mounts: Vec<(usize, Mount<'_>)> = Vec::new();
    let depth = |path: &PathBuf| path.components().count();
    mounts.extend(plan.hidden.iter().map(|path| (depth(path), Mount::Hide(path))));
    mounts.extend(plan.read.iter().map(|(path, source)| (depth(path), Mount::Read(path, source))));
    mounts.extend(plan.write.iter().map(|path| (depth(path), Mount::Write(path))));
    mounts.sort_by_key(|(depth, _)| *depth);
    mounts.into_iter().map(|(_, mount)| mount).collect()
}

struct Arguments(Vec<String>);

impl Arguments {
    fn add(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|word| (*word).to_owned()));
    }

    fn memory(&mut self, place: &str, bytes: u64) {
        self.add(&["--size", &bytes.to_string(), "--tmpfs", place]);
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
