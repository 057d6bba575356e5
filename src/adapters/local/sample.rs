//! The demo's sample: a small real repository with a real failing test, and a scripted agent that repairs it.
//!
//! It needs nothing but git and a POSIX shell, so the demo shows the same on every machine.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::adapters::git::control::show;
use crate::adapters::git::program::Git;
use crate::adapters::process::short::{ShortOrder, run_short};
use crate::ports::local::Sample;
use crate::ports::workspace::WorkspaceError;

const CHECK: &str = "sh tests/run.sh";
const TASK: &str = "Make slugs from titles with more than one space\n\n\
    `sh slug.sh \"Hello  brave   world\"` prints `hello--brave---world`; it must print `hello-brave-world`. \
    The test in tests/run.sh says so and fails.";

const SOURCE: &str = "#!/bin/sh\n\
    # Prints a title as a slug: small letters, words joined by single hyphens.\n\
    printf '%s\\n' \"$1\" | tr '[:upper:]' '[:lower:]' | tr ' ' '-'\n";

const TEST: &str = "#!/bin/sh\n\
    # Compares what slug.sh prints with what it must print.\n\
    failed=0\n\
    expect() {\n\
    \x20   got=$(sh slug.sh \"$1\")\n\
    \x20   if [ \"$got\" = \"$2\" ]; then echo \"ok: '$1' -> $got\"; else echo \"FAIL: '$1' -> $got, wanted $2\"; failed=1; fi\n\
    }\n\
    expect 'Hello world' hello-world\n\
    expect 'Hello  brave   world' hello-brave-world\n\
    exit $failed\n";

const CHANGELOG: &str = "# Changelog\n\n## Unreleased\n\n## 0.1.0\n\n- Prints a title as a slug.\n";

/// What the maintainers run on every pull request, by its name: not in the repository, so nobody knows of it before it speaks.
pub(super) const CI: [(&str, &str); 2] = [
    ("ci / tests", CHECK),
    (
        "ci / changelog",
        "if sed -n '/^## Unreleased$/,/^## 0/p' CHANGELOG.md | grep '^- '; then exit 0; fi\n\
        echo 'FAIL: CHANGELOG.md does not tell what this pull request changes.'\n\
        echo 'Add a line that begins with \"- \" to CHANGELOG.md, below \"## Unreleased\".'\n\
        exit 1\n",
    ),
];

const README: &str = "# slug\n\nPrints a title as a slug. `sh tests/run.sh` tests it.\n";

/// What stands in for an agent: it reads its prompt and edits files, as an agent would. Sent on by the forge's checks, it does what
/// they say, and learns from nothing else what that is.
const AGENT: &str = r#"#!/bin/sh
# The demo's scripted agent. It is given the prompt on standard input and works in its own clone of the repository.
set -eu
prompt=$(cat)
case "$prompt" in
    *slug.sh*) ;;
    *) echo 'agent: this is not the task I know' >&2; exit 1 ;;
esac
if grep -q "tr ' ' '-'" slug.sh; then
    echo 'agent: reading slug.sh and tests/run.sh'
    echo 'agent: tr turns each space into a hyphen; tr -s squeezes a row of them into one'
    sed "s/tr ' ' '-'/tr -s ' ' '-'/" slug.sh > slug.sh.new
    mv slug.sh.new slug.sh
    echo 'agent: changed slug.sh'
fi
wish=$(printf '%s\n' "$prompt" | sed -n 's/.*Add a line that begins with "\(.*\)" to \([A-Za-z.]*\), below "\(.*\)"\..*/\1|\2|\3/p' | head -n 1)
if [ -n "$wish" ]; then
    mark=${wish%%|*}
    rest=${wish#*|}
    file=${rest%%|*}
    heading=${rest#*|}
    echo "agent: a check of the pull request wants a line in $file below \"$heading\""
    while IFS= read -r line; do
        printf '%s\n' "$line"
        if [ "$line" = "$heading" ]; then
            printf '\n%s%s\n' "$mark" 'Slugs of titles with more than one space have single hyphens.'
        fi
    done < "$file" > "$file.new"
    mv "$file.new" "$file"
    echo "agent: changed $file"
fi
"#;

/// Makes the sample below `dir`, with its bare remote at `remote`, and runs its test once.
///
/// # Errors
/// [`WorkspaceError::Failed`] when the file system, git or the shell refuse.
pub(super) fn make(
    git: &Git,
    dir: &Path,
    remote: &Path,
    search_path: &str,
) -> Result<Sample, WorkspaceError> {
    let failed =
        |err: &dyn std::fmt::Display| WorkspaceError::Failed(format!("the sample could not be made: {err}"));
    let tree = dir.join("sample");
    let files =
        [("slug.sh", SOURCE), ("tests/run.sh", TEST), ("README.md", README), ("CHANGELOG.md", CHANGELOG)];
    for (name, text) in files {
        let file = tree.join(name);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(|err| failed(&err))?;
        }
        std::fs::write(&file, text).map_err(|err| failed(&err))?;
    }
    let agent = dir.join("agent.sh");
    std::fs::write(&agent, AGENT).map_err(|err| failed(&err))?;
    std::fs::set_permissions(&agent, std::fs::Permissions::from_mode(0o755)).map_err(|err| failed(&err))?;

    std::fs::create_dir_all(remote).map_err(|err| failed(&err))?;
    let on_tree = || git.in_tree(&tree);
    git.on(remote)
        .run(["init", "--quiet", "--bare", "--initial-branch=main"])
        .output()
        .map_err(|err| failed(&err))?;
    on_tree().run(["init", "--quiet", "--initial-branch=main"]).output().map_err(|err| failed(&err))?;
    on_tree().run(["add", "--all"]).output().map_err(|err| failed(&err))?;
    on_tree()
        .run([
            "-c",
            "user.name=Demo",
            "-c",
            "user.email=demo@localhost",
            "commit",
            "--quiet",
            "--message=Begin",
        ])
        .output()
        .map_err(|err| failed(&err))?;
    on_tree()
        .run(["push", "--quiet", "--"])
        .arg(show(remote))
        .arg("HEAD:refs/heads/main")
        .output()
        .map_err(|err| failed(&err))?;

    let order = ShortOrder {
        program: "sh".into(),
        args: vec!["-c".to_owned(), CHECK.to_owned()],
        dir: tree,
        env: BTreeMap::from([("PATH".to_owned(), search_path.to_owned())]),
        stdin: Vec::new(),
        limit: Duration::from_secs(30),
        output_cap: 64 * 1024,
    };
    let ran = run_short(&order).map_err(|err| failed(&err))?;
    Ok(Sample {
        task: TASK.to_owned(),
        check: CHECK.to_owned(),
        agent: format!("command:sh {}", shell_words::quote(&show(&agent))),
        failing: (ran.code.unwrap_or(-1), String::from_utf8_lossy(&ran.stdout).into_owned()),
    })
}
