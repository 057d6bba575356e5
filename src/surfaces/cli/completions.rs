//! `completions`: a script that makes a shell complete commands and options.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use super::exit::Exit;
use super::ui::Ui;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn execute(ui: &Ui, args: &Args) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "agentpr", &mut script);
    ui.own_text(&script);
    Exit::Ok
}
