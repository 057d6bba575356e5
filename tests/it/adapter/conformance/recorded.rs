//! Agents by name whose programs are played: what the real ones printed once, word for word.

use std::path::{Path, PathBuf};

use agentpr::adapters::worker::agent::{Agent, Key, Setup};
use agentpr::adapters::worker::aider::Aider;
use agentpr::adapters::worker::claude::Claude;
use agentpr::adapters::worker::codex::Codex;
use agentpr::domain::agent::class::OutcomeClass;
use agentpr::domain::agent::usage::Tokens;

use super::player::{AWAIT_GO, CHILD, Player};
use super::scene::{Deed, Scene, Subject};

/// An agent with a recording for each end.
pub(super) struct Recorded {
    name: &'static str,
    agent: fn() -> Box<dyn Agent>,
    version: &'static str,
    too_old: &'static str,
    /// The argument before the conversation's name.
    resume: &'static str,
    /// The conversation's name in the recording of a success, which is put in for another one.
    session: &'static str,
    /// In the language of `sed`: how the recording of a success reads in a conversation that is gone on with.
    second: &'static str,
    success: &'static str,
    /// The recordings of other ends, and their exit codes.
    ends: &'static [(OutcomeClass, &'static str, i32)],
    endings: &'static [OutcomeClass],
    spoken: &'static str,
    last_words: &'static str,
    usage: Tokens,
}

pub(super) const CODEX: Recorded = Recorded {
    name: "codex",
    agent: || Box::new(Codex),
    version: "codex-cli 0.169.0",
    too_old: "codex-cli 0.22.0",
    resume: "resume",
    session: "01a1fbbd-6aec-7002-9f68-e9002978f47d",
    second: "s/9300/18600/; s/7900/15800/; s/:255/:510/; s/:20}/:40}/",
    success: "success.jsonl",
    ends: &[
        (OutcomeClass::AgentError, "model-401.jsonl", 1),
        (OutcomeClass::InfraError, "model-500.jsonl", 1),
        (OutcomeClass::Quota, "model-429-quota.jsonl", 1),
        (OutcomeClass::Unknown, "interrupted-stall.jsonl", 0),
    ],
    endings: &[
        OutcomeClass::Succeeded,
        OutcomeClass::AgentError,
        OutcomeClass::InfraError,
        OutcomeClass::Quota,
        OutcomeClass::Unknown,
        OutcomeClass::Killed,
    ],
    spoken: "I will look at the code",
    last_words: "Fixed `add` in calc.py",
    usage: Tokens { input: 9300, cached: 7900, cache_write: 0, output: 255, reasoning: 20 },
};

pub(super) const CLAUDE: Recorded = Recorded {
    name: "claude",
    agent: || Box::new(Claude),
    version: "2.1.197 (Claude Code)",
    too_old: "2.1.100 (Claude Code)",
    resume: "--resume",
    session: "45e573ec-3b55-455c-a699-a6b1e14a2a49",
    second: "",
    success: "success.jsonl",
    ends: &[
        (OutcomeClass::AgentError, "model-401.jsonl", 1),
        (OutcomeClass::InfraError, "model-500.jsonl", 1),
        (OutcomeClass::Quota, "model-429.jsonl", 1),
        (OutcomeClass::Unknown, "interrupted-sigterm.jsonl", 0),
    ],
    endings: CODEX.endings,
    spoken: "I will look at the code",
    last_words: "Fixed `add` in calc.py",
    usage: Tokens { input: 17_200, cached: 7900, cache_write: 0, output: 255, reasoning: 0 },
};

pub(super) const AIDER: Recorded = Recorded {
    name: "aider",
    agent: || Box::new(Aider),
    version: "aider 0.86.2",
    too_old: "",
    resume: "",
    session: "chat",
    second: "",
    success: "success.txt",
    ends: &[
        (OutcomeClass::InfraError, "model-500.txt", 0),
        (OutcomeClass::Quota, "model-429.txt", 0),
        (OutcomeClass::Unknown, "interrupted-sigterm.txt", 0),
    ],
    endings: CODEX.endings,
    spoken: "I will fix it",
    last_words: "I will fix it",
    usage: Tokens { input: 1900, cached: 0, cache_write: 0, output: 32, reasoning: 0 },
};

impl Recorded {
    fn recording(&self, file: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/transcripts");
        folder.join(self.name).join(file)
    }

    /// Its recording of a success in the conversation it is told, whole or the part that `script` for `sed` leaves.
    fn play(&self, script: &str) -> String {
        let (session, file) = (self.session, self.recording(self.success).display().to_string());
        format!("sed -e \"s/{session}/$id/\" -e \"$second\" '{file}' | sed '{script}'\n")
    }

    fn body(&self, deed: Deed) -> String {
        let (session, resume, spoken) = (self.session, self.resume, self.spoken);
        let second = self.second;
        let begin = format!(
            "cat >/dev/null\nid={session} second= before=\nfor word in \"$@\"; do\n\
             [ \"$before\" = '{resume}' ] && [ -n '{resume}' ] && id=$word && second='{second}'\nbefore=$word\ndone\n"
        );
        let success = format!("echo yes > made\n{}", self.play(""));
        let does = match deed {
            Deed::Pause => {
                let (first, rest) = (format!("/{spoken}/q"), format!("1,/{spoken}/d"));
                format!("{}{AWAIT_GO}echo yes > made\n{}", self.play(&first), self.play(&rest))
            }
            Deed::Hang => format!("{CHILD}sleep 300\n"),
            Deed::LeaveChild => format!("{CHILD}{success}"),
            Deed::End(OutcomeClass::Killed) => "kill -9 $$\n".to_owned(),
            Deed::End(class) => match self.ends.iter().find(|(known, ..)| *known == class) {
                Some((_, file, code)) => {
                    format!("cat '{}'\nexit {code}\n", self.recording(file).display())
                }
                // No recording: a login that is not taken, in the words of the library that aider speaks with.
                None if class == OutcomeClass::AgentError => {
                    "echo 'litellm.AuthenticationError: AuthenticationError: no such key'\n".to_owned()
                }
                None => success,
            },
            _ => success,
        };
        format!("{begin}{does}")
    }
}

impl Subject for Recorded {
    fn scene(&self, deed: Deed) -> Scene {
        let agent = (self.agent)();
        let mut needs: Vec<&str> = agent.needs().to_vec();
        needs.extend(["--resume", "--model", "--ephemeral", "--restore-chat-history"]);
        let mut player =
            Player { version: self.version.to_owned(), help: needs.join("\n"), body: self.body(deed) };
        match deed {
            Deed::TooOld => player.version = self.too_old.to_owned(),
            Deed::Lacking => player.help = "nothing of use".to_owned(),
            _ => {}
        }
        let name = self.name;
        Scene::new(name, vec![agent], |root| {
            let program =
                if deed == Deed::Absent { root.join("nowhere") } else { player.install(root, name) };
            let key = Key { variable: "STUB_KEY".to_owned(), value: "a-key-for-nobody".to_owned() };
            Setup { program: Some(program), key: Some(key), ..Setup::default() }
        })
    }

    fn usage(&self) -> Tokens {
        self.usage
    }

    fn endings(&self) -> &'static [OutcomeClass] {
        self.endings
    }

    fn last_words(&self) -> &'static str {
        self.last_words
    }

    fn spoken(&self) -> &'static str {
        self.spoken
    }

    fn has_sessions(&self) -> bool {
        true
    }
}
