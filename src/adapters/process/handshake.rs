//! How the launcher tells the supervisor that a program began, or why it did not, on the standard error it leaves to the program.
//!
//! Each message begins with a number made for this launch, which the program never learns; so nothing that a program prints can
//! be taken for one.

/// Bytes that are kept of what comes before the first message: what bubblewrap says when it cannot put up the wall.
const HELD: usize = 8 * 1024;

fn message(number: &str, kind: char) -> Vec<u8> {
    // Programs do not begin with a zero byte, so that none of their output has to wait for the next byte to be told apart.
    format!("\0agentpr-{number}{kind}").into_bytes()
}

/// The message that the program is about to begin.
pub(super) fn began(number: &str) -> Vec<u8> {
    message(number, '+')
}

/// The beginning of the message that it did not begin; the reason follows up to the end of the stream.
pub(super) fn failed(number: &str) -> Vec<u8> {
    message(number, '-')
}

/// Reads the launcher's messages off the beginning of a standard error.
#[derive(Debug)]
pub(super) struct Handshake {
    began: Vec<u8>,
    failed: Vec<u8>,
    held: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The launcher or bubblewrap is at work.
    Waiting,
    /// The program is about to begin; its first bytes may still be the launcher's last.
    Beginning,
    /// Everything is the program's.
    Running,
    /// The launch failed; everything is the reason.
    Failed,
}

impl Handshake {
    /// Waits for the messages with this number.
    pub(super) fn new(number: &str) -> Self {
        Self { began: began(number), failed: failed(number), held: Vec::new(), state: State::Waiting }
    }

    /// Takes bytes in, and appends to `out` those that are the program's.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.state == State::Running {
            out.extend_from_slice(bytes);
            return;
        }
        self.held.extend_from_slice(bytes);
        if self.state == State::Waiting {
            let place = self.held.windows(self.began.len()).position(|part| part == self.began);
            if let Some(at) = place {
                let rest = self.held.split_off(at + self.began.len());
                self.held.truncate(at);
                out.append(&mut self.held);
                self.held = rest;
                self.state = State::Beginning;
            } else if self.held.starts_with(&self.failed) {
                self.fail();
            }
        }
        if self.state == State::Beginning {
            let common = self.held.len().min(self.failed.len());
            if self.held.get(..common) != self.failed.get(..common) {
                self.state = State::Running;
                out.append(&mut self.held);
            } else if self.held.starts_with(&self.failed) {
                self.fail();
            }
        }
        if matches!(self.state, State::Waiting | State::Failed) {
            self.held.truncate(HELD);
        }
    }

    fn fail(&mut self) {
        self.state = State::Failed;
        self.held.drain(..self.failed.len());
    }

    /// Says why the program did not begin, if it did not; called when the stream has ended.
    pub(super) fn failure(&self) -> Option<String> {
        let said = String::from_utf8_lossy(&self.held).trim().to_owned();
        match self.state {
            State::Running | State::Beginning => None,
            State::Failed => Some(said),
            State::Waiting if said.is_empty() => Some("it ended before it began".to_owned()),
            State::Waiting => Some(format!("the sandbox could not be put up: {said}")),
        }
    }
}
