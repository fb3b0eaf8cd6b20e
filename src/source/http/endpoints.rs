//! The paths that rows are posted to, by the model and the source whose they are.

use super::endpoint::{Endpoint, REQUESTS_MAX};
use crate::source::{RowListener, SourceOwner};
use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Semaphore;

/// The path that rows of a source are posted to, with what tells it from others of its model.
pub fn events_path(owner: &SourceOwner) -> String {
    let quoted = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let SourceOwner { model, version, source } = owner;
    let (model, version, source) = (quoted(model), quoted(version), quoted(source));
    let version = if version.is_empty() { version } else { format!("version={version}&") };
    format!("/api/v1/models/{model}/events?{version}source={source}")
}

/// Which of the sources of a model is meant; only needed where there are several.
#[derive(Debug, Default, Deserialize)]
pub struct EventsQuery {
    pub version: Option<String>,
    pub source: Option<String>,
}

/// The open paths of the server.
pub struct Endpoints {
    open: Mutex<BTreeMap<SourceOwner, Weak<Endpoint>>>,
    /// Requests whose bodies arrive or are read at a time.
    under_way: Semaphore,
}

impl Default for Endpoints {
    fn default() -> Endpoints {
        Endpoints::new(REQUESTS_MAX)
    }
}

impl Endpoints {
    /// Those of a server with so many connections, of which half are for whoever reads.
    pub fn new(connections_max: usize) -> Endpoints {
        let requests = REQUESTS_MAX.min(connections_max / 2).max(1);
        Endpoints { open: Mutex::default(), under_way: Semaphore::new(requests) }
    }

    pub(super) fn insert(&self, owner: &SourceOwner, endpoint: &Arc<Endpoint>) {
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, own| own.strong_count() > 0);
        all.insert(owner.clone(), Arc::downgrade(endpoint));
    }

    /// Takes the rows that somebody posts to a model.
    pub async fn receive(
        &self,
        model: &str,
        query: &EventsQuery,
        headers: &HeaderMap,
        body: Body,
    ) -> Response {
        match self.find(model, query) {
            Ok(endpoint) => match self.under_way.try_acquire() {
                Ok(_under_way) => endpoint.receive(headers, body).await,
                Err(_) => endpoint.turn_away(),
            },
            Err((status, error)) => (status, Json(json!({ "error": error }))).into_response(),
        }
    }

    fn find(
        &self,
        model: &str,
        query: &EventsQuery,
    ) -> Result<Arc<Endpoint>, (StatusCode, String)> {
        let all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |own: &Arc<Endpoint>| !own.is_stopping();
        let open = all.iter().filter_map(|(owner, own)| Some((owner, own.upgrade()?)));
        let open: Vec<_> = open.filter(|(_, own)| is_open(own)).collect();
        let is_meant =
            |asked: &Option<String>, own: &str| asked.as_deref().is_none_or(|asked| asked == own);
        let meant = open.iter().filter(|(owner, _)| {
            owner.model == model
                && is_meant(&query.version, &owner.version)
                && is_meant(&query.source, &owner.source)
        });
        let meant: Vec<_> = meant.collect();
        let paths = |of: &[&(&SourceOwner, Arc<Endpoint>)]| {
            let paths: Vec<String> = of.iter().map(|(owner, _)| events_path(owner)).collect();
            paths.join(", ")
        };
        match meant.as_slice() {
            [(_, only)] => Ok(Arc::clone(only)),
            [] if open.is_empty() => Err((
                StatusCode::NOT_FOUND,
                "no model has a source of type \"http\" without a listener of its own".to_owned(),
            )),
            [] => {
                let paths = paths(&open.iter().collect::<Vec<_>>());
                Err((StatusCode::NOT_FOUND, format!("no such model or source; there are {paths}")))
            }
            several => {
                let text = format!("say which source is meant: {}", paths(several));
                Err((StatusCode::BAD_REQUEST, text))
            }
        }
    }
}

/// What a listener answers that has one source: every path is its own, as senders differ in what
/// they append.
pub(super) fn routes_of_one(endpoint: &Arc<Endpoint>) -> Router {
    let receive =
        async |State(own): State<Weak<Endpoint>>, headers: HeaderMap, body: Body| match own
            .upgrade()
        {
            Some(endpoint) => endpoint.receive(&headers, body).await,
            None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        };
    let any = post(receive);
    let routes = Router::new().route("/", any.clone()).route("/{*path}", any);
    routes.with_state(Arc::downgrade(endpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_what_it_is_of() {
        let owner = SourceOwner {
            model: "m/1".to_owned(),
            version: String::new(),
            source: "a b".to_owned(),
        };
        assert_eq!(events_path(&owner), "/api/v1/models/m%2F1/events?source=a%20b");
        let owner = SourceOwner { version: "2".to_owned(), ..owner };
        assert_eq!(events_path(&owner), "/api/v1/models/m%2F1/events?version=2&source=a%20b");
    }
}
