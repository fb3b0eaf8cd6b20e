//! The formats of a page, and which of them a client gets.

use mime::Mime;

/// How samples are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4, for whoever does not ask for another.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// `io.prometheus.client.MetricFamily`, each after its length: the one that native histograms
    /// come in.
    Protobuf,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Text, Format::OpenMetrics, Format::Protobuf];

    /// Header `Content-Type`; Prometheus 3 insists on it.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited"
            }
        }
    }

    /// The format that a header `Accept` likes best, the first of those that it likes as much
    /// (RFC 9110, 12.5.1). Text where it takes none of them: a page is better than an error.
    pub fn wanted(accept: &str) -> Format {
        let ranges = accept.split(',').filter_map(|range| range.trim().parse::<Mime>().ok());
        let liked = ranges.filter_map(|range| {
            let quality = range.get_param("q").map_or("1", |quality| quality.as_str());
            let quality = quality.parse::<f64>().ok().filter(|quality| *quality > 0.0)?;
            Some((Format::named(&range)?, quality))
        });
        let best = liked.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map_or(Format::Text, |(format, _)| format)
    }

    fn named(range: &Mime) -> Option<Format> {
        let is = |name: &str, values: &[&str]| {
            let own = range.get_param(name);
            own.is_none_or(|own| {
                values.iter().any(|value| own.as_str().eq_ignore_ascii_case(value))
            })
        };
        match range.essence_str() {
            "text/plain" if is("version", &["0.0.4"]) => Some(Format::Text),
            "text/*" | "*/*" => Some(Format::Text),
            // The two differ in nothing that is written here.
            "application/openmetrics-text" if is("version", &["1.0.0", "0.0.1"]) => {
                Some(Format::OpenMetrics)
            }
            "application/vnd.google.protobuf"
                if is("proto", &["io.prometheus.client.MetricFamily"])
                    && is("encoding", &["delimited"]) =>
            {
                Some(Format::Protobuf)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers as Debian's Prometheus 2.42 and 3.5 send them, with native histograms and without,
    /// and those of other clients.
    #[test]
    fn clients_get_what_they_like_best() {
        let plain = "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,\
            */*;q=0.1";
        let plain_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
            encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,\
            */*;q=0.1";
        let native_3 = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
            encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;\
            escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,\
            */*;q=0.1";
        for (accept, format) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Text),
            ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", Format::OpenMetrics),
            ("application/openmetrics-text; version=0.0.1", Format::OpenMetrics),
            ("application/openmetrics-text; version=2.0.0", Format::Text),
            ("application/openmetrics-text;q=0, text/plain", Format::Text),
            ("text/plain;version=0.0.4, application/openmetrics-text", Format::Text),
            ("application/vnd.google.protobuf;proto=other.Family;encoding=delimited", Format::Text),
            ("application/vnd.google.protobuf;encoding=text, */*;q=0.1", Format::Text),
            ("no header, at ; all", Format::Text),
            (plain, Format::OpenMetrics),
            (plain_3, Format::OpenMetrics),
            (native, Format::Protobuf),
            (native_3, Format::Protobuf),
        ] {
            assert_eq!(Format::wanted(accept), format, "{accept}");
        }
    }
}
