//! Traps: programs that git runs when a configuration, an attribute or a hook says so. Each leaves a file that says who sprang it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Traps that a line of configuration sets; `{}` is the folder of the traps.
const CONFIG: &[(&str, &str)] = &[
    ("fsmonitor", "[core]\n\tfsmonitor = {}/fsmonitor\n"),
    ("editor", "[core]\n\teditor = {}/editor\n"),
    ("askpass", "[core]\n\taskPass = {}/askpass\n"),
    ("ssh-command", "[core]\n\tsshCommand = {}/ssh-command\n"),
    ("sequence-editor", "[sequence]\n\teditor = {}/sequence-editor\n"),
    (
        "gpg-program",
        "[gpg]\n\tprogram = {}/gpg-program\n[commit]\n\tgpgSign = true\n[user]\n\tsigningKey = A\n",
    ),
    ("credential-helper", "[credential]\n\thelper = {}/credential-helper\n"),
    ("external-diff", "[diff]\n\texternal = {}/external-diff\n"),
    ("diff-driver", "[diff \"driver\"]\n\tcommand = {}/diff-driver\n"),
    ("textconv", "[diff \"text\"]\n\ttextconv = {}/textconv\n"),
    ("filter-clean", "[filter \"trap\"]\n\tclean = {}/filter-clean\n\trequired = true\n"),
    ("filter-smudge", "[filter \"trap\"]\n\tsmudge = {}/filter-smudge\n"),
    ("filter-process", "[filter \"process\"]\n\tprocess = {}/filter-process\n"),
    (
        "attributes-file",
        "[core]\n\tattributesFile = {}/attributes\n[filter \"far\"]\n\tclean = {}/attributes-file\n",
    ),
    ("merge-driver", "[merge \"trap\"]\n\tdriver = {}/merge-driver %A\n"),
    ("alias", "[alias]\n\ttrapped = !{}/alias\n"),
    ("include-path", "[include]\n\tpath = {}/included\n"),
    (
        "instead-of",
        "[protocol \"ext\"]\n\tallow = always\n[url \"ext::{}/instead-of \"]\n\tinsteadOf = {forge}\n",
    ),
    ("upload-pack", "[remote \"origin\"]\n\turl = {}/origin.git\n\tuploadpack = {}/upload-pack\n"),
    ("receive-pack", "[remote \"origin\"]\n\treceivepack = {}/receive-pack\n"),
    (
        "submodule-update",
        "[submodule \"sub\"]\n\tactive = true\n\turl = {second}\n\tupdate = !{}/submodule-update\n",
    ),
    ("archive", "[tar \"trap\"]\n\tcommand = {}/archive\n"),
    ("trailer", "[trailer \"trap\"]\n\tkey = Trap\n\tcmd = {}/trailer\n"),
    ("difftool", "[difftool \"trap\"]\n\tcmd = {}/difftool\n"),
];

/// Hooks, which are traps in `core.hooksPath` and once more in `.git/hooks`.
const HOOKS: [&str; 10] = [
    "pre-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "post-checkout",
    "post-merge",
    "pre-push",
    "pre-rebase",
    "reference-transaction",
    "post-index-change",
];

/// Attributes that send files through the drivers above.
pub(crate) const ATTRIBUTES: &str =
    "*.trap filter=trap merge=trap\n*.process filter=process\n*.driven diff=driver\n*.texted diff=text\n";

/// What a person would type in a hostile clone, one by one; each trap is sprung by some line.
const PLAIN_GIT: &str = r#"
export GIT_TERMINAL_PROMPT=0
try() { timeout 20 "$@" </dev/null >/dev/null 2>&1; }
try git status
echo 1 > a.trap; echo 1 > a.process; echo 1 > a.far; echo 1 > a.driven; echo 1 > a.texted
try git add -A
try git commit -m signed
for hooks in "$TRAPS/hooks" .git/hooks; do
    safe="-c commit.gpgSign=false -c core.hooksPath=$hooks"
    echo "$hooks" > hooked
    try git $safe add hooked
    try git $safe commit -e -m one
    try git $safe checkout -f -b side-$(basename $(dirname "$hooks"))
    echo side >> a.trap; echo 2 > a.driven; echo 2 > a.texted
    try git $safe commit -a -m side
    try git $safe checkout -f -
    echo main >> a.trap
    try git $safe commit -a -m main
    try git $safe merge side-$(basename $(dirname "$hooks")) -m merged
    try git $safe reset --hard
    echo 1 > merged-in; try git $safe add merged-in
    try git $safe checkout -f -b fast-$(basename $(dirname "$hooks"))
    try git $safe commit -m fast
    try git $safe checkout -f -
    try git $safe merge fast-$(basename $(dirname "$hooks"))
    try git $safe push "$SINK" HEAD:refs/heads/plain
    try git $safe rebase -i HEAD~1
    try git $safe rebase --abort
done
rm -f a.trap; try git checkout -f HEAD -- a.trap
echo 3 > a.driven; echo 3 > a.texted
try git diff
try git -c diff.external= diff -- a.driven
try git diff --no-ext-diff -- a.texted
try git trapped
try git included
try git ls-remote ssh://localhost/nowhere
try git ls-remote "$FORGE/acme/parser.git"
try git ls-remote origin
try git push --dry-run origin HEAD:refs/heads/x
try git archive --format=trap HEAD
try git difftool -y -t trap
echo subject | git interpret-trailers --trailer trap=1 >/dev/null 2>&1
printf 'protocol=https\nhost=localhost\n\n' | timeout 20 git credential fill >/dev/null 2>&1
printf '[submodule "sub"]\n\tpath = sub\n\turl = %s\n' "$SECOND" > .gitmodules
try git -c protocol.file.allow=always submodule update --init --force sub
exit 0
"#;

/// A folder with all traps in it.
pub(crate) struct Traps {
    folder: PathBuf,
    sprung: PathBuf,
}

impl Traps {
    /// Makes them below `root`.
    pub(crate) fn new(root: &Path) -> Self {
        let traps = Self { folder: root.join("traps"), sprung: root.join("sprung") };
        fs::create_dir_all(traps.folder.join("hooks")).unwrap();
        fs::create_dir_all(&traps.sprung).unwrap();
        for name in traps.names() {
            traps.program(&name, &name);
        }
        for hook in HOOKS {
            traps.program(&format!("hooks/{hook}"), &format!("hooks-path-{hook}"));
        }
        fs::write(traps.folder.join("attributes"), "*.far filter=far\n").unwrap();
        let included = format!("[alias]\n\tincluded = !{}/include-path\n", traps.folder.display());
        fs::write(traps.folder.join("included"), included).unwrap();
        fs::write(traps.folder.join("excludes"), "new.txt\n").unwrap();
        traps
    }

    /// Every trap that git can spring.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let hooks = HOOKS.iter().flat_map(|hook| [format!("hooks-path-{hook}"), format!("hooks-{hook}")]);
        CONFIG.iter().map(|(name, _)| (*name).to_owned()).chain(hooks).collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A program that says who ran it: somebody with the mark that every child of a run carries, or somebody without.
    pub(crate) fn program(&self, file: &str, name: &str) -> PathBuf {
        let path = self.folder.join(file);
        // A filter that says nothing would stop the command that is to spring the next trap.
        let last =
            if name.starts_with("filter") || name == "attributes-file" { "exec cat" } else { "exit 0" };
        let text = format!(
            "#!/bin/sh\nwho=daemon; [ -n \"$AGENTPR_CHILD_OF_RUN\" ] && who=child\n: > '{}/{name}.'$who\n{last}\n",
            self.sprung.display()
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The configuration that sets all traps.
    pub(crate) fn config(&self, forge: &Path, second: &Path) -> String {
        let folder = self.folder.display().to_string();
        let text: String = CONFIG.iter().map(|(_, text)| *text).collect();
        let text = text.replace("{}", &folder).replace("{forge}", &forge.display().to_string());
        let more = format!("[core]\n\thooksPath = {folder}/hooks\n\texcludesFile = {folder}/excludes\n");
        text.replace("{second}", &second.display().to_string()) + &more
    }

    /// Words of a shell that put the hooks into `.git/hooks` of the current directory.
    pub(crate) fn hooks_script(&self) -> String {
        let line = |hook: &&str| {
            let trap = self.folder.join(format!("hooks-{hook}"));
            format!(
                "printf '#!/bin/sh\\nexec {} \"$@\"\\n' > .git/hooks/{hook}; chmod +x .git/hooks/{hook}\n",
                trap.display()
            )
        };
        format!("mkdir -p .git/hooks\n{}", HOOKS.iter().map(line).collect::<String>())
    }

    /// Plain git, used by somebody who suspects nothing, in a clone with all traps set.
    pub(crate) fn use_plainly(&self, clone: &Path, forge: &Path, second: &Path, sink: &Path) {
        let mut git = std::process::Command::new("sh");
        git.args(["-c", PLAIN_GIT]).current_dir(clone).env_clear();
        git.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", sink);
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        git.env("TRAPS", &self.folder).env("FORGE", forge).env("SECOND", second).env("SINK", sink);
        let output = git.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The traps that somebody sprang: `who` is `daemon` for whoever is no child of a run, else `child`.
    pub(crate) fn sprung_by(&self, who: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(&self.sprung).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter_map(|name| Some(name.strip_suffix(who)?.trim_end_matches('.').to_owned())).collect()
    }
}
