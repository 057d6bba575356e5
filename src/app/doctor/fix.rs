//! `doctor --fix`: mends what can be mended without taking anything from anybody.
//!
//! It makes directories that are missing, takes the rights of others away from the engine's own places, and removes probe files
//! and half-made stores of killed processes. It never removes a workspace, a log or a run's file.

use crate::app::App;

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
        let places: Vec<_> = [data, root].into_iter().chain(beside.iter().cloned()).collect();
        for removed in probe.sweep(&places, self.now().wall) {
            tell(format!("remove {}", removed.display()), Ok(()));
        }
        done
    }
}
