//! Reading shell text: what is a command, what is data, and that any text is read.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use agentpr::domain::shell::{MAX_TEXT, SimpleCommand, TooComplex, simple_commands};

fn read(text: &str) -> Vec<SimpleCommand> {
    simple_commands(text).unwrap_or_else(|err| panic!("{text:?}: {err}"))
}

/// The commands of a text as words joined by blanks, those without words left out.
fn commands(text: &str) -> Vec<String> {
    let words = |command: &SimpleCommand| {
        command.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    };
    read(text).iter().map(words).filter(|words| !words.is_empty()).collect()
}

#[track_caller]
fn assert_reads(text: &str, expected: &[&str]) {
    assert_eq!(commands(text), expected, "{text:?}");
}

#[test]
fn operators_separate_commands() {
    assert_reads("a 1; b 2 && c || d | e & f\ng", &["a 1", "b 2", "c", "d", "e", "f", "g"]);
    assert_reads("a |& b", &["a", "b"]);
    assert_reads("(a; (b)) ; { c; }", &["a", "b", "c"]);
    assert_reads("a # b; c\nd", &["a", "d"]);
    assert_reads("a \\\n  b", &["a b"]);
    assert_reads("a#b c", &["a#b c"]);
}

#[test]
fn quotes_are_removed_and_what_they_hold_is_data() {
    assert_reads(r#"s""udo i'd'"#, &["sudo id", "id"]);
    assert_reads(r"r\m x", &["rm x"]);
    assert_reads(r#"echo "a; b" 'c | d' \;"#, &["echo a; b c | d ;"]);
    assert_reads(r"$'\x72\155' x", &["rm x"]);
    assert_reads("echo 'open", &["echo open"]);
    assert_reads(r#"echo "$HOME/x" ${HOME}"#, &["echo $HOME/x ${HOME}"]);
}

#[test]
fn reserved_words_are_no_commands() {
    assert_reads("if a; then b; elif c; then d; else e; fi", &["a", "b", "c", "d", "e"]);
    assert_reads("while a; do b; done | c", &["a", "b", "c"]);
    assert_reads("for x in dd sudo; do a $x; done; b", &["a $x", "b"]);
    assert_reads("for ((i=0; i<3; i++)); do a; done", &["a"]);
    assert_reads("case $x in dd|sudo) a;; (b) c ;; *) d\nesac; e", &["a", "c", "d", "e"]);
    assert_reads("! a; time -p b", &["a", "-p b"]);
    assert_reads("[[ a && dd || b < c ]] && d", &["[[ a dd b c ]]", "d"]);
    assert_reads("(( x = 1 << 3 ))\na", &["a"]);
    assert_reads("echo $[1<<3]\na", &["echo $[1<<3]", "a"]);
    assert_reads("x=(dd sudo) a", &["a"]);
    assert_reads("echo ${x%'}'} \"${x#'}'}\" \"${x:-'}\"; a", &["echo ${x%}} ${x#}} ${x:-'}", "a"]);
}

#[test]
fn here_documents_are_data_except_for_their_substitutions() {
    assert_reads("cat <<E\nrm -rf /\nE\na", &["cat", "a"]);
    assert_reads("cat <<-'E' | b\n\trm $(c)\n\tE\na", &["cat", "b", "a"]);
    assert_reads("cat <<E\nx $(b) `c`\nE\na", &["cat", "b", "c", "a"]);
    assert_reads("cat <<A <<B; b\n1\nA\n2\nB\na", &["cat", "b", "a"]);
    // Without its end it was perhaps no here-document, so nothing is hidden.
    assert_reads("cat <<E\na", &["cat", "a"]);
    let body = read("cat <<E\nx\ny\nE\n").first().and_then(|c| c.redirects.first()?.body.clone());
    assert_eq!(body.as_deref(), Some("x\ny\n"));
}

#[test]
fn redirections_keep_their_targets() {
    let command = read("a 2>&1 >x >>'y z' <i &>all b").remove(0);
    let redirects: Vec<_> =
        command.redirects.iter().map(|r| format!("{} {}", r.operator, r.target.text)).collect();
    assert_eq!(redirects, [">& 1", "> x", ">> y z", "< i", "&> all"]);
    assert_eq!(command.words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_reads("> x", &[]);
    assert_reads("a 2 > x", &["a 2"]);
}

#[test]
fn assignments_stand_before_the_program() {
    let command = read("A=1 B='x y' cmd C=2").remove(0);
    assert_eq!(command.assignments.len(), 2);
    assert_eq!(command.program(), "cmd");
    assert_eq!(command.arguments().collect::<Vec<_>>(), ["C=2"]);
}

#[test]
fn substitutions_are_commands() {
    assert_reads(
        "echo $(a; b `c`) \"$(d)\" ${x:-$(e)} <(f) '$(g)'",
        &["echo $() $() ${x:-$()} $() $(g)", "a", "b $()", "c", "d", "e", "f"],
    );
    assert_reads("x=$(a)", &["a"]);
    assert_reads("echo $((1 + $(a)))", &["echo $(())", "a"]);
    assert_reads("a > $(b)", &["a", "b"]);
}

#[test]
fn fsm_42_wrappers_are_looked_into() {
    for (text, inner) in [
        ("env -i A=b rm x", "rm x"),
        ("env -u HOME -- rm x", "rm x"),
        ("env -S 'rm x'", "rm x"),
        ("nice -n 5 rm x", "rm x"),
        ("ionice -c3 rm x", "rm x"),
        ("nohup rm x &", "rm x"),
        ("timeout -k 5 10 rm x", "rm x"),
        ("time rm x", "rm x"),
        ("/usr/bin/time -f %e rm x", "rm x"),
        ("stdbuf -oL rm x", "rm x"),
        ("find . | xargs -n 1 -I{} rm x", "rm x"),
        ("command rm x", "rm x"),
        ("exec -a y rm x", "rm x"),
        ("builtin rm x", "rm x"),
        ("sudo -u root A=b rm x", "rm x"),
        ("doas rm x", "rm x"),
        ("sh -c 'rm x'", "rm x"),
        ("bash -lc \"rm x\"", "rm x"),
        ("bash -o pipefail -euc 'rm x'", "rm x"),
        ("/bin/zsh -l -c 'rm x' a b", "rm x"),
        ("dash --norc -c 'true; rm x'", "rm x"),
        ("eval rm x", "rm x"),
        ("eval 'rm' 'x'", "rm x"),
        ("find . -type f -exec rm x ';'", "rm x"),
        ("find . -exec true {} + -execdir rm x \\;", "rm x"),
        ("busybox rm x", "rm x"),
        ("trap 'rm x' EXIT", "rm x"),
        ("su -c 'rm x' root", "rm x"),
        ("flock /tmp/l rm x", "rm x"),
        ("bash <<E\nrm x\nE\n", "rm x"),
        ("bash <<< 'rm x'", "rm x"),
        ("echo rm x | sudo sh", "rm x"),
        ("uv run --with a rm x", "rm x"),
        ("true\nenv nice timeout 5 sh -c 'eval \"rm x\"'", "rm x"),
        ("echo $(env rm x)", "rm x"),
        ("$SUDO rm x", "rm x"),
    ] {
        assert!(commands(text).iter().any(|command| command == inner), "{text:?}: {:?}", commands(text));
    }
}

#[test]
fn what_is_not_run_is_not_a_command() {
    for text in [
        "command -v rm",
        "ssh host rm x",
        "echo rm x",
        "git log --grep rm",
        "bash rm.sh rm x",
        "for f in rm x; do :; done",
        "f='rm x'",
        "# rm x",
    ] {
        assert!(!read(text).iter().any(|command| command.program() == "rm"), "{text:?}");
    }
}

#[test]
fn what_nobody_can_judge_has_a_name() {
    assert_eq!(simple_commands(&"a".repeat(MAX_TEXT + 1)), Err(TooComplex::TooLong));
    assert_eq!(simple_commands(&"(".repeat(1_000)), Err(TooComplex::TooDeep));
    assert_eq!(simple_commands(&"env ".repeat(1_000)), Err(TooComplex::TooDeep));
    assert_eq!(simple_commands(&"\"$(".repeat(1_000)), Err(TooComplex::TooDeep));
    assert_eq!(simple_commands(&"a;".repeat(30_000)), Err(TooComplex::TooMany));
}

/// Texts of the longest length that are hard in one way each.
#[test]
fn the_longest_texts_are_read_in_bounded_time() {
    let units = [
        "a",
        "a ",
        "a;",
        "a|",
        "a&",
        "'",
        "\"",
        "`",
        "\\",
        "$(",
        "${",
        "((",
        "$((",
        "<<a ",
        "<<a\n",
        "<(",
        "x=(",
        "case a in ",
        "f(){ ",
        "watch ",
        "env ",
        "sh -c ",
        "eval ",
        "eval eval eval ",
        "echo a|sh|",
        "((x);",
        "$((x);",
        "`a`",
        "$(a)",
        "1>",
        "[[ ",
        "if ",
        "for ",
        "} ",
        ")",
        "find -exec ",
        "\\`",
        "{ a|a& }; ",
        "sh;",
        "a|sh;",
        "~",
        "#",
        "\r",
        "\u{202e}",
    ];
    for unit in units {
        let text = unit.repeat(MAX_TEXT / unit.len());
        let started = Instant::now();
        // Whether it is read or refused is not the point here.
        drop(simple_commands(&text));
        let took = started.elapsed();
        assert!(took < Duration::from_secs(5), "{unit:?} took {took:?}");
    }
}

fn shell_like() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "rm", "-rf", "/", "~", "$HOME", "sudo", "sh", "-c", "env", "eval", "curl", "x", "'", "\"", "`", "$(",
        ")", "(", "{", "}", "((", "))", "${", "<<E", "E", "\n", ";", ";;", "|", "||", "&", "&&", ">", "<",
        "<(", "case", "in", "esac", "for", "do", "done", "if", "fi", "[[", "]]", "\\", " ", "#", "=", "x=",
        "f()", "find", "-exec", "xargs", "<<<", "2>&1", "$'", "\0", "\u{e9}", "*", "[", "]", "$[", "watch",
        "trap",
    ]);
    let separated =
        (pieces, any::<bool>()).prop_map(|(piece, blank)| format!("{piece}{}", if blank { " " } else { "" }));
    prop::collection::vec(separated, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        drop(simple_commands(&String::from_utf8_lossy(&bytes)));
    }

    #[test]
    fn any_shell_like_text_is_read(text in shell_like()) {
        if let Ok(commands) = simple_commands(&text) {
            for (index, command) in commands.iter().enumerate() {
                prop_assert!(command.inside.is_none_or(|inside| inside.parent < index), "{command:?}");
            }
        }
    }

    /// What is quoted is one argument, whatever it says.
    #[test]
    fn single_quoted_text_is_one_word(text in "[^'\\x00]{0,80}") {
        let commands = simple_commands(&format!("echo '{text}'; true"));
        let found = commands.map(|commands| commands.len()).ok();
        prop_assert_eq!(found, Some(2));
    }
}
