//! A fixed rate of requests, whatever the server does.
//!
//! Each request has a moment at which it was to start; what is measured counts from then, so that a server which stalls is
//! charged for the requests that had to wait. The pacer spins: a timer of the runtime is a millisecond late.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::Failure;
use crate::load::Exchange;
use crate::server::Server;

const CONNECTIONS: usize = 8;
/// The share of the requests, from the first on, that is not counted.
const DROPPED: f64 = 0.1;

/// How long things took, sorted.
#[derive(Debug)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Of things that took so long.
    pub(crate) fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        Self(took)
    }

    /// What `share` of all stayed within.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let at = ((self.0.len() as f64 * share).ceil() as usize).clamp(1, self.0.len().max(1)) - 1;
        self.0.get(at).copied().unwrap_or_default()
    }
}

/// Sends `rate` requests per second for `time`.
pub(crate) async fn pace(
    server: &Server,
    exchange: &Exchange,
    rate: u32,
    time: Duration,
) -> Result<Latencies, Failure> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(server.connect(exchange).await?);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of requests")]
    let many = (f64::from(rate) * time.as_secs_f64()) as u32;
    let interval = Duration::from_secs(1) / rate;
    let (done, mut answers) = mpsc::unbounded_channel();
    let begun = Instant::now() + interval;
    for at in 0..many {
        let intended = begun + interval * at;
        while Instant::now() < intended {
            yield_now().await;
        }
        let client = &clients[at as usize % CONNECTIONS];
        let mut client = client.stream().ok_or("a fixed rate takes HTTP/2")?;
        let (exchange, ports, done) = (exchange.clone(), server.ports, done.clone());
        tokio::spawn(async move {
            let answer = match client.ask(&exchange, ports).await {
                Ok(reply) => exchange.verify(&reply).map(|()| (at, intended.elapsed())),
                Err(error) => Err(error),
            };
            // Nobody listens any more when an earlier request failed.
            let _ = done.send(answer);
        });
    }
    drop(done);
    let first = f64::from(many) * DROPPED;
    let mut latencies = Vec::with_capacity(many as usize);
    while let Some(answer) = answers.recv().await {
        let (at, latency) = answer?;
        if f64::from(at) >= first {
            latencies.push(latency);
        }
    }
    Ok(Latencies::of(latencies))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted() {
        let latencies = Latencies((1..=1_000).map(Duration::from_micros).collect());
        assert_eq!(latencies.percentile(0.5), Duration::from_micros(500));
        assert_eq!(latencies.percentile(0.999), Duration::from_micros(999));
        assert_eq!(latencies.percentile(1.0), Duration::from_micros(1_000));
        assert_eq!(Latencies(Vec::new()).percentile(0.5), Duration::ZERO);
    }
}
