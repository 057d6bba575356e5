//! The two outputs of a command, told apart and cut, for the artifacts.

use std::sync::{Arc, Mutex, PoisonError};

use super::record::TEXT_CAP;
use crate::adapters::process::transcript::{Output, OutputSink};

/// Takes both outputs.
#[derive(Debug, Clone, Default)]
pub(super) struct Capture(Arc<Mutex<[Share; 2]>>);

#[derive(Debug, Default)]
struct Share {
    bytes: Vec<u8>,
    characters: usize,
}

impl Capture {
    /// What a program's outputs are handed to.
    pub(super) fn sink(&self) -> OutputSink {
        let shares = Arc::clone(&self.0);
        Arc::new(move |output, bytes| {
            let mut shares = shares.lock().unwrap_or_else(PoisonError::into_inner);
            let [stdout, stderr] = &mut *shares;
            match output {
                Output::Stdout => stdout.push(bytes),
                Output::Stderr => stderr.push(bytes),
            }
        })
    }

    /// Standard output and standard error, as far as they are kept.
    pub(super) fn take(&self) -> (Vec<u8>, Vec<u8>) {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [stdout, stderr] = &mut *shares;
        (std::mem::take(&mut stdout.bytes), std::mem::take(&mut stderr.bytes))
    }
}

impl Share {
    /// Keeps one character more than the cap at most, so that whoever cuts sees that something is missing.
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // Every byte but the following ones of UTF-8 begins a character.
            self.characters += usize::from(byte & 0xC0 != 0x80);
            if self.characters > TEXT_CAP + 1 {
                self.characters = TEXT_CAP + 2;
                return;
            }
            self.bytes.push(*byte);
        }
    }
}
