//! Splits the blocks of one column by the panes that their rows go to.

use crate::error::{Fault, Result};
use crate::profile::block::Block;
use crate::window::plan::{Assignment, NOWHERE, PaneIndex, Run};
use crate::window::sampling::Kept;

/// The rows of one row group, as they are handed out block by block.
pub struct PaneSplitter<'a> {
    assignment: &'a Assignment,
    kept: &'a Kept,
    /// Rows that were handed out.
    row: usize,
    /// The run of the next row, and those after it.
    run: Option<Run>,
    runs: std::slice::Iter<'a, Run>,
    /// Rows of a block by pane; kept, so that no block allocates it again.
    order: Vec<u32>,
}

impl<'a> PaneSplitter<'a> {
    pub fn new(assignment: &'a Assignment, kept: &'a Kept) -> PaneSplitter<'a> {
        let mut runs = match assignment {
            Assignment::Runs(runs) => runs.iter(),
            Assignment::Rows(_) => [].iter(),
        };
        let run = next(&mut runs);
        PaneSplitter { assignment, kept, row: 0, run, runs, order: Vec::new() }
    }

    /// Hands over the kept rows of the next block, pane by pane.
    pub fn split(
        &mut self,
        block: &Block,
        mut f: impl FnMut(PaneIndex, &Block),
    ) -> Result<(), Fault> {
        match self.assignment {
            Assignment::Runs(_) => self.split_runs(block, &mut f),
            Assignment::Rows(panes) => {
                let panes = panes.get(self.row..self.row + block.rows()).ok_or_else(too_many)?;
                self.split_rows(panes, block, &mut f);
                self.row += block.rows();
                Ok(())
            }
        }
    }

    /// Fails when the row group has more rows than were handed out.
    pub fn finish(self, rows: u64) -> Result<(), Fault> {
        if self.row as u64 == rows {
            return Ok(());
        }
        Err(Fault::unreadable("fewer values than the row group has rows"))
    }

    fn split_runs(
        &mut self,
        block: &Block,
        f: &mut dyn FnMut(PaneIndex, &Block),
    ) -> Result<(), Fault> {
        let mut offset = 0;
        while offset < block.rows() {
            let Some(run) = &mut self.run else { return Err(too_many()) };
            let taken = (block.rows() - offset).min(run.rows as usize);
            if run.pane != NOWHERE {
                match self.kept {
                    Kept::All if taken == block.rows() => f(run.pane, block),
                    Kept::All => f(run.pane, &block.slice(offset, taken)),
                    Kept::Nothing => {}
                    Kept::Rows(kept) => {
                        let part = block.slice(offset, taken);
                        f(run.pane, &part.filter(&kept.slice(self.row, taken)));
                    }
                }
            }
            offset += taken;
            self.row += taken;
            run.rows -= taken as u64;
            if run.rows == 0 {
                self.run = next(&mut self.runs);
            }
        }
        Ok(())
    }

    /// Rows of many panes, in any order: sorted by their pane first.
    fn split_rows(
        &mut self,
        panes: &[PaneIndex],
        block: &Block,
        f: &mut dyn FnMut(PaneIndex, &Block),
    ) {
        let row = self.row;
        let is_kept = |offset: usize| match self.kept {
            Kept::All => true,
            Kept::Nothing => false,
            Kept::Rows(kept) => kept.value(row + offset),
        };
        let counted = |offset: &usize| panes[*offset] != NOWHERE && is_kept(*offset);
        let greatest = panes.iter().filter(|pane| **pane != NOWHERE).max();
        let mut ends = vec![0u32; greatest.map_or(0, |pane| *pane as usize + 1)];
        (0..panes.len()).filter(counted).for_each(|at| ends[panes[at] as usize] += 1);
        let mut total = 0;
        for end in &mut ends {
            total += std::mem::replace(end, total);
        }
        self.order.clear();
        self.order.resize(total as usize, 0);
        for at in (0..panes.len()).filter(counted) {
            let end = &mut ends[panes[at] as usize];
            self.order[*end as usize] = at as u32;
            *end += 1;
        }
        let sorted = block.take(&self.order);
        let mut start = 0;
        for (pane, end) in ends.iter().enumerate() {
            let end = *end as usize;
            if end > start {
                f(pane as PaneIndex, &sorted.slice(start, end - start));
            }
            start = end;
        }
    }
}

fn too_many() -> Fault {
    Fault::unreadable("more values than the row group has rows")
}

/// The next run that has rows.
fn next(runs: &mut std::slice::Iter<'_, Run>) -> Option<Run> {
    runs.find(|run| run.rows > 0).copied()
}
