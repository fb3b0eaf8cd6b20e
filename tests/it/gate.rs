//! Who may send lines to a source: tokens, and certificates of clients.

use crate::support::daemon::{Daemon, PATIENCE, config};
use crate::support::streamed::{self, ROWS};
use crate::support::table::{floats, write};
use crate::support::{repository, run};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const TOKENS: &str = "old and long enough\n\n  s3cret-token \n";
const OPENING: &str = "{\"token\": \"s3cret-token\"}\n";

/// A configuration of one model that listens, with more keys for its source.
fn listening(folder: &Path, source: &str) -> PathBuf {
    write(&folder.join("reference.parquet"), vec![("x", floats((0..1_000).map(f64::from)))]);
    fs::write(folder.join("tokens"), TOKENS).unwrap();
    let path = config(folder, "");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("type = \"directory\"\npath = \"logs\"", source);
    fs::write(&path, text).unwrap();
    path
}

/// So many rows as lines.
fn lines(rows: usize) -> String {
    "{\"x\": 1.5}\n".repeat(rows)
}

fn counted(daemon: &Daemon) -> f64 {
    daemon.sample(&["driftd_source_rows_total"]).unwrap()
}

fn refused(daemon: &Daemon) -> f64 {
    daemon.sample(&["driftd_source_errors_total", "\"refused\""]).unwrap()
}

/// Sends all of it, and waits until the other side closes the connection, as it does to whoever
/// is refused; it is closed here before it would be there otherwise.
fn send(daemon: &Daemon, text: &str) {
    let mut client = TcpStream::connect(daemon.stream_address.as_ref().unwrap()).unwrap();
    // Whoever is refused may be cut off while still sending.
    let _ = client.write_all(text.as_bytes());
    let _ = client.shutdown(std::net::Shutdown::Write);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = client.read(&mut [0]);
}

/// Lines after the right token are counted, the others never; a token can be changed at any time.
#[test]
fn a_connection_begins_with_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let source = "type = \"tcp\"\nlisten = \"127.0.0.1:0\"\ntoken_file = \"tokens\"";
    let mut daemon = Daemon::start(&listening(folder.path(), source));
    // In one piece, so that rows come with the token.
    send(&daemon, &[OPENING, &lines(10)].concat());
    daemon.wait_for("ten rows", |daemon| counted(daemon) == 10.0);
    let long = format!("{{\"token\": \"{}\"}}\n", "x".repeat(10_000));
    let attempts = [
        "",
        "{\"token\": \"s3cret-toke\"}\n",
        "{\"token\": \"s3cret-token2\"}\n",
        "{\"token\": \"\"}\n",
        "{\"token\": 1}\n",
        "{\"token\": \"s3cret-token\", \"x\": 1}\n",
        "s3cret-token\n",
        "{\"token\": \"s3cret-token\"}",
        "\n",
        "\u{0}\u{1}\n",
        &long,
    ];
    for opening in attempts {
        // A token without the end of its line is none.
        let rest = if opening.ends_with('}') { String::new() } else { lines(5) };
        send(&daemon, &[opening, rest.as_str()].concat());
    }
    // Whoever looks whether somebody listens says nothing, and nothing is said of it.
    drop(TcpStream::connect(daemon.stream_address.as_ref().unwrap()).unwrap());
    fs::write(folder.path().join("tokens"), "another").unwrap();
    send(&daemon, &[OPENING, &lines(5)].concat());
    send(&daemon, &["{\"token\":\"another\"}\n", &lines(7)].concat());
    daemon.wait_for("seven rows more", |daemon| counted(daemon) == 17.0);
    let expected = attempts.len() as f64 + 1.0;
    daemon.wait_for("all others are refused", |daemon| refused(daemon) == expected);
    assert_eq!(daemon.sample(&["driftd_source_errors_total", "\"connection\""]), Some(0.0));
    let log = daemon.log().join("\n");
    assert!(log.contains("a connection was refused"), "{log}");
    assert!(!log.contains("s3cret") && !log.contains("another"), "{log}");
    daemon.stop();
}

/// A socket that is open when a token is asked for: who is connected goes on, who comes needs it.
#[test]
fn a_reload_asks_for_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = listening(folder.path(), "type = \"unix\"\npath = \"rows.sock\"");
    let mut daemon = Daemon::start(&path);
    let connect = || UnixStream::connect(folder.path().join("rows.sock")).unwrap();
    let mut first = connect();
    first.write_all(lines(3).as_bytes()).unwrap();
    daemon.wait_for("three rows", |daemon| counted(daemon) == 3.0);
    let text = fs::read_to_string(&path).unwrap();
    let with_token = |file: &str| {
        let keys = format!("path = \"rows.sock\"\ntoken_file = \"{file}\"");
        fs::write(&path, text.replace("path = \"rows.sock\"", &keys)).unwrap();
    };
    let loaded = |daemon: &Daemon| daemon.sample(&["driftd_config_last_reload_successful"]);
    with_token("missing");
    daemon.signal("HUP");
    daemon.wait_for("the reload is refused", |daemon| loaded(daemon) == Some(0.0));
    assert!(daemon.log().join("\n").contains("missing: No such file"));
    with_token("tokens");
    daemon.signal("HUP");
    daemon.wait_for("the reload", |daemon| loaded(daemon) == Some(1.0));
    connect().write_all(lines(5).as_bytes()).unwrap();
    connect().write_all([OPENING, &lines(2)].concat().as_bytes()).unwrap();
    first.write_all(lines(4).as_bytes()).unwrap();
    daemon.wait_for("six rows more", |daemon| counted(daemon) == 9.0);
    daemon.wait_for("one is refused", |daemon| refused(daemon) == 1.0);
    daemon.stop();
}

/// A client in Python, with these certificates of its own; it closes as Python does, without
/// telling TLS.
fn python(address: &str, arguments: &str, sent: impl AsRef<[u8]>) -> bool {
    let program = format!(
        "import socket, ssl, sys\n\
         context = ssl.create_default_context(cafile='tls-ca-chain.pem')\n\
         context.check_hostname = False\n\
         context.verify_mode = ssl.CERT_NONE\n\
         {arguments}\n\
         host, port = sys.argv[1].split(':')\n\
         with context.wrap_socket(socket.create_connection((host, int(port)), 5)) as client:\n    \
         client.sendall(sys.stdin.buffer.read())\n    \
         client.settimeout(1)\n    \
         try:\n        \
         client.recv(1)\n    \
         except TimeoutError:\n        \
         pass\n"
    );
    let mut client = Command::new("/usr/bin/python3")
        .args(["-c", &program, address])
        .current_dir(repository("fixtures/exporter-toolkit/testdata"))
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _ = client.stdin.take().unwrap().write_all(sent.as_ref());
    client.wait().unwrap().success()
}

/// TLS with certificates of clients, and a token besides.
#[test]
fn a_connection_has_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let source = "type = \"tcp\"\nlisten = \"127.0.0.1:0\"\ntoken_file = \"tokens\"\n\
        web_config_file = \"web.yml\"";
    let path = listening(folder.path(), source);
    let testdata = repository("fixtures/exporter-toolkit/testdata");
    for name in ["server.crt", "server.key", "client_selfsigned.pem"] {
        fs::copy(testdata.join(name), folder.path().join(name)).unwrap();
    }
    let web = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  \
        client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: client_selfsigned.pem\n";
    fs::write(folder.path().join("web.yml"), web).unwrap();
    let mut daemon = Daemon::start(&path);
    let address = daemon.stream_address.clone().unwrap();
    let text = [OPENING, &lines(10)].concat();
    let own = "context.load_cert_chain('client_selfsigned.pem', 'client_selfsigned.key')";
    let other = "context.load_cert_chain('client2_selfsigned.pem', 'client2_selfsigned.key')";
    assert!(python(&address, own, &text));
    daemon.wait_for("ten rows", |daemon| counted(daemon) == 10.0);
    assert_eq!(daemon.sample(&["driftd_source_errors_total", "\"connection\""]), Some(0.0));
    for arguments in ["pass", other] {
        assert!(!python(&address, arguments, &text), "{arguments}");
    }
    // No token, and no TLS.
    python(&address, own, lines(3));
    send(&daemon, &text);
    daemon.wait_for("four are refused", |daemon| refused(daemon) == 4.0);
    assert_eq!(counted(&daemon), 10.0);
    // A model that is exchanged lets in nobody whom its socket refused.
    fs::write(folder.path().join("web.yml"), web.split("  client_auth").next().unwrap()).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}[model.drift]\np_max = 0.001\n")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("the reload", |daemon| {
        daemon.log().iter().any(|line| line.contains("configuration reloaded"))
    });
    assert!(!python(&address, "pass", &text));
    assert!(python(&address, own, [OPENING, &lines(2)].concat()));
    daemon.wait_for("two rows more", |daemon| counted(daemon) == 12.0);
    daemon.wait_for("five are refused", |daemon| refused(daemon) == 5.0);
    // Arrow as well, behind the token.
    let stream = [OPENING.as_bytes(), &streamed::bytes("plain.arrows")].concat();
    assert!(python(&address, own, stream));
    daemon.wait_for("its rows", |daemon| counted(daemon) == 12.0 + f64::from(ROWS));
    daemon.stop();
}

/// Silent connections that have shown no token take the place of none that has.
#[test]
fn who_has_no_token_pushes_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let source = "type = \"tcp\"\nlisten = \"127.0.0.1:0\"\ntoken_file = \"tokens\"\n\
        connections_max = 4";
    let mut daemon = Daemon::start(&listening(folder.path(), source));
    let address = daemon.stream_address.clone().unwrap();
    let mut known: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for client in &mut known {
        client.write_all(&[OPENING, &lines(1)].concat().into_bytes()).unwrap();
    }
    daemon.wait_for("two rows", |daemon| counted(daemon) == 2.0);
    // Longer than one that is idle would be waited for.
    let silent: Vec<TcpStream> = (0..24).map(|_| TcpStream::connect(&address).unwrap()).collect();
    std::thread::sleep(Duration::from_secs(12));
    for client in &mut known {
        client.write_all(lines(3).as_bytes()).unwrap();
    }
    daemon.wait_for("six rows more", |daemon| counted(daemon) == 8.0);
    drop(silent);
    send(&daemon, &[OPENING, &lines(1)].concat());
    daemon.wait_for("one that comes later", |daemon| counted(daemon) == 9.0);
    daemon.stop();
}

/// What a source's keys name is looked at before anything starts, each fault with its remedy.
#[test]
fn files_of_a_gate_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let tcp = "type = \"tcp\"\nlisten = \"127.0.0.1:0\"\n";
    fs::write(folder.path().join("empty"), " \n\n").unwrap();
    fs::write(folder.path().join("plain.yml"), "basic_auth_users: {}\n").unwrap();
    fs::write(folder.path().join("broken.yml"), "tls_server_config: {cert_file: a}\n").unwrap();
    for (key, fault) in [
        ("token_file = \"gone\"", "token_file: cannot read"),
        ("token_file = \"empty\"", "there is no token in it"),
        ("web_config_file = \"gone.yml\"", "web_config_file: "),
        ("web_config_file = \"plain.yml\"", "there is no tls_server_config"),
        ("web_config_file = \"broken.yml\"", "missing one of key or key_file"),
    ] {
        let path = listening(folder.path(), &format!("{tcp}{key}"));
        let (status, _, err) = run(&["config", "check", path.to_str().unwrap()]);
        assert!(status != 0 && err.contains(fault), "{key}: {status} {err}");
        assert!(err.contains("source \"logs\""), "{err}");
    }
    let path = listening(folder.path(), &format!("{tcp}token_file = \"tokens\""));
    let (status, shown, err) = run(&["config", "show", path.to_str().unwrap()]);
    assert_eq!(status, 0, "{err}");
    assert!(shown.contains("token_file = ") && !shown.contains("s3cret"), "{shown}");
}
