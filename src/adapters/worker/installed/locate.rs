//! Where a program is: an absolute path, or a name on the search path that an agent will have.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Finds a program that may be executed. Relative folders of the search path are passed over: they would be the repository's.
///
/// # Errors
/// What is wrong with the name, for people.
pub fn locate(name: &str, search_path: &str) -> Result<PathBuf, String> {
    let path = Path::new(name);
    if path.is_absolute() {
        return if is_program(path) {
            Ok(path.to_owned())
        } else {
            Err(format!("there is no program at `{name}`"))
        };
    }
    if name.contains('/') {
        return Err(format!(
            "`{name}` is a relative path; give an absolute one, or a name on the search path"
        ));
    }
    std::env::split_paths(search_path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|candidate| is_program(candidate))
        .ok_or_else(|| format!("there is no program `{name}` on the search path"))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
