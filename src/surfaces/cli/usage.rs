//! `usage`: what agents used, by attempt or added up, with its money and where that number comes from.

use serde_json::json;

use super::error::Outcome;
use super::exit::Exit;
use super::session::Session;
use super::{Access, cost, words};
use crate::app::usage::UsageTotal;
use crate::app::{App, UsageQuery};
use crate::domain::id::{RepoSlug, RunId};
use crate::domain::projection::UsageRow;
use crate::domain::time::Timestamp;

/// Days that are shown when nothing is named.
const DAYS: u32 = 7;

/// Arguments of `usage`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only of this run
    #[arg(long, visible_alias = "run-id", value_name = "RUN", conflicts_with_all = ["repo", "days"])]
    run: Option<RunId>,
    /// Only of this repository
    #[arg(long, value_name = "OWNER/NAME")]
    repo: Option<RepoSlug>,
    /// Only begun in the last so many days of UTC, today included [default: 7, and everything with --run or --repo]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// What to add up [default: day; attempt with --run, run with --repo]
    #[arg(long, value_enum, value_name = "WHAT")]
    by: Option<By>,
}

/// What is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// Nothing: each attempt has its line
    Attempt,
    /// A run's attempts
    Run,
    /// A repository's
    Repository,
    /// A day's
    Day,
    /// An agent's with one model
    Agent,
}

impl By {
    fn head(self) -> &'static str {
        match self {
            Self::Attempt => "ATTEMPT",
            Self::Run => "RUN",
            Self::Repository => "REPOSITORY",
            Self::Day => "DAY",
            Self::Agent => "AGENT",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Run => "run",
            Self::Repository => "repository",
            Self::Day => "day",
            Self::Agent => "agent",
        }
    }

    /// The group a row belongs to.
    fn key(self, row: &UsageRow) -> String {
        match self {
            Self::Attempt => format!("{} {}", row.run, row.no),
            Self::Run => row.run.to_string(),
            Self::Repository => row.repository.clone(),
            Self::Day => words::when(row.started_at).get(..10).unwrap_or_default().to_owned(),
            Self::Agent => agent(row),
        }
    }
}

/// An agent with its model, as far as both are known.
fn agent(row: &UsageRow) -> String {
    match (row.agent.as_str(), row.model.as_str()) {
        ("", _) => "not known yet".to_owned(),
        (agent, "") => agent.to_owned(),
        (agent, model) => format!("{agent} {model}"),
    }
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let app = session.open(Access::Read)?;
    if let Some(run) = &args.run {
        // A run that is not there has used nothing, and saying so would be misleading.
        app.run(run)?;
    }
    let rows = app.usage(&query(args, &app))?;
    let by = args.by.unwrap_or(match (&args.run, &args.repo) {
        (Some(_), _) => By::Attempt,
        (None, Some(_)) => By::Run,
        (None, None) => By::Day,
    });
    let with_pr = if args.run.is_none() { Some(app.pull_requests_of(&rows)?) } else { None };
    if session.ui.is_json() {
        document(session, by, &rows, with_pr);
    } else {
        tell(session, by, &rows, with_pr);
    }
    Ok(Exit::Ok)
}

fn query(args: &Args, app: &App) -> UsageQuery {
    let everything = args.run.is_some() || args.repo.is_some();
    let days = args.days.or((!everything).then_some(DAYS));
    let since = days.map(|days| {
        let today = app.now().wall.day();
        Timestamp(today.0.saturating_sub(i64::from(days - 1) * 86_400_000))
    });
    UsageQuery {
        run: args.run.clone(),
        repository: args.repo.as_ref().map(RepoSlug::key),
        since,
        ..UsageQuery::default()
    }
}

/// Groups in the order in which they are met, with the newest attempts first.
fn groups(by: By, rows: &[UsageRow]) -> Vec<(String, UsageTotal)> {
    let mut places = std::collections::HashMap::new();
    let mut groups: Vec<(String, UsageTotal)> = Vec::new();
    for row in rows {
        let key = by.key(row);
        let place = *places.entry(key.clone()).or_insert(groups.len());
        if place == groups.len() {
            groups.push((key, UsageTotal::default()));
        }
        if let Some((_, total)) = groups.get_mut(place) {
            total.add(row);
        }
    }
    groups
}

fn tell(session: &Session<'_>, by: By, rows: &[UsageRow], with_pr: Option<u64>) {
    let ui = &session.ui;
    if rows.is_empty() {
        ui.line("No agent was used.");
        return;
    }
    let total = UsageTotal::of(rows);
    if by == By::Attempt {
        let heads = [&["RUN", "NO", "STARTED", "AGENT", "ROLE", "CLASS"][..], &cost::HEADS].concat();
        let mut lines: Vec<Vec<String>> = rows.iter().map(attempt).collect();
        let label = ["total", "", "", "", "", ""].map(str::to_owned).to_vec();
        lines.push([label, cost::cells(&total)].concat());
        ui.table(&heads, lines);
    } else {
        let heads = [&[by.head(), "ATTEMPTS"][..], &cost::HEADS].concat();
        let line = |(key, total): (String, UsageTotal)| {
            [vec![key, total.attempts.to_string()], cost::cells(&total)].concat()
        };
        let lines = groups(by, rows).into_iter().chain([("total".to_owned(), total)]).map(line);
        ui.table(&heads, lines.collect());
    }
    if let Some(reserved) = cost::reserved(&total) {
        let (open, unread) = (total.open, total.unread);
        ui.line(format!("Charged by reservation, for {open} under way and {unread} not read: {reserved}."));
    }
    if let Some(with_pr) = with_pr.filter(|with_pr| *with_pr > 0) {
        let runs = words::count(with_pr, "run");
        ui.line(format!(
            "{} for each opened pull request, over {runs} with one.",
            cost::share(&total, with_pr)
        ));
    }
}

fn attempt(row: &UsageRow) -> Vec<String> {
    let label = vec![
        row.run.to_string(),
        row.no.to_string(),
        words::when(row.started_at),
        agent(row),
        row.role.name().to_owned(),
        cost::class(row).to_owned(),
    ];
    [label, cost::cells(&UsageTotal::of([row]))].concat()
}

fn document(session: &Session<'_>, by: By, rows: &[UsageRow], with_pr: Option<u64>) {
    let total = UsageTotal::of(rows);
    let lines: Vec<_> = if by == By::Attempt {
        rows.iter().map(cost::attempt).collect()
    } else {
        let group =
            |(key, total): (String, UsageTotal)| json!({ by.name(): key, "total": cost::document(&total) });
        groups(by, rows).into_iter().map(group).collect()
    };
    let each = with_pr.filter(|with_pr| *with_pr > 0).map(|with_pr| total.micros() / with_pr);
    session.ui.document(&json!({
        "by": by.name(),
        "rows": lines,
        "total": cost::document(&total),
        "runs_with_pull_request": with_pr,
        "micros_per_pull_request": each,
    }));
}
