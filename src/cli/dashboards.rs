//! `driftd dashboards`: files for Grafana.

use super::output;
use crate::export::dashboards::{dashboards, provisioning};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct DashboardsArguments {
    /// Where they go; made when it is not there
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
}

pub fn run(arguments: &DashboardsArguments) -> Result<ExitCode> {
    let mut names = String::new();
    for (name, text) in dashboards().into_iter().chain(provisioning()) {
        let path = arguments.output.join(name);
        let folder = path.parent().context("a file is in a folder")?;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        output::write(Some(&path), text.as_bytes())?;
        names += &format!("{}\n", path.display());
    }
    output::write(None, names.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
