//! What a service unit hides: `ProtectHome=` puts an empty place over the home directories.

use std::path::Path;

/// Says how the home directory is hidden, by the kernel's list of mounts (`/proc/self/mountinfo`); `None` when it is not.
///
/// systemd binds an inaccessible directory over `/home`, `/root` and `/run/user` (`yes`), or an empty tmpfs (`tmpfs`). Only the
/// newest mount that covers the home directory counts.
pub fn hidden(mountinfo: &str, home: &Path) -> Option<String> {
    let covering = mountinfo.lines().filter_map(mount).filter(|mount| home.starts_with(mount.point));
    let deepest = covering.max_by_key(|mount| Path::new(mount.point).components().count())?;
    if deepest.root.contains("systemd/inaccessible") {
        return Some(format!("`{}` is made inaccessible (ProtectHome=yes)", deepest.point));
    }
    let is_tmpfs = deepest.kind == "tmpfs" && matches!(deepest.point, "/home" | "/root" | "/run/user");
    is_tmpfs.then(|| format!("an empty tmpfs lies over `{}` (ProtectHome=tmpfs)", deepest.point))
}

struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
}

/// One line: `id parent major:minor root point options [fields...] - type source superoptions`.
fn mount(line: &str) -> Option<Mount<'_>> {
    let (place, what) = line.split_once(" - ")?;
    let mut fields = place.split(' ').skip(3);
    Some(Mount { root: fields.next()?, point: fields.next()?, kind: what.split(' ').next()? })
}
