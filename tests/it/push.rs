//! Pushing to a real Pushgateway, files for a real node_exporter, and remote write to a real
//! Prometheus.

use crate::support::daemon::{Daemon, config, sample};
use crate::support::prometheus::Prometheus;
use crate::support::run;
use crate::support::table::{floats, write};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A server of Debian's that ends with the test.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(program: &str, arguments: &[&str]) -> Server {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let child = Command::new(program)
            .arg(format!("--web.listen-address={free}"))
            .args(arguments)
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} is needed (Debian's package): {error}"));
        let server = Server { child, address: free };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(&server.address).is_err() {
            assert!(Instant::now() < deadline, "{program} answers");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn request(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: server\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Files of a reference, of rows without drift, and of rows that lack a column.
fn files(folder: &Path) -> [PathBuf; 3] {
    let paths = ["reference", "same", "less"].map(|name| folder.join(format!("{name}.parquet")));
    let values = |shift: f64| floats((0..2_000).map(|n| f64::from(n % 100) + shift));
    write(&paths[0], vec![("x", values(0.0)), ("y", values(5.0))]);
    write(&paths[1], vec![("x", values(0.0)), ("y", values(5.0))]);
    write(&paths[2], vec![("x", values(30.0))]);
    paths
}

/// The samples of driftd on a page, without the labels that a gateway adds.
fn own_samples(page: &str) -> Vec<String> {
    let lines = page.lines().filter(|line| line.starts_with("driftd_"));
    // A gateway adds the labels of its group to what has no model.
    let about = ["driftd_series_dropped", "driftd_build_info"];
    let lines = lines.filter(|line| !about.iter().any(|name| line.starts_with(name)));
    let mut lines: Vec<String> = lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').unwrap().split_inclusive("\",");
            let labels = labels.map(|label| label.trim_end_matches(','));
            let mut labels: Vec<&str> = labels
                .filter(|label| !label.starts_with("instance=") && !label.starts_with("job="))
                // One that is empty is none.
                .filter(|label| !label.ends_with("=\"\"") && !label.is_empty())
                .collect();
            labels.sort_unstable();
            let value: f64 = value.parse().unwrap();
            format!("{name}{{{}}} {value:e}", labels.join(","))
        })
        .collect();
    lines.sort_unstable();
    lines
}

/// What a gateway shows is what was pushed; a second push takes the place of the first, with all
/// that is gone; a group is removed by the address that the command tells.
#[test]
fn a_check_is_pushed_to_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let [reference, same, less] = files(folder.path()).map(|path| path.display().to_string());
    let gateway = Server::start("prometheus-pushgateway", &["--persistence.file="]);
    let url = format!("http://{}", gateway.address);
    let pushed = |current: &str| {
        let page = folder.path().join("page.prom").display().to_string();
        let arguments = ["--reference", &reference, current, "--push", &url];
        let format = ["--format", "prometheus", "--output", &page];
        let (status, _, told) = run(&[&["check"][..], &arguments, &format].concat());
        (status, std::fs::read_to_string(&page).unwrap(), told)
    };
    let (status, page, _) = pushed(&same);
    assert_eq!(status, 0);
    let shown = gateway.request("GET", "/metrics");
    assert_eq!(own_samples(&shown), own_samples(&page));
    assert!(own_samples(&page).len() > 40, "{page}");
    // DriftdMissing looks for it.
    assert!(page.contains("driftd_build_info{"));
    assert!(shown.contains("feature=\"y\"") && shown.contains("push_time_seconds{"));
    let (status, page, told) = pushed(&less);
    assert_eq!(status, 1);
    let shown = gateway.request("GET", "/metrics");
    assert_eq!(own_samples(&shown), own_samples(&page));
    let absent = ["driftd_feature_status", "feature=\"y\"", "status=\"absent\""];
    assert_eq!(sample(&shown, &absent), Some(1.0));
    // As the command says it.
    let group = told.split("curl -X DELETE '").nth(1).unwrap().split('\'').next().unwrap();
    gateway.request("DELETE", group.strip_prefix(&url).unwrap());
    assert_eq!(own_samples(&gateway.request("GET", "/metrics")), [""; 0]);
    // Models without a configuration have groups of their own too.
    for model in ["churn", "fraud"] {
        let (status, ..) =
            run(&["check", "--reference", &reference, &same, "--push", &url, "--model", model]);
        assert_eq!(status, 0);
    }
    let shown = gateway.request("GET", "/metrics");
    assert!(["model_name=\"churn\"", "model_name=\"fraud\""].iter().all(|own| shown.contains(own)));
    // A group of one's own.
    let own = format!("{url}/metrics/job/nightly/team/risk");
    let (status, ..) = run(&["check", "--reference", &reference, &same, "--push", &own]);
    assert_eq!(status, 0);
    assert!(gateway.request("GET", "/metrics").contains("team=\"risk\""));
}

#[test]
fn what_cannot_be_pushed_is_said_and_the_report_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let [reference, same, _] = files(folder.path()).map(|path| path.display().to_string());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let push = |url: &str| run(&["check", "--reference", &reference, &same, "--push", url]);
    let (status, report, told) = push(&format!("http://{free}"));
    assert_eq!(status, 2);
    assert!(report.contains("2000") || report.contains("2,000"), "{report}");
    assert!(told.contains("not pushed") && told.contains("refused"), "{told}");
    let (status, report, told) = push("gateway:9091");
    assert_eq!((status, report.as_str()), (2, ""));
    assert!(told.contains("\"gateway:9091\" is no address such as http://"), "{told}");
    // Somebody else answers there.
    let daemon_folder = folder.path().join("other");
    std::fs::create_dir(&daemon_folder).unwrap();
    let config = config(&daemon_folder, "[[model.window]]\nname = \"w\"\ntype = \"batch\"\n");
    std::fs::copy(&reference, daemon_folder.join("reference.parquet")).unwrap();
    let daemon = Daemon::start(&config);
    let (status, _, told) = push(&format!("http://{}", daemon.address));
    assert_eq!(status, 2);
    assert!(told.contains("not pushed: 404"), "{told}");
    daemon.stop();
}

/// The textfile collector of node_exporter takes the page, and shows all of it.
#[test]
fn a_check_is_collected_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let [reference, _, less] = files(folder.path()).map(|path| path.display().to_string());
    let collected = folder.path().join("collected");
    std::fs::create_dir(&collected).unwrap();
    let directory = format!("--collector.textfile.directory={}", collected.display());
    let exporter = Server::start(
        "prometheus-node-exporter",
        &["--collector.disable-defaults", "--collector.textfile", &directory],
    );
    let page = collected.join("driftd.prom").display().to_string();
    let format = ["--format", "prometheus", "--output", &page];
    run(&[&["check", "--reference", &reference, &less][..], &format].concat());
    let shown = exporter.request("GET", "/metrics");
    assert_eq!(own_samples(&shown), own_samples(&std::fs::read_to_string(&page).unwrap()));
    assert_eq!(sample(&shown, &["node_textfile_scrape_error"]), Some(0.0));
    // Half a file was never there under the name that is read.
    let names: Vec<_> =
        std::fs::read_dir(&collected).unwrap().map(|own| own.unwrap().path()).collect();
    assert_eq!(names, [Path::new(&page)]);
}

fn remote_write(url: &str, more: &str) -> String {
    format!(
        "[[model.window]]\nname = \"w\"\ntype = \"batch\"\n[export.remote_write]\n\
         url = \"{url}\"\ninterval = \"1s\"\nlabels = {{ instance = \"a\" }}\n{more}"
    )
}

/// All series of a page are in a Prometheus that was written to, with the values of the page.
#[test]
fn samples_are_written_to_prometheus() {
    written_to("prometheus", "1.0");
}

/// The same in version 2.0, which Prometheus speaks from 3.0 on; `DRIFTD_PROMETHEUS_3` is where
/// one is.
#[test]
fn samples_are_written_to_prometheus_3() {
    match std::env::var("DRIFTD_PROMETHEUS_3") {
        Ok(program) => ["1.0", "2.0"].iter().for_each(|version| written_to(&program, version)),
        Err(_) => eprintln!("skipped: DRIFTD_PROMETHEUS_3 does not say where a Prometheus 3 is"),
    }
}

fn written_to(program: &str, version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let [reference, same, less] = files(folder.path());
    let prometheus = Prometheus::receiving(program, folder.path());
    let url = format!("http://{}/api/v1/write", prometheus.address);
    let config = config(folder.path(), &remote_write(&url, &format!("version = \"{version}\"\n")));
    std::fs::copy(&same, folder.path().join("logs/1.parquet")).unwrap();
    assert!(reference.exists());
    let mut daemon = Daemon::start(&config);
    daemon.wait_for_sample(&["driftd_window_rows"], 2_000.0);
    let query = |text: &str| format!("/api/v1/query?query={text}");
    let rows = "driftd_feature_rows%7Bfeature=\"y\"%7D";
    prometheus.wait_for("rows", &query(rows), |answer| {
        (answer["data"]["result"][0]["value"][1] == "2000").then_some(())
    });
    let page = daemon.metrics();
    let expected = own_samples(&page);
    let found = prometheus.wait_for("all", &query("%7Bjob=\"driftd\"%7D"), |answer| {
        let result = answer["data"]["result"].as_array()?;
        let is_own = |name: &str| name.starts_with("driftd_");
        let own =
            result.iter().filter(|own| own["metric"]["__name__"].as_str().is_some_and(is_own));
        let lines = own.map(|own| {
            let labels = own["metric"].as_object().unwrap();
            assert_eq!(labels["instance"], "a");
            let labels = labels.iter().filter(|(name, _)| name.as_str() != "__name__");
            let labels =
                labels.map(|(name, value)| format!("{name}=\"{}\"", value.as_str().unwrap()));
            let name = own["metric"]["__name__"].as_str().unwrap();
            let value = own["value"][1].as_str().unwrap();
            format!("{name}{{{}}} {value}", labels.collect::<Vec<_>>().join(","))
        });
        let found = own_samples(&lines.collect::<Vec<_>>().join("\n"));
        (found.len() >= expected.len()).then_some(found)
    });
    let moves = ["timestamp", "remote_write", "http_connections"];
    let still = |lines: &[String]| -> Vec<String> {
        let still = lines.iter().filter(|line| !moves.iter().any(|part| line.contains(part)));
        still.cloned().collect()
    };
    assert_eq!(still(&found), still(&expected));
    assert!(still(&expected).len() > 60);
    // What is no series any more ends at once, and not after the five minutes of a lost target.
    let psi = "driftd_drift_score%7Bfeature=\"y\",measure=\"psi\"%7D";
    prometheus.wait_for("psi", &query(psi), |answer| answer["data"]["result"].get(0).map(|_| ()));
    std::fs::copy(&less, folder.path().join("logs/2.parquet")).unwrap();
    prometheus.wait_for("no psi", &query(psi), |answer| {
        answer["data"]["result"].as_array().filter(|own| own.is_empty()).map(|_| ())
    });
    daemon.stop();
}

/// A receiver that answers as it is told, and tells of what it was sent.
fn receiver(answers: Vec<&'static str>) -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/write", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answers = answers.into_iter();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") {
                if stream.read_exact(&mut byte).is_err() {
                    return;
                }
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            let answer = answers.next().unwrap_or("204 No Content\r\n");
            write!(stream, "HTTP/1.1 {answer}Connection: close\r\n\r\n").unwrap();
            if sender.send((head, body)).is_err() {
                return;
            }
        }
    });
    (url, received)
}

/// What a receiver cannot take now comes again as it was, what it refuses does not; headers come
/// from a file.
#[test]
fn what_was_not_taken_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    let (url, received) = receiver(vec![
        "503 Service Unavailable\r\n",
        "429 Too Many Requests\r\nRetry-After: 1\r\n",
        "204 No Content\r\n",
        "400 Bad Request\r\n",
    ]);
    std::fs::write(folder.path().join("headers"), "Authorization: Bearer secret\n").unwrap();
    let config = config(folder.path(), &remote_write(&url, "headers_file = \"headers\"\n"));
    let mut daemon = Daemon::start(&config);
    let next = || received.recv_timeout(Duration::from_secs(30)).unwrap();
    let [first, second, third, fourth, fifth] = [(); 5].map(|()| next());
    assert_eq!(first.1, second.1);
    assert_eq!(first.1, third.1);
    assert!(third.1 != fourth.1 && fourth.1 != fifth.1);
    for part in [
        "authorization: bearer secret",
        "content-encoding: snappy",
        "content-type: application/x-protobuf",
        "x-prometheus-remote-write-version: 0.1.0",
        "user-agent: driftd/",
    ] {
        assert!(first.0.contains(part), "{part} in {}", first.0);
    }
    daemon.wait_for("a refused request", |daemon| {
        let failed = ["driftd_remote_write_samples_total", "result=\"failed\""];
        daemon.sample(&failed).is_some_and(|samples| samples > 0.0)
    });
    // Once for each time that it begins.
    daemon.wait_for("both warnings", |daemon| {
        let warned = daemon.log().iter().filter(|line| line.contains("samples were not taken"));
        warned.count() == 2
    });
    daemon.stop();
}

/// A receiver that takes everything and understands nothing of version 2.0 is noticed.
#[test]
fn a_receiver_of_another_version_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    let (url, received) = receiver(Vec::new());
    let config = config(folder.path(), &remote_write(&url, "version = \"2.0\"\n"));
    let mut daemon = Daemon::start(&config);
    let (head, _) = received.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(head.contains("proto=io.prometheus.write.v2.request"), "{head}");
    daemon.wait_for("the warning", |daemon| {
        daemon.log().iter().any(|line| line.contains("set version = \\\"1.0\\\""))
    });
    daemon.stop();
}
