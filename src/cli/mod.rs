//! The command line: arguments here, a file per command beside it.
//!
//! Standard output carries only the result; logs and progress go to standard error. Exit status:
//! 0 done and no drift, 1 drift found, 2 could not do it, 3 nothing could be judged and
//! `--strict` was given.

mod accept;
mod check;
mod compared;
mod config;
mod counting;
mod daemon_client;
mod dashboards;
mod guessed_columns;
mod healthy;
mod history;
mod history_profile;
mod init;
mod judging;
mod merge;
mod metrics;
mod options;
mod output;
mod profile;
mod profile_pipe;
mod progress;
mod reference_command;
mod rules;
mod run;
mod state;
mod suggest;

use crate::monitor::table::is_guarded;
use clap::{Parser, Subcommand, ValueEnum};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Log lines that wait to be written; further ones are dropped.
const LOG_LINES_MAX: usize = 8_192;

/// Exit status when drift was found.
const DRIFT: u8 = 1;
/// Exit status when the command could not do its work.
const FAILURE: u8 = 2;
/// Exit status of `--strict` when nothing could be judged.
const UNJUDGED: u8 = 3;

#[derive(Parser)]
#[command(name = "driftd", version, about, long_about = LONG_ABOUT, after_long_help = EXAMPLES)]
struct Arguments {
    /// How log lines are written to standard error; RUST_LOG sets which
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

const LONG_ABOUT: &str = "\
Drift and data-quality daemon for machine-learning features.

driftd fixes cells for every feature from the data that a model was trained on, counts what the \
model sees now into the same cells, and scores the difference: PSI, KS, Jensen-Shannon, χ² and \
missing values. As a daemon it watches directories of Parquet files and sockets, and Prometheus \
scrapes it; `driftd check` does the same once.";

const EXAMPLES: &str = "\
Examples:
  driftd check --reference train.parquet logs/today.parquet
  driftd check --reference train.parquet --each 'logs/*.parquet' --format json
  driftd profile train.parquet --output train.profile
  driftd init train.parquet logs/ --output driftd.toml
  driftd config check driftd.toml && driftd run --config driftd.toml

Exit status: 0 done and no drift, 1 drift found, 2 could not do it, 3 with --strict: nothing \
could be judged.";

/// What a command logs: windows of a replay are in what it writes.
const COMMAND_LOGS: &str = "warn,driftd::daemon::work_log=off";

#[derive(Subcommand)]
enum Command {
    /// Write a configuration to start with, from a training file and the directory of the logs
    Init(init::InitArguments),
    /// Watch sources and serve metrics until SIGTERM
    Run(run::RunArguments),
    /// Compare files with a reference once; exit status 1 when a feature drifted
    Check(check::CheckArguments),
    /// Make a reference profile, or with --grid a profile that adds to others
    Profile(profile::ProfileArguments),
    /// Add profiles that were counted on the grid of one reference
    Merge(merge::MergeArguments),
    /// Write closed windows out of the state
    History(history::HistoryArguments),
    /// Run the files of the sources through the same engine again, and write the windows
    Replay(history::ReplayArguments),
    /// Accept a window as the reference of a model, or forget how much its features vary
    Reference(reference_command::ReferenceArguments),
    /// Ask whether a daemon answers and makes progress; exit status 1 when it does not
    Healthy(healthy::HealthyArguments),
    /// Check or copy the state of a daemon
    State(state::StateArguments),
    /// Check a configuration, or show it with all defaults
    Config(config::ConfigArguments),
    /// List all metrics: name, type, labels, help
    Metrics,
    /// Write the alerting rules for the windows of a configuration, or the rules of a fleet
    Rules(rules::RulesArguments),
    /// Write dashboards for Grafana, and how it finds them
    Dashboards(dashboards::DashboardsArguments),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Parses the arguments, runs the command, tells how it went.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A daemon tells what it does; a command is done when it says nothing.
    let is_daemon = matches!(arguments.command, Command::Run(_));
    let logs = init_logs(arguments.log_format, if is_daemon { "info" } else { COMMAND_LOGS });
    quiet_guarded_panics();
    let outcome = match arguments.command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Profile(arguments) => profile::run(arguments),
        Command::Merge(arguments) => merge::run(arguments),
        Command::History(arguments) => history::run(arguments),
        Command::Replay(arguments) => history::run_replay(arguments),
        Command::Reference(arguments) => reference_command::run(arguments),
        Command::Healthy(arguments) => healthy::run(&arguments),
        Command::State(arguments) => state::run(arguments),
        Command::Config(arguments) => config::run(arguments),
        Command::Metrics => metrics::run(),
        Command::Rules(arguments) => rules::run(&arguments),
        Command::Dashboards(arguments) => dashboards::run(&arguments),
    };
    // Why it ended is the last line, after all that were logged before.
    drop(logs);
    match outcome {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be reading any more, which changes nothing.
            let _ = writeln!(std::io::stderr(), "driftd: {error:#}");
            ExitCode::from(FAILURE)
        }
    }
}

/// Log lines are written by a thread of their own, so that whoever reads them slowly, or not at
/// all, holds nothing up; lines that find no room are dropped. What waits is written when the guard
/// is dropped.
fn init_logs(format: LogFormat, level: &str) -> WorkerGuard {
    // What a library tries again is not worth a line; what it gives up is told by whoever asked.
    let level = format!("{level},object_store=warn");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LOG_LINES_MAX)
        .finish(std::io::stderr());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .log_internal_errors(false);
    match format {
        LogFormat::Text => {
            builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
        }
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    guard
}

/// A decoder's panic becomes an error that names the file; its own report would only be noise.
fn quiet_guarded_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if is_guarded() {
            tracing::debug!(%panic, "a decoder panicked");
        } else {
            report(panic);
        }
    }));
}

/// The reader of our output went away, which is its right.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
