//! Taking the file with action requests out of a workspace.

use super::phase::open_picture;
use super::picture::{Entry, Kind, Picture, RawPath, read};
use super::rules::{ACTIONS, ENGINE_FOLDER};
use super::store::Store;
use crate::adapters::process::beneath::read_up_to;
use crate::adapters::workspace::{GitWorkspace, at};
use crate::domain::id::{RepoSlug, RunId};
use crate::ports::workspace::WorkspaceError;

/// Bytes a file with requests may have: a hundred times what any had.
const LIMIT: u64 = 1024 * 1024;

impl GitWorkspace {
    pub(in crate::adapters::workspace) fn take_actions_blocking(
        &self,
        repo: &RepoSlug,
        run: &RunId,
    ) -> Result<Option<(Vec<u8>, bool)>, WorkspaceError> {
        let store = Store::of(self, repo, run);
        let root = store.root()?;
        let place = store.files.join(ACTIONS);
        let failed = |err| at(&place, err);
        let refused = |path: &str| {
            root.remove(path.as_bytes()).map_err(failed)?;
            Err(WorkspaceError::Failed(format!(
                "`{path}` was a link or no plain file and was removed; ask the agent to write a plain file"
            )))
        };
        let folder = root.stat(ENGINE_FOLDER.as_bytes()).map_err(failed)?;
        if folder.is_some_and(|found| Entry::of(&found).kind != Kind::Folder) {
            return refused(ENGINE_FOLDER);
        }
        let Some(found) = root.stat(ACTIONS.as_bytes()).map_err(failed)? else { return Ok(None) };
        let entry = Entry::of(&found);
        if entry.kind != Kind::File {
            return refused(ACTIONS);
        }
        let read = root.read(ACTIONS.as_bytes()).and_then(|file| read_up_to(file, LIMIT));
        root.remove(ACTIONS.as_bytes()).map_err(failed)?;
        let (bytes, is_more) = read.map_err(failed)?;
        if is_more {
            return Err(WorkspaceError::TooBig { limit: LIMIT });
        }
        let newest = match open_picture(&store)? {
            Some(picture) => Some(picture),
            None => last_picture(&store)?,
        };
        let path = RawPath(ACTIONS.as_bytes().to_vec());
        let is_fresh = newest.is_some_and(|picture| {
            picture.entries.get(&path).is_none_or(|old| old.identity != entry.identity)
        });
        Ok(Some((bytes, is_fresh)))
    }
}

fn last_picture(store: &Store<'_>) -> Result<Option<Picture>, WorkspaceError> {
    let path = store.last_picture();
    read(&path).map_err(|err| at(&path, err))
}
