//! The machine's programs and directories, looked at for `doctor` and `run-preflight`.

use std::path::{Path, PathBuf};

use crate::ports::probe::Probe;

/// Looks at this machine, with the search path it was given.
pub struct SystemProbe {
    search_path: Vec<PathBuf>,
}

impl SystemProbe {
    /// Looks for programs in these directories, first match wins.
    pub fn new(search_path: Vec<PathBuf>) -> Self {
        Self { search_path }
    }
}

impl Probe for SystemProbe {
    fn program(&self, name: &str) -> Option<PathBuf> {
        use std::os::unix::fs::PermissionsExt;
        let runs = |path: &PathBuf| {
            std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        };
        self.search_path.iter().map(|directory| directory.join(name)).find(runs)
    }

    fn writable(&self, directory: &Path) -> Result<(), String> {
        std::fs::create_dir_all(directory).map_err(|err| err.to_string())?;
        // A name of its own: two doctors at once must not fail each other.
        tempfile::Builder::new()
            .prefix(".agentpr_doctor_probe")
            .tempfile_in(directory)
            .map(drop)
            .map_err(|err| err.to_string())
    }

    fn is_within(&self, inner: &Path, outer: &Path) -> bool {
        match (inner.canonicalize(), outer.canonicalize()) {
            (Ok(inner), Ok(outer)) => inner.starts_with(outer),
            _ => false,
        }
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn project_programs(&self, repository: &Path) -> Vec<(&'static str, String)> {
        let has = |name: &str| repository.join(name).exists();
        let mut programs = Vec::new();
        let python_files =
            ["pyproject.toml", "requirements.txt", "requirements-dev.txt", "setup.py", "setup.cfg"];
        if python_files.iter().any(|name| has(name)) {
            programs.push(("python", "python3".to_owned()));
        }
        programs.extend(python_tools(repository).into_iter().map(|tool| ("python", tool)));
        if let Some(manager) = javascript_manager(repository) {
            programs.push(("javascript", manager));
        }
        for (file, kind, program) in [
            ("package.json", "javascript", "node"),
            ("Cargo.toml", "rust", "cargo"),
            ("go.mod", "go", "go"),
            ("Makefile", "make", "make"),
        ] {
            if has(file) {
                programs.push((kind, program.to_owned()));
            }
        }
        programs
    }
}

/// Tools named by a `[tool.NAME]` table of pyproject.toml, or by their own files; an unreadable file names none.
fn python_tools(repository: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(repository.join("pyproject.toml")).unwrap_or_default();
    let has = |name: &str| repository.join(name).exists();
    ["rye", "poetry", "hatch", "uv", "tox"]
        .into_iter()
        .filter(|tool| {
            let table = format!("[tool.{tool}");
            let named = text.lines().any(|line| {
                line.trim().strip_prefix(&table).is_some_and(|rest| rest.starts_with([']', '.']))
            });
            named || (*tool == "tox" && has("tox.ini")) || (*tool == "poetry" && has("poetry.lock"))
        })
        .map(str::to_owned)
        .collect()
}

/// The package manager by lock file, in the seed's order; npm when there is only a package.json.
fn javascript_manager(repository: &Path) -> Option<String> {
    let locks = [
        ("bun.lock", "bun"),
        ("bun.lockb", "bun"),
        ("pnpm-lock.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("package-lock.json", "npm"),
        ("npm-shrinkwrap.json", "npm"),
        ("package.json", "npm"),
    ];
    locks.into_iter().find(|(file, _)| repository.join(file).exists()).map(|(_, program)| program.to_owned())
}
