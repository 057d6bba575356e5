//! The demo at a fake GitHub: forks, tokens, git over HTTP, signed webhooks, continuous integration that fails once, review, merge.
//!
//! The fake is a program of its own, and our side speaks to it as it speaks to GitHub. The receiver of webhooks is in this process.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::proof::{Proof, sound, wrong};
use super::receiver::listen;
use super::{Args, Stage, introduce};
use crate::app::{AppError, CiCheck, FakeForge};
use crate::domain::forge::delivery::DeliveryStatus;
use crate::domain::id::{EventSeq, PrNumber, RepoSlug, RunId};
use crate::domain::run::Run;
use crate::domain::state::State;
use crate::surfaces::cli::error::{CliError, Outcome};
use crate::surfaces::cli::exit::Exit;
use crate::surfaces::cli::runtime::Background;
use crate::surfaces::cli::session::Session;
use crate::surfaces::cli::ui::{BAD, GOOD, PLAIN, STRONG};
use crate::surfaces::cli::watch::watched;
use crate::surfaces::cli::{approve, runtime, show, show_json};

const REAL: [&str; 6] = [
    "Real: git over HTTP with a token, fork, push with lease, REST and GraphQL, signed webhooks to a receiver in",
    "      this process, continuous integration on the pushed commit, both confirmations of both pushes, the",
    "      event log. Everything is the code that works on your repositories.",
    "Stands in: the agent is a shell script that knows this task and does what CI asks for; GitHub is the program",
    "      fake-github on a loopback port, and what maintainers do there is done by the demo. Your own tokens",
    "      and settings of GitHub are not used.",
];

/// Lines of a check's log that are shown.
const LOG_LINES: usize = 6;

/// Bytes of a diff that are shown.
const DIFF: usize = 64 * 1024;

/// The story's own facts.
struct Story<'a> {
    stage: Stage<'a>,
    fake: Arc<dyn FakeForge>,
    repo: RepoSlug,
}

pub(super) fn tell(session: &Session<'_>, args: &Args, dir: &Path, background: &Background) -> Outcome {
    // Held to the end of this function, so that the fake is gone before its folder is removed.
    let fake = session.fake_forge(&dir.join("fake-github"))?;
    let session = &session.moved_to(dir, Some(fake.place()));
    let stage = Stage::new(session, args, background)?;
    introduce(stage.ui(), &REAL, dir);
    Story { stage, fake, repo: RepoSlug::new("acme", "slug")? }.tell(dir)
}

impl Story<'_> {
    fn tell(&self, dir: &Path) -> Outcome {
        let Self { stage, fake, repo } = self;
        let (ui, app) = (stage.ui(), &*stage.app);

        stage.heading("1. A repository of other people, with a failing test")?;
        let sample = app.local().make_sample(dir, &dir.join("sample.git")).map_err(AppError::from)?;
        let url = runtime::look(async { Ok(fake.make_repository(repo, &dir.join("sample.git")).await?) })?;
        let hook = listen(stage.background, &stage.app, fake.place())?;
        runtime::look(async {
            fake.add_hook(repo, &hook).await?;
            Ok(fake.settle().await?)
        })?;
        self.field("repository", &url);
        self.field("its hook", &format!("{hook} (signed; the receiver is in this process)"));
        self.field("our login", &format!("{}, who may not push there", fake.place().login));
        stage.show_failing(&sample.check, &sample.failing);

        stage.heading("2. A run: agent, commit, checks on the commit")?;
        let run = stage.submit(repo.clone(), sample.task, sample.agent, sample.check)?;
        let driven = stage.drive(&run, EventSeq(0))?;
        stage.show_diff(&runtime::look(app.diff(&run, DIFF))?.0);

        stage.heading("3. The gate: two confirmations, for this commit and this text")?;
        stage.confirm(&run)?;

        stage.heading("4. Fork, push, draft pull request")?;
        let opened = self.publish(&run, &driven)?;
        let pr = opened.pr.as_ref().ok_or_else(|| CliError::step_failed(&opened, Exit::Failed))?;
        let number = pr.number;
        self.field("pull request", pr.url.as_deref().unwrap_or_default());

        stage.heading("5. Continuous integration there says no, by webhook")?;
        let red = self.continuous_integration(&run, number, &opened)?;
        self.expect(&red, State::Iterating)?;

        stage.heading("6. The agent hears it and mends it; the checks run again")?;
        let mended = stage.drive(&run, red.last_seq)?;
        let (new, _) = runtime::look(app.diff_since_push(&run, DIFF))?;
        if !ui.is_json() {
            ui.styled(STRONG, "  new since the pull request was opened:");
        }
        stage.show_diff(&new);

        stage.heading("7. The gate again: an update is a push like the first")?;
        stage.confirm(&run)?;

        stage.heading("8. Push to the same pull request, and continuous integration says yes")?;
        let updated = self.publish(&run, &mended)?;
        let green = self.continuous_integration(&run, number, &updated)?;
        self.expect(&green, State::ReviewWait)?;

        stage.heading("9. A maintainer approves and merges it")?;
        let done = self.there(&run, &green, async {
            fake.approve(repo, number, "Thank you, that is just right.").await?;
            Ok(fake.merge(repo, number).await?)
        })?;
        self.expect(&done.1, State::Done)?;

        stage.heading("10. What is there now")?;
        let proofs = self.prove(&done.1)?;
        for proof in &proofs {
            proof.say(ui);
        }
        let detail = app.detail(&run)?;
        if !ui.is_json() {
            ui.line("");
            // The forge's own document has some hundred lines, and the proofs above say what matters in it.
            show::render(ui, &detail, &app.now(), None);
            return Ok(Exit::Ok);
        }
        let shown = runtime::look(app.pr_document(&detail.run))?;
        let shown = shown.and_then(|text| serde_json::from_str(&text).ok());
        let mut document = show_json::document(ui, &detail, &app.now(), shown.as_ref());
        if let Some(fields) = document.as_object_mut() {
            let proofs =
                proofs.into_iter().map(|proof| (proof.name.to_owned(), json!(proof.words))).collect();
            fields.insert("proofs".to_owned(), serde_json::Value::Object(proofs));
        }
        ui.document(&document);
        Ok(Exit::Ok)
    }

    fn field(&self, name: &str, value: &str) {
        if !self.stage.ui().is_json() {
            self.stage.ui().field(name, value);
        }
    }

    /// Carries the approval out, and waits until the forge has told of it.
    fn publish(&self, run: &RunId, before: &Run) -> Result<Run, CliError> {
        let done = approve::complete(self.stage.session, &self.stage.app, run, before.last_seq)?;
        Ok(self.there(run, &done, async { Ok(()) })?.1)
    }

    /// Lets others do something at the forge, and prints what the run hears of it until nothing more is on its way.
    fn there<T>(
        &self,
        run: &RunId,
        before: &Run,
        act: impl Future<Output = Result<T, AppError>>,
    ) -> Result<(T, Run), CliError> {
        let (ui, app) = (self.stage.ui(), &*self.stage.app);
        let done = runtime::block_on(async |_| {
            let work = async {
                let done = act.await?;
                self.fake.settle().await?;
                Ok(done)
            };
            watched(ui, app, run, before.last_seq, work).await
        })?;
        Ok((done, app.run(run)?))
    }

    fn continuous_integration(&self, run: &RunId, pr: PrNumber, before: &Run) -> Result<Run, CliError> {
        let (checks, after) =
            self.there(run, before, async { Ok(self.fake.run_ci(&self.repo, pr).await?) })?;
        for check in checks {
            self.say_check(&check);
        }
        Ok(after)
    }

    fn say_check(&self, check: &CiCheck) {
        let ui = self.stage.ui();
        if ui.is_json() {
            return;
        }
        let (style, word) = if check.passed { (GOOD, "passed") } else { (BAD, "failed") };
        ui.pieces(&[(PLAIN, format!("  {:<16}", check.name).into()), (style, word.into())]);
        if !check.passed {
            let lines: Vec<&str> = check.log.lines().collect();
            let end = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default();
            self.stage.show_log(&end.join("\n"));
        }
    }

    fn expect(&self, run: &Run, state: State) -> Result<(), CliError> {
        if run.state == state {
            return Ok(());
        }
        show::show(self.stage.session, &self.stage.app, &run.id)?;
        Err(CliError::step_failed(run, Exit::Failed))
    }

    /// Looks at the forge, at the log and at the deliveries; anything but the promised is an error.
    fn prove(&self, run: &Run) -> Result<Vec<Proof>, CliError> {
        let Some(head) = run.change.as_ref().map(|change| change.head_sha.clone()) else {
            return Err(wrong(run, "there is no change"));
        };
        let (pulls, is_in) = runtime::look(async {
            Ok((self.fake.pulls(&self.repo).await?, self.fake.contains(&self.repo, &head).await?))
        })?;
        let [pull] = pulls.as_slice() else {
            return Err(wrong(run, &format!("there are {} pull requests", pulls.len())));
        };
        if pull.head_sha != head.as_str() {
            return Err(wrong(run, "the pull request does not show the approved commit"));
        }
        if !pull.merged || !is_in {
            return Err(wrong(run, "`main` does not contain the approved commit"));
        }
        let (number, label) = (pull.number, &pull.label);
        Ok(vec![
            Proof::new(
                "pull_requests",
                format!("there is exactly one pull request, #{number} from `{label}`"),
            ),
            Proof::new("head", format!("its head is {head}, the commit that was approved")),
            Proof::new("merged", format!("`main` of {} contains that commit", self.repo)),
            self.deliveries(run)?,
            sound(&self.stage.app, run)?,
        ])
    }

    /// Every delivery was taken in, and none is left to be tried again.
    fn deliveries(&self, run: &Run) -> Result<Proof, CliError> {
        use DeliveryStatus::{Dead, Failed, Processed};
        let status = self.stage.app.inbox_status()?;
        let count = |wanted: &dyn Fn(DeliveryStatus) -> bool| -> u64 {
            status.counts.iter().filter(|(status, _)| wanted(*status)).map(|(_, count)| count).sum()
        };
        let processed = count(&|status| status == Processed);
        if processed == 0
            || count(&|status| matches!(status, Failed | Dead)) > 0
            || !status.incidents.is_empty()
        {
            return Err(wrong(run, "a delivery could not be processed"));
        }
        let (all, others) = (count(&|_| true), count(&|status| status != Processed));
        let all = if all == 1 { "1 signed delivery".to_owned() } else { format!("{all} signed deliveries") };
        let words =
            format!("{all} came in: {processed} processed, {others} about branches of no run, none failed");
        Ok(Proof::new("deliveries", words))
    }
}
