//! Panels, and where they stand.

use serde_json::{Value, json};

/// How a panel shows its queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// Lines over time.
    Lines,
    /// A number.
    Number,
    /// Rows of now.
    Table,
    /// A bar for each bucket of a histogram of now.
    Bars,
}

/// Queries that are shown together.
#[derive(Debug, Clone)]
pub struct Panel {
    title: &'static str,
    description: &'static str,
    display: Display,
    unit: &'static str,
    width: u32,
    /// PromQL, and how each series is named.
    queries: Vec<(String, &'static str)>,
}

/// Columns of Grafana's grid, and rows of a panel.
const GRID: u32 = 24;
const HEIGHT: u32 = 8;

impl Panel {
    pub fn new(display: Display, title: &'static str, description: &'static str) -> Panel {
        let width = match display {
            Display::Lines | Display::Bars => 12,
            Display::Number => 6,
            Display::Table => 24,
        };
        Panel { title, description, display, unit: "short", width, queries: Vec::new() }
    }

    /// In Grafana's words: `percentunit`, `s`, `bytes`.
    pub fn unit(self, unit: &'static str) -> Panel {
        Panel { unit, ..self }
    }

    pub fn query(mut self, expression: String, legend: &'static str) -> Panel {
        self.queries.push((expression, legend));
        self
    }

    fn json(&self, id: usize, (x, y): (u32, u32)) -> Value {
        let is_instant = self.display != Display::Lines;
        let targets = self.queries.iter().enumerate().map(|(at, (expression, legend))| {
            json!({
                "refId": char::from(b'A' + at as u8).to_string(),
                "datasource": { "type": "prometheus", "uid": "$datasource" },
                "expr": expression,
                "legendFormat": legend,
                "instant": is_instant,
                "range": !is_instant,
                "format": match self.display {
                    Display::Table => "table",
                    Display::Bars => "heatmap",
                    Display::Lines | Display::Number => "time_series",
                },
            })
        });
        json!({
            "id": id + 1,
            "type": match self.display {
                Display::Lines => "timeseries",
                Display::Number => "stat",
                Display::Table => "table",
                Display::Bars => "bargauge",
            },
            "title": self.title,
            "description": self.description,
            "datasource": { "type": "prometheus", "uid": "$datasource" },
            "gridPos": { "x": x, "y": y, "w": self.width, "h": HEIGHT },
            "fieldConfig": { "defaults": { "unit": self.unit }, "overrides": [] },
            "options": self.options(),
            "targets": targets.collect::<Vec<Value>>(),
        })
    }

    fn options(&self) -> Value {
        match self.display {
            Display::Lines => json!({
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            Display::Number => json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "colorMode": "value", "graphMode": "none",
            }),
            Display::Table => json!({ "showHeader": true }),
            Display::Bars => json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "orientation": "horizontal", "displayMode": "basic", "showUnfilled": true,
            }),
        }
    }
}

/// From left to right, row by row.
pub fn placed(panels: &[Panel]) -> Vec<Value> {
    let (mut x, mut y) = (0, 0);
    let placed = panels.iter().enumerate().map(|(id, panel)| {
        if x + panel.width > GRID {
            (x, y) = (0, y + HEIGHT);
        }
        let own = panel.json(id, (x, y));
        x += panel.width;
        own
    });
    placed.collect()
}
