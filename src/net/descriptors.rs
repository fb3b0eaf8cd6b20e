//! How many file descriptors there are for connections, when those for the state, for files and
//! for whoever scrapes are set aside.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that connections leave alone: the state, its log, files being read, events, pipes.
const RESERVED: u64 = 64;

/// Connections that the descriptors of a process allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// What the process may open; none when that has no limit.
    pub limit: Option<u64>,
}

impl Descriptors {
    /// Raises the limit of the process as far as it may, as servers do.
    pub fn raise() -> Descriptors {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: maximum, maximum };
        // Below its limit a process lives too.
        let limit = if setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current };
        Descriptors { limit }
    }

    /// Connections of the HTTP server: no more than were asked for.
    pub fn for_http(self, connections_max: usize) -> usize {
        connections_max.min(self.half()).max(1)
    }

    /// Connections of each of so many sources.
    pub fn for_source(self, connections_max: usize, sources: usize) -> usize {
        connections_max.min(self.half() / sources.max(1)).max(1)
    }

    fn half(self) -> usize {
        let Some(limit) = self.limit else { return usize::MAX };
        let reserved = RESERVED.min(limit / 2);
        usize::try_from((limit - reserved) / 2).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_left_for_files_and_the_state() {
        for limit in [16, 256, 1_024, 65_536] {
            let descriptors = Descriptors { limit: Some(limit) };
            let http = descriptors.for_http(usize::MAX) as u64;
            for sources in [1, 3] {
                let each = descriptors.for_source(usize::MAX, sources) as u64;
                let left = limit - http - each * sources as u64;
                assert!(left >= RESERVED.min(limit / 2), "{limit} {sources}: {left}");
            }
        }
        let many = Descriptors { limit: Some(65_536) };
        assert_eq!((many.for_http(256), many.for_source(256, 3)), (256, 256));
        assert_eq!(Descriptors { limit: None }.for_source(256, 1_000), 256);
        // Somebody must get in.
        assert_eq!(Descriptors { limit: Some(64) }.for_source(256, 1_000), 1);
    }
}
