//! Bodies as senders write them: those of protocols' documents, and those that clients made.

use crate::support::repository;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use driftd::format::payload::{
    BodyContext, BodyFault, CloudEvent, Event, EventRows, ValueNames, events,
};
use serde_json::Value;

fn cases(file: &str) -> Vec<Value> {
    let text = std::fs::read(repository("fixtures/payloads").join(file)).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.map(|own| own.as_str().unwrap().to_owned()).collect()
}

fn read(case: &Value) -> Result<Vec<Event>, BodyFault> {
    let header = |name: &str| case["headers"][name].as_str().map(str::to_owned);
    let body = match case["body_base64"].as_str() {
        Some(encoded) => BASE64_STANDARD.decode(encoded).unwrap(),
        None => case["body"].as_str().unwrap().as_bytes().to_vec(),
    };
    let content_type = case["content_type"].as_str().map(str::to_owned);
    let responses = case.get("response_names").map(texts);
    let names = ValueNames { requests: texts(&case["names"]), responses };
    let mut context = BodyContext::new(&names, 1 << 20, 1 << 20);
    context.content_type = content_type.or_else(|| header("content-type")).unwrap_or_default();
    context.json_bytes = header("inference-header-content-length").map(|n| n.parse().unwrap());
    match CloudEvent::binary(header) {
        Some(event) => event.carry(body, &context).map(|own| vec![own]),
        None => events(body, &context),
    }
}

/// Reads a case and compares everything that it says.
fn expect(case: &Value) {
    let name = &case["name"];
    let read = match (read(case), case["refused"].as_str()) {
        (Ok(events), None) => events,
        (Err(fault), Some(told)) => {
            return assert!(fault.text().contains(told), "{name}: {fault:?}");
        }
        (Ok(_), Some(_)) => panic!("{name} is not refused"),
        (Err(fault), None) => panic!("{name}: {fault:?}"),
    };
    let (mut rows, mut rejected, mut answers) = (Vec::<Value>::new(), Vec::new(), 0);
    let mut responses = Vec::<Value>::new();
    for Event { id, exchange, happened, rows: own } in read {
        for (key, own) in [("id", id), ("exchange", exchange), ("happened", happened)] {
            if let Some(said) = case[key].as_str() {
                assert_eq!(own.as_deref(), Some(said), "{name}");
            }
        }
        match own {
            EventRows::Response(lines) => {
                answers += 1;
                let text = String::from_utf8(lines.lines).unwrap();
                responses
                    .extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
            }
            EventRows::Table(_) => panic!("{name} is no table"),
            EventRows::Lines(lines) => {
                assert_eq!(lines.are_texts, case["texts"] == true, "{name}");
                rejected.extend(lines.rejected.iter().map(|own| own.reason.name()));
                assert_eq!(lines.ends.last().copied().unwrap_or(0), lines.lines.len(), "{name}");
                let text = String::from_utf8(lines.lines).unwrap();
                rows.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
            }
        }
    }
    assert_eq!(Value::from(rows), case["rows"], "{name}");
    assert_eq!(responses, case["response"].as_array().cloned().unwrap_or_default(), "{name}");
    assert_eq!(rejected, texts(&case["rejected"]), "{name}");
    assert_eq!(answers, case["answers"].as_u64().unwrap_or(0), "{name}");
}

#[test]
fn bodies_of_the_protocols_are_read_as_documented() {
    let all = cases("documented.json");
    assert!(all.len() > 40);
    all.iter().for_each(expect);
}

/// See `fixtures/payloads/make.py`.
#[test]
fn bodies_of_real_clients_are_read() {
    for client in ["cloudevents", "mlserver", "tritonclient"] {
        let all = cases(&format!("clients/{client}.json"));
        assert!(all.len() >= 2, "{client}");
        all.iter().for_each(expect);
    }
}
