//! How codex is started: every option and mode, and what must never be among the arguments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agentpr::adapters::worker::agent::{Agent, Installed, Key, Setup};
use agentpr::adapters::worker::codex::Codex;
use agentpr::adapters::worker::codex::arguments::{Wishes, arguments, environment, sandbox};
use agentpr::adapters::worker::codex::home::prepare;
use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::record::Session;
use agentpr::domain::agent::role::Role;
use agentpr::domain::agent::usage::Tokens;
use agentpr::domain::confine::{Confinement, ProcessLimits, SandboxMode, Tier};
use agentpr::domain::id::AttemptNo;
use agentpr::ports::worker::WorkOrder;

use super::world::run;

const SECRET: &str = "sk-very-secret";

const THREAD: &str = "01a1fbbe-5a05-7013-8717-1573d3b90455";

/// What 0.169 lists, as far as this adapter looks for it.
const HELP: &str = "\
  -c, --config <key=value>
  -m, --model <MODEL>
  -s, --sandbox <SANDBOX_MODE>
  -C, --cd <DIR>
      --skip-git-repo-check
      --ignore-user-config
      --ignore-rules
      --output-schema <FILE>
      --json
  -o, --output-last-message <FILE>
plugins                                  stable             true
multi_agent                              deprecated         true
shell_tool                               stable             true
unbounded_connection_retries             stable             true
";

/// What the seed was written for, as far as it matters.
const OLD_HELP: &str = "\
  -c, --config <key=value>
  -m, --model <MODEL>
  -s, --sandbox <SANDBOX_MODE>
  -a, --ask-for-approval <APPROVAL_POLICY>
      --full-auto
      --json
";

struct Case {
    order: WorkOrder,
    installed: Installed,
    setup: Setup,
    env: BTreeMap<String, String>,
    tier: Tier,
}

impl Case {
    fn new() -> Self {
        let order = WorkOrder {
            run: run().0,
            attempt: AttemptNo(1),
            role: Role::Build,
            agent: "codex".to_owned(),
            model: None,
            extra_args: Vec::new(),
            workspace: PathBuf::from("/ws"),
            prompt: "a prompt with words of its own".to_owned(),
            output_schema: None,
            resume: None,
            confinement: Confinement { mode: SandboxMode::Auto, required: Tier::Open, network: true },
            limits: ProcessLimits::wall(Duration::from_secs(1)),
            allowance: Allowance::default(),
        };
        let installed = Installed { help: HELP.to_owned(), ..Installed::default() };
        Self { order, installed, setup: Setup::default(), env: BTreeMap::new(), tier: Tier::Open }
    }

    fn wishes(&self) -> Wishes<'_> {
        Wishes {
            order: &self.order,
            installed: &self.installed,
            setup: &self.setup,
            home: Path::new("/rt/agent/codex"),
            runtime: Path::new("/rt"),
            env: &self.env,
            tier: self.tier,
        }
    }

    fn args(&self) -> Vec<String> {
        arguments(&self.wishes())
    }

    /// The arguments without `--config` and their values.
    fn plain(&self) -> Vec<String> {
        let mut plain = Vec::new();
        let mut args = self.args().into_iter();
        while let Some(arg) = args.next() {
            if arg == "--config" {
                args.next();
            } else {
                plain.push(arg);
            }
        }
        plain
    }

    fn settings(&self) -> BTreeMap<String, String> {
        let args = self.args();
        let pairs = args.windows(2).filter(|pair| pair[0] == "--config");
        pairs
            .map(|pair| pair[1].split_once('=').unwrap())
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }
}

fn key() -> Option<Key> {
    Some(Key { variable: "AGENTPR_CODEX_KEY".to_owned(), value: SECRET.to_owned() })
}

#[test]
fn the_plain_start_has_these_arguments_and_no_more() {
    let case = Case::new();
    assert_eq!(
        case.plain(),
        [
            "exec",
            "--json",
            "--skip-git-repo-check",
            "--ignore-user-config",
            "--ignore-rules",
            "--cd",
            "/ws",
            "--output-last-message",
            "/rt/agent/codex/last-message.txt",
            "--sandbox",
            "workspace-write",
            "-"
        ]
    );
    let settings = case.settings();
    for (name, value) in [
        ("analytics.enabled", "false"),
        ("check_for_update_on_startup", "false"),
        ("web_search", "\"disabled\""),
        ("approval_policy", "\"never\""),
        ("allow_login_shell", "false"),
        ("features.plugins", "false"),
        ("features.multi_agent", "false"),
        ("features.unbounded_connection_retries", "false"),
        ("sandbox_workspace_write.network_access", "true"),
    ] {
        assert_eq!(settings.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!settings.contains_key("features.goals"), "the installed version lists no such feature");
    assert!(!settings.contains_key("model_provider"), "the built-in provider is the default");
}

#[test]
fn what_is_asked_for_comes_before_resume_and_the_prompt_on_standard_input() {
    let mut case = Case::new();
    case.order.model = Some("m-1".to_owned());
    case.setup.model = Some("m-2".to_owned());
    case.setup.effort = Some("xhigh".to_owned());
    case.setup.args = vec!["--operators".to_owned()];
    case.order.extra_args = vec!["--orders".to_owned()];
    case.order.output_schema = Some("{}".to_owned());
    case.order.resume =
        Some(Session { agent: "codex".to_owned(), id: THREAD.to_owned(), total: Tokens::default() });
    let plain = case.plain();
    let text = plain.join(" ");
    assert!(text.contains("--model m-1") && !text.contains("m-2"), "{text}");
    assert!(text.contains("--output-schema /rt/agent/codex/output-schema.json"), "{text}");
    assert!(text.ends_with(&format!("--operators --orders resume {THREAD} -")), "{text}");
    assert_eq!(case.settings()["model_reasoning_effort"], "\"xhigh\"");
}

#[test]
fn f35_the_prompt_is_no_argument() {
    let case = Case::new();
    assert!(!case.args().iter().any(|arg| arg.contains(&case.order.prompt)));
    assert_eq!(case.args().last().map(String::as_str), Some("-"), "it is read from standard input");
}

#[test]
fn the_operators_model_is_taken_when_the_order_names_none() {
    let mut case = Case::new();
    case.setup.model = Some("m-2".to_owned());
    assert!(case.plain().join(" ").contains("--model m-2"));
}

#[test]
fn options_an_installed_version_does_not_list_are_left_out() {
    let mut case = Case::new();
    case.installed.help = "--json --config --model --sandbox".to_owned();
    case.order.output_schema = Some("{}".to_owned());
    assert_eq!(case.plain(), ["exec", "--json", "--sandbox", "workspace-write", "-"]);
    // A version that lists no features may have any of them.
    assert_eq!(case.settings()["features.goals"], "false");
}

#[test]
fn an_older_version_gets_the_options_of_the_seed() {
    let mut case = Case::new();
    case.installed.help = OLD_HELP.to_owned();
    assert_eq!(case.plain(), ["exec", "--json", "--sandbox", "workspace-write", "--full-auto", "-"]);
    for mode in [SandboxMode::ReadOnly, SandboxMode::DangerFullAccess] {
        case.order.confinement.mode = mode;
        let wanted = ["exec", "--json", "--sandbox", mode.name(), "--ask-for-approval", "on-request", "-"];
        assert_eq!(case.plain(), wanted);
    }
    assert!(!case.settings().contains_key("approval_policy"));
}

#[test]
fn the_sandbox_follows_mode_role_and_tier() {
    use SandboxMode::{Auto, DangerFullAccess, ReadOnly, WorkspaceWrite};
    let mut case = Case::new();
    for (mode, writing, reading) in [
        (Auto, WorkspaceWrite, ReadOnly),
        (WorkspaceWrite, WorkspaceWrite, ReadOnly),
        (ReadOnly, ReadOnly, ReadOnly),
        (DangerFullAccess, DangerFullAccess, ReadOnly),
    ] {
        case.order.confinement.mode = mode;
        for role in Role::ALL {
            case.order.role = role;
            case.tier = Tier::Open;
            assert_eq!(
                sandbox(&case.wishes()),
                if role.writes() { writing } else { reading },
                "{mode:?} {role:?}"
            );
            // codex's own sandbox does not come up within a wall; the wall holds instead.
            for tier in [Tier::Landlock, Tier::Bubblewrap] {
                case.tier = tier;
                assert_eq!(sandbox(&case.wishes()), DangerFullAccess);
            }
        }
    }
}

#[test]
fn the_network_of_its_own_sandbox_is_the_runs() {
    let mut case = Case::new();
    case.order.confinement.network = false;
    assert_eq!(case.settings()["sandbox_workspace_write.network_access"], "false");
    case.tier = Tier::Bubblewrap;
    assert!(!case.settings().contains_key("sandbox_workspace_write.network_access"));
}

#[test]
fn its_own_sandbox_opens_the_runs_caches_but_never_the_agents_home() {
    let runtime = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let path = runtime.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path.to_string_lossy().into_owned()
    };
    let mut case = Case::new();
    for (name, value) in [
        ("AGENTPR_RUNTIME_DIR", place("")),
        ("XDG_CONFIG_HOME", place("config")),
        ("XDG_CACHE_HOME", place("cache")),
        ("PIP_CACHE_DIR", place("cache/pip")),
        ("ELSEWHERE", "/usr".to_owned()),
    ] {
        case.env.insert(name.to_owned(), value);
    }
    let home = runtime.path().join("config/codex");
    let wishes = Wishes { home: &home, runtime: runtime.path(), ..case.wishes() };
    let args = arguments(&wishes);
    let roots =
        args.iter().find_map(|arg| arg.strip_prefix("sandbox_workspace_write.writable_roots=")).unwrap();
    assert_eq!(roots, format!("[\"{}\"]", runtime.path().join("cache").display()));
}

#[test]
fn f36_the_key_is_in_the_environment_only_and_hidden_from_commands() {
    let mut case = Case::new();
    case.setup.key = key();
    let env = environment(&case.wishes());
    assert_eq!(env["CODEX_API_KEY"], SECRET);
    assert!(!env.contains_key("AGENTPR_CODEX_KEY") && !env.contains_key("OPENAI_API_KEY"));
    case.setup.base_url = Some("http://127.0.0.1:1/v1".to_owned());
    let env = environment(&case.wishes());
    assert_eq!(env["AGENTPR_CODEX_KEY"], SECRET);
    assert!(!env.contains_key("CODEX_API_KEY"));
    assert!(!case.args().iter().any(|arg| arg.contains(SECRET)));
    let settings = case.settings();
    assert_eq!(
        settings["shell_environment_policy"],
        "{inherit=\"all\",ignore_default_excludes=false,\
         exclude=[\"AGENTPR_CODEX_KEY\",\"CODEX_API_KEY\",\"OPENAI_API_KEY\",\"TZ\"]}"
    );
    assert_eq!(settings["model_provider"], "\"agentpr\"");
    assert_eq!(
        settings["model_providers.agentpr"],
        "{name=\"agentpr\",base_url=\"http://127.0.0.1:1/v1\",wire_api=\"responses\",env_key=\"AGENTPR_CODEX_KEY\",\
         request_max_retries=2,stream_max_retries=3,stream_idle_timeout_ms=300000}"
    );
}

#[test]
fn a_login_at_an_address_of_the_operators_is_used_there() {
    let mut case = Case::new();
    case.setup.base_url = Some("http://127.0.0.1:1/v1".to_owned());
    assert!(!case.settings()["model_providers.agentpr"].contains("auth"));
    case.setup.login = Some(PathBuf::from("/somewhere/auth.json"));
    assert!(case.settings()["model_providers.agentpr"].contains("requires_openai_auth=true"));
}

#[test]
fn the_home_keeps_conversations_and_login_and_nothing_a_command_may_have_left_there() {
    let root = tempfile::tempdir().unwrap();
    let home = root.path().join("home");
    let outside = root.path().join("outside");
    std::fs::create_dir_all(home.join("sessions/2026")).unwrap();
    std::fs::create_dir_all(home.join("skills/mine")).unwrap();
    std::fs::write(&outside, "outside").unwrap();
    for name in ["AGENTS.md", "config.toml", ".env", "hooks.json"] {
        std::fs::write(home.join(name), "a trap").unwrap();
    }
    std::os::unix::fs::symlink(&outside, home.join("output-schema.json")).unwrap();
    let mut case = Case::new();
    case.order.output_schema = Some("{\"a\":1}".to_owned());
    case.setup.key = key();
    prepare(&home, &case.order, &case.setup).unwrap();
    let mut left: Vec<String> = std::fs::read_dir(&home)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["output-schema.json", "sessions"]);
    assert!(home.join("sessions/2026").is_dir());
    assert_eq!(std::fs::read_to_string(home.join("output-schema.json")).unwrap(), "{\"a\":1}");
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "outside");
}

#[test]
fn a_login_is_copied_privately_and_what_codex_renewed_in_its_copy_stays() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let (home, login) = (root.path().join("home"), root.path().join("auth.json"));
    std::fs::create_dir(&home).unwrap();
    let mut case = Case::new();
    case.setup.login = Some(login.clone());
    let made = |case: &Case| prepare(&home, &case.order, &case.setup);
    let missing = made(&case).unwrap_err().to_string();
    assert!(missing.contains("auth.json"), "{missing}");
    let write = |path: &Path, text: &str, secs: u64| {
        std::fs::write(path, text).unwrap();
        let time = std::time::UNIX_EPOCH + Duration::from_secs(secs);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    };
    let copy = home.join("auth.json");
    write(&login, "first", 1_000_000);
    std::os::unix::fs::symlink(&login, &copy).unwrap();
    made(&case).unwrap();
    let found = std::fs::symlink_metadata(&copy).unwrap();
    assert!(found.is_file());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), "first");
    write(&copy, "renewed", 1_000_100);
    made(&case).unwrap();
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), "renewed");
    write(&login, "logged in again", 1_000_200);
    made(&case).unwrap();
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), "logged in again");
}

#[test]
fn codex_tells_times_in_utc_and_its_commands_keep_the_runs_zone() {
    let mut case = Case::new();
    assert_eq!(environment(&case.wishes())["TZ"], "UTC");
    case.env.insert("TZ".to_owned(), "Asia/Tokyo".to_owned());
    assert_eq!(environment(&case.wishes())["TZ"], "UTC");
    let policy = &case.settings()["shell_environment_policy"];
    assert!(policy.ends_with("set={TZ=\"Asia/Tokyo\"}}") && !policy.contains("\"TZ\""), "{policy}");
}

#[test]
fn values_from_outside_stay_values() {
    let mut case = Case::new();
    case.setup.base_url = Some("http://x/\",env_key=\"HOME".to_owned());
    case.setup.effort = Some("a\nb".to_owned());
    let settings = case.settings();
    assert!(settings["model_providers.agentpr"].contains(r#"base_url="http://x/\",env_key=\"HOME""#));
    assert_eq!(settings["model_reasoning_effort"], r#""a\nb""#);
}

#[test]
fn npms_script_is_looked_through_to_the_program() {
    let target = format!("vendor/{}-unknown-linux-musl", std::env::consts::ARCH);
    let short = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "x64" };
    let package = format!("codex-linux-{short}");
    for place in [format!("@openai/{package}"), format!("@openai/codex/node_modules/@openai/{package}")] {
        let root = tempfile::tempdir().unwrap();
        let modules = root.path().join("lib/node_modules");
        let put = |path: &Path| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        let script = modules.join("@openai/codex/bin/codex.js");
        let vendor = modules.join(&place).join(&target);
        put(&script);
        put(&vendor.join("bin/codex"));
        put(&vendor.join("codex-path/rg"));
        let link = root.path().join("codex");
        std::os::unix::fs::symlink(&script, &link).unwrap();
        let vendor = vendor.canonicalize().unwrap();
        assert_eq!(Codex.native(&link), (vendor.join("bin/codex"), vec![vendor]));
    }
}

#[test]
fn a_program_that_is_no_script_is_itself() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().canonicalize().unwrap();
    for name in ["codex", "codex.js"] {
        std::fs::write(folder.join(name), "").unwrap();
        assert_eq!(Codex.native(&folder.join(name)), (folder.join(name), vec![folder.clone()]));
    }
}
