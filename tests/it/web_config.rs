//! Web configurations, as promtool and the exporters of Prometheus take them.

use crate::support::daemon::{Daemon, config};
use crate::support::repository;
use crate::support::table::{floats, strings, write};
use driftd::net::web_config::WebConfig;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What of promtool's words tells the fault; the rest is Go's way of saying it.
const WORDS: [(&str, &str); 4] = [
    ("no such file", "No such file"),
    ("yaml: unmarshal errors:\n  line 2: field cert_filse not found", "cert_filse"),
    ("yaml: unmarshal errors:\n  line 1: cannot unmarshal", "yaml: "),
    ("client CA's have been", "client CA's have been configured without a Client Auth Policy"),
];

/// Curves that are not spoken, and nothing else is asked for.
const REFUSED: [&str; 1] = ["web_config_noAuth_someCurves.good.yml"];

#[test]
fn files_are_judged_as_promtool_judges_them() {
    let folder = repository("fixtures/exporter-toolkit");
    let said = std::fs::read_to_string(folder.join("promtool.json")).unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    let faults = said["faults"].as_object().unwrap();
    assert_eq!(faults.len(), 41);
    let mut others = Vec::new();
    for (name, theirs) in faults {
        let ours = WebConfig::load(&folder.join("testdata").join(name));
        let ours = ours.err().map(|error| error.to_string());
        let is_same = match (&ours, theirs.as_str()) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => {
                let told = WORDS.iter().find(|(words, _)| theirs.contains(words));
                ours.contains(told.map_or(theirs, |(_, words)| words))
            }
            (Some(ours), None) => REFUSED.contains(&name.as_str()) && ours.contains("CurveP521"),
            (None, Some(_)) => false,
        };
        if !is_same {
            others.push(format!("{name}: {ours:?}, and not {theirs}"));
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}

/// A daemon of one model that is guarded by a web configuration.
fn guarded(folder: &Path, web_config: &Path, more: &str) -> Daemon {
    let rows = || (0..1_500).map(|row| row * 7_919 % 1_500);
    // A third of the letters is new in the logs.
    let column = |third: &str| {
        let letters = strings(rows().map(|row| ["a", "b", third][row % 3].to_owned()));
        vec![("x", floats(rows().map(|row| row as f64))), ("letter", letters)]
    };
    write(&folder.join("reference.parquet"), column("c"));
    let config = config(folder, "reconcile_interval = \"100ms\"\n");
    write(&folder.join("logs/a.parquet"), column("d"));
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[state]", &format!("{more}[state]"))).unwrap();
    Daemon::guarded(&config, web_config)
}

/// What curl is answered: the status and the headers that are asked for, or nothing without TLS.
fn ask(address: &str, path: &str, has_tls: bool, arguments: &[&str]) -> Option<(u64, Value)> {
    let is_plain = !has_tls || arguments == ["--plain"];
    let port = address.rsplit(':').next().unwrap();
    let scheme = if is_plain { "http" } else { "https" };
    let told = Command::new("curl")
        .current_dir(repository("fixtures/exporter-toolkit"))
        .args(["-sk", "--max-time", "60", "-o", "/dev/null", "-D", "-"])
        .args(arguments.iter().filter(|own| **own != "--plain"))
        .arg(format!("{scheme}://localhost:{port}{path}"))
        .output()
        .expect("curl is installed");
    let text = String::from_utf8(told.stdout).unwrap();
    let mut lines = text.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.into())).collect();
    Some((status, Value::Object(headers)))
}

/// `fixtures/exporter-toolkit/exporter.py` asked node_exporter the same.
#[test]
fn clients_are_answered_as_by_an_exporter() {
    let folder = tempfile::tempdir().unwrap();
    let testdata = repository("fixtures/exporter-toolkit/testdata");
    let found = fs::read_to_string(testdata.join("../exporter.json")).unwrap();
    let found: Value = serde_json::from_str(&found).unwrap();
    let cases = found["cases"].as_array().unwrap();
    let mut others = Vec::new();
    for cases in cases.chunk_by(|a, b| a["config"] == b["config"]) {
        let name = cases[0]["config"].as_str().unwrap();
        let mut file: PathBuf = testdata.join(name);
        if let Some(written) = found["written"][name].as_str() {
            file = folder.path().join(name);
            for key in ["server.crt", "server.key"] {
                fs::copy(testdata.join(key), folder.path().join(key)).unwrap();
            }
            fs::write(&file, written).unwrap();
        }
        let daemon = guarded(folder.path(), &file, "");
        for case in cases {
            let arguments = case["curl"].as_array().unwrap().iter();
            let arguments: Vec<&str> = arguments.filter_map(Value::as_str).collect();
            let has_tls = case["tls"] == json!(true);
            let (theirs, ours) =
                (&case["answer"], ask(&daemon.address, "/metrics", has_tls, &arguments));
            let is_same = match &ours {
                None => *theirs == "refused",
                Some((status, headers)) => {
                    let told = theirs["headers"].as_object();
                    theirs["status"] == *status
                        && told.is_some_and(|all| all.iter().all(|(k, v)| headers[k] == *v))
                }
            };
            if !is_same {
                others.push(format!("{name} {arguments:?}: {ours:?}, and not {theirs}"));
            }
        }
        daemon.stop();
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}

const USERS: [&str; 2] = ["dave:dave123", "ann:other"];

/// bcrypt of `other`, by `bcrypt.hashpw` of PyPI's bcrypt 5.0.0.
const ANN: &str = "$2b$06$Uzy3IySJPjx5u5GoELMrkeuYexDOdhJb646Bi3ErAkc6P7Lg5TiVC";

/// Every user reads metrics; who may do more is named, and who sees distributions is written down.
#[test]
fn roles_say_who_sees_what() {
    let folder = tempfile::tempdir().unwrap();
    let web = folder.path().join("web.yml");
    let testdata = repository("fixtures/exporter-toolkit/testdata");
    let users = fs::read_to_string(testdata.join("web_config_users_noTLS.good.yml")).unwrap();
    fs::write(&web, format!("{users}\n  ann: {ANN}\n")).unwrap();
    let roles = "reload = true\n[server.roles]\nread = [\"dave\", \"ann\"]\n\
        distributions = [\"ann\"]\nreload = [\"ann\"]\n";
    let mut daemon = guarded(folder.path(), &web, roles);
    let feature = "/api/v1/models/m/features/letter";
    let bins = format!("{feature}?bins=true");
    let status = |daemon: &Daemon, path: &str, more: &[&str]| {
        ask(&daemon.address, path, false, more).map(|(status, _)| status)
    };
    let paths = ["/metrics", "/-/healthy", "/", "/api/v1/report", feature, &bins];
    for path in paths.into_iter().chain(["/api/v1/state", "/-/reload", "/nowhere"]) {
        assert_eq!(status(&daemon, path, &[]), Some(401), "{path}");
    }
    let dave = ["-u", USERS[0]];
    let ann = ["-u", USERS[1]];
    let ready = Instant::now() + Duration::from_secs(30);
    while status(&daemon, "/-/ready", &dave) != Some(200) && Instant::now() < ready {}
    for (path, of_dave, of_ann) in [
        ("/metrics", 200, 200),
        ("/api/v1/report", 200, 200),
        (feature, 200, 200),
        (&bins, 403, 200),
        ("/", 200, 200),
        ("/models/m", 200, 200),
        ("/models/m/features/letter", 200, 200),
        ("/api/v1/report.html", 200, 200),
        ("/nowhere", 404, 404),
    ] {
        assert_eq!(status(&daemon, path, &dave), Some(of_dave), "{path}");
        assert_eq!(status(&daemon, path, &ann), Some(of_ann), "{path}");
    }
    let post = |user: [&'static str; 2]| [user[0], user[1], "-X", "POST"];
    assert_eq!(status(&daemon, "/-/reload", &post(dave)), Some(403));
    assert_eq!(status(&daemon, "/-/reload", &post(ann)), Some(200));
    daemon.wait_for("the audit", |daemon| {
        daemon.log().iter().any(|line| line.contains("\"action\":\"reload\""))
    });
    let audits = daemon.log().iter().filter(|line| line.contains("\"audit\"")).cloned();
    let audits: Vec<String> = audits.collect();
    let has = |user: &str, action: &str| {
        let (user, action) = (format!("\"user\":\"{user}\""), format!("\"action\":\"{action}\""));
        audits.iter().any(|line| line.contains(&user) && line.contains(&action))
    };
    assert!(has("ann", "reload") && has("ann", "distributions"), "{audits:?}");
    assert!(!has("dave", "distributions") && !has("dave", "reload"), "{audits:?}");
    for path in ["/models/m/features/letter", "/api/v1/report.html"] {
        let page = |user: [&str; 2]| {
            let address = format!("http://{}{path}", daemon.address);
            let told = Command::new("curl").args(["-s", &address]).args(user).output().unwrap();
            String::from_utf8(told.stdout).unwrap()
        };
        let bars = "class=\"bar-reference\"";
        assert!(page(ann).contains(bars) && !page(dave).contains(bars), "{path}");
        // Of what moved only words, without a share.
        let tells_shares = |page: &str| {
            let mut facts = page.split("<li><bdi>").skip(1);
            facts.any(|fact| fact.split("</bdi>").next().unwrap().contains('%'))
        };
        assert!(tells_shares(&page(ann)) && !tells_shares(&page(dave)), "{path}");
        assert!(page(dave).contains("<li><bdi>new values</bdi>"), "{path}");
    }
    let all = daemon.log().join("\n");
    assert!(!all.contains("dave123") && !all.contains("$2"), "no secret is logged");
    daemon.stop();
}

/// A certificate that is half written leaves the old one in force, and the next is taken.
#[test]
fn certificates_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let testdata = repository("fixtures/exporter-toolkit/testdata");
    let copy = |from: &str, to: &str| {
        fs::copy(testdata.join(from), folder.path().join(to)).unwrap();
    };
    copy("server.crt", "tls.crt");
    copy("server.key", "tls.key");
    let web = folder.path().join("web.yml");
    let tls = "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n";
    fs::write(&web, tls).unwrap();
    let mut daemon = guarded(folder.path(), &web, "");
    let subject = |daemon: &Daemon| {
        let port = daemon.address.rsplit(':').next().unwrap();
        let told = Command::new("curl")
            .args(["-skv", "-o", "/dev/null", &format!("https://localhost:{port}/metrics")])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&told.stderr).into_owned();
        told.lines().find(|line| line.contains("subject:")).map(str::to_owned)
    };
    let first = subject(&daemon).expect("TLS");
    let until = |daemon: &mut Daemon, is_met: &dyn Fn(&mut Daemon) -> bool| {
        let begun = Instant::now();
        while !is_met(daemon) {
            assert!(begun.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    fs::write(folder.path().join("tls.crt"), "-----BEGIN CERT").unwrap();
    until(&mut daemon, &|d| {
        let is_same = subject(d).as_ref() == Some(&first);
        is_same && d.log().iter().any(|line| line.contains("stays as it was"))
    });
    copy("client2_selfsigned.pem", "tls.crt");
    copy("client2_selfsigned.key", "tls.key");
    until(&mut daemon, &|d| subject(d).is_some_and(|own| own != first));
    // And users, who were not there before.
    let users = fs::read_to_string(testdata.join("web_config_users_noTLS.good.yml")).unwrap();
    fs::write(&web, format!("{tls}{users}")).unwrap();
    until(&mut daemon, &|d| ask(&d.address, "/metrics", true, &[]).map(|own| own.0) == Some(401));
    assert_eq!(
        ask(&daemon.address, "/metrics", true, &["-u", USERS[0]]).map(|own| own.0),
        Some(200)
    );
    // What would let everybody in is not taken, and a file that is mended is.
    fs::write(&web, "").unwrap();
    let asked_and_told = |d: &mut Daemon, what: &str| {
        let _ = ask(&d.address, "/metrics", true, &[]);
        d.log().iter().any(|line| line.contains(what))
    };
    until(&mut daemon, &|d| asked_and_told(d, "it drops TLS"));
    assert_eq!(ask(&daemon.address, "/metrics", true, &[]).map(|own| own.0), Some(401));
    fs::write(&web, format!("{tls}  client_auth_type: RequireAnyClientCert\n{users}")).unwrap();
    until(&mut daemon, &|d| ask(&d.address, "/metrics", true, &[]).is_none());
    fs::write(&web, format!("{tls}  client_ca_file: later.crt\n{users}")).unwrap();
    until(&mut daemon, &|d| asked_and_told(d, "later.crt"));
    fs::write(
        &web,
        format!("{tls}  client_auth_type: RequestClientCert\n  client_ca_file: later.crt\n{users}"),
    )
    .unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(ask(&daemon.address, "/metrics", true, &[]), None);
    copy("client_selfsigned.pem", "later.crt");
    until(&mut daemon, &|d| ask(&d.address, "/metrics", true, &["-u", USERS[0]]).is_some());
    let faults = daemon.log().iter().filter(|line| line.contains("stays as it was")).count();
    assert!(faults <= 8, "told once each: {faults}");
    daemon.stop();
}

/// Wrong passwords, as fast as they can be sent, from many at once; a scraper that is known is
/// answered in between, and somebody new as soon as he has a place.
#[test]
fn wrong_passwords_hold_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let web = folder.path().join("web.yml");
    let testdata = repository("fixtures/exporter-toolkit/testdata");
    let users = fs::read_to_string(testdata.join("web_config_users_noTLS.good.yml")).unwrap();
    fs::write(&web, format!("{users}\n  ann: {ANN}\n")).unwrap();
    let daemon = guarded(folder.path(), &web, "");
    let address = daemon.address.clone();
    let scrape = || ask(&address, "/metrics", false, &["-u", USERS[0]]).map(|own| own.0);
    assert_eq!(scrape(), Some(200));
    std::thread::scope(|scope| {
        let guess = |own: usize| {
            let statuses = (0..20).map(|n| {
                let guess = format!("dave:guess {own} {n}");
                ask(&address, "/metrics", false, &["-u", &guess]).map(|own| own.0)
            });
            statuses.collect::<Vec<_>>()
        };
        let guesses: Vec<_> = (0..10).map(|own| scope.spawn(move || guess(own))).collect();
        let mut slowest = Duration::ZERO;
        while guesses.iter().any(|own| !own.is_finished()) {
            let begun = Instant::now();
            assert_eq!(scrape(), Some(200));
            slowest = slowest.max(begun.elapsed());
        }
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
        for guess in guesses.into_iter().flat_map(|own| own.join().unwrap()) {
            assert!(matches!(guess, Some(401 | 429)), "{guess:?}");
        }
    });
    assert_eq!(
        ask(&daemon.address, "/metrics", false, &["-u", USERS[1]]).map(|own| own.0),
        Some(200)
    );
    daemon.stop();
}

/// What would leave the roles without a meaning, or show a secret, is refused.
#[test]
fn roles_need_users_and_secrets_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let web = folder.path().join("web.yml");
    for (text, fault) in [
        ("basic_auth_users: $2y$10$secret\n", "basic_auth_users: no names"),
        ("basic_auth_users:\n  ann: 5\n", "no text"),
        ("basic_auth_users:\n  ann: a\n  ann: b\n", "duplicate"),
    ] {
        fs::write(&web, text).unwrap();
        let error = WebConfig::load(&web).err().unwrap().to_string();
        assert!(error.contains(fault) && !error.contains("secret"), "{error}");
    }
    fs::write(&web, "http_server_config: {}\n").unwrap();
    let config = config(folder.path(), "");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[state]", "[server.roles]\nread = [\"ann\"]\n[state]"))
        .unwrap();
    let more = ["--web.config.file", web.to_str().unwrap()];
    for more in [&more[..], &[]] {
        let started = Daemon::try_spawn_with(crate::support::driftd(), &config, more);
        let log = started.err().expect("it does not start").join("\n");
        assert!(log.contains("server.roles names users"), "{log}");
    }
}
