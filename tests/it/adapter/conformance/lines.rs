//! An agent that exists in tests only: its program prints one word and a value on each line.

use agentpr::adapters::worker::agent::{Agent, Exit, Installed, Launch, Protocol, Setup, Stage};
use agentpr::adapters::worker::conversation::converse;
use agentpr::domain::agent::class::{Judgement, OutcomeClass, Trouble};
use agentpr::domain::agent::known::{CostReport, KnownAgent};
use agentpr::domain::agent::signal::AgentSignal;
use agentpr::domain::agent::usage::{Reading, Span, Tokens};
use agentpr::ports::worker::{WorkReport, WorkerError};
use async_trait::async_trait;

use super::player::{AWAIT_GO, CHILD, Player};
use super::scene::{Deed, Scene, Subject};

/// Its facts.
pub(in crate::adapter) static LINES: KnownAgent = KnownAgent {
    name: "lines",
    variable: "AGENTPR_LINES_BIN",
    safe: Some((&[1, 2, 0], "it sang before")),
    install: "make lines",
    cost: CostReport::Never,
};

/// The adapter.
pub(in crate::adapter) struct Lines;

#[async_trait]
impl Agent for Lines {
    fn known(&self) -> &'static KnownAgent {
        &LINES
    }

    fn help_args(&self) -> &'static [&'static [&'static str]] {
        &[&["--help"], &["go", "--help"]]
    }

    fn capabilities(&self, installed: &Installed) -> Vec<&'static str> {
        ["--lines", "--resume"].into_iter().filter(|option| installed.has_option(option)).collect()
    }

    fn needs(&self) -> &'static [&'static str] {
        &["--lines"]
    }

    fn login_file(&self) -> Option<&'static str> {
        Some(".lines/login.json")
    }

    async fn run(&self, stage: &Stage<'_>) -> Result<WorkReport, WorkerError> {
        let mut args = vec!["go".to_owned(), "--lines".to_owned()];
        if let Some(id) = stage.resume() {
            args.extend(["--resume".to_owned(), id.to_owned()]);
        }
        let mut env = stage.env.clone();
        if let Some(key) = &stage.setup.key {
            env.insert("LINES_KEY".to_owned(), key.value.clone());
        }
        env.insert("LINES_HOME".to_owned(), stage.home.display().to_string());
        let launch = Launch { args, env, stdin: Some(stage.order.prompt.clone()), readable: Vec::new() };
        converse(stage, launch, Box::new(LineProtocol::default())).await
    }
}

#[derive(Default)]
struct LineProtocol {
    is_done: bool,
    failure: Option<(Trouble, String)>,
}

impl Protocol for LineProtocol {
    fn line(&mut self, line: &[u8], signals: &mut Vec<AgentSignal>) {
        let line = String::from_utf8_lossy(line);
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "session" => signals.push(AgentSignal::Session { id: rest.to_owned() }),
            "say" => signals.push(AgentSignal::Text { text: rest.to_owned() }),
            "use" => {
                let mut numbers = rest.split(' ').filter_map(|number| number.parse().ok());
                let (input, output) =
                    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
                let tokens = Tokens { input, output, ..Tokens::default() };
                signals.push(AgentSignal::Turn);
                signals.push(AgentSignal::Usage(Reading {
                    span: Span::Conversation,
                    step: String::new(),
                    tokens,
                    cost_micros: None,
                }));
            }
            "fail" => {
                let trouble = match rest {
                    "server" => Trouble::Server,
                    "quota" => Trouble::QuotaExhausted,
                    _ => Trouble::GaveUp,
                };
                self.failure = Some((trouble, rest.to_owned()));
                signals.push(AgentSignal::Error { trouble, message: rest.to_owned() });
            }
            "done" => {
                self.is_done = true;
                signals.push(AgentSignal::End { ok: true, text: rest.to_owned() });
            }
            _ => {}
        }
    }

    fn judge(&mut self, exit: &Exit<'_>) -> Judgement {
        match self.failure.take() {
            Some((trouble, message)) => Judgement::trouble(trouble, message),
            None if self.is_done => Judgement::done("it says that it is done"),
            None => Judgement::trouble(Trouble::Protocol, format!("no end, code {:?}", exit.code)),
        }
    }
}

/// The conversation of a program that is played: new, or the one it was given; what it uses is the conversation's total.
const BEGIN: &str = "cat > asked\nif [ \"$3\" = --resume ]; then echo \"session $4\"; total='use 200 40'\n\
                     else echo 'session talk-1'; total='use 100 20'; fi\n";

/// A player of the agent's program with this to do.
pub(in crate::adapter) fn player(body: &str) -> Player {
    Player {
        version: "lines 1.2.3".to_owned(),
        help: "  --lines  one thing a line\n  --resume ID".to_owned(),
        body: format!("{BEGIN}{body}"),
    }
}

/// What it does to succeed.
pub(in crate::adapter) const SUCCESS: &str =
    "echo yes > made\necho \"$total\"\necho 'say spoken'\necho 'done I changed it'\n";

/// The agent with a player in the place of its program.
pub(super) struct LinesPlayer;

impl Subject for LinesPlayer {
    fn scene(&self, deed: Deed) -> Scene {
        let body = match deed {
            Deed::Pause => format!("echo 'say spoken'\n{AWAIT_GO}{SUCCESS}"),
            Deed::Hang => format!("{CHILD}sleep 300\n"),
            Deed::LeaveChild => format!("{CHILD}{SUCCESS}"),
            Deed::End(OutcomeClass::AgentError) => "echo 'fail gave-up'\n".to_owned(),
            Deed::End(OutcomeClass::InfraError) => "echo 'fail server'\nexit 1\n".to_owned(),
            Deed::End(OutcomeClass::Quota) => "echo 'fail quota'\n".to_owned(),
            Deed::End(OutcomeClass::Unknown) => "echo 'say hello'\n".to_owned(),
            Deed::End(OutcomeClass::Killed) => "kill -9 $$\n".to_owned(),
            _ => SUCCESS.to_owned(),
        };
        let mut player = player(&body);
        match deed {
            Deed::TooOld => player.version = "lines 1.1.9".to_owned(),
            Deed::Lacking => player.help = "  --line-by-line".to_owned(),
            _ => {}
        }
        Scene::new("lines", vec![Box::new(Lines)], |root| {
            let program =
                if deed == Deed::Absent { root.join("nowhere") } else { player.install(root, "lines") };
            Setup { program: Some(program), ..Setup::default() }
        })
    }

    fn usage(&self) -> Tokens {
        Tokens { input: 100, output: 20, ..Tokens::default() }
    }

    fn endings(&self) -> &'static [OutcomeClass] {
        &[
            OutcomeClass::Succeeded,
            OutcomeClass::AgentError,
            OutcomeClass::InfraError,
            OutcomeClass::Quota,
            OutcomeClass::Unknown,
            OutcomeClass::Killed,
        ]
    }

    fn has_sessions(&self) -> bool {
        true
    }
}
