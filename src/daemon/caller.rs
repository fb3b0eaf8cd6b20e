//! Who asks, and what of an answer he may see.

use super::server_state::ServerState;
use crate::explain::phrases::ShownValues;
use crate::net::guard::User;
use crate::net::roles::{Role, Roles};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tracing::info;

/// Whoever a request is from.
pub struct Caller {
    user: User,
    roles: Arc<Roles>,
}

impl Caller {
    /// The user, where there are users.
    pub fn name(&self) -> Option<String> {
        self.user.0.as_deref().map(str::to_owned)
    }

    pub fn has(&self, role: Role) -> bool {
        self.roles.may(&self.user, role)
    }

    /// Whether rows by bin may be told.
    pub fn sees_distributions(&self) -> bool {
        self.has(Role::Distributions)
    }

    /// How values of categories are told.
    pub fn shown(&self, configured: ShownValues) -> ShownValues {
        if self.sees_distributions() { configured } else { ShownValues::Hidden }
    }

    /// Writes down what was asked for and by whom.
    pub fn note(&self, action: &str, what: &str) {
        info!(user = self.user.0.as_deref(), action, what, "audit");
    }

    /// The answer to whoever lacks a role.
    pub fn refusal(&self, role: Role) -> Response {
        let user = self.user.0.as_deref().unwrap_or_default();
        let name = role.name();
        let text = format!("user {user:?} has no role {name:?}; see [server.roles]\n");
        (StatusCode::FORBIDDEN, text).into_response()
    }
}

impl FromRequestParts<Arc<ServerState>> for Caller {
    /// Nobody has asked who it is.
    type Rejection = StatusCode;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<ServerState>,
    ) -> Result<Caller, StatusCode> {
        let user = parts.extensions.get::<User>().cloned();
        let user = user.ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        Ok(Caller { user, roles: Arc::clone(&state.roles) })
    }
}

/// Lets those through who have a role.
pub async fn require(
    State((state, role)): State<(Arc<ServerState>, Role)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match Caller::from_request_parts(&mut parts, &state).await {
        Ok(caller) => caller,
        Err(status) => return status.into_response(),
    };
    if !caller.roles.may(&caller.user, role) {
        return caller.refusal(role);
    }
    next.run(Request::from_parts(parts, body)).await
}
