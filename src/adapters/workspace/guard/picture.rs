//! What a workspace looked like at one moment, as it is kept on disk.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::{FileType, Stat};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::rules::Terms;

/// A path relative to the workspace, as the file system has it: any bytes.
///
/// As text, bytes that are no UTF-8 and the percent sign are written as `%XX`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RawPath(pub(super) Vec<u8>);

impl RawPath {
    /// For rules, which know only names that are text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// For people: control characters are left out.
    pub(super) fn shown(&self) -> String {
        self.text().chars().filter(|c| !c.is_control()).collect()
    }
}

impl Serialize for RawPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(self.0.len());
        for chunk in self.0.utf8_chunks() {
            text.push_str(&chunk.valid().replace('%', "%25"));
            for byte in chunk.invalid() {
                // Writing to a string cannot fail.
                let _written = write!(text, "%{byte:02X}");
            }
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for RawPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut parts = text.split('%');
        let mut path = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            let digits = part.get(..2).ok_or_else(|| D::Error::custom("a path ends in `%`"))?;
            path.push(u8::from_str_radix(digits, 16).map_err(D::Error::custom)?);
            path.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
        }
        Ok(Self(path))
    }
}

/// What kind of thing is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    Pipe,
    /// A socket or device: it can be removed, not made again.
    Other,
    /// A folder that is not looked into: a git repository of its own, or one that lies too deep.
    Closed,
}

/// What the file system says of a file that changes when its content does, and that programs cannot set back (ctime).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) dev: u64,
    pub(super) ino: u64,
    pub(super) size: u64,
    pub(super) mtime: (i64, u32),
    pub(super) ctime: (i64, u32),
}

/// Where a content lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// In the contents file, from this byte.
    Kept(u64),
    /// A blob of the commit the run is built on.
    Base(String),
}

/// The content of a file, or the target of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) sha256: String,
    pub(super) size: u64,
    pub(super) place: Place,
}

/// One path of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) is_linked: bool,
    pub(super) identity: Identity,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) content: Option<Content>,
}

impl Entry {
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        clippy::unnecessary_cast,
        reason = "the types of these fields differ by platform; sizes are not negative, nanoseconds fit"
    )]
    pub(super) fn of(found: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            FileType::Fifo => Kind::Pipe,
            _ => Kind::Other,
        };
        let identity = Identity {
            dev: found.st_dev as u64,
            ino: found.st_ino as u64,
            size: found.st_size as u64,
            mtime: (found.st_mtime as i64, found.st_mtime_nsec as u32),
            ctime: (found.st_ctime as i64, found.st_ctime_nsec as u32),
        };
        let is_linked = kind == Kind::File && found.st_nlink > 1;
        Self { kind, mode: found.st_mode & 0o7777, is_linked, identity, content: None }
    }
}

/// All of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Picture {
    /// What the phase is allowed.
    pub(super) terms: Terms,
    /// The file system's time before anything was read, in seconds.
    pub(super) taken: i64,
    /// Branches, tags and the other refs of the workspace's own repository.
    pub(super) refs: BTreeMap<String, String>,
    /// Every path.
    #[serde(with = "rows")]
    pub(super) entries: BTreeMap<RawPath, Entry>,
}

/// Entries as a list of pairs.
mod rows {
    use super::{BTreeMap, Deserialize, Deserializer, Entry, RawPath, Serializer};

    pub(super) fn serialize<S: Serializer>(
        entries: &BTreeMap<RawPath, Entry>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(entries)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<RawPath, Entry>, D::Error> {
        Ok(Vec::<(RawPath, Entry)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Reads something written by [`write_durably`]; `None` when it is not there.
pub(super) fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

/// Puts something in a file, whole or not at all; it is on the disk when this returns.
pub(super) fn write_durably<T: Serialize>(path: &Path, what: &T) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = fs::File::create(&partial)?;
    file.write_all(&serde_json::to_vec(what)?)?;
    file.sync_all()?;
    rename_durably(&partial, path)
}

/// Renames a file of the engine's; the new name is on the disk when this returns.
pub(super) fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    to.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}
