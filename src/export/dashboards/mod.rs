//! Grafana's dashboards, written from the table of metrics, and how Grafana finds them.

mod boards;
mod panel;
mod selector;

use super::metric::Metric;
use boards::Board;
use panel::placed;
use selector::{matcher, variable_name};
use serde_json::{Value, json};

/// The version of Grafana's schema that is written; Grafana migrates older ones by itself.
const SCHEMA_VERSION: u32 = 39;

/// A file, by its name.
pub type Named = (String, String);

/// All dashboards as JSON.
pub fn dashboards() -> Vec<Named> {
    boards::all().iter().map(|board| (format!("{}.json", board.uid), text(&json(board)))).collect()
}

/// What Grafana reads at its start: where dashboards are, and the Prometheus that has the series.
pub fn provisioning() -> Vec<Named> {
    let dashboards = "\
apiVersion: 1
providers:
  - name: driftd
    folder: driftd
    type: file
    options:
      path: /var/lib/grafana/dashboards/driftd # where the .json files are
";
    let sources = "\
apiVersion: 1
datasources:
  - name: Prometheus
    type: prometheus
    access: proxy
    url: http://127.0.0.1:9090
    isDefault: true
";
    let file = |name: &str, text: &str| (format!("provisioning/{name}"), text.to_owned());
    vec![file("dashboards/driftd.yaml", dashboards), file("datasources/prometheus.yaml", sources)]
}

fn text(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON is text") + "\n"
}

fn json(board: &Board) -> Value {
    let others = boards::all();
    let links = others.iter().filter(|other| other.uid != board.uid).map(|other| {
        json!({
            "title": other.title, "type": "link", "url": format!("/d/{}", other.uid),
            "includeVars": true, "keepTime": true, "targetBlank": false, "asDropdown": false,
            "icon": "dashboard", "tags": [], "tooltip": "",
        })
    });
    let links: Vec<Value> = links.collect();
    let variables: Vec<Value> = std::iter::once(source())
        .chain(board.variables.iter().map(|(label, of)| variable(label, of, board)))
        .collect();
    json!({
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["driftd"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-7d", "to": "now" },
        "links": links,
        "templating": { "list": variables },
        "panels": placed(&board.panels),
    })
}

fn source() -> Value {
    json!({
        "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
        "hide": 0, "multi": false, "includeAll": false, "options": [], "regex": "", "refresh": 1,
    })
}

/// The values of a label of a metric, given those of the variables before it.
fn variable(label: &str, of: &Metric, board: &Board) -> Value {
    let before = board.variables.iter().take_while(|(own, _)| *own != label);
    let matchers: Vec<String> =
        before.filter(|(own, _)| of.labels.contains(own)).map(|(own, _)| matcher(own)).collect();
    let query = format!("label_values({}{{{}}}, {label})", of.name, matchers.join(","));
    // One feature at a time, of all the rest as many as wanted.
    let has_all = label != "feature";
    json!({
        "name": variable_name(label), "label": variable_name(label), "type": "query",
        "datasource": { "type": "prometheus", "uid": "$datasource" },
        "query": { "query": query, "refId": variable_name(label) },
        "hide": 0, "multi": has_all, "includeAll": has_all,
        "allValue": if has_all { ".*" } else { "" },
        "options": [], "regex": "", "refresh": 2, "sort": 1,
    })
}
