//! A terminal for a program that asks a person: bytes go both ways between it and this process's own, and what was shown is kept.
//!
//! The program is started as every other and takes the terminal up itself: as the first of its session it gets it as its
//! controlling one when it opens it (tty_ioctl(4)), so password prompts and Ctrl-C work.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

use super::output::{CappedLog, Captured};
use super::redact::Redactor;
use super::sanitise::Sanitiser;

/// How long a look for bytes waits, so that the end of the program is noticed: 100 ms.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// What a terminal sends at the end of its input (termios(3), `VEOF`).
const END_OF_INPUT: u8 = 4;

/// Bytes moved at once.
const CHUNK: usize = 16 * 1024;

/// Takes the terminal named by `$0` up, then becomes the shell of the command.
const TAKE_UP: &str = "exec <\"$0\" >\"$0\" 2>&1 && exec /bin/sh -c \"$1\"";

/// A pseudo terminal, with this side of it.
#[derive(Debug)]
pub struct Terminal {
    controller: OwnedFd,
    name: String,
    /// Keeps the terminal up until the program has opened it.
    line: OwnedFd,
}

impl Terminal {
    /// Opens one, as large as this process's own.
    ///
    /// # Errors
    /// What the system says.
    pub fn open() -> io::Result<Self> {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&controller)?;
        unlockpt(&controller)?;
        let name = ptsname(&controller, Vec::new())?;
        let name = name.into_string().map_err(io::Error::other)?;
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let line = rustix::fs::open(name.as_str(), flags, rustix::fs::Mode::empty())?;
        if let Ok(size) = tcgetwinsize(io::stdin()) {
            tcsetwinsize(&controller, size)?;
        }
        Ok(Self { controller, name, line })
    }

    /// The arguments for `/bin/sh` that run a shell command at this terminal.
    pub fn arguments(&self, command: &str) -> Vec<String> {
        ["-c", TAKE_UP, &self.name, command].map(str::to_owned).to_vec()
    }

    /// Relays until `ended` is true and nothing is left to show; gives what was shown, harmless and without secrets. Blocks.
    ///
    /// This process's own terminal hands every key on as it is meanwhile. What the program shows goes to standard error:
    /// standard output is for results.
    pub fn relay(self, redactor: &Redactor, ended: &Arc<AtomicBool>, cap: usize) -> Captured {
        let _raw = Raw::begin();
        let mut shown = Shown::new(redactor, cap);
        if let Err(err) = self.attend(ended, &mut shown) {
            tracing::warn!(%err, "the terminal of a program was lost");
        }
        shown.finish()
    }

    fn attend(self, ended: &AtomicBool, shown: &mut Shown) -> io::Result<()> {
        let Self { controller, name: _, line } = self;
        let mut line = Some(line);
        let mut screen = File::from(controller);
        let mut keys = true;
        let mut buffer = vec![0; CHUNK];
        loop {
            let over = ended.load(Ordering::Acquire);
            if over {
                // Now the other side's end shows as the end of what can be read.
                drop(line.take());
            }
            let own = io::stdin();
            let mut polled = vec![PollFd::new(&screen, PollFlags::IN)];
            if keys && !over {
                polled.push(PollFd::from_borrowed_fd(own.as_fd(), PollFlags::IN));
            }
            let ready = match poll(&mut polled, Some(&LOOK)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {
                    polled.iter().map(|fd| !fd.revents().is_empty()).collect::<Vec<_>>()
                }
                Err(err) => return Err(err.into()),
            };
            drop(polled);
            if ready.first() == Some(&true) {
                match screen.read(&mut buffer) {
                    // A terminal without another side reads as an error (EIO).
                    Ok(0) | Err(_) => return Ok(()),
                    Ok(count) => shown.push(buffer.get(..count).unwrap_or_default()),
                }
            } else if over {
                return Ok(());
            }
            if ready.get(1) == Some(&true) {
                let count = rustix::io::read(own.as_fd(), &mut buffer).unwrap_or(0);
                keys = count > 0;
                let typed = if keys { buffer.get(..count).unwrap_or_default() } else { &[END_OF_INPUT] };
                screen.write_all(typed)?;
            }
        }
    }
}

/// What a program showed, on its way to the person and to the record.
struct Shown {
    sanitiser: Sanitiser,
    redacting: super::redact::RedactingStream,
    log: CappedLog,
}

impl Shown {
    fn new(redactor: &Redactor, cap: usize) -> Self {
        Self { sanitiser: Sanitiser::default(), redacting: redactor.stream(), log: CappedLog::new(cap) }
    }

    fn push(&mut self, bytes: &[u8]) {
        let mut own = io::stderr().lock();
        // A person who went away sees nothing; the record goes on.
        let _unseen = own.write_all(bytes).and_then(|()| own.flush());
        let (mut clean, mut safe) = (Vec::new(), Vec::new());
        self.sanitiser.push(bytes, &mut clean);
        self.redacting.push(&clean, &mut safe);
        self.log.push(&safe);
    }

    fn finish(mut self) -> Captured {
        let (mut clean, mut safe) = (Vec::new(), Vec::new());
        self.sanitiser.finish(&mut clean);
        self.redacting.push(&clean, &mut safe);
        self.redacting.finish(&mut safe);
        self.log.push(&safe);
        self.log.finish()
    }
}

/// This process's own terminal, handing every key on; as it was before when dropped.
struct Raw(Option<Termios>);

impl Raw {
    fn begin() -> Self {
        let Ok(before) = tcgetattr(io::stdin()) else { return Self(None) };
        let mut raw = before.clone();
        raw.make_raw();
        let set = tcsetattr(io::stdin(), OptionalActions::Now, &raw);
        Self(set.is_ok().then_some(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that is gone needs no restoring.
            let _gone = tcsetattr(io::stdin(), OptionalActions::Drain, before);
        }
    }
}
