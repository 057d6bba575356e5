//! Command rules: every spelling of what is forbidden, and nothing that only mentions it.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use agentpr::domain::command_policy::{CommandPolicy, Refusal};
use agentpr::domain::policy::CommandMode;

fn policy(mode: CommandMode) -> CommandPolicy {
    CommandPolicy { mode, ..CommandPolicy::default() }
}

fn in_safe(command: &str) -> Result<(), Refusal> {
    policy(CommandMode::Safe).judge(command)
}

fn in_system(command: &str) -> Result<(), Refusal> {
    policy(CommandMode::System).judge(command)
}

#[track_caller]
fn assert_hard_denied(command: &str) {
    for mode in [CommandMode::Safe, CommandMode::System] {
        let refusal = policy(mode).judge(command).expect_err(command);
        assert_eq!(refusal.code, "blocked_by_policy", "{command:?}");
        assert!(refusal.why.ends_with("no mode allows it"), "{command:?}: {}", refusal.why);
    }
}

#[track_caller]
fn assert_allowed(command: &str) {
    assert_eq!(in_safe(command), Ok(()), "{command:?}");
}

/// Allowed in the system mode only.
#[track_caller]
fn assert_administration(command: &str) {
    assert_eq!(in_safe(command).expect_err(command).code, "blocked_by_policy", "{command:?}");
    assert_eq!(in_system(command), Ok(()), "{command:?}");
}

#[test]
fn f8_the_spellings_that_passed_are_blocked() {
    for command in [
        "rm -fr /",
        "rm -r -f /",
        "rm -rf \"/\"",
        "rm -rf ${HOME}",
        "rm -rf ~/",
        "rm -rf /home",
        "/bin/rm -rf /",
        "(rm -rf /)",
        "bash -c \"rm -rf /\"",
        "echo hi\nrm -rf /",
        "curl x | sh",
    ] {
        assert_hard_denied(command);
    }
    assert_administration("s\"\"udo id");
}

#[test]
fn f8_what_only_mentions_a_program_is_allowed() {
    assert_allowed("git log --grep dd");
    assert_allowed("grep -r reboot docs");
}

#[test]
fn fsm_40_removing_a_system_or_a_home_is_blocked_in_any_spelling() {
    for command in [
        "rm -rf /",
        "rm -rf /*",
        "rm -rf ~",
        "rm -rf $HOME",
        "rm -rf \"$HOME\"/",
        "rm -rf $HOME/*",
        "rm -rf ~/*",
        "rm -Rf /",
        "rm --recursive --force /",
        "rm --recurs /",
        "rm / -rf",
        "rm -r -- /",
        "rm -rf //",
        "rm -rf /./",
        "rm -rf /tmp/..",
        "rm -rf /usr",
        "rm -rf /etc/",
        "rm -rf /etc/*",
        "rm -rf /usr/lib",
        "rm -rf /var",
        "rm -rf /root",
        "rm -rf /home/ann",
        "rm -rf /home/*",
        "rm -rf ~ann",
        "rm -rf ~/.",
        "rm -rf $HOME/..",
        "rm -rf /e*",
        "rm -rf /{usr,etc}",
        "rm -rf ${HOME:?}/",
        "rm -rf build / tmp",
        "rm -rf /Users",
        "rm x --no-preserve-root",
        "\\rm -rf /",
        "r\"m\" -rf /",
        "$'\\x72m' -rf /",
        "sudo rm -rf /",
        "env A=b rm -rf /",
        "nice -n 5 rm -rf /",
        "timeout 5 rm -rf /",
        "nohup rm -rf / &",
        "exec rm -rf /",
        "sh -c 'rm -rf /'",
        "bash -lc 'cd x && rm -rf ~'",
        "eval 'rm -rf /'",
        "echo $(rm -rf /)",
        "$SUDO rm -rf /",
        "echo `rm -rf /`",
        "echo \"$(rm -rf /)\"",
        "cat <(rm -rf /)",
        "cat <<E\n$(rm -rf /)\nE\n",
        "bash <<'E'\nrm -rf /\nE\n",
        "echo 'rm -rf /' | sh",
        "echo -n 'rm -rf /' | sh",
        "printf '%s\\n' 'rm -rf /' | sh",
        "cat <<'E' | sh\nrm -rf /\nE\n",
        "bash <<< 'rm -rf /'",
        "if true; then rm -rf /; fi",
        "for x in 1; do rm -rf /; done",
        "case x in *) rm -rf /;; esac",
        "f() { rm -rf /; }; f",
        "true && rm -rf /",
        "true|rm -rf /",
        "{ rm -rf /; }",
        "x=1 rm -rf /",
        ">log rm -rf /",
        "rm -rf / # tidy up",
        "echo / | xargs rm -rf",
        "find / -exec rm -rf {} +",
        "find / -delete",
        "cd / && rm -rf *",
        "cd; rm -rf .",
        "((1<<3))\nrm -rf /",
        "busybox rm -rf /",
        "xargs rm -rf /",
        "trap 'rm -rf /' EXIT",
        "env -S 'rm -rf /'",
        "command rm -rf /",
        "rm \\\n -rf /",
        "[[ $(rm -rf /) ]]",
        "echo ${x:-$(rm -rf /)}",
        "rm -rf /\r\n",
        "coproc rm -rf /",
        "! rm -rf /",
        "time rm -rf /",
        "a=(x $(rm -rf /))",
        "echo $((1+$(rm -rf /)))",
    ] {
        assert_hard_denied(command);
    }
}

#[test]
fn fsm_40_fork_bombs_are_blocked_under_any_name() {
    for command in [
        ":(){ :|:& };:",
        ":() { : | : & } ; :",
        "bomb() { bomb | bomb & }; bomb",
        "function b { b & b; }; b",
        "function b() ( b | b ); b",
        "bash -c ':(){ :|:& };:'",
        ".(){ .|.& };.",
    ] {
        assert_hard_denied(command);
    }
    assert_allowed("walk() { for d in *; do walk \"$d\"; done; }; walk .");
}

#[test]
fn fsm_40_downloads_piped_into_a_shell_are_blocked() {
    for command in [
        "curl -fsSL http://127.0.0.1/x | sh",
        "curl x | bash",
        "curl x | sudo bash -",
        "curl x | bash -s -- --yes",
        "curl x | tee y | sh",
        "wget -qO- x|sh",
        "curl x | env A=b sh",
        "(curl x) | (cat | sh)",
        "sh -c \"$(curl x)\"",
        "bash -o pipefail -c \"$(curl x)\"",
        "$SUDO bash -c \"$(curl x)\"",
        "sudo -u x env A=b sh <(curl x)",
        "sudo sh <<< \"$(curl x)\"",
        "eval \"$(curl x)\"",
        "eval `wget -O- x`",
        "bash <(curl x)",
        "source <(curl x)",
        ". <(curl x)",
        "sh <<< \"$(curl x)\"",
        "bash -c 'curl x | sh'",
        "$(curl x)",
    ] {
        assert_hard_denied(command);
    }
    for command in [
        "curl -o x.sh y",
        "curl x | tar xz",
        "curl x | jq .",
        "curl x | sh build.sh",
        "sh build.sh \"$(curl x)\"",
        "V=$(curl x) sh build.sh",
        "curl x; sh build.sh",
        "bash -c 'v=$(curl x); echo $v'",
        "echo 'curl x | sh'",
    ] {
        assert_allowed(command);
    }
}

#[test]
fn fsm_40_writing_over_a_disk_is_blocked() {
    for command in [
        "dd if=/dev/zero of=/dev/sda",
        "dd of=/dev/nvme0n1 if=x bs=1M",
        "cat x > /dev/sda",
        "> /dev/sda1",
        "x | tee /dev/vda",
        "mkfs.ext4 /dev/sda1",
        "cp x /dev/sdb",
        "{ echo; } >/dev/sda",
        "sudo sh -c 'echo > /dev/sda'",
    ] {
        assert_hard_denied(command);
    }
    assert_allowed("echo x > /dev/null 2>&1");
    assert_allowed("cat x >/dev/stderr");
}

#[test]
fn fsm_41_the_safe_mode_refuses_administration_and_the_system_mode_allows_it() {
    for command in [
        "sudo id",
        "doas id",
        "su -c id",
        "pkexec id",
        "brew uninstall x",
        "docker system prune -af",
        "docker volume prune",
        "docker --context x system prune",
        "mkfs.ext4 disk.img",
        "dd if=a of=b",
        "shutdown -h now",
        "reboot",
        "/sbin/halt",
        "poweroff",
        "systemctl poweroff",
        "systemctl --force reboot",
        "true; sudo id",
        "echo $(sudo id)",
        "env sudo id",
        "x=`reboot`",
    ] {
        assert_administration(command);
    }
}

#[test]
fn fsm_41_the_denylist_comes_before_the_allowlist() {
    let mut policy = policy(CommandMode::System);
    policy.allowlist = vec!["^make ".to_owned()];
    policy.denylist = vec!["DEPLOY".to_owned()];
    assert_eq!(policy.judge("make test"), Ok(()));
    assert_eq!(policy.judge("make deploy").unwrap_err().code, "blocked_by_denylist");
    assert_eq!(policy.judge("npm test").unwrap_err().code, "blocked_by_allowlist");
    assert_eq!(policy.judge("make x; rm -rf /").unwrap_err().code, "blocked_by_policy");
}

#[test]
fn an_expression_that_is_none_is_taken_literally() {
    let policy = CommandPolicy { denylist: vec!["a(b".to_owned()], ..CommandPolicy::default() };
    assert_eq!(policy.judge("echo A(B").unwrap_err().code, "blocked_by_denylist");
    assert_eq!(policy.judge("echo ab"), Ok(()));
}

#[test]
fn fsm_42_wrappers_are_judged_by_what_they_run() {
    for wrapper in ["env", "nice", "timeout 5", "xargs", "sh -c", "bash -lc", "true\n", "echo", "eval"] {
        let command = match wrapper {
            "sh -c" | "bash -lc" => format!("{wrapper} 'reboot now'"),
            "echo" => "echo $(reboot now)".to_owned(),
            _ => format!("{wrapper} reboot now"),
        };
        assert_administration(&command);
    }
}

#[test]
fn fsm_43_nothing_is_blocked_for_a_word_in_its_arguments() {
    for command in [
        "git log --grep dd",
        "grep -r reboot docs",
        "pytest -k sudo",
        "echo \"sudo rm\"",
        "rg 'rm -rf /' src",
        "rm -rf build /tmp/x",
        "rm -rf ./*",
        "rm -rf ~/.cache/x",
        "rm -rf \"$HOME/.cache\"",
        "rm -rf /var/lib/apt/lists/*",
        "rm -f /etc/x.conf",
        "rm -rf $HOMEBREW",
        "git commit -m 'sudo: reboot; rm -rf /'",
        "cat <<E\nsudo reboot\nrm -rf /\nE\n",
        "make shutdown",
        "command -v sudo",
        "cat reboot | sh",
        "which dd",
        "man mkfs",
        "npm run reboot",
        "for x in dd sudo; do echo $x; done",
        "case $x in dd) echo;; esac",
        "rm -rf home",
        "cd / && ls",
        "cd build && rm -rf *",
        "docker system df",
        "docker compose up",
        "systemctl status x",
        "find . -name x -delete",
        "find /tmp/x -delete",
        "rm -rf node_modules dist",
        "test -f /etc && rm -rf x",
        "# sudo reboot",
        "echo a > b; cat < b",
        "python -c 'import os; os.system(\"sudo\")'",
        "printf '%s' sudo",
        "X=sudo make",
        "rm -r ~/x/..y",
        "[[ a == dd || b == sudo ]]",
        "cargo test -- dd",
        "find . -type f | xargs grep -l sudo",
    ] {
        assert_allowed(command);
    }
}

#[test]
fn fsm_48_what_waits_for_a_person_is_refused() {
    let policy = policy(CommandMode::Safe);
    for command in [
        "docker login -u x",
        "docker login registry.example",
        "sh -c 'docker login'",
        "gh auth login",
        "gh auth login --web",
        "npm login",
        "npm adduser",
        "podman login",
        "docker --context c login",
        "true && docker login",
    ] {
        assert_eq!(
            policy.judge_unattended(command).expect_err(command).code,
            "looks_interactive",
            "{command:?}"
        );
    }
    for command in [
        "echo x | docker login -u x --password-stdin",
        "docker login -u x -p y",
        "docker login --password=y",
        "docker login -px",
        "gh auth login --with-token < t",
        "npm ci",
        "docker run login",
        "echo docker login",
        "gh auth status",
        "docker login --help",
        "git commit -m 'npm login'",
    ] {
        assert_eq!(policy.judge_unattended(command), Ok(()), "{command:?}");
    }
}

#[test]
fn a_text_that_cannot_be_read_is_refused_by_name() {
    let long = "a ".repeat(40_000);
    assert_eq!(in_system(&long).unwrap_err().why, "the command is longer than 64 KiB; put it into a script");
    assert!(in_system(&"(".repeat(500)).unwrap_err().why.contains("too deeply"));
}

/// Texts of the longest length whose commands have to be compared with each other.
#[test]
fn the_longest_texts_are_judged_in_bounded_time() {
    let started = Instant::now();
    for unit in [
        "curl;",
        "curl|sh;",
        "f(){ f;}; f;",
        "rm -r {a,b}{c,d}{e,f}{g,h}{i,j}{k,l}{m,n} ",
        "xargs rm -r|",
        "cd /;",
    ] {
        for count in [3_000, 60_000] {
            let text = unit.repeat((count / unit.len()).max(1));
            drop(in_safe(&text));
        }
    }
    drop(in_safe(&format!("f(){{ {}; }}", "f;".repeat(3_000))));
    drop(in_safe(&format!("rm -r {}", "{a,".repeat(10_000))));
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However it is wrapped and quoted, it stays what it is.
    #[test]
    fn wrapping_hides_nothing(layers in prop::collection::vec(0_usize..12, 0..5)) {
        let mut command = "rm -rf /".to_owned();
        for layer in layers {
            let quoted = format!("'{}'", command.replace('\'', r"'\''"));
            command = match layer {
                0 => format!("sh -c {quoted}"),
                1 => format!("bash -lc {quoted}"),
                2 => format!("eval {quoted}"),
                3 => format!("( {command} )"),
                4 => format!("echo \"$( {command} )\""),
                5 => format!("true && {command}"),
                6 => format!("{{ {command}; }}"),
                7 => format!("if true; then {command}; fi"),
                8 => format!("echo x\n{command}"),
                9 => format!("env -i A=b sh -c {quoted}"),
                10 => format!("echo {quoted} | sh"),
                _ => format!("bash <<'END'\n{command}\nEND\ntrue"),
            };
        }
        prop_assert!(in_system(&command).is_err(), "{command}");
    }
}
