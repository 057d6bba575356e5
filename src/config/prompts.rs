//! Templates of prompts that the operator put into a folder of their own.

use std::collections::BTreeMap;
use std::path::Path;

/// The longest template that is read: many times the longest built-in one.
const MAX_TEMPLATE: u64 = 256 * 1024;

/// The templates `NAME.md` of a folder, by name; other files are passed over.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn templates_in(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let shown = |path: &Path, why: &dyn std::fmt::Display| format!("`{}`: {why}", path.display());
    let mut templates = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|err| shown(folder, &err))? {
        let path = entry.map_err(|err| shown(folder, &err))?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
        let (Some(name), Some("md")) = (name, path.extension().and_then(|ending| ending.to_str())) else {
            continue;
        };
        let size = path.metadata().map_err(|err| shown(&path, &err))?.len();
        if size > MAX_TEMPLATE {
            return Err(shown(&path, &format!("a template has {MAX_TEMPLATE} bytes at most")));
        }
        let text = std::fs::read_to_string(&path).map_err(|err| shown(&path, &err))?;
        templates.insert(name, text);
    }
    Ok(templates)
}
