//! What happens in a simulation.

use super::{Simulation, write};
use proptest::prelude::*;
use std::fs;
use std::time::Duration;

/// One thing that happens to the directory, the broker or the daemon.
#[derive(Debug, Clone)]
pub enum Action {
    Write {
        name: u8,
        times: Vec<u16>,
    },
    /// The daemon looks while half of the file is there.
    WriteSlowly {
        name: u8,
        times: Vec<u16>,
    },
    /// The same rows as before, and more of them.
    Append {
        name: u8,
        times: Vec<u16>,
    },
    Rename {
        name: u8,
        to: u8,
    },
    Copy {
        name: u8,
        to: u8,
    },
    Delete {
        name: u8,
    },
    /// Rows come to the broker.
    Send {
        times: Vec<u16>,
    },
    /// What was not committed is gone.
    Restart,
    /// The process is killed at one of the next operations of the state; so are those after it.
    Kill {
        points: Vec<u16>,
    },
    /// The next commits fail.
    FailCommits {
        commits: u64,
    },
    JumpClock {
        minutes: u16,
    },
    /// The daemon does what it has time for.
    Look,
}

/// Any of them; kills are frequent.
pub fn action() -> impl Strategy<Value = Action> {
    let name = || 0u8..6;
    let times = || prop::collection::vec(0u16..720, 1..20);
    prop_oneof![
        4 => (name(), times()).prop_map(|(name, times)| Action::Write { name, times }),
        1 => (name(), times()).prop_map(|(name, times)| Action::WriteSlowly { name, times }),
        3 => (name(), times()).prop_map(|(name, times)| Action::Append { name, times }),
        1 => (name(), name()).prop_map(|(name, to)| Action::Rename { name, to }),
        1 => (name(), name()).prop_map(|(name, to)| Action::Copy { name, to }),
        1 => name().prop_map(|name| Action::Delete { name }),
        2 => times().prop_map(|times| Action::Send { times }),
        1 => Just(Action::Restart),
        4 => prop::collection::vec(0u16..40, 1..6).prop_map(|points| Action::Kill { points }),
        1 => (1u64..4).prop_map(|commits| Action::FailCommits { commits }),
        1 => (1u16..600).prop_map(|minutes| Action::JumpClock { minutes }),
        6 => Just(Action::Look),
    ]
}

impl Simulation {
    pub fn act(&mut self, action: &Action) {
        match action {
            Action::Write { name, times } => {
                let rows = self.rows(times);
                self.put(*name, rows);
            }
            Action::WriteSlowly { name, times } => self.write_slowly(*name, times),
            Action::Append { name, times } => {
                let mut rows = self.oracle.files.get(name).cloned().unwrap_or_default();
                rows.extend(self.rows(times));
                self.put(*name, rows);
            }
            Action::Rename { name, to } | Action::Copy { name, to } => {
                let Some(rows) = self.oracle.files.get(name).cloned() else { return };
                if name == to {
                    return;
                }
                fs::copy(self.path(*name), self.path(*to)).unwrap();
                self.date(*to);
                self.oracle.files.insert(*to, rows);
                if matches!(action, Action::Rename { .. }) {
                    fs::remove_file(self.path(*name)).unwrap();
                    self.oracle.files.remove(name);
                }
            }
            Action::Delete { name } => {
                fs::remove_file(self.path(*name)).ok();
                self.oracle.files.remove(name);
            }
            Action::Send { times } => {
                let rows = self.rows(times);
                self.log.append(&rows);
            }
            Action::Restart => self.pipeline = None,
            Action::Kill { points } => {
                self.kills_to_come.extend(points);
                if self.pipeline.is_some() {
                    self.arm(&self.store_of_pipeline());
                }
            }
            Action::FailCommits { commits } => match &self.pipeline {
                Some(_) => self.store_of_pipeline().faults().fail_commits(*commits),
                None => self.commits_to_fail = *commits,
            },
            Action::JumpClock { minutes } => {
                self.advance(Duration::from_mins((*minutes).into()));
            }
            Action::Look => self.look(),
        }
    }

    fn write_slowly(&mut self, name: u8, times: &[u16]) {
        let rows = self.rows(times);
        // Under a name that is new, since half of a file is no other version of it.
        fs::remove_file(self.path(name)).ok();
        self.oracle.files.remove(&name);
        self.look();
        write(&self.path(name), &rows);
        let whole = fs::read(self.path(name)).unwrap();
        fs::write(self.path(name), &whole[..whole.len() / 2]).unwrap();
        self.look();
        fs::write(self.path(name), whole).unwrap();
        self.date(name);
        self.oracle.files.insert(name, rows);
    }
}
