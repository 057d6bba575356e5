//! Taking secrets out of text before it is kept for ever.

use std::borrow::Cow;
use std::fmt;

/// Knows what secrets look like, and those this process holds.
pub trait Redaction: fmt::Debug + Send + Sync {
    /// The text with a mask in the place of each secret; borrowed when there is none.
    ///
    /// Masking twice changes nothing more.
    fn masked<'a>(&self, text: &'a str) -> Cow<'a, str>;
}
