//! What was written: TOML with positions, read key by key.
//!
//! A fault never stops the reading. Keys that nobody asked for are faults too, with the nearest
//! key that would have been read.

use super::ConfigFault;
use crate::settings::units::{parse_bytes, parse_duration};
use crate::settings::{Key, Setting, SettingKind, is_address};
use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Names further apart than this are no typing error.
const SUGGESTION_DISTANCE_MAX: usize = 3;

/// Parses the text and hands its root section to `check`; all faults, or the result.
pub fn with_document<T>(
    text: &str,
    check: impl FnOnce(&Section<'_>) -> Option<T>,
) -> Result<T, Vec<ConfigFault>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(|error| syntax_fault(text, error)).collect());
    }
    let faults = RefCell::new(Vec::new());
    let root = Section::new(document.get_ref(), String::new(), document.span(), text, &faults);
    let checked = check(&root);
    root.finish();
    let mut faults = faults.into_inner();
    faults.sort_by_key(|fault: &ConfigFault| fault.line);
    match checked {
        Some(checked) if faults.is_empty() => Ok(checked),
        _ => Err(faults),
    }
}

fn syntax_fault(text: &str, error: &toml::de::Error) -> ConfigFault {
    let line = error.span().map_or(0, |span| line(text, span.start));
    ConfigFault { line, key: String::new(), message: error.message().to_owned() }
}

fn line(text: &str, offset: usize) -> usize {
    text[..offset.min(text.len())].matches('\n').count() + 1
}

/// One table of the file, and which of its keys were read.
pub struct Section<'a> {
    table: &'a DeTable<'a>,
    path: String,
    span: Range<usize>,
    text: &'a str,
    read: RefCell<Vec<&'a str>>,
    faults: &'a RefCell<Vec<ConfigFault>>,
}

impl<'a> Section<'a> {
    fn new(
        table: &'a DeTable<'a>,
        path: String,
        span: Range<usize>,
        text: &'a str,
        faults: &'a RefCell<Vec<ConfigFault>>,
    ) -> Section<'a> {
        Section { table, path, span, text, read: RefCell::default(), faults }
    }

    fn key_path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes a fault at a key of this section, or at the section when it has no such key.
    pub fn fault(&self, key: &str, message: impl Into<String>) {
        let found = self.table.get_key_value(key);
        let offset = found.map_or(self.span.start, |(name, _)| name.span().start);
        let (line, key) = (line(self.text, offset), self.key_path(key));
        self.faults.borrow_mut().push(ConfigFault { line, key, message: message.into() });
    }

    /// The value of a key, which counts as read.
    fn get(&self, key: &'a str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.read.borrow_mut().push(key);
        self.table.get(key)
    }

    /// A key that may be there, whatever its value.
    pub fn ignore(&self, key: &'static str) {
        self.read.borrow_mut().push(key);
    }

    fn typed<T>(
        &self,
        key: &'a str,
        wanted: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?.get_ref();
        let typed = read(value);
        if typed.is_none() {
            self.fault(key, format!("must be {wanted}, not {}", described(value)));
        }
        typed
    }

    /// Whether a key is there, good or not.
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    pub fn string(&self, key: &'a str) -> Option<String> {
        self.typed(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    pub fn required_string(&self, key: &'a str) -> Option<String> {
        if self.table.get(key).is_none() {
            self.fault(key, "is missing");
        }
        self.string(key).filter(|text| {
            if text.is_empty() {
                self.fault(key, "must not be empty");
            }
            !text.is_empty()
        })
    }

    pub fn strings(&self, key: &'a str) -> Option<Vec<String>> {
        self.typed(key, "a list of strings", |value| {
            let items = value.as_array()?.iter();
            items.map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        })
    }

    /// One string, or a list of them.
    pub fn string_or_strings(&self, key: &'a str) -> Option<Vec<String>> {
        self.typed(key, "a string or a list of strings", |value| match value.as_str() {
            Some(one) => Some(vec![one.to_owned()]),
            None => {
                let items = value.as_array()?.iter();
                items.map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
            }
        })
    }

    /// A whole number from `min` on.
    pub fn integer(&self, key: &'a str, min: u64) -> Option<u64> {
        self.typed(key, &format!("a whole number, {min} or more"), |value| {
            let integer = value.as_integer()?;
            let digits = integer.as_str().replace('_', "");
            let number = u64::from_str_radix(&digits, integer.radix()).ok()?;
            (min <= number && number <= i64::MAX as u64).then_some(number)
        })
    }

    /// A finite number that is `valid`, which `wanted` describes.
    pub fn number(&self, key: &'a str, wanted: &str, valid: impl Fn(f64) -> bool) -> Option<f64> {
        self.typed(key, wanted, |value| number(value).filter(|number| valid(*number)))
    }

    /// Texts, numbers or true and false, as texts.
    pub fn values(&self, key: &'a str) -> Option<Vec<String>> {
        self.typed(key, "a list of strings, numbers or booleans", |value| {
            let text = |item: &DeValue<'_>| match item {
                DeValue::Integer(integer) => Some(integer.as_str().replace('_', "")),
                DeValue::Boolean(own) => Some(own.to_string()),
                _ => {
                    let own = item.as_str().map(str::to_owned);
                    own.or_else(|| number(item).map(|number| number.to_string()))
                }
            };
            value.as_array()?.iter().map(|item| text(item.get_ref())).collect()
        })
    }

    pub fn number_list(&self, key: &'a str) -> Option<Vec<f64>> {
        self.typed(key, "a list of numbers", |value| {
            value.as_array()?.iter().map(|item| number(item.get_ref())).collect()
        })
    }

    pub fn boolean(&self, key: &'a str) -> Option<bool> {
        self.typed(key, "true or false", DeValue::as_bool)
    }

    pub fn duration(&self, key: &'a str) -> Option<Duration> {
        self.typed(key, "a duration such as \"5s\" or \"10m\"", |value| {
            parse_duration(value.as_str()?).filter(|duration| !duration.is_zero())
        })
    }

    /// The same, or none at all: `"0s"`.
    pub fn duration_or_zero(&self, key: &'a str) -> Option<Duration> {
        self.typed(key, "a duration such as \"0s\" or \"10m\"", |value| {
            parse_duration(value.as_str()?)
        })
    }

    /// A number of bytes.
    pub fn bytes(&self, key: &'a str) -> Option<u64> {
        self.typed(key, "a size such as \"512MB\" or \"2GB\"", |value| {
            parse_bytes(value.as_str()?).filter(|bytes| *bytes > 0)
        })
    }

    /// One of a closed list, by name.
    pub fn choice<T: Copy>(&self, key: &'a str, choices: &[(&str, T)]) -> Option<T> {
        let name = self.string(key)?;
        let found = choices.iter().find(|(choice, _)| *choice == name);
        if found.is_none() {
            self.fault(key, unknown(&name, choices.iter().map(|(choice, _)| *choice)));
        }
        found.map(|(_, value)| *value)
    }

    /// The value of a listed key, as it is written; paths are relative to `folder`.
    pub fn setting(&self, key: &'static Key, folder: &Path) -> Option<Setting>
    where
        'static: 'a,
    {
        match key.kind {
            SettingKind::Integer(min) => self.integer(key.name, min).map(Setting::Integer),
            SettingKind::Flag => self.boolean(key.name).map(Setting::Flag),
            SettingKind::Names => self.strings(key.name).map(Setting::Names),
            SettingKind::Choice(choices) => {
                let choices: Vec<_> = choices.iter().map(|choice| (*choice, *choice)).collect();
                self.choice(key.name, &choices).map(Setting::Choice)
            }
            kind => {
                let wanted = kind.to_string();
                match self.typed(key.name, &wanted, |value| kind.parse(value.as_str()?))? {
                    Setting::Path(path) if is_address(&path) => {
                        let wanted = "is an address and no path; a source of type \"bucket\" reads \
                                      object stores, with url in place of path";
                        self.fault(key.name, format!("\"{}\" {wanted}", path.display()));
                        None
                    }
                    Setting::Path(path) if path.as_os_str().is_empty() => Some(Setting::Path(path)),
                    Setting::Path(path) => Some(Setting::Path(folder.join(path))),
                    setting => Some(setting),
                }
            }
        }
    }

    /// A table of finite numbers, none below 0.
    pub fn numbers(&self, key: &'a str) -> Vec<(String, f64)> {
        let Some(section) = self.section(key) else { return Vec::new() };
        let entry = |(name, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &'a str = AsRef::<str>::as_ref(name.get_ref());
            section.read.borrow_mut().push(name);
            let number = number(value.get_ref()).filter(|number| *number >= 0.0);
            if number.is_none() {
                section.fault(name, "must be a number, 0 or more");
            }
            number.map(|number| (name.to_owned(), number))
        };
        section.table.iter().filter_map(entry).collect()
    }

    /// A table of texts, in the order of the file.
    pub fn texts(&self, key: &'a str) -> Vec<(String, String)> {
        let Some(section) = self.section(key) else { return Vec::new() };
        let entry = |(name, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &'a str = AsRef::<str>::as_ref(name.get_ref());
            section.read.borrow_mut().push(name);
            let text = value.get_ref().as_str();
            if text.is_none() {
                section.fault(name, "must be a text");
            }
            text.map(|text| (name.to_owned(), text.to_owned()))
        };
        let mut entries: Vec<_> = section.table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        entries.into_iter().filter_map(entry).collect()
    }

    pub fn section(&self, key: &'a str) -> Option<Section<'a>> {
        let value = self.get(key)?;
        self.enter(value, self.key_path(key))
    }

    /// A list of tables, `[[key]]`.
    pub fn sections(&self, key: &'a str) -> Vec<Section<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.fault(key, format!("must be written as [[{}]]", self.key_path(key)));
            return Vec::new();
        };
        items.iter().filter_map(|item| self.enter(item, self.key_path(key))).collect()
    }

    /// The tables below a key, by their names: `[key.NAME]`.
    pub fn named_sections(&self, key: &'a str) -> Vec<(String, Section<'a>)> {
        let Some(section) = self.section(key) else { return Vec::new() };
        let entries = section.table.iter();
        entries
            .filter_map(|(name, value)| {
                let name: &'a str = name.get_ref().as_ref();
                section.read.borrow_mut().push(name);
                let entered = section.enter(value, section.key_path(name))?;
                Some((name.to_owned(), entered))
            })
            .collect()
    }

    fn enter(&self, value: &'a Spanned<DeValue<'a>>, path: String) -> Option<Section<'a>> {
        match value.get_ref().as_table() {
            Some(table) => Some(Section::new(table, path, value.span(), self.text, self.faults)),
            None => {
                let (line, message) = (line(self.text, value.span().start), "must be a table");
                self.faults.borrow_mut().push(ConfigFault {
                    line,
                    key: path,
                    message: message.into(),
                });
                None
            }
        }
    }

    /// Notes every key that was not read.
    pub fn finish(&self) {
        let read = self.read.borrow();
        for (name, _) in self.table.iter() {
            let name: &str = name.get_ref().as_ref();
            if !read.contains(&name) {
                self.fault(name, unknown_key(name, read.iter().copied()));
            }
        }
    }
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    let digits = match value {
        DeValue::Float(float) => float.as_str(),
        DeValue::Integer(integer) => integer.as_str(),
        _ => return None,
    };
    digits.replace('_', "").parse().ok().filter(|number: &f64| number.is_finite())
}

fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(integer) => integer.as_str().to_owned(),
        DeValue::Float(float) => float.as_str().to_owned(),
        other => other.type_str().to_owned(),
    }
}

/// The name in a list that a mistyped one most likely means.
pub fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= SUGGESTION_DISTANCE_MAX)
        .min()
        .map(|(_, candidate)| candidate)
}

fn unknown_key<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    match nearest(name, known) {
        Some(candidate) => format!("unknown key; did you mean {candidate:?}?"),
        None => "unknown key".to_owned(),
    }
}

/// The message for a name that is not in a closed list.
pub fn unknown<'n>(name: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    let list = known.clone().collect::<Vec<_>>().join(", ");
    match nearest(name, known) {
        Some(candidate) => {
            format!("{name:?} is unknown; did you mean {candidate:?}? There are: {list}")
        }
        None => format!("{name:?} is unknown; there are: {list}"),
    }
}
