//! What is set of a consumer, as librdkafka takes it.

use super::kafka_context::KafkaContext;
use super::{BROKERS, GROUP, TOPICS};
use crate::error::{Error, Result};
use crate::settings::Settings;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::path::Path;

/// What driftd relies on, and nobody else can set.
const RESERVED: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "false"),
    // Where partitions change hands all are given back, so that what was read can be read again.
    ("partition.assignment.strategy", "range,roundrobin"),
    ("group.protocol", "classic"),
    ("allow.auto.create.topics", "false"),
    ("statistics.interval.ms", "5000"),
];

/// What others can set as well.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "driftd"),
    // Memory of messages that were fetched and not read.
    ("queued.max.messages.kbytes", "16384"),
    ("session.timeout.ms", "10000"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.timeout.ms", "10000"),
    ("topic.metadata.refresh.interval.ms", "30000"),
];

/// Set by keys of the source.
const OWN: [&str; 4] =
    ["bootstrap.servers", "metadata.broker.list", "group.id", "auto.offset.reset"];

/// Readers of all partitions commit nothing; the name is only for the broker's logs.
const NO_GROUP: &str = "driftd";

/// What is set of a consumer.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    pub topics: Vec<String>,
    /// None where this daemon reads all partitions.
    pub group: Option<String>,
    pub starts_at_end: bool,
    config: ClientConfig,
}

impl ConsumerSettings {
    pub fn of(settings: &Settings) -> Result<ConsumerSettings> {
        let mut config = ClientConfig::new();
        DEFAULTS.iter().for_each(|(name, value)| _ = config.set(*name, *value));
        if let Some(path) = settings.optional_path("properties_file") {
            read_properties(path, &mut config)?;
        }
        let group = Some(settings.text(GROUP).to_owned()).filter(|group| !group.is_empty());
        RESERVED.iter().for_each(|(name, value)| _ = config.set(*name, *value));
        config.set("bootstrap.servers", settings.names(BROKERS).join(","));
        config.set("group.id", group.as_deref().unwrap_or(NO_GROUP));
        // Whoever reads all partitions says where, and is told where that is not.
        let reset = if group.is_some() { "earliest" } else { "error" };
        config.set("auto.offset.reset", reset);
        let starts_at_end = settings.choice("start") == "latest";
        Ok(ConsumerSettings {
            topics: settings.names(TOPICS).to_vec(),
            group,
            starts_at_end,
            config,
        })
    }

    /// Has the library look at all properties; it waits for no broker.
    pub fn check(&self) -> Result<()> {
        self.config.create::<BaseConsumer>().map(drop).map_err(failure)
    }

    /// A consumer that reads nothing yet. It waits for the brokers by itself.
    pub fn consumer(&self, context: KafkaContext) -> Result<BaseConsumer<KafkaContext>> {
        self.config.create_with_context(context).map_err(failure)
    }

    /// One that has joined the group as soon as it is polled.
    pub fn subscribe(&self, consumer: &BaseConsumer<KafkaContext>) -> Result<()> {
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(failure)
    }
}

fn failure(error: rdkafka::error::KafkaError) -> Error {
    Error::new(format!("kafka: {error}"))
}

/// Lines of `name=value`, as Kafka's own tools take them; what follows a `#` at the beginning of a
/// line is a comment.
fn read_properties(path: &Path, config: &mut ClientConfig) -> Result<()> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
    let lines = text.lines().map(str::trim).enumerate();
    for (at, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let place = format!("{}:{}", path.display(), at + 1);
        let (name, value) = line
            .split_once('=')
            .map(|(name, value)| (name.trim(), value.trim()))
            .ok_or_else(|| Error::new(format!("{place}: not name=value")))?;
        let is_own = OWN.contains(&name) || RESERVED.iter().any(|(own, _)| *own == name);
        if is_own {
            return Err(Error::new(format!("{place}: {name} is set by driftd")));
        }
        config.set(name, value);
    }
    Ok(())
}
