use crate::support::daemon::{Daemon, config};
use crate::support::table::{floats, write};
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const ROWS: &str = "[[model.window]]\nname = \"all\"\ntype = \"rows\"\nsize = 1000000000\n";
const ROWS_OF_TCP: [&str; 2] = ["driftd_source_rows_total", "source=\"tcp\""];

/// A model with a directory and a socket.
struct Setup {
    folder: tempfile::TempDir,
    path: PathBuf,
    address: SocketAddr,
}

/// Of so many features, with more sections after it.
fn setup(features: usize, more: &str) -> Setup {
    let folder = tempfile::tempdir().unwrap();
    write_reference(folder.path(), features);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let tcp = format!("[[model.source]]\nname = \"tcp\"\ntype = \"tcp\"\nlisten = \"{address}\"\n");
    let path = config(folder.path(), &format!("{tcp}{ROWS}{more}"));
    Setup { folder, path, address }
}

fn write_reference(folder: &Path, features: usize) {
    let names: Vec<String> = (0..features).map(|i| format!("x{i}")).collect();
    let column = floats((0..1_000).map(|i| f64::from(i * 7_919 % 1_000)));
    let columns = names.iter().map(|name| (name.as_str(), Arc::clone(&column))).collect();
    write(&folder.join("reference.parquet"), columns);
}

const ROWS_PER_CONNECTION: u64 = 1_000;

/// A client that connects, sends and closes in good order, again and again.
struct Sender {
    sent: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Sender {
    fn start(address: SocketAddr) -> Sender {
        let (sent, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (own_sent, own_over) = (Arc::clone(&sent), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let lines = "{\"x0\": 500}\n".repeat(ROWS_PER_CONNECTION as usize);
            while !own_over.load(Ordering::Relaxed) {
                let send = || -> std::io::Result<()> {
                    let mut stream = TcpStream::connect(address)?;
                    stream.write_all(lines.as_bytes())?;
                    stream.shutdown(Shutdown::Write)?;
                    stream.take_error()?.map_or(Ok(()), Err)
                };
                match send() {
                    Ok(()) => _ = own_sent.fetch_add(ROWS_PER_CONNECTION, Ordering::Relaxed),
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
        });
        Sender { sent, is_over, thread }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many rows it sent.
    fn end(self) -> f64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.sent.load(Ordering::Relaxed) as f64
    }
}

/// The same model with another threshold, then another version of it on the same port, under load.
#[test]
fn what_was_sent_is_counted_whoever_takes_it() {
    let Setup { folder, path, address } = setup(3, "");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut daemon = Daemon::start(&path);
    let mut stays = TcpStream::connect(address).unwrap();
    stays.write_all(b"{\"x0\": 1}\n{\"x0\":").unwrap();
    let sender = Sender::start(address);
    let mut version = String::new();
    for reload in 0..6 {
        let sent = sender.sent();
        daemon.wait_for("more rows", |_| sender.sent() >= sent + 4 * ROWS_PER_CONNECTION);
        let changed = format!("{text}[model.drift]\nrows_min = {}\n", 100 + reload);
        version = format!("{}", reload / 3);
        let named = format!("name = \"m\"\nversion = \"{version}\"");
        std::fs::write(&path, changed.replacen("name = \"m\"", &named, 1)).unwrap();
        daemon.signal("HUP");
        let reloaded = |log: &[String]| log.iter().filter(|l| l.contains("reloaded")).count();
        daemon.wait_for("the reload", |d| reloaded(d.log()) == reload + 1);
        // Half a line through each: a slow machine must not make it look silent.
        stays.write_all(b"2}\n{\"x0\":").unwrap();
    }
    stays.write_all(b"2}\n").unwrap();
    drop(stays);
    let all = sender.end() + 8.0;
    // What the versions counted that are gone is in the state.
    daemon.wait_for("all rows", |d| {
        d.sample(&[ROWS_OF_TCP[0], ROWS_OF_TCP[1], &format!("\"{version}\"")]).is_some()
            && rows_in_state(folder.path()) == all
    });
    assert_eq!(daemon.sample(&["driftd_source_errors_total", "\"tcp\"", "cut_off"]), Some(0.0));
    daemon.stop();
}

/// Of all versions of the model.
fn rows_in_state(folder: &Path) -> f64 {
    let state = rusqlite::Connection::open(folder.join("driftd.db")).unwrap();
    let sql = "SELECT coalesce(sum(value), 0) FROM total WHERE of = 'tcp' AND name = 'rows'";
    state.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_stop_counts_what_was_sent_and_closed() {
    let Setup { folder: _folder, path, address } = setup(3, "");
    let mut daemon = Daemon::start(&path);
    let senders = [Sender::start(address), Sender::start(address)];
    daemon.wait_for("some rows", |_| {
        senders.iter().all(|sender| sender.sent() >= 10 * ROWS_PER_CONNECTION)
    });
    // Some go on, one is silent between two lines.
    let mut silent = TcpStream::connect(address).unwrap();
    silent.write_all(b"{\"x0\": 1}\n").unwrap();
    daemon.stop();
    let sent: f64 = senders.into_iter().map(Sender::end).sum();
    let mut daemon = Daemon::start(&path);
    daemon.wait_for_sample(&ROWS_OF_TCP, sent + 1.0);
    daemon.stop();
}

#[test]
fn what_does_not_end_in_time_is_cut_off_counted_and_logged() {
    let Setup { folder: _folder, path, address } = setup(3, "");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[server]\n", "[server]\nstop_timeout = \"6s\"\n")).unwrap();
    let mut daemon = Daemon::start(&path);
    let mut half = TcpStream::connect(address).unwrap();
    half.write_all(b"{\"x0\": 1}\n{\"x0\":").unwrap();
    daemon.wait_for_sample(&ROWS_OF_TCP, 1.0);
    assert_eq!(daemon.sample(&["driftd_source_connections"]), Some(1.0));
    daemon.signal("TERM");
    let (code, log) = daemon.end();
    assert_eq!(code, Some(0), "{log:#?}");
    let cut_off = |line: &String| line.contains("cut off") && line.contains("\"connections\":1");
    assert!(log.iter().any(cut_off), "{log:#?}");
    let daemon = Daemon::start(&path);
    let errors = ["driftd_source_errors_total", "\"tcp\"", "cut_off"];
    assert_eq!(daemon.sample(&errors), Some(1.0));
    assert_eq!(daemon.sample(&ROWS_OF_TCP), Some(1.0));
    daemon.stop();
}

/// Nonsense is told of with who sent it and how it begins, and not as often as it comes.
#[test]
fn what_is_wrong_with_lines_can_be_found_out() {
    let columns = "[model.columns]\nexclude = [\"left_*\"]\n";
    let Setup { folder: _folder, path, address } = setup(3, columns);
    let mut daemon = Daemon::start(&path);
    let mut stream = TcpStream::connect(address).unwrap();
    let peer = stream.local_addr().unwrap().to_string();
    let row = "{\"x0\": 1, \"X1\": 2, \"left_out\": 3}\n";
    for _ in 0..20 {
        stream.write_all(format!("{}{row}", "what is this?\n".repeat(50)).as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    daemon.wait_for_sample(&ROWS_OF_TCP, 1_020.0);
    assert_eq!(daemon.sample(&["driftd_source_unknown_keys_total", "\"tcp\""]), Some(20.0));
    let log = daemon.log().to_vec();
    let of = |text: &str| log.iter().filter(|line| line.contains(text)).collect::<Vec<_>>();
    let rejected = of("what is this?");
    assert_eq!(rejected.len(), 1, "{rejected:#?}");
    assert!(rejected[0].contains(&peer) && rejected[0].contains("malformed"), "{rejected:#?}");
    assert_eq!(of("\"X1\"").len(), 1, "{log:#?}");
    assert_eq!(of("left_out").len(), 0, "{log:#?}");
    daemon.stop();
}

/// A model of many features, silent connections, and the shortest lines that there are.
#[test]
fn memory_does_not_grow_with_connections_and_short_lines() {
    let Setup { folder: _folder, path, address } = setup(1_000, "");
    let mut daemon = Daemon::start(&path);
    let before = daemon.resident();
    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    daemon.wait_for_sample(&["driftd_source_connections"], 200.0);
    assert!(daemon.resident() < before + 20, "{} after {before} MiB", daemon.resident());
    for mut stream in idle.iter().take(20) {
        stream.write_all("{}\n".repeat(1_000).as_bytes()).unwrap();
    }
    daemon.wait_for_sample(&ROWS_OF_TCP, 20_000.0);
    assert!(daemon.resident() < before + 150, "{} after {before} MiB", daemon.resident());
    daemon.stop();
}
