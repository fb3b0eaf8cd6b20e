//! Histograms of features, as lines and as native histograms, and the formats that they come in.

use crate::metrics::{demo_with, lint};
use crate::prometheus::expect_strict;
use crate::support::daemon::{Daemon, config};
use crate::support::prometheus::Prometheus;
use crate::support::table::{floats, write};
use arrow_array::ArrayRef;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::Path;

const OPENMETRICS: &str = "Accept: application/openmetrics-text;version=1.0.0\r\n";
const PROTOBUF: &str = "Accept: application/vnd.google.protobuf;\
    proto=io.prometheus.client.MetricFamily;encoding=delimited\r\n";

const FEATURES: [&str; 4] = ["normal", "long_tail", "negative", "count"];

/// Rows of four laws.
fn columns(rows: usize, shift: f64, seed: u64) -> Vec<Vec<f64>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut uniform = || random.random_range(1e-12..1.0f64);
    let normal: Vec<f64> = (0..rows)
        .map(|_| (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos() + shift)
        .collect();
    let long_tail = normal.iter().map(|x| (2.0 * x).exp()).collect();
    let negative = normal.iter().map(|x| -x.exp()).collect();
    let count = normal.iter().map(|x| (x + 4.0).abs().floor()).collect();
    vec![normal, long_tail, negative, count]
}

fn table(columns: &[Vec<f64>]) -> Vec<(&'static str, ArrayRef)> {
    let columns = columns.iter().map(|values| floats(values.iter().copied()));
    FEATURES.into_iter().zip(columns).collect()
}

/// A daemon that has counted these rows as one window.
fn counted(folder: &Path, reference: &[Vec<f64>], rows: &[Vec<f64>]) -> Daemon {
    let more = "[[model.window]]\nname = \"w\"\ntype = \"batch\"\n\
        [export]\nfamilies = [\"distributions\"]\n";
    let config = config(folder, more);
    write(&folder.join("reference.parquet"), table(reference));
    write(&folder.join("logs/1.parquet"), table(rows));
    let mut daemon = Daemon::start(&config);
    daemon.wait_for_sample(&["driftd_source_rows_total"], rows[0].len() as f64);
    daemon
}

/// The value below which a share of the rows lies.
fn percentile(rows: &[f64], share: f64) -> f64 {
    let mut rows = rows.to_vec();
    rows.sort_by(f64::total_cmp);
    rows[((share * rows.len() as f64).ceil() as usize).max(1) - 1]
}

/// Two daemons of one model, each with rows of its own: what PromQL makes of their histograms is
/// the percentile of all rows, within the bucket that it lies in.
#[test]
fn percentiles_of_a_fleet_are_those_of_all_rows() {
    let reference = columns(20_000, 0.0, 1);
    let halves = [columns(6_000, 0.5, 2), columns(9_000, -1.0, 3)];
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let all: Vec<Vec<f64>> = (0..FEATURES.len())
        .map(|column| halves.iter().flat_map(|half| half[column].clone()).collect())
        .collect();
    let daemons = [0, 1].map(|half| counted(folders[half].path(), &reference, &halves[half]));
    let targets = [&*daemons[0].address, &daemons[1].address];
    for feature in [None, Some("native-histograms")] {
        let folder = folders[2].path().join(feature.unwrap_or("classic"));
        std::fs::create_dir(&folder).unwrap();
        let prometheus = Prometheus::of_fleet(&folder, &targets, feature);
        for (column, name) in FEATURES.iter().enumerate() {
            for share in [0.05, 0.25, 0.5, 0.75, 0.95] {
                let (suffix, by) =
                    if feature.is_none() { ("_bucket", "by%20(le)") } else { ("", "") };
                let series =
                    format!("driftd_feature_distribution{suffix}%7Bfeature%3D%22{name}%22%7D");
                let query = format!(
                    "/api/v1/query?query=histogram_quantile({share},sum%20{by}%20({series}))\
                     %20and%20on()%20(sum(driftd_window_rows)%3D%3D15000)"
                );
                let found = prometheus.wait_for(&format!("{name} at {share}"), &query, |answer| {
                    answer["data"]["result"][0]["value"][1].as_str()?.parse::<f64>().ok()
                });
                let expected = percentile(&all[column], share);
                let (lower, upper) = match feature {
                    None => bucket(&reference[column], expected),
                    Some(_) => native_bucket(expected),
                };
                assert!(
                    (lower..=upper).contains(&found),
                    "{name} at {share}: {found} for {expected}, which is in {lower} to {upper}"
                );
            }
        }
    }
    daemons.into_iter().for_each(Daemon::stop);
}

/// The ends of a value's bucket between the reference's deciles; those of the neighbours for a
/// value at an end. What lies beyond the last has that for its percentile, as Prometheus defines.
fn bucket(reference: &[f64], value: f64) -> (f64, f64) {
    let mut ends: Vec<f64> =
        (1..10).map(|decile| percentile(reference, f64::from(decile) / 10.0)).collect();
    ends.dedup();
    // A decile may lie between two values of the reference.
    let slack = |end: f64| end.abs() * 0.01 + 0.01;
    let lower = ends.iter().rfind(|end| **end + slack(**end) < value);
    let upper = ends.iter().find(|end| **end - slack(**end) >= value);
    let lowest = lower.copied().map_or(f64::NEG_INFINITY, |end| end - slack(end));
    (lowest, upper.copied().map_or(f64::INFINITY, |end| end + slack(end)))
}

/// Within the 9 % that a native bucket is wide, and the 1 % that a value is known within.
fn native_bucket(value: f64) -> (f64, f64) {
    let width = 0.11 * value.abs() + 1e-12;
    (value - width, value + width)
}

/// The messages of a page by the names of their metrics.
fn families(mut page: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut families = Vec::new();
    while !page.is_empty() {
        let (mut length, mut shift) = (0, 0);
        loop {
            let (byte, rest) = page.split_first().unwrap();
            length |= usize::from(byte & 0x7f) << shift;
            (shift, page) = (shift + 7, rest);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (family, rest) = page.split_at(length);
        assert_eq!(family[0], 0x0a, "a family begins with its name");
        let name = &family[2..2 + usize::from(family[1])];
        families.push((String::from_utf8(name.to_vec()).unwrap(), family.to_vec()));
        page = rest;
    }
    families
}

/// What scrapers had before a restart they have after it, native buckets included.
#[test]
fn histograms_outlive_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let rows = columns(6_000, 0.5, 2);
    let daemon = counted(folder.path(), &columns(20_000, 0.0, 1), &rows);
    let histograms = |daemon: &Daemon| {
        let (status, head, page) = daemon.get_with("/metrics", PROTOBUF);
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("io.prometheus.client.MetricFamily; encoding=delimited"), "{head}");
        let own = families(&page).into_iter().filter(|(name, _)| name.ends_with("_distribution"));
        own.collect::<Vec<_>>()
    };
    let before = histograms(&daemon);
    assert_eq!(before.len(), 2);
    // Tag 6 of a histogram, the threshold of its zero bucket, which native ones alone have.
    let threshold = [&[0x31][..], &2.938_735_877_055_719e-39f64.to_le_bytes()].concat();
    for (name, family) in &before {
        let natives = family.windows(9).filter(|own| *own == threshold).count();
        assert_eq!(natives, FEATURES.len(), "{name}");
    }
    daemon.kill();
    let daemon = Daemon::start(&folder.path().join("driftd.toml"));
    assert!(before == histograms(&daemon), "the histograms are others after a restart");
    daemon.stop();
}

/// Every family of the demo in each format: promtool and Python's client take them, and whoever
/// asks for protobuf gets as many metrics.
#[test]
fn the_demo_comes_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let families_of_all = "families = [\"drift\", \"quality\", \"moments\", \"percentiles\", \
        \"reference\", \"p_values\", \"evidence\", \"distributions\"]";
    let daemon = demo_with(folder.path(), families_of_all);
    // What comes too late for one scrape hinders no other.
    let header = |seconds: &str| format!("X-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\n");
    let unseen = [&header("0.0000001"), OPENMETRICS, "Accept-Encoding: gzip\r\n"].concat();
    let (status, _, body) = daemon.get_with("/metrics", &unseen);
    let told = String::from_utf8_lossy(&body);
    assert!(status == 503 && told.contains("the time of this scrape"), "{status}: {told}");
    assert_eq!(daemon.get_with("/metrics", &header("10")).0, 200);
    let text = daemon.metrics();
    lint(&text);
    let (status, head, page) = daemon.get_with("/metrics", OPENMETRICS);
    assert_eq!(status, 200);
    assert!(head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    let path = folder.path().join("page.om");
    std::fs::write(&path, &page).unwrap();
    expect_strict(&path);
    let page = String::from_utf8(page).unwrap();
    let heads = |page: &str| page.lines().filter(|line| line.starts_with("# HELP")).count();
    assert_eq!(heads(&page), heads(&text));
    let of = |page: &str, line: &str| page.lines().filter(|own| own.contains(line)).count();
    assert_eq!(of(&page, "_bucket{"), of(&text, "_bucket{"));
    assert!(of(&page, "_bucket{") > 100);
    let (_, _, protobuf) = daemon.get_with("/metrics", PROTOBUF);
    assert_eq!(families(&protobuf).len(), heads(&text));
    daemon.stop();
}
