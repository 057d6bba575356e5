//! `doctor --fix`: mends what can be mended without taking anything from anybody.
//!
//! It makes directories that are missing, takes the rights of others away from the engine's own places, and removes probe files
//! and half-made things that killed processes left. It never removes a workspace, a log or a run's file.

use crate::app::App;
use crate::domain::id::RunId;
use crate::domain::state::State;
use crate::ports::store::RunQuery;

/// One thing that was done, or could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// What, such as `made /srv/agentpr/workspaces`.
    pub what: String,
    /// Why it could not be done.
    pub failed: Option<String>,
}

impl App {
    /// Mends what is safe to mend and says each thing; `beside` are more directories that may hold leftovers.
    pub fn mend(&self, beside: &[std::path::PathBuf]) -> Vec<Mended> {
        let probe = &self.ports.probe;
        let mut done = Vec::new();
        let mut tell = |what: String, result: Result<(), String>| {
            done.push(Mended { what, failed: result.err() });
        };
        let (data, root) = (probe.data_dir().to_owned(), self.settings.workspace_root.clone());
        for directory in [&data, &root] {
            if !probe.exists(directory) {
                tell(format!("make {}", directory.display()), probe.make_directory(directory));
            }
        }
        for loose in probe.loose_modes() {
            let what = format!("set mode {:o} on {}", loose.wanted, loose.path.display());
            tell(what, probe.tighten(&loose));
        }
        for run in self.dead_runs() {
            match probe.clear_scratch(&run) {
                Ok(false) => {}
                cleared => tell(format!("remove what was half made for run {run}"), cleared.map(|_| ())),
            }
        }
        let places: Vec<_> = [data, root].into_iter().chain(beside.iter().cloned()).collect();
        for removed in probe.sweep(&places, self.now().wall) {
            tell(format!("remove {}", removed.display()), Ok(()));
        }
        done
    }

    /// Runs that are over and that nobody is still ending.
    fn dead_runs(&self) -> Vec<RunId> {
        let store = &self.ports.store;
        let states = State::ALL.into_iter().filter(|state| state.is_terminal()).collect();
        let rows = store.run_rows(&RunQuery { states, limit: None }).unwrap_or_default();
        let ended = |run: &RunId| {
            store.attempts_of(run).is_ok_and(|attempts| attempts.iter().all(|one| one.ended_at.is_some()))
        };
        rows.into_iter().map(|row| row.run).filter(ended).collect()
    }
}
