//! What an earlier start left in an agent's own home: commands of a model could write there, and the next start, which may be of another
//! role, would take settings, instructions and programs from it.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use crate::adapters::process::beneath::{Root, names};

/// Removes everything in `folder` but what is named in `kept`; nothing in it is followed if it is a link.
///
/// # Errors
/// What the file system says.
pub(super) fn keep_only(folder: &Path, kept: &[&[u8]]) -> io::Result<()> {
    let root = Root::open(folder)?;
    for name in names(root.folder(b"")?.as_fd())? {
        if !kept.contains(&name.as_slice()) {
            root.remove(&name)?;
        }
    }
    Ok(())
}
