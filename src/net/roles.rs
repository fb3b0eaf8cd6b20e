//! Who may do what, where users are configured.

use super::guard::User;
use std::collections::BTreeMap;

/// Something that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// `/metrics`, health and the first page.
    Metrics,
    /// Reports and history, without values of categories and without rows by bin.
    Read,
    /// Those too.
    Distributions,
    /// `/-/reload`, and what a model is compared with.
    Reload,
    /// Rows that are sent.
    Write,
}

impl Role {
    pub const ALL: [Role; 5] =
        [Role::Metrics, Role::Read, Role::Distributions, Role::Reload, Role::Write];

    /// Its key under `[server.roles]`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Metrics => "metrics",
            Role::Read => "read",
            Role::Distributions => "distributions",
            Role::Reload => "reload",
            Role::Write => "write",
        }
    }
}

/// `[server.roles]`, checked: the users that have each role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles(pub BTreeMap<Role, Vec<String>>);

impl Roles {
    /// Whether a user may do something. Where nobody has to say who he is, everybody may do
    /// everything; where no one is named for it, every user may read metrics, and nobody else more.
    pub fn may(&self, user: &User, role: Role) -> bool {
        let Some(user) = &user.0 else { return true };
        match self.0.get(&role) {
            Some(users) => users.iter().any(|own| **own == **user),
            None => role == Role::Metrics,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_reads_metrics_and_who_is_named_more() {
        let roles = Roles(BTreeMap::from([(Role::Read, vec!["ann".to_owned()])]));
        let user = |name: &str| User(Some(name.into()));
        assert!(roles.may(&user("bob"), Role::Metrics) && roles.may(&user("ann"), Role::Read));
        assert!(!roles.may(&user("bob"), Role::Read) && !roles.may(&user("ann"), Role::Reload));
        assert!(Role::ALL.iter().all(|role| roles.may(&User(None), *role)));
        let named = Roles(BTreeMap::from([(Role::Metrics, vec!["prometheus".to_owned()])]));
        assert!(!named.may(&user("bob"), Role::Metrics));
    }
}
