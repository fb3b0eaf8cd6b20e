//! Topics of Kafka, and of brokers that speak as it does.
//!
//! One daemon reads all partitions, and the offsets in its state win: a batch and how far it goes
//! are one transaction, and after a crash it reads on from there. Several daemons share a topic in
//! a consumer group, where the broker decides who reads which partition. Rows are then on the disk
//! first, as prepared; the offsets behind them are committed to the broker; and they count once the
//! broker has them. It is asked, and keeps in the metadata of each offset who counted what, so that
//! after any crash every row is counted by one daemon.

#[cfg(feature = "kafka")]
mod consumer_settings;
#[cfg(feature = "kafka")]
mod group_batch;
#[cfg(feature = "kafka")]
mod group_reader;
#[cfg(feature = "kafka")]
mod group_source;
#[cfg(feature = "kafka")]
mod kafka_context;
#[cfg(feature = "kafka")]
mod message_reader;
#[cfg(feature = "kafka")]
mod offset_owners;
#[cfg(feature = "kafka")]
mod partitions;
#[cfg(feature = "kafka")]
mod topic_reader;
#[cfg(feature = "kafka")]
mod topic_source;

use super::stream::LINE_BYTES_MAX;
use super::value_names::{NAMES, RESPONSE_NAMES};
use super::{BoundSource, Resource, SharedByAll, SourceOwner, SourceType};
use crate::error::{Error, Result};
use crate::position::Arrival;
use crate::settings::{Key, SettingKind, Settings};

const BROKERS: &str = "brokers";
const TOPICS: &str = "topics";
const GROUP: &str = "group";

const KEYS: &[Key] = &[
    Key {
        name: BROKERS,
        kind: SettingKind::Names,
        default: None,
        meaning: "a list of host:port, of which one that answers tells of the others",
    },
    Key { name: TOPICS, kind: SettingKind::Names, default: None, meaning: "a list of topics" },
    Key {
        name: GROUP,
        kind: SettingKind::Text,
        default: Some(""),
        meaning: "the consumer group in which several driftd share the partitions; without, this \
                  one reads all of them",
    },
    Key {
        name: "start",
        kind: SettingKind::Choice(&["earliest", "latest"]),
        default: Some("earliest"),
        meaning: "where a partition begins of which nothing was counted",
    },
    NAMES,
    RESPONSE_NAMES,
    Key {
        name: "key",
        kind: SettingKind::Text,
        default: Some(""),
        meaning: "the column that the key of a message is, in rows that lack it",
    },
    Key {
        name: "time_header",
        kind: SettingKind::Text,
        default: Some(""),
        meaning: "the header with the time of rows that lack columns.time; without, it is the time \
                  of the message",
    },
    LINE_BYTES_MAX,
    Key {
        name: "spool_max",
        kind: SettingKind::Bytes,
        default: Some("1GB"),
        meaning: "of rows of a group that wait on the disk; while there are so many none is read",
    },
    Key {
        name: "properties_file",
        kind: SettingKind::OptionalPath,
        default: Some(""),
        meaning: "a file of lines name=value, as librdkafka has them: security.protocol, sasl.…",
    },
];

/// `type = "kafka"`.
pub struct Kafka;

impl SourceType for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn arrival(&self) -> Arrival {
        Arrival::Stream
    }

    fn resource(&self, settings: &Settings) -> Resource {
        let list = |key: &str| settings.names(key).join(",");
        let topics = format!("{} of {}", list(TOPICS), list(BROKERS));
        match settings.text(GROUP) {
            "" => Resource::Topics(topics),
            group => Resource::Group(format!("group {group:?} of {topics}")),
        }
    }

    fn needs_state(&self, settings: &Settings) -> bool {
        !settings.text(GROUP).is_empty()
    }

    fn check(&self, settings: &Settings) -> Result<()> {
        for key in [BROKERS, TOPICS] {
            if settings.names(key).is_empty() {
                return Err(Error::new(format!("{key} is empty")));
            }
        }
        checked(settings)
    }

    #[cfg(feature = "kafka")]
    fn memory_max(&self, _settings: &Settings, features: usize, _threads: usize) -> u64 {
        topic_reader::memory_max(features)
    }

    #[cfg(feature = "kafka")]
    fn bind(
        &self,
        settings: &Settings,
        owner: &SourceOwner,
        shared: &SharedByAll,
    ) -> Result<Box<dyn BoundSource>> {
        topic_source::bind(settings, owner, shared)
    }

    #[cfg(not(feature = "kafka"))]
    fn bind(
        &self,
        settings: &Settings,
        _owner: &SourceOwner,
        _shared: &SharedByAll,
    ) -> Result<Box<dyn BoundSource>> {
        checked(settings).and(Err(Error::new("nothing can be bound")))
    }
}

/// Looks at what is set; no broker is waited for.
#[cfg(feature = "kafka")]
fn checked(settings: &Settings) -> Result<()> {
    consumer_settings::ConsumerSettings::of(settings)?.check()
}

#[cfg(not(feature = "kafka"))]
fn checked(_settings: &Settings) -> Result<()> {
    Err(Error::new("this driftd was built without Kafka; build it with --features kafka"))
}
