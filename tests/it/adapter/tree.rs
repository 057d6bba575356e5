//! Trees that programs left: whatever was done to them, they go, and nothing beside them does.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};

use agentpr::adapters::process::tree::remove_tree;
use rustix::fs::{Mode, OFlags, mkdirat, openat};

#[test]
fn a_tree_of_any_depth_and_any_modes_is_removed_and_its_links_are_not_followed() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("outside"), "kept").unwrap();
    let tree = root.path().join("tree");
    fs::create_dir(&tree).unwrap();
    // 300 names of 200 bytes: far longer than any path the system takes.
    let name = "n".repeat(200);
    let mut folder: OwnedFd = fs::File::open(&tree).unwrap().into();
    for _ in 0..300 {
        mkdirat(&folder, name.as_str(), 0o755.into()).unwrap();
        let flags = OFlags::DIRECTORY | OFlags::RDONLY;
        folder = openat(folder.as_fd(), name.as_str(), flags, Mode::empty()).unwrap();
    }
    fs::create_dir(tree.join("closed")).unwrap();
    fs::write(tree.join("closed/file"), "12345").unwrap();
    symlink(root.path().join("outside"), tree.join("closed/link")).unwrap();
    fs::set_permissions(tree.join("closed"), PermissionsExt::from_mode(0o500)).unwrap();
    let freed = remove_tree(&tree).unwrap();
    assert!(freed >= 5, "{freed}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "nothing is left, and the outside is");
    assert_eq!(remove_tree(&tree).unwrap(), 0);
}
