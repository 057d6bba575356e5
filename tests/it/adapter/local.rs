//! Repositories on this machine: what they are called.

use agentpr::adapters::git::program::Git;
use agentpr::adapters::local::GitLocalRepos;
use agentpr::ports::local::LocalRepos;

use super::world::{git, parent, put};

#[test]
fn f22_a_slug_loses_its_ending_and_no_letter_more() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("tig");
    put(&dir.join("a"), "1\n");
    git(&dir, &["init", "-q"]);
    git(&dir, &["add", "a"]);
    git(&dir, &["-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-q", "-m", "x"]);
    let local = GitLocalRepos::new(Git::new(&parent()), String::new());
    assert_eq!(local.look(&dir).unwrap().slug.to_string(), "local/tig");
    git(&dir, &["remote", "add", "origin", "x"]);
    for (address, slug) in [
        ("https://example.com/o/digit.git", "o/digit"),
        ("https://example.com/o/digit", "o/digit"),
        ("https://example.com/o/tig/", "o/tig"),
        ("git@example.com:o/tig.git", "o/tig"),
        ("ssh://git@example.com/gig/it.git", "gig/it"),
        ("/srv/git/o/widgit.git", "o/widgit"),
    ] {
        git(&dir, &["remote", "set-url", "origin", address]);
        assert_eq!(local.look(&dir).unwrap().slug.to_string(), slug, "{address}");
    }
}
