//! What one client may take from a port.

use std::time::Duration;

/// Bytes that a request head may have beyond the limit, as flagd grants them.
const HEAD_SLACK: usize = 4096;

/// What one port grants its clients. The defaults are flagd's, except where its own are not safe.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The size of a request head in bytes, `max-request-header`.
    pub head_bytes: usize,
    /// How long a TLS handshake, a request head or an idle HTTP/1.1 connection may take.
    pub head_time: Duration,
    /// How long a request body may stall.
    pub body_time: Duration,
    /// How long a client may take nothing of what waits for it, before its connection is cut.
    pub write_time: Duration,
    /// How many connections are open at once; more wait to be accepted.
    pub connections: usize,
    /// How many requests one HTTP/2 connection has open at once.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 1_000_000,
            head_time: Duration::from_secs(5),
            body_time: Duration::from_secs(5),
            write_time: Duration::from_secs(60),
            connections: 16_384,
            streams: 250,
        }
    }
}

impl Limits {
    /// The size of a head from which on it is refused.
    pub(super) fn refused_head_bytes(&self) -> usize {
        self.head_bytes.saturating_add(HEAD_SLACK)
    }

    /// The read buffer of an HTTP/1.1 connection: room for a head that is too large, so that it can be refused in words.
    pub(super) fn buffer_bytes(&self) -> usize {
        self.refused_head_bytes().saturating_mul(2).max(65_536)
    }

    /// What HTTP/2 clients are told about the size of a head.
    pub(super) fn header_list_bytes(&self) -> u32 {
        u32::try_from(self.head_bytes.saturating_add(320)).unwrap_or(u32::MAX)
    }
}
