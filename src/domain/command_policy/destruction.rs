//! What no mode allows: removing a system or a home, fork bombs, running downloads, writing over disks.

use super::super::shell::{Route, SimpleCommand, Spot, reads_script_from_stdin, runs_computed_script};
use super::path::{is_disk, is_vital};

/// The first command that destroys, and why.
pub(super) fn find(commands: &[SimpleCommand]) -> Option<String> {
    commands
        .iter()
        .find_map(|command| {
            removes(commands, command)
                .or_else(|| overwrites_disk(command))
                .or_else(|| runs_download(commands, command))
                .or_else(|| multiplies(commands, command))
        })
        .or_else(|| removes_from_directory(commands))
}

/// `rm`, whatever its spelling, on what a system or a person cannot do without.
fn removes(commands: &[SimpleCommand], command: &SimpleCommand) -> Option<String> {
    if matches!(command.program(), "find" | "gfind") {
        let deletes = command.arguments().any(|argument| argument == "-delete");
        return deletes.then(|| vital_start(command)).flatten();
    }
    if command.program() != "rm" && command.program() != "grm" {
        return None;
    }
    let (recursive, operands) = rm_arguments(command);
    if command.arguments().any(|argument| argument.len() > 5 && "--no-preserve-root".starts_with(argument)) {
        return Some("`rm --no-preserve-root` removes a system".to_owned());
    }
    if !recursive {
        return None;
    }
    if let Some(path) = operands.iter().find(|path| is_vital(path)) {
        return Some(format!("`rm -r {path}` removes a system or a home"));
    }
    // The paths may come from `find` or through `xargs`.
    let parent = commands.get(command.inside.filter(|inside| inside.route == Route::Wrapped)?.parent)?;
    match parent.program() {
        "find" | "gfind" => vital_start(parent),
        "xargs" => commands
            .iter()
            .filter(|other| matches!(other.program(), "echo" | "printf") && other.feeds(command))
            .find_map(|other| {
                other
                    .arguments()
                    .flat_map(str::split_whitespace)
                    .find(|path| is_vital(path))
                    .map(|path| format!("`xargs rm -r` removes `{path}`, a system or a home"))
            }),
        _ => None,
    }
}

/// Whether `rm` goes down directories, and what it removes.
fn rm_arguments(command: &SimpleCommand) -> (bool, Vec<&str>) {
    let mut recursive = false;
    let mut operands = Vec::new();
    let mut options = true;
    for argument in command.arguments() {
        if options && argument == "--" {
            options = false;
        } else if options && argument.len() > 2 && argument.starts_with("--") {
            // Long options may be shortened.
            recursive |= "--recursive".starts_with(argument);
        } else if options && argument.len() > 1 && argument.starts_with('-') {
            recursive |= argument.contains(['r', 'R']);
        } else {
            operands.push(argument);
        }
    }
    (recursive, operands)
}

fn vital_start(find: &SimpleCommand) -> Option<String> {
    // A search that is narrowed, by name or by age, does not remove everything.
    let narrowed = find.arguments().any(|argument| {
        matches!(
            argument,
            "-name"
                | "-iname"
                | "-path"
                | "-ipath"
                | "-regex"
                | "-mtime"
                | "-mmin"
                | "-newer"
                | "-size"
                | "-empty"
                | "-user"
        )
    });
    let mut starts = find.arguments().take_while(|argument| !argument.starts_with(['-', '(', '!']));
    let path = starts.find(|path| is_vital(path))?;
    (!narrowed).then(|| format!("`find {path}` removes a system or a home"))
}

/// `cd /` and then `rm -r *`.
fn removes_from_directory(commands: &[SimpleCommand]) -> Option<String> {
    let mut vital = false;
    for command in commands {
        match command.program() {
            "cd" | "pushd" => {
                let target =
                    command.arguments().find(|argument| !argument.starts_with('-') || *argument == "-");
                vital = target.is_none_or(is_vital);
            }
            "rm" if vital => {
                let (recursive, operands) = rm_arguments(command);
                let all = operands
                    .iter()
                    .find(|path| matches!(**path, "*" | "." | "./" | "./*" | ".*" | ".." | "./.*"));
                if let (true, Some(path)) = (recursive, all) {
                    return Some(format!("`rm -r {path}` after `cd` removes a system or a home"));
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a program makes filesystems, whatever is on the disk.
pub(super) fn makes_filesystem(program: &str) -> bool {
    program == "mkfs"
        || program.starts_with("mkfs.")
        || matches!(program, "mke2fs" | "mkswap" | "newfs" | "mkdosfs")
}

fn overwrites_disk(command: &SimpleCommand) -> Option<String> {
    let writes = command
        .redirects
        .iter()
        .find(|redirect| redirect.operator.contains('>') && is_disk(&redirect.target.text));
    if let Some(redirect) = writes {
        return Some(format!("`> {}` overwrites a disk", redirect.target.text));
    }
    let program = command.program();
    let target = match program {
        "dd" | "gdd" => {
            command.arguments().filter_map(|argument| argument.strip_prefix("of=")).find(|path| is_disk(path))
        }
        "tee" | "shred" | "wipefs" | "blkdiscard" | "sgdisk" | "parted" => {
            command.arguments().find(|path| is_disk(path))
        }
        "cp" | "mv" | "install" => command.arguments().last().filter(|path| is_disk(path)),
        _ if makes_filesystem(program) => command.arguments().find(|path| is_disk(path)),
        _ => None,
    };
    target.map(|path| format!("`{program}` on `{path}` overwrites a disk"))
}

/// A download that is run without anybody having seen it.
fn runs_download(commands: &[SimpleCommand], command: &SimpleCommand) -> Option<String> {
    let program = command.program();
    if !matches!(program, "curl" | "wget" | "fetch" | "aria2c" | "http" | "https") {
        return None;
    }
    let says =
        || Some(format!("what `{program}` downloads is run unseen; download it, check it, then run it"));
    if commands.iter().any(|other| reads_script_from_stdin(other) && command.feeds(other)) {
        return says();
    }
    // Through a substitution: `sh -c "$(curl …)"`, `eval "$(curl …)"`, `sh <(curl …)`.
    let mut inside = command.inside;
    for _ in 0..32 {
        let Some((parent, route)) = inside.map(|inside| (inside.parent, inside.route)) else { break };
        let mut around =
            commands.iter().enumerate().skip(parent).filter(|(at, _)| wraps(commands, parent, *at));
        let runs = match route {
            Route::Substitution(Spot::Word(_)) => around.any(|(_, outer)| {
                runs_computed_script(outer) || matches!(outer.program(), "eval" | "source" | "." | "$()")
            }),
            Route::Substitution(Spot::Redirect) => around.any(|(_, outer)| reads_script_from_stdin(outer)),
            Route::Substitution(Spot::Assignment) | Route::Wrapped | Route::Script => false,
        };
        if runs {
            return says();
        }
        inside = commands.get(parent).and_then(|outer| outer.inside);
    }
    None
}

/// Whether the command at `inner` is the one at `outer`, or what that wraps: `sudo env sh` is three.
fn wraps(commands: &[SimpleCommand], outer: usize, inner: usize) -> bool {
    let mut at = inner;
    while at > outer {
        match commands.get(at).and_then(|command| command.inside) {
            Some(inside) if inside.route == Route::Wrapped && inside.parent < at => at = inside.parent,
            _ => return false,
        }
    }
    at == outer
}

/// A function that calls itself twice at once, or without waiting: a fork bomb.
fn multiplies(commands: &[SimpleCommand], command: &SimpleCommand) -> Option<String> {
    let name = command.words.first()?.text.as_str();
    if !command.functions.iter().any(|function| function == name) {
        return None;
    }
    let again = || {
        commands.iter().any(|other| {
            other.words.first().is_some_and(|word| word.text == name)
                && other.functions.iter().any(|function| function == name)
                && command.feeds(other)
        })
    };
    (command.background || again()).then(|| format!("`{name}` calls itself without end"))
}
