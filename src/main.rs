//! The `driftd` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    driftd::cli::main()
}
