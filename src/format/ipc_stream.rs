//! One Arrow IPC stream, message by message: a schema, dictionaries, record batches.
//!
//! How large a message is when it is unpacked is known before it is: whoever sends one that says
//! otherwise is refused.

use crate::error::{Fault, Result};
use crate::monitor::table::guarded;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Message, MessageHeader, MetadataVersion, root_as_message};
use arrow_schema::{ArrowError, SchemaRef};
use std::collections::HashMap;
use std::sync::Arc;

/// What a message begins with; streams of before 2019 lack it.
pub const CONTINUATION: [u8; 4] = [0xff; 4];

/// Bytes that the description of a message may have.
pub const HEAD_BYTES_MAX: usize = 4 << 20;

/// Rows of a batch: columns of nulls have as many as they say, and no byte.
const ROWS_MAX: i64 = 1 << 24;

/// The bytes that follow the description of a message; at most so many.
pub fn body_bytes(head: &[u8], most: usize) -> Result<usize, Fault> {
    let length = parse(head)?.bodyLength();
    let too_long =
        || Fault::unreadable(format!("a message of {length} bytes; {most} are the most"));
    usize::try_from(length).ok().filter(|length| *length <= most).ok_or_else(too_long)
}

/// The rows of a message that is a batch; none of another.
pub fn rows_of(head: &[u8]) -> Result<Option<u64>, Fault> {
    let Some(batch) = parse(head)?.header_as_record_batch() else { return Ok(None) };
    let rows = batch.length();
    u64::try_from(rows).map(Some).map_err(|_| Fault::unreadable(format!("a batch of {rows} rows")))
}

fn parse(head: &[u8]) -> Result<Message<'_>, Fault> {
    root_as_message(head)
        .map_err(|error| Fault::unreadable(format!("no message of Arrow IPC: {error}")))
}

/// What a stream has said so far.
#[derive(Debug, Clone, Default)]
pub struct IpcStream {
    schema: Option<SchemaRef>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// Of each dictionary that is in use.
    dictionary_bytes: HashMap<i64, usize>,
}

impl IpcStream {
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.schema.as_ref()
    }

    /// The rows of a message that is a batch, by what was said before it; they have at most so many
    /// bytes when they are unpacked.
    pub fn batch_of(&self, head: &[u8], body: Vec<u8>, most: usize) -> Result<RecordBatch, Fault> {
        guarded(|| {
            let message = parse(head)?;
            refuse_beyond(unpacked_bytes(head, &body)?, most, "a batch")?;
            self.batch(&message, &Buffer::from_vec(body), message.version())
        })
    }

    /// Bytes of all dictionaries.
    pub fn dictionary_bytes(&self) -> usize {
        self.dictionary_bytes.values().fold(0, |all, own| all.saturating_add(*own))
    }

    /// Takes a message; a batch, if it is one. It has at most so many bytes when it is unpacked,
    /// and so have all dictionaries together.
    pub fn take(
        &mut self,
        head: &[u8],
        body: Vec<u8>,
        most: usize,
    ) -> Result<Option<RecordBatch>, Fault> {
        guarded(|| {
            let message = parse(head)?;
            let unpacked = unpacked_bytes(head, &body)?;
            let (body, version) = (Buffer::from_vec(body), message.version());
            match message.header_type() {
                MessageHeader::Schema => self.take_schema(&message).map(|()| None),
                MessageHeader::DictionaryBatch => {
                    self.take_dictionary(&message, &body, (version, unpacked, most))?;
                    Ok(None)
                }
                MessageHeader::RecordBatch => {
                    refuse_beyond(unpacked, most, "a batch")?;
                    self.batch(&message, &body, version).map(Some)
                }
                other => Err(Fault::unreadable(format!("a message of type {other:?}"))),
            }
        })
    }

    fn take_schema(&mut self, message: &Message<'_>) -> Result<(), Fault> {
        if self.schema.is_some() {
            return Err(Fault::unreadable("a second schema"));
        }
        let own = message.header_as_schema().ok_or_else(|| Fault::unreadable("no schema"))?;
        self.schema = Some(Arc::new(try_fb_to_schema(own).map_err(fault)?));
        Ok(())
    }

    fn take_dictionary(
        &mut self,
        message: &Message<'_>,
        body: &Buffer,
        (version, unpacked, most): (MetadataVersion, usize, usize),
    ) -> Result<(), Fault> {
        let schema = self.known_schema()?;
        let own = message.header_as_dictionary_batch();
        let own = own.ok_or_else(|| Fault::unreadable("no dictionary"))?;
        // It takes the place of the one before, or adds to it.
        let bytes = self.dictionary_bytes.entry(own.id()).or_default();
        *bytes = if own.isDelta() { bytes.saturating_add(unpacked) } else { unpacked };
        refuse_beyond(self.dictionary_bytes(), most, "dictionaries")?;
        read_dictionary(body, own, &schema, &mut self.dictionaries, &version).map_err(fault)
    }

    fn batch(
        &self,
        message: &Message<'_>,
        body: &Buffer,
        version: MetadataVersion,
    ) -> Result<RecordBatch, Fault> {
        let schema = self.known_schema()?;
        let own = message.header_as_record_batch();
        let own = own.ok_or_else(|| Fault::unreadable("no record batch"))?;
        if !(0..=ROWS_MAX).contains(&own.length()) {
            let rows = own.length();
            return Err(Fault::unreadable(format!(
                "a batch of {rows} rows; {ROWS_MAX} are the most"
            )));
        }
        read_record_batch(body, own, schema, &self.dictionaries, None, &version).map_err(fault)
    }

    fn known_schema(&self) -> Result<SchemaRef, Fault> {
        self.schema.clone().ok_or_else(|| Fault::unreadable("rows before a schema"))
    }
}

/// All batches of a stream that is there whole; they and the dictionaries take at most so many
/// bytes. What follows its end is left alone.
pub fn batches(mut stream: &[u8], most: usize) -> Result<Vec<RecordBatch>, Fault> {
    let cut = || Fault::unreadable("it ends inside a message");
    let (mut ipc, mut batches, mut bytes) = (IpcStream::default(), Vec::new(), 0_usize);
    while !stream.is_empty() {
        let (mut length, mut rest) = stream.split_first_chunk().ok_or_else(cut)?;
        if *length == CONTINUATION {
            (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        }
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 {
            break;
        }
        let (head, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        let (body, rest) = rest.split_at_checked(body_bytes(head, most)?).ok_or_else(cut)?;
        stream = rest;
        bytes = bytes.saturating_add(unpacked_bytes(head, body)?);
        refuse_beyond(bytes, most, "batches")?;
        batches.extend(ipc.take(head, body.to_vec(), most)?);
    }
    match ipc.schema {
        Some(schema) if batches.is_empty() => Ok(vec![RecordBatch::new_empty(schema)]),
        Some(_) => Ok(batches),
        None => Err(Fault::unreadable("no schema")),
    }
}

fn refuse_beyond(bytes: usize, most: usize, what: &str) -> Result<(), Fault> {
    match bytes <= most {
        true => Ok(()),
        false => Err(Fault::unreadable(format!(
            "{what} of {bytes} bytes when unpacked; {most} are the most"
        ))),
    }
}

/// The bytes of a body when it is unpacked: each compressed buffer begins with its own.
pub fn unpacked_bytes(head: &[u8], body: &[u8]) -> Result<usize, Fault> {
    let message = parse(head)?;
    let of_dictionary = || message.header_as_dictionary_batch().and_then(|own| own.data());
    let batch = message.header_as_record_batch().or_else(of_dictionary);
    let Some(batch) = batch.filter(|batch| batch.compression().is_some()) else {
        return Ok(body.len());
    };
    let mut all = 0_usize;
    for buffer in batch.buffers().iter().flatten().filter(|buffer| buffer.length() > 0) {
        let outside = || Fault::unreadable("a buffer that is not in its message");
        let begin = usize::try_from(buffer.offset()).map_err(|_| outside())?;
        let length = usize::try_from(buffer.length()).map_err(|_| outside())?;
        let end = begin.checked_add(length).ok_or_else(outside)?;
        let own = body.get(begin..end).ok_or_else(outside)?;
        let said = own.first_chunk().copied().map(i64::from_le_bytes).ok_or_else(outside)?;
        // −1 is one that was left as it is.
        let unpacked =
            if said == -1 { length } else { usize::try_from(said).map_err(|_| outside())? };
        all = all.saturating_add(unpacked);
    }
    Ok(all)
}

fn fault(error: ArrowError) -> Fault {
    Fault::unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, NullArray, StringArray};
    use arrow_ipc::writer::StreamWriter;
    use arrow_schema::{DataType, Field, Schema};

    const MOST: usize = 1 << 20;

    fn batch(rows: usize) -> RecordBatch {
        let numbers: ArrayRef =
            Arc::new(Float64Array::from_iter_values((0..rows).map(|n| n as f64)));
        let texts = (0..rows).map(|n| Some(format!("text {n}")));
        let texts: ArrayRef = Arc::new(StringArray::from_iter(texts));
        RecordBatch::try_from_iter([("x", numbers), ("s", texts)]).unwrap()
    }

    fn written(batches: &[RecordBatch]) -> Vec<u8> {
        let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.into_inner().unwrap()
    }

    /// The messages of a stream, each with its description and its body.
    fn messages(mut stream: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        loop {
            let (begun, rest) = stream.split_at(8);
            assert_eq!(begun[..4], CONTINUATION);
            let length = u32::from_le_bytes(begun[4..].try_into().unwrap()) as usize;
            if length == 0 {
                return all;
            }
            let (head, rest) = rest.split_at(length);
            let (body, rest) = rest.split_at(body_bytes(head, MOST).unwrap());
            all.push((head.to_vec(), body.to_vec()));
            stream = rest;
        }
    }

    fn taken(messages: Vec<(Vec<u8>, Vec<u8>)>, most: usize) -> Result<Vec<RecordBatch>, Fault> {
        let mut stream = IpcStream::default();
        let taken = messages.into_iter().map(|(head, body)| stream.take(&head, body, most));
        Ok(taken.collect::<Result<Vec<_>, Fault>>()?.into_iter().flatten().collect())
    }

    #[test]
    fn batches_come_as_they_were_written() {
        let own = [batch(5), batch(0), batch(300)];
        assert_eq!(taken(messages(&written(&own)), MOST).unwrap(), own);
    }

    #[test]
    fn what_says_too_much_is_refused() {
        let faults = |messages, most| taken(messages, most).unwrap_err().to_string();
        let all = messages(&written(&[batch(300)]));
        assert!(faults(all.clone(), 1_000).contains("1000 are the most"));
        assert!(faults(all[1..].to_vec(), MOST).contains("rows before a schema"));
        let twice = [&all[..1], &all[..]].concat();
        assert!(faults(twice, MOST).contains("a second schema"));
        assert!(body_bytes(&all[1].0, 10).unwrap_err().to_string().contains("10 are the most"));
        assert!(body_bytes(&[0xff; 64], MOST).is_err());
        // Columns of nulls have no byte, and as many rows as they say.
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Null, true)]));
        let nulls: ArrayRef = Arc::new(NullArray::new(1 << 30));
        let many = RecordBatch::try_new(schema, vec![nulls]).unwrap();
        assert!(faults(messages(&written(&[many])), MOST).contains("a batch of 1073741824 rows"));
    }

    /// Whatever changes on the way: a fault or rows, and never a panic that is not caught.
    #[test]
    fn any_byte_may_be_wrong() {
        let all = messages(&written(&[batch(20)]));
        for (number, (head, body)) in all.iter().enumerate() {
            for at in 0..head.len() + body.len() {
                let mut broken = all.clone();
                match at.checked_sub(head.len()) {
                    None => broken[number].0[at] ^= 0x41,
                    Some(at) => broken[number].1[at] ^= 0x41,
                }
                let _ = taken(broken, MOST);
            }
        }
    }
}
