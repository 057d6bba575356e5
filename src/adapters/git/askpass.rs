//! How git gets a token: it starts this program and asks, and this program asks the engine through a socket.
//!
//! The token is in no argument, address, variable or file at any time. The socket lies in a directory of the user's own, is there
//! only while one git command runs, and answers only programs which that command started.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::getuid;
use tempfile::TempDir;

use super::credential::Credential;
use crate::adapters::process::table::stat;

/// Names the socket to the program that git asks with.
pub const VARIABLE: &str = "AGENTPR_ASKPASS";

/// How long either side waits for the other; both are on one machine, and the question is one line.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest question and longest answer, in bytes. Tokens of GitHub Apps have some 520.
const LONGEST: u64 = 16 * 1024;

/// Longest path of a socket with its closing zero (unix(7)).
const LONGEST_PATH: usize = 108;

/// Programs between git and the one that asks; there is one, `git-remote-https`.
const DEEPEST: usize = 8;

/// Gives the credential when git asks for one; `None` where there is none.
pub(super) type Source = Box<dyn Fn() -> Option<Credential> + Send>;

/// The place where one git command may ask. Gone when dropped.
pub(super) struct Desk {
    folder: TempDir,
    listener: Option<(UnixListener, Source)>,
    open: Option<(UnixStream, JoinHandle<()>)>,
}

impl Desk {
    /// Makes the place. Nobody is answered before [`Desk::serve`].
    pub(super) fn new(source: Source) -> io::Result<Self> {
        let folder = private_folder()?;
        let listener = UnixListener::bind(socket_in(folder.path()))?;
        listener.set_nonblocking(true)?;
        Ok(Self { folder, listener: Some((listener, source)), open: None })
    }

    /// The socket, for [`VARIABLE`].
    pub(super) fn socket(&self) -> PathBuf {
        socket_in(self.folder.path())
    }

    /// Answers, in a thread of its own, what the git command with this process id and group asks.
    pub(super) fn serve(&mut self, git: i32) {
        let Some((listener, source)) = self.listener.take() else { return };
        // Without the pair nobody could end the thread; git then says that it got no answer.
        let Ok((end, ended)) = UnixStream::pair() else { return };
        let thread = thread::spawn(move || {
            let mut known = None;
            while let Some(asker) = next(&listener, &ended) {
                if is_of(&asker, git) {
                    // Who went away in the middle asks no more.
                    let _gone = answer(&asker, || known.get_or_insert_with(&source).clone());
                }
            }
        });
        self.open = Some((end, thread));
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.open.take() {
            drop(end);
            // A panic in there is git's failure to get an answer, which was reported.
            let _panicked = thread.join();
        }
    }
}

/// A directory that only this user can enter, with a path short enough for a socket in it.
fn private_folder() -> io::Result<TempDir> {
    let usual = std::env::temp_dir();
    let fits = |folder: &Path| socket_in(&folder.join("agentpr-XXXXXX")).as_os_str().len() < LONGEST_PATH;
    let parent = if fits(&usual) { usual } else { PathBuf::from("/tmp") };
    tempfile::Builder::new().prefix("agentpr-").permissions(Permissions::from_mode(0o700)).tempdir_in(parent)
}

fn socket_in(folder: &Path) -> PathBuf {
    folder.join("ask")
}

/// Waits for the next who asks; `None` when the other end of `ended` is closed.
fn next(listener: &UnixListener, ended: &UnixStream) -> Option<UnixStream> {
    loop {
        let mut watched =
            [PollFd::new(listener, PollFlags::IN), PollFd::new(ended, PollFlags::IN | PollFlags::HUP)];
        match poll(&mut watched, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return None,
        }
        let [asks, ends] = &watched;
        if !ends.revents().is_empty() {
            return None;
        }
        if asks.revents().is_empty() {
            continue;
        }
        match listener.accept() {
            Ok((asker, _)) => return Some(asker),
            // It went away again, or was taken for a moment by a shortage.
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
            Err(err) => {
                tracing::warn!("git's question for a token cannot be taken: {err}");
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Says whether a program is of this user and was started by the git command, in its process group. An agent is neither: it has a
/// session of its own.
fn is_of(asker: &UnixStream, git: i32) -> bool {
    let Ok(peer) = socket_peercred(asker) else { return false };
    if peer.uid != getuid() || git <= 1 {
        return false;
    }
    let mut pid = peer.pid.as_raw_nonzero().get();
    for _ in 0..DEEPEST {
        if pid == git {
            return true;
        }
        match stat(pid) {
            Some(found) if found.group == git => pid = found.parent,
            _ => return false,
        }
    }
    false
}

fn answer(asker: &UnixStream, credential: impl FnOnce() -> Option<Credential>) -> io::Result<()> {
    asker.set_nonblocking(false)?;
    asker.set_read_timeout(Some(PATIENCE))?;
    asker.set_write_timeout(Some(PATIENCE))?;
    let mut prompt = String::new();
    asker.take(LONGEST).read_to_string(&mut prompt)?;
    let credential = credential();
    match credential.as_ref().and_then(|credential| credential.answer(&prompt)) {
        Some(answer) => (&mut &*asker).write_all(answer.as_bytes()),
        None => Ok(()),
    }
}

/// Plays the program that git asks with, when this process was started as one: `socket` is what [`VARIABLE`] says.
///
/// Called in `main` before anything else is read or opened. Prints the answer for git, and nothing to people.
pub fn askpass_entry(
    mut args: impl Iterator<Item = OsString>,
    socket: Option<&OsString>,
) -> Option<ExitCode> {
    let socket = socket?;
    let _own_name = args.next();
    let prompt = args.next().unwrap_or_default();
    Some(match ask(Path::new(socket), &prompt.to_string_lossy()) {
        Ok(answer) if !answer.is_empty() => match io::stdout().write_all(&[&answer[..], b"\n"].concat()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        _ => ExitCode::FAILURE,
    })
}

fn ask(socket: &Path, prompt: &str) -> io::Result<Vec<u8>> {
    let mut engine = UnixStream::connect(socket)?;
    engine.set_read_timeout(Some(PATIENCE))?;
    engine.write_all(prompt.as_bytes())?;
    engine.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    engine.take(LONGEST).read_to_end(&mut answer)?;
    Ok(answer)
}
