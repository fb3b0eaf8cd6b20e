//! The rows of an event in pieces, for the inbox of a model or for the disk.

use super::spool::spool_entry::{
    Entry, EntryForm, Exchange, PIECE_BYTES, PIECE_ROWS, Side, SpoolEvent, pieces,
};
use crate::format::ndjson::LineOrigin;
use crate::format::payload::{Event, EventRows, RowLines, TableRows};
use crate::monitor::table::rows;
use crate::profile::instants;
use crate::source::stream::row_chunk::{Chunk, LineChunk, TableChunk};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who is named in the log; who it was, a proxy in between would hide.
const PEER: &str = "a request";

/// Rows for the inbox; each piece has its part of the room.
pub fn chunks(event: Event, room: &mut OwnedSemaphorePermit) -> Vec<Chunk> {
    let Event { happened, rows, .. } = event;
    let happened: Option<Arc<str>> = happened.map(Arc::from);
    let mut part = |bytes: usize| {
        let own = bytes.min(room.num_permits());
        room.split(own).expect("there are so many")
    };
    match rows {
        EventRows::Response(_) => Vec::new(),
        EventRows::Table(TableRows { table, bytes, size, .. }) => {
            let (bytes, room) = (bytes.len() as u64, part(size));
            let happened = happened.and_then(|own| instants::parse(&own, None));
            vec![Chunk::Table(TableChunk { table, happened, size, bytes, room })]
        }
        EventRows::Lines(lines) => {
            let origin = LineOrigin { are_texts: lines.are_texts, happened };
            let chunk = |(own, _): (Vec<u8>, u64)| {
                let (bytes, room) = (own.len() as u64, part(own.len()));
                let own = LineChunk::new(own, bytes, PEER.into(), room);
                Chunk::Lines(LineChunk { origin: origin.clone(), ..own })
            };
            line_pieces(lines).into_iter().map(chunk).collect()
        }
    }
}

/// No lines, for which so many bytes arrived.
pub fn nothing(bytes: u64) -> LineChunk {
    let room = Arc::new(Semaphore::new(0)).try_acquire_many_owned(0);
    LineChunk::new(Vec::new(), bytes, PEER.into(), room.expect("none are asked for"))
}

/// Rows for the disk, with when they happened that do not say so themselves.
pub fn entries(own: EventRows, happened: Option<String>) -> Vec<Entry> {
    match own {
        EventRows::Response(_) => Vec::new(),
        EventRows::Table(TableRows { table, form, bytes, .. }) => {
            let (form, rows) = (EntryForm::Table(form), rows(&*table));
            vec![Entry { form, happened, rows, bytes }]
        }
        EventRows::Lines(lines) => {
            let form = form(&lines);
            let entry = |(bytes, rows)| Entry { form, happened: happened.clone(), rows, bytes };
            line_pieces(lines).into_iter().map(entry).collect()
        }
    }
}

/// What is written of an event. Where sides wait for each other, each is one entry.
pub fn spool_event(event: Event, waits: bool) -> SpoolEvent {
    let Event { id, exchange, happened, rows } = event;
    let (side, lines) = match rows {
        EventRows::Lines(lines) if waits && exchange.is_some() => (Side::Request, lines),
        EventRows::Response(lines) if waits && exchange.is_some() => (Side::Response, lines),
        rows => return SpoolEvent { id, exchange: None, entries: entries(rows, happened) },
    };
    let form = form(&lines);
    let entry = Entry { form, happened, rows: lines.n_rows(), bytes: lines.lines };
    let exchange = exchange.map(|id| Exchange { id, side });
    SpoolEvent { id, exchange, entries: vec![entry] }
}

fn form(lines: &RowLines) -> EntryForm {
    if lines.are_texts { EntryForm::Texts } else { EntryForm::Lines }
}

/// Lines in pieces that are read as one, with the rows of each.
fn line_pieces(lines: RowLines) -> Vec<(Vec<u8>, u64)> {
    let RowLines { lines, ends, .. } = lines;
    if ends.len() <= PIECE_ROWS && lines.len() <= PIECE_BYTES {
        return vec![(lines, ends.len() as u64)];
    }
    let pieces = pieces(&ends).into_iter();
    pieces.map(|(range, rows)| (lines[range].to_vec(), rows)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::payload::{BodyContext, ValueNames};

    #[test]
    fn pieces_are_the_lines_and_none_is_large() {
        let context = BodyContext::new(&ValueNames::default(), 1 << 20, 1 << 30);
        let mut lines = RowLines::new(&context);
        for row in 0..5_000 {
            let text = "x".repeat(if row % 700 == 0 { 500_000 } else { row % 90 });
            lines.push(format!("{{\"x\":\"{text}\"}}").as_bytes()).unwrap();
        }
        let (all, n_rows) = (lines.lines.clone(), lines.n_rows());
        let pieces = line_pieces(lines);
        assert!(pieces.iter().all(|(own, _)| own.len() <= PIECE_BYTES && own.ends_with(b"\n")));
        assert!(pieces.iter().all(|(_, rows)| (1..=PIECE_ROWS as u64).contains(rows)));
        assert_eq!(pieces.iter().map(|(_, rows)| rows).sum::<u64>(), n_rows);
        assert_eq!(pieces.into_iter().flat_map(|(own, _)| own).collect::<Vec<u8>>(), all);
    }
}
