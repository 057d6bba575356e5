//! Players: small shell scripts in the place of an agent's program. They answer for version and help, and then act.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use agentpr::adapters::worker::agent::Setup;
use agentpr::domain::agent::class::OutcomeClass;
use agentpr::domain::agent::usage::Tokens;

use super::scene::{Deed, Scene, Subject};
use crate::adapter::world::put;

/// Starts a program in a session of its own that holds no pipe, and writes its number down whole.
pub(in crate::adapter) const CHILD: &str =
    "setsid sleep 300 </dev/null >/dev/null 2>&1 &\necho $! > child.new\nmv child.new child\n";

/// Waits for the test's word.
pub(in crate::adapter) const AWAIT_GO: &str = "while [ ! -e go ]; do sleep 0.02; done\n";

/// A program that is played.
#[derive(Clone)]
pub(in crate::adapter) struct Player {
    /// What `--version` prints.
    pub(in crate::adapter) version: String,
    /// What every question for help prints.
    pub(in crate::adapter) help: String,
    /// What it does when it is asked nothing, in the language of `sh`.
    pub(in crate::adapter) body: String,
}

impl Player {
    /// Writes the program to `folder`, under the name of the agent it plays. Each question and each start adds a line to the file
    /// `starts` beside it.
    pub(in crate::adapter) fn install(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        let starts = folder.join("starts");
        let text = format!(
            "#!/bin/sh\necho \"$*\" >> '{starts}'\ncase \" $* \" in\n\
             *' --version '*) echo '{version}'; exit 0;;\n\
             *' --help '*|*' features list '*) cat <<'HELP'\n{help}\nHELP\nexit 0;;\nesac\n{body}\n",
            starts = starts.display(),
            version = self.version,
            help = self.help,
            body = self.body,
        );
        // A file that is replaced and not written into is never busy, and has another inode.
        let new = folder.join(format!(".{name}.new"));
        put(&new, &text);
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(&new, &path).unwrap();
        path
    }
}

/// Any program as an agent.
pub(super) struct Command;

impl Subject for Command {
    fn scene(&self, deed: Deed) -> Scene {
        let report = r#"printf '{"usage":{"input":100,"output":20,"turns":2},"last_message":"I changed it"}' > "$AGENTPR_REPORT_FILE""#;
        let success = format!("echo yes > made\n{report}\necho spoken\n");
        let body = match deed {
            Deed::Succeed | Deed::End(OutcomeClass::Succeeded) => success,
            Deed::Pause => format!("echo spoken\n{AWAIT_GO}{success}"),
            Deed::Hang => format!("{CHILD}sleep 300\n"),
            Deed::LeaveChild => format!("{CHILD}{success}"),
            Deed::End(OutcomeClass::Killed) => "kill -9 $$\n".to_owned(),
            Deed::End(_) => "exit 9\n".to_owned(),
            Deed::Absent | Deed::TooOld | Deed::Lacking => String::new(),
        };
        let player = Player { version: String::new(), help: String::new(), body };
        let mut scene = Scene::new("command:", Vec::new(), |_| Setup::default());
        let root = scene.world.root.path();
        let program = match deed {
            Deed::Absent => root.join("nowhere"),
            _ => player.install(root, "own-agent"),
        };
        scene.order.agent = format!("command:{}", program.display());
        scene
    }

    fn usage(&self) -> Tokens {
        Tokens { input: 100, output: 20, ..Tokens::default() }
    }

    fn endings(&self) -> &'static [OutcomeClass] {
        &[OutcomeClass::Succeeded, OutcomeClass::AgentError, OutcomeClass::Killed]
    }
}
