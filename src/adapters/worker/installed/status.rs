//! What is known of an agent and what is wrong with it, for people and before each start.

use std::path::Path;

use super::Programs;
use crate::adapters::worker::agent::{Agent, Installed, Setup};
use crate::adapters::worker::pool_of;
use crate::ports::worker::{AgentStatus, Login, Problem};

/// Everything about one agent. `home` is the operator's, where an unused login may lie. Blocks like [`Programs::installed`].
pub fn status(programs: &Programs, agent: &dyn Agent, setup: &Setup, home: Option<&Path>) -> AgentStatus {
    let known = agent.known();
    let mut status = AgentStatus {
        name: known.name.to_owned(),
        program: None,
        version: None,
        sha256: None,
        login: login(setup),
        model: setup.model.clone(),
        pool: pool_of(known.name, setup),
        capabilities: Vec::new(),
        problems: Vec::new(),
    };
    match programs.installed(agent, setup) {
        Ok(installed) => {
            status.program = Some(installed.program().to_owned());
            status.capabilities = agent.capabilities(&installed).into_iter().map(str::to_owned).collect();
            status.problems = unfit(agent, &installed);
            status.version = installed.identity.version;
            status.sha256 = installed.identity.sha256;
        }
        Err(problem) => status.problems.push(problem),
    }
    status.problems.extend(login_problem(agent, setup));
    status.problems.extend(unused_login(agent, setup, home));
    status
}

/// What is wrong with a program that was asked: its version, the options it lacks.
pub fn unfit(agent: &dyn Agent, installed: &Installed) -> Vec<Problem> {
    let known = agent.known();
    let version = installed.identity.version.as_deref().unwrap_or_default();
    let program = installed.program().display();
    let mend = || format!("install the newest with `{}`", known.install);
    let old = known.objection(version).map(|why| Problem {
        what: format!("`{program}` is not safe to start: {why}"),
        mend: mend(),
        blocks: true,
    });
    let lacking: Vec<String> = agent
        .needs()
        .iter()
        .filter(|option| !installed.has_option(option))
        .map(|option| format!("`{option}`"))
        .collect();
    let lacking = (!lacking.is_empty()).then(|| Problem {
        what: format!("`{program}` ({version}) does not know {}", lacking.join(", ")),
        mend: mend(),
        blocks: true,
    });
    old.into_iter().chain(lacking).collect()
}

/// What is wrong with the configured login.
pub fn login_problem(agent: &dyn Agent, setup: &Setup) -> Option<Problem> {
    let path = setup.login.as_deref().filter(|path| setup.key.is_none() && !path.is_file())?;
    Some(Problem {
        what: format!("the login `{}` of `{}` is not there", path.display(), agent.known().name),
        mend: "log in with the program itself, or correct `login` in the configuration".to_owned(),
        blocks: true,
    })
}

/// How it is logged in. A server of the operator's own choice without a key is taken to need none.
fn login(setup: &Setup) -> Login {
    match (&setup.key, &setup.login) {
        (Some(key), _) => Login::Key { variable: key.variable.clone() },
        (None, Some(path)) if path.is_file() => Login::File { path: path.clone() },
        (None, None) if setup.url.is_some() || setup.base_url.is_some() => Login::Own,
        (None, _) => Login::Missing,
    }
}

/// A login in the operator's home is never taken without being named.
fn unused_login(agent: &dyn Agent, setup: &Setup, home: Option<&Path>) -> Option<Problem> {
    if setup.key.is_some() || setup.login.is_some() {
        return None;
    }
    let path = home?.join(agent.login_file()?);
    path.is_file().then(|| Problem {
        what: format!("there is a login at `{}`, and runs do not use it", path.display()),
        mend: format!("add `login = \"{}\"` to `[agents.{}]`", path.display(), agent.known().name),
        blocks: false,
    })
}
