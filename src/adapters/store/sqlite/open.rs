//! Making and opening the file: who may read it, how SQLite is set, and what is refused by name.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::{Trouble, edge};
use super::schema::{self, SCHEMA};
use crate::ports::store::StoreError;

/// How long a statement waits for another process's write before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What the write-ahead log is cut back to after a burst has been moved into the file.
const JOURNAL_SIZE_LIMIT: i64 = 64 * 1024 * 1024;

/// Pages after which a commit moves the log into the file: 16 MiB. Four times SQLite's own number, because an append
/// touches about twice the pages of a bare insert and a move costs two more flushes (measured, `docs/performance.md`).
const AUTOCHECKPOINT_PAGES: i64 = 4_000;

/// Room for every statement of this folder, so that none is compiled twice.
const STATEMENTS: usize = 64;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Reading and writing.
    Writer,
    /// Reading, beside a writer of this process.
    Reader,
    /// Reading, where nothing of ours writes.
    ReadOnly,
    /// Reading a file that nobody changes.
    Immutable,
}

/// Says whether there is something under that name.
pub(super) fn is_there(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|err| unavailable("read", path, &err))
}

/// Opens a connection to an existing store and makes sure that it is one, and that SQLite took every setting.
pub(super) fn connect(path: &Path, mode: Mode) -> Result<Connection, StoreError> {
    let action = if mode == Mode::Writer { "written" } else { "read" };
    is_file(path)?;
    let db = connection(path, mode).map_err(Trouble::from).map_err(edge(path, action))?;
    identify(&db, path)?;
    settings(&db, mode).map_err(edge(path, action))?;
    Ok(db)
}

/// Opens a connection for reading where nothing may be writable, not even the directory.
pub(super) fn connect_to_read(path: &Path) -> Result<(Connection, Mode), StoreError> {
    is_file(path)?;
    let mode = if needs_no_log(path) { Mode::Immutable } else { Mode::ReadOnly };
    let db = connect(path, mode)?;
    let schema = schema::version(&db).map_err(edge(path, "read"))?;
    if schema < SCHEMA {
        let why =
            format!("it has schema {schema}, and a command that writes must bring it to {SCHEMA} first");
        return Err(StoreError::Unavailable { action: "read", why });
    }
    Ok((db, mode))
}

/// Tries whether SQLite can make the files it reads through; where it cannot, and no log is left behind, the file alone
/// holds everything.
fn needs_no_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if fs::metadata(PathBuf::from(log)).is_ok_and(|log| log.len() > 0) {
        return false;
    }
    let first_read = connection(path, Mode::ReadOnly)
        .and_then(|db| db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)));
    match first_read {
        Ok(_) => false,
        Err(err) => matches!(err.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)),
    }
}

/// Makes a new store under a passing name and gives it its own once it is whole and on disk.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    let failed = |err: std::io::Error| unavailable("written", path, &err);
    let directory = directory_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    // `tempfile` makes files with mode 0600, and SQLite gives its own files the mode of the store.
    let passing = tempfile::Builder::new().prefix(".agentpr-new-").tempfile_in(directory).map_err(failed)?;
    let passing = passing.into_temp_path();
    fill(&passing).map_err(edge(path, "written"))?;
    flush(&passing).map_err(failed)?;
    match passing.persist_noclobber(path) {
        Ok(()) => flush(directory).map_err(failed),
        // Somebody else made it meanwhile; that one is opened.
        Err(err) if err.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(err) => Err(failed(err.error)),
    }
}

fn fill(passing: &Path) -> Result<(), Trouble> {
    let mut db = connection(passing, Mode::Writer)?;
    settings(&db, Mode::Writer)?;
    schema::migrate(&mut db)?;
    db.close().map_err(|(_, err)| err)?;
    Ok(())
}

/// Brings a file's contents, or a directory's names, to the disk. Never called on a store under its own name.
pub(super) fn flush(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// The directory a name lies in.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn unavailable(action: &'static str, path: &Path, err: &std::io::Error) -> StoreError {
    StoreError::Unavailable { action, why: format!("`{}`: {err}", path.display()) }
}

fn is_file(path: &Path) -> Result<(), StoreError> {
    let damaged = |why: &str| Err(StoreError::Damaged { path: path.to_owned(), why: why.to_owned() });
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => damaged("it is a directory"),
        Ok(found) if !found.is_file() => damaged("it is no plain file"),
        Ok(found) if found.len() == 0 => damaged("the file is empty"),
        Ok(_) => Ok(()),
        Err(err) if matches!(err.kind(), ErrorKind::NotFound) => Err(StoreError::Missing(path.to_owned())),
        Err(err) => Err(unavailable("read", path, &err)),
    }
}

fn connection(path: &Path, mode: Mode) -> rusqlite::Result<Connection> {
    let plain = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let db = match mode {
        Mode::Writer | Mode::Reader => {
            Connection::open_with_flags(path, plain | OpenFlags::SQLITE_OPEN_READ_WRITE)?
        }
        Mode::ReadOnly => Connection::open_with_flags(path, plain | OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        Mode::Immutable => {
            let flags = plain | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(immutable_uri(path), flags)?
        }
    };
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(db)
}

fn immutable_uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.push('%');
            uri.push_str(&hex::encode_upper([*byte]));
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// Refuses what is no store, or one of a newer program.
fn identify(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let read = edge(path, "read");
    let id: i32 =
        db.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(|err| read(err.into()))?;
    if id != schema::APPLICATION_ID {
        let why = "it is an SQLite database, but no store of agentpr".to_owned();
        return Err(StoreError::Damaged { path: path.to_owned(), why });
    }
    let found = schema::version(db).map_err(read)?;
    if found > SCHEMA {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: SCHEMA });
    }
    Ok(())
}

fn settings(db: &Connection, mode: Mode) -> Result<(), Trouble> {
    set(db, "trusted_schema", 0)?;
    set(db, "cell_size_check", 1)?;
    set(db, "foreign_keys", 1)?;
    set(db, "mmap_size", 0)?;
    if mode != Mode::Writer {
        return set(db, "query_only", 1);
    }
    let journal: String = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if journal != "wal" {
        return Err(not_taken("journal_mode", &journal));
    }
    // A commit is on the disk when it returns, also in write-ahead mode.
    set(db, "synchronous", 2)?;
    set(db, "wal_autocheckpoint", AUTOCHECKPOINT_PAGES)?;
    set(db, "journal_size_limit", JOURNAL_SIZE_LIMIT)
}

/// Sets a pragma and reads it back: SQLite ignores what it does not know without a word.
fn set(db: &Connection, name: &str, value: i64) -> Result<(), Trouble> {
    db.pragma(None, name, value, |_| Ok(()))?;
    let taken: i64 = db.pragma_query_value(None, name, |row| row.get(0))?;
    if taken == value { Ok(()) } else { Err(not_taken(name, &taken.to_string())) }
}

fn not_taken(name: &str, value: &str) -> Trouble {
    let why = format!("SQLite keeps `{name}` at `{value}`");
    Trouble::Refused(StoreError::Unavailable { action: "read", why })
}
