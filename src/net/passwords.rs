//! Whether a password is a user's, by bcrypt, which is slow on purpose.
//!
//! What was right is remembered by a keyed hash, so that a scraper costs a check once. Checks wait
//! for each other, few at a time, and who comes when many wait is told to come again: a flood of
//! wrong passwords takes one core at most, and never the place of a user who is known. An unknown
//! user takes as long as most users do.

use ring::hmac;
use ring::rand::SystemRandom;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Checks that wait or are under way; others are refused.
const WAITING_MAX: usize = 8;

/// Right passwords that are remembered; one who changes it is checked again.
const REMEMBERED_MAX: usize = 1_000;

/// Checks passwords.
pub struct Passwords {
    key: hmac::Key,
    right: Mutex<HashSet<[u8; 32]>>,
    /// Under way.
    checks: Arc<Semaphore>,
    /// Under way or waiting.
    places: Arc<Semaphore>,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Right,
    Wrong,
    /// Too many wait.
    Later,
}

impl Default for Passwords {
    fn default() -> Passwords {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Passwords {
            key: key.expect("the system gives random numbers"),
            right: Mutex::default(),
            checks: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }
}

impl Passwords {
    /// Whether `user` has this password among `users`, whose bcrypt hashes are given.
    pub async fn check(
        &self,
        users: &BTreeMap<String, String>,
        user: &str,
        password: &str,
    ) -> Answer {
        let (is_known, hash) = match users.get(user) {
            Some(hash) => (true, hash),
            None => (false, stand_in(users)),
        };
        let hash = hash.clone();
        let remembered = self.remembered(user, &hash, password);
        if is_known && self.right().contains(&remembered) {
            return Answer::Right;
        }
        let Ok(_place) = Arc::clone(&self.places).try_acquire_owned() else { return Answer::Later };
        let turn = Arc::clone(&self.checks).acquire_owned().await;
        let turn = turn.expect("it is never closed");
        let password = password.to_owned();
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        let is_right = checked.await.unwrap_or(false) && is_known;
        if !is_right {
            return Answer::Wrong;
        }
        let mut right = self.right();
        if right.len() >= REMEMBERED_MAX {
            right.clear();
        }
        right.insert(remembered);
        Answer::Right
    }

    /// Nobody can tell the password from it, or find another one with the same.
    fn remembered(&self, user: &str, hash: &str, password: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [user, hash, password] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    fn right(&self) -> std::sync::MutexGuard<'_, HashSet<[u8; 32]>> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hash as slow as most are; two users of one cost cannot be told from one who is not there.
fn stand_in(users: &BTreeMap<String, String>) -> &String {
    let mut by_cost: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for hash in users.values() {
        by_cost.entry(hash.split('$').nth(2).unwrap_or_default()).or_default().push(hash);
    }
    // Of as many, the least cost.
    let most = by_cost.into_values().rev().max_by_key(Vec::len);
    most.expect("nobody is asked for a password where nobody has one")[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_user_is_as_slow_as_most() {
        let hash = |cost: &str, n: u8| (format!("{cost}-{n}"), format!("$2y${cost}$of{n}"));
        let users = BTreeMap::from([hash("12", 1), hash("18", 2), hash("10", 3), hash("12", 4)]);
        assert_eq!(stand_in(&users), "$2y$12$of1");
        let users = BTreeMap::from([hash("18", 2), hash("10", 3)]);
        assert_eq!(stand_in(&users), "$2y$10$of3");
    }

    #[tokio::test]
    async fn right_wrong_and_unknown() {
        let passwords = Passwords::default();
        let hash = bcrypt::hash("secret", 4).unwrap();
        let users = BTreeMap::from([("ann".to_owned(), hash)]);
        for _ in 0..2 {
            assert_eq!(passwords.check(&users, "ann", "secret").await, Answer::Right);
            assert_eq!(passwords.check(&users, "ann", "Secret").await, Answer::Wrong);
            assert_eq!(passwords.check(&users, "bob", "secret").await, Answer::Wrong);
        }
        // Another password from now on.
        let users = BTreeMap::from([("ann".to_owned(), bcrypt::hash("other", 4).unwrap())]);
        assert_eq!(passwords.check(&users, "ann", "secret").await, Answer::Wrong);
        assert_eq!(passwords.check(&users, "ann", "other").await, Answer::Right);
    }
}
