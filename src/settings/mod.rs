//! Keys of a configuration as a table: what there is to set, as what, and by default.
//!
//! Who has settings lists them as [`Key`]s. Checking a configuration, showing it, the reference of
//! all keys and reloading read that list, so that none of them can forget a key.

pub mod units;

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use units::{bytes_text, duration_text, parse_bytes, parse_duration};

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub kind: SettingKind,
    /// As it would be written; none when the key is required.
    pub default: Option<&'static str>,
    /// What it sets, for people.
    pub meaning: &'static str,
}

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// Relative to the configuration file.
    Path,
    /// The same, or nothing where it is empty.
    OptionalPath,
    /// An address such as `s3://bucket/logs`.
    Url,
    /// Any text, the empty one too.
    Text,
    /// An IP address and a port.
    Address,
    /// The same, or nothing where it is empty.
    OptionalAddress,
    /// Yes or no.
    Flag,
    /// A list of texts.
    Names,
    /// A whole number, from this on.
    Integer(u64),
    /// More than zero.
    Duration,
    /// A size, more than zero.
    Bytes,
    /// Permissions of a file, in octal digits.
    Mode,
    /// One of these.
    Choice(&'static [&'static str]),
}

/// Whether a path is none of this machine, but an address such as `s3://bucket/logs`.
pub fn is_address(path: &Path) -> bool {
    let path = path.to_string_lossy();
    path.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// A value that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    Path(PathBuf),
    Url(PathBuf),
    Text(String),
    Address(SocketAddr),
    OptionalAddress(Option<SocketAddr>),
    Flag(bool),
    Names(Vec<String>),
    Integer(u64),
    Duration(Duration),
    Bytes(u64),
    Mode(u32),
    Choice(&'static str),
}

/// How a value of this kind is described to whoever wrote another.
impl fmt::Display for SettingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingKind::Path | SettingKind::OptionalPath => f.write_str("a path"),
            SettingKind::Url => f.write_str("an address such as \"s3://bucket/logs\""),
            SettingKind::Text => f.write_str("a text"),
            SettingKind::Flag => f.write_str("true or false"),
            SettingKind::Names => f.write_str("a list of texts"),
            SettingKind::Address | SettingKind::OptionalAddress => {
                f.write_str("an IP address and a port such as \"127.0.0.1:9798\"")
            }
            SettingKind::Integer(min) => write!(f, "a whole number, {min} or more"),
            SettingKind::Duration => f.write_str("a duration such as \"5s\" or \"10m\""),
            SettingKind::Bytes => f.write_str("a size such as \"512MB\" or \"2GB\""),
            SettingKind::Mode => f.write_str("permissions in octal digits such as \"0660\""),
            SettingKind::Choice(choices) => write!(f, "one of {}", choices.join(", ")),
        }
    }
}

impl SettingKind {
    /// Reads a value that is written as a string. What is no string in a configuration is read here
    /// for defaults only.
    pub fn parse(self, text: &str) -> Option<Setting> {
        let not_empty = Some(text).filter(|text| !text.is_empty());
        match self {
            SettingKind::Path => not_empty.map(|path| Setting::Path(path.into())),
            SettingKind::OptionalPath => Some(Setting::Path(text.into())),
            SettingKind::Url => {
                not_empty.filter(|url| is_address(url.as_ref())).map(|url| Setting::Url(url.into()))
            }
            SettingKind::Address => text.parse().ok().map(Setting::Address),
            SettingKind::OptionalAddress => match text {
                "" => Some(Setting::OptionalAddress(None)),
                text => text.parse().ok().map(|own| Setting::OptionalAddress(Some(own))),
            },
            SettingKind::Text => Some(Setting::Text(text.to_owned())),
            SettingKind::Flag => text.parse().ok().map(Setting::Flag),
            SettingKind::Names => {
                let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
                Some(Setting::Names(names.map(str::to_owned).collect()))
            }
            SettingKind::Integer(min) => {
                text.parse().ok().filter(|n| *n >= min).map(Setting::Integer)
            }
            SettingKind::Duration => {
                let duration = parse_duration(text).filter(|duration| !duration.is_zero());
                duration.map(Setting::Duration)
            }
            SettingKind::Bytes => parse_bytes(text).filter(|bytes| *bytes > 0).map(Setting::Bytes),
            SettingKind::Mode => {
                let is_octal = (3..=4).contains(&text.len());
                let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode > 0);
                mode.filter(|mode| *mode <= 0o777).map(Setting::Mode)
            }
            SettingKind::Choice(choices) => {
                choices.iter().find(|choice| **choice == text).map(|choice| Setting::Choice(choice))
            }
        }
    }
}

/// As it would be written.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Path(path) | Setting::Url(path) => write!(f, "{}", path.display()),
            Setting::Address(address) | Setting::OptionalAddress(Some(address)) => {
                write!(f, "{address}")
            }
            Setting::OptionalAddress(None) => Ok(()),
            Setting::Text(text) => f.write_str(text),
            Setting::Flag(flag) => write!(f, "{flag}"),
            Setting::Names(names) => f.write_str(&names.join(", ")),
            Setting::Integer(number) => write!(f, "{number}"),
            Setting::Duration(duration) => f.write_str(&duration_text(*duration)),
            Setting::Bytes(bytes) => f.write_str(&bytes_text(*bytes)),
            Setting::Mode(mode) => write!(f, "{mode:04o}"),
            Setting::Choice(choice) => f.write_str(choice),
        }
    }
}

/// A value for every key of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, Setting>);

impl Settings {
    /// Completes what was written with the defaults of `keys`. None when a required key is missing.
    pub fn complete(
        keys: &[Key],
        written: impl IntoIterator<Item = (&'static str, Setting)>,
    ) -> Option<Settings> {
        let mut settings: BTreeMap<_, _> = written.into_iter().collect();
        for key in keys {
            if !settings.contains_key(key.name) {
                let default = key.kind.parse(key.default?).expect("defaults are of their kind");
                settings.insert(key.name, default);
            }
        }
        Some(Settings(settings))
    }

    /// Whoever lists a key can ask for it, by its kind.
    fn get(&self, key: &str) -> &Setting {
        self.0.get(key).unwrap_or_else(|| panic!("the key {key} is not listed"))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Setting)> {
        self.0.iter().map(|(key, setting)| (*key, setting))
    }

    pub fn path(&self, key: &str) -> &Path {
        let Setting::Path(path) = self.get(key) else { panic!("{key} is no path") };
        path
    }

    pub fn url(&self, key: &str) -> &Path {
        let Setting::Url(url) = self.get(key) else { panic!("{key} is no address of a bucket") };
        url
    }

    /// None where it is empty, or no key of these.
    pub fn optional_path(&self, key: &str) -> Option<&Path> {
        let setting = self.0.get(key)?;
        let Setting::Path(path) = setting else { panic!("{key} is no path") };
        Some(path.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    pub fn address(&self, key: &str) -> SocketAddr {
        let Setting::Address(address) = self.get(key) else { panic!("{key} is no address") };
        *address
    }

    pub fn optional_address(&self, key: &str) -> Option<SocketAddr> {
        let Setting::OptionalAddress(address) = self.get(key) else {
            panic!("{key} is no address")
        };
        *address
    }

    pub fn text(&self, key: &str) -> &str {
        let Setting::Text(text) = self.get(key) else { panic!("{key} is no text") };
        text
    }

    pub fn flag(&self, key: &str) -> bool {
        let Setting::Flag(flag) = self.get(key) else { panic!("{key} is no flag") };
        *flag
    }

    pub fn names(&self, key: &str) -> &[String] {
        let Setting::Names(names) = self.get(key) else { panic!("{key} is no list") };
        names
    }

    pub fn integer(&self, key: &str) -> u64 {
        let Setting::Integer(number) = self.get(key) else { panic!("{key} is no integer") };
        *number
    }

    pub fn duration(&self, key: &str) -> Duration {
        let Setting::Duration(duration) = self.get(key) else { panic!("{key} is no duration") };
        *duration
    }

    pub fn bytes(&self, key: &str) -> u64 {
        let Setting::Bytes(bytes) = self.get(key) else { panic!("{key} is no size") };
        *bytes
    }

    pub fn mode(&self, key: &str) -> u32 {
        let Setting::Mode(mode) = self.get(key) else { panic!("{key} is no mode") };
        *mode
    }

    pub fn choice(&self, key: &str) -> &'static str {
        let Setting::Choice(choice) = self.get(key) else { panic!("{key} is no choice") };
        choice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_they_are_written() {
        const CHOICES: SettingKind = SettingKind::Choice(&["skip", "count"]);
        for (kind, text) in [
            (SettingKind::Path, "logs/a"),
            (SettingKind::OptionalPath, ""),
            (SettingKind::Address, "127.0.0.1:9798"),
            (SettingKind::OptionalAddress, "127.0.0.1:9798"),
            (SettingKind::OptionalAddress, ""),
            (SettingKind::Flag, "true"),
            (SettingKind::Names, "a, b"),
            (SettingKind::Integer(1), "256"),
            (SettingKind::Duration, "5s"),
            (SettingKind::Bytes, "1MB"),
            (SettingKind::Mode, "0660"),
            (CHOICES, "count"),
        ] {
            assert_eq!(kind.parse(text).unwrap().to_string(), text);
        }
        for (kind, text) in [
            (SettingKind::Path, ""),
            (SettingKind::Address, "localhost"),
            (SettingKind::OptionalAddress, "localhost"),
            (SettingKind::Flag, "yes"),
            (SettingKind::Integer(1), "0"),
            (SettingKind::Duration, "0s"),
            (SettingKind::Bytes, "0MB"),
            (SettingKind::Mode, "rw"),
            (SettingKind::Mode, "0888"),
            (SettingKind::Mode, "01777"),
            (CHOICES, "cuont"),
        ] {
            assert_eq!(kind.parse(text), None, "{text}");
        }
    }

    #[test]
    fn defaults_fill_what_was_not_written() {
        const KEYS: &[Key] = &[
            Key { name: "path", kind: SettingKind::Path, default: None, meaning: "" },
            Key { name: "every", kind: SettingKind::Duration, default: Some("5s"), meaning: "" },
        ];
        assert_eq!(Settings::complete(KEYS, []), None);
        let settings = Settings::complete(KEYS, [("path", Setting::Path("x".into()))]).unwrap();
        assert_eq!(settings.path("path"), Path::new("x"));
        assert_eq!(settings.duration("every"), Duration::from_secs(5));
    }
}
