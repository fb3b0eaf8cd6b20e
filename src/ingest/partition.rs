//! Values that are written in a path: `region=north/dt=2026-01-01/part-0.parquet`.

use std::path::Path;

/// Hive's name for null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// One `key=value` folder; no value means null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionValue {
    pub key: String,
    pub value: Option<String>,
}

/// The `key=value` folders between `root` and the file, outermost first.
pub fn partition_values(root: &Path, file: &Path) -> Vec<PartitionValue> {
    let inside = file.strip_prefix(root).unwrap_or(file);
    let folders = inside.parent().into_iter().flat_map(Path::components);
    folders
        .filter_map(|folder| {
            let name = folder.as_os_str().to_string_lossy().into_owned();
            let (key, value) = name.split_once('=')?;
            let value = (value != NULL).then(|| decode_percent(value));
            (!key.is_empty()).then(|| PartitionValue { key: decode_percent(key), value })
        })
        .collect()
}

/// The partition as part of a file's identity.
pub fn partition_label(values: &[PartitionValue]) -> String {
    let label = |p: &PartitionValue| format!("{}={}", p.key, p.value.as_deref().unwrap_or(NULL));
    values.iter().map(label).collect::<Vec<_>>().join("/")
}

/// `%2F` and the like, as Hive and Spark write what a folder's name cannot hold.
fn decode_percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hive_folders() {
        let file = "/logs/x-{i}.parquet/__log_date=2026-01-01/city=S%C3%A3o%2F1/data_0.parquet";
        let values = partition_values(Path::new("/logs"), Path::new(file));
        assert_eq!(partition_label(&values), "__log_date=2026-01-01/city=São/1");
        let null = partition_values(Path::new("/"), Path::new("/a=__HIVE_DEFAULT_PARTITION__/f"));
        assert_eq!(null, [PartitionValue { key: "a".into(), value: None }]);
    }
}
