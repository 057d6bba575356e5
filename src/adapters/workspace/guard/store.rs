//! Where pictures lie: a directory per run that is the engine's own, with a git directory, the records and the contents.
//!
//! A content is kept once, in one file that is only appended to; what the base commit has is borrowed from the control
//! repository. Git is asked two things: which paths are ignored, and which blobs the base has. It runs with this git
//! directory and never reads the workspace's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::picture::{Content, Entry, Kind, Picture, Place, RawPath};
use crate::adapters::git::control::show;
use crate::adapters::git::program::GitCall;
use crate::adapters::process::beneath::Root;
use crate::adapters::process::tree::{private_dir, remove_tree};
use crate::adapters::workspace::{GitWorkspace, at, prepare};
use crate::domain::id::{RepoSlug, RunId};
use crate::ports::workspace::WorkspaceError;

/// Bytes of blobs asked of git at once.
const BATCH: u64 = 16 * 1024 * 1024;

/// The pictures of one run.
pub(super) struct Store<'a> {
    workspace: &'a GitWorkspace,
    repo: &'a RepoSlug,
    run: &'a RunId,
    /// The agent's files.
    pub(super) files: PathBuf,
    dir: PathBuf,
}

impl<'a> Store<'a> {
    /// Opens it; makes nothing.
    pub(super) fn of(workspace: &'a GitWorkspace, repo: &'a RepoSlug, run: &'a RunId) -> Self {
        let dir = workspace.scratch(run).join("guard");
        Self { workspace, repo, run, files: workspace.clone_path(repo, run), dir }
    }

    /// The picture of a phase that is under way.
    pub(super) fn open_picture(&self) -> PathBuf {
        self.dir.join("picture.json")
    }

    /// The picture of the newest phase that has ended.
    pub(super) fn last_picture(&self) -> PathBuf {
        self.dir.join("last.json")
    }

    /// What was found in a phase and not yet reported.
    pub(super) fn findings(&self) -> PathBuf {
        self.dir.join("found.json")
    }

    /// What was found in phases that are judged, and is not known to be in the log.
    pub(super) fn judged(&self) -> PathBuf {
        self.dir.join("judged.json")
    }

    /// The bytes that are kept of one picture at most.
    pub(super) fn limit(&self) -> u64 {
        self.workspace.settings.change_cap
    }

    /// Opens the workspace itself; a link in its place would let an agent choose what is judged.
    pub(super) fn root(&self) -> Result<Root, WorkspaceError> {
        Root::open(&self.files).map_err(|_| WorkspaceError::Missing(self.files.clone()))
    }

    /// Makes the git directory if it is not whole.
    pub(super) fn ensure(&self) -> Result<(), WorkspaceError> {
        let (repository, ready) = (self.repository(), self.dir.join("ready"));
        if ready.is_file() {
            return Ok(());
        }
        remove_tree(&repository).map_err(|err| at(&repository, err))?;
        private_dir(&repository).map_err(|err| at(&repository, err))?;
        let git = self.workspace.control.git();
        git.anywhere(&repository)
            .run(["init", "--quiet", "--bare", "--template=", "--"])
            .arg(show(&repository))
            .output()?;
        if let Some(base) = self.base() {
            let info = repository.join("objects/info");
            private_dir(&info).map_err(|err| at(&info, err))?;
            let objects = self.workspace.control.path(self.repo).join("objects");
            let alternates = info.join("alternates");
            fs::write(&alternates, format!("{}\n", objects.display())).map_err(|err| at(&alternates, err))?;
            // A tracked file is never an ignored one.
            self.git().run(["read-tree"]).arg(base).output()?;
        }
        fs::write(&ready, b"").map_err(|err| at(&ready, err))
    }

    fn repository(&self) -> PathBuf {
        self.dir.join("look.git")
    }

    fn git(&self) -> GitCall<'_> {
        self.workspace.control.git().on(&self.repository())
    }

    /// The commit the run is built on, when the engine made this workspace.
    pub(super) fn base(&self) -> Option<String> {
        let prepared = prepare::read_record(&self.workspace.scratch(self.run).join("prepared.json"))?;
        self.workspace.control.has(self.repo, &prepared.base_sha).then(|| prepared.base_sha.to_string())
    }

    /// Makes a git directory with the run's history and an index of the base, and no work tree yet.
    pub(super) fn make_git(&self, tree: &Path, base: &str) -> Result<(), WorkspaceError> {
        let git = self.workspace.control.git();
        git.anywhere(tree).run(["init", "--quiet", "--template=", "--"]).arg(show(tree)).output()?;
        git.in_tree(tree)
            .transfer()
            .run(["fetch", "--quiet", "--no-tags", "--update-shallow", "--no-write-fetch-head", "--"])
            .arg(show(&self.workspace.control.path(self.repo)))
            .arg(format!("refs/agent/{}/*:refs/agentpr/*", self.run))
            .output()?;
        git.in_tree(tree).run(["read-tree"]).arg(base).output()?;
        Ok(())
    }

    /// Paths that git ignores, as the files in the workspace say now.
    pub(super) fn ignored(&self) -> Result<BTreeSet<Vec<u8>>, WorkspaceError> {
        let listed = self
            .git()
            .arg(format!("--work-tree={}", self.files.display()))
            .from(&self.files)
            .run(["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"])
            .output()?;
        // What is cut off counts as not ignored.
        let whole = listed.stdout.split_inclusive(|byte| *byte == 0).filter(|row| row.ends_with(b"\0"));
        Ok(whole
            .map(|row| row.strip_suffix(b"\0").unwrap_or(row))
            .map(|row| row.strip_suffix(b"/").unwrap_or(row).to_vec())
            .collect())
    }

    /// Which of some files have the very content that the base commit has at their path, and the blob of it.
    pub(super) fn borrowed(&self, paths: &[&RawPath]) -> Result<BTreeMap<RawPath, String>, WorkspaceError> {
        let Some(base) = self.base() else { return Ok(BTreeMap::new()) };
        let listed = self.git().run(["ls-tree", "-r", "-z", "--full-tree"]).arg(base).output()?.stdout;
        let mut blobs = BTreeMap::new();
        for row in listed.split(|byte| *byte == 0) {
            let Some(tab) = row.iter().position(|byte| *byte == b'\t') else { continue };
            let (facts, path) =
                (String::from_utf8_lossy(row.get(..tab).unwrap_or_default()), row.get(tab + 1..));
            if let (Some(blob), Some(path)) =
                (facts.strip_prefix("100").and_then(|f| f.split(' ').nth(2)), path)
            {
                blobs.insert(path, blob.to_owned());
            }
        }
        // Git reads these names line by line and takes a leading quote for one of its own.
        let is_plain = |path: &RawPath| !path.0.contains(&b'\n') && !path.0.starts_with(b"\"");
        let asked: Vec<&RawPath> = paths
            .iter()
            .filter(|path| blobs.contains_key(path.0.as_slice()) && is_plain(path))
            .copied()
            .collect();
        let mut names = Vec::new();
        for path in &asked {
            names.extend_from_slice(&path.0);
            names.push(b'\n');
        }
        let hashed = self
            .git()
            .from(&self.files)
            .transfer()
            .run(["hash-object", "--no-filters", "--stdin-paths"])
            .stdin(names)
            .answer()?;
        let hashes = String::from_utf8_lossy(&hashed.stdout).into_owned();
        let same = asked.into_iter().zip(hashes.lines());
        Ok(same
            .filter(|(path, hash)| blobs.get(path.0.as_slice()).is_some_and(|blob| blob == hash))
            .map(|(path, hash)| (path.clone(), hash.to_owned()))
            .collect())
    }

    /// Opens the contents file for more; what no picture names any more is dropped with it when it has grown too large.
    pub(super) fn contents(&self, last: Option<Picture>) -> io::Result<(Contents, Option<Picture>)> {
        let path = self.dir.join("contents");
        let open = || OpenOptions::new().create(true).read(true).append(true).open(&path);
        let file = open()?;
        let end = file.metadata()?.size();
        if end <= self.limit().saturating_mul(2) {
            return Ok((Contents { file, end }, last));
        }
        // First the record that names places in it.
        match fs::remove_file(self.last_picture()) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => File::open(&self.dir)?.sync_all()?,
        }
        file.set_len(0)?;
        Ok((Contents { file: open()?, end: 0 }, None))
    }

    /// The file system's time, in seconds: files are judged by its clock, not by the engine's.
    pub(super) fn now(&self) -> io::Result<i64> {
        let path = self.dir.join("now");
        fs::write(&path, b"now")?;
        Ok(fs::metadata(&path)?.mtime())
    }

    /// Reads the contents of some entries, a batch at a time, and hands each to `take`.
    pub(super) fn each_content(
        &self,
        wanted: &[(&RawPath, &Entry)],
        mut take: impl FnMut(&RawPath, &Entry, Vec<u8>) -> Result<(), WorkspaceError>,
    ) -> Result<(), WorkspaceError> {
        let path = self.dir.join("contents");
        let kept = File::open(&path).map_err(|err| at(&path, err))?;
        let mut batch: Vec<(&RawPath, &Entry, &str)> = Vec::new();
        let mut bytes = 0;
        for (name, entry) in wanted {
            let Some(content) = &entry.content else { continue };
            match &content.place {
                Place::Kept(offset) => {
                    let mut found = vec![0; usize::try_from(content.size).unwrap_or(usize::MAX)];
                    kept.read_exact_at(&mut found, *offset).map_err(|err| at(&path, err))?;
                    take(name, entry, checked(found, content)?)?;
                }
                Place::Base(blob) => {
                    if bytes + content.size > BATCH {
                        self.blobs(&std::mem::take(&mut batch), bytes, &mut take)?;
                        bytes = 0;
                    }
                    bytes += content.size;
                    batch.push((name, entry, blob));
                }
            }
        }
        self.blobs(&batch, bytes, &mut take)
    }

    fn blobs(
        &self,
        batch: &[(&RawPath, &Entry, &str)],
        bytes: u64,
        take: &mut impl FnMut(&RawPath, &Entry, Vec<u8>) -> Result<(), WorkspaceError>,
    ) -> Result<(), WorkspaceError> {
        if batch.is_empty() {
            return Ok(());
        }
        let names: String = batch.iter().map(|(_, _, blob)| format!("{blob}\n")).collect();
        let cap = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(batch.len() * 128);
        let call = self.git().transfer().cap(cap).run(["cat-file", "--batch"]).stdin(names.into_bytes());
        let answer = call.output()?.stdout;
        let mut rest = answer.as_slice();
        for (name, entry, blob) in batch {
            let Some(content) = &entry.content else { continue };
            let size = usize::try_from(content.size).unwrap_or(usize::MAX);
            let begin = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            let found = rest.get(begin..begin.saturating_add(size));
            let found = found
                .ok_or_else(|| WorkspaceError::Failed(format!("the base commit's blob `{blob}` is gone")))?;
            take(name, entry, checked(found.to_vec(), content)?)?;
            rest = rest.get(begin + size + 1..).unwrap_or_default();
        }
        Ok(())
    }
}

fn checked(found: Vec<u8>, content: &Content) -> Result<Vec<u8>, WorkspaceError> {
    if hex::encode(Sha256::digest(&found)) == content.sha256 {
        return Ok(found);
    }
    Err(WorkspaceError::Failed("what was kept of the workspace is damaged; prepare the run again".to_owned()))
}

/// The contents file, open for more.
pub(super) struct Contents {
    file: File,
    end: u64,
}

impl Contents {
    /// Keeps the content of an entry, or only its hash when it lies elsewhere.
    pub(super) fn keep(
        &mut self,
        root: &Root,
        path: &RawPath,
        kind: Kind,
        blob: Option<String>,
    ) -> io::Result<Content> {
        if kind == Kind::Link {
            let target = root.target(&path.0)?;
            return self.append(&mut target.as_slice());
        }
        match blob {
            None => self.append(&mut root.read(&path.0)?),
            Some(blob) => {
                let (sha256, size) = hash(&mut root.read(&path.0)?, |_| Ok(()))?;
                Ok(Content { sha256, size, place: Place::Base(blob) })
            }
        }
    }

    fn append(&mut self, from: &mut impl Read) -> io::Result<Content> {
        let (offset, file) = (self.end, &mut self.file);
        let (sha256, size) = hash(from, |chunk| file.write_all(chunk))?;
        self.end += size;
        Ok(Content { sha256, size, place: Place::Kept(offset) })
    }

    /// Puts it on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// SHA-256 and size of what is at a path now.
pub(super) fn hash_of(root: &Root, path: &RawPath, kind: Kind) -> io::Result<(String, u64)> {
    match kind {
        Kind::Link => hash(&mut root.target(&path.0)?.as_slice(), |_| Ok(())),
        _ => hash(&mut root.read(&path.0)?, |_| Ok(())),
    }
}

fn hash(from: &mut impl Read, mut also: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<(String, u64)> {
    let (mut sha, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 64 * 1024]);
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok((hex::encode(sha.finalize()), size)),
            Ok(count) => count,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            Err(err) => return Err(err),
        };
        let chunk = buffer.get(..count).unwrap_or_default();
        sha.update(chunk);
        also(chunk)?;
        size += count as u64;
    }
}
