//! Serving: from the first connection to the last, and the order in which a daemon goes down.
//!
//! ```text
//! signal -> streams are told and end -> ports accept no more, open requests are answered -> management goes last
//! ```

use std::pin::Pin;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use crate::listen::{Bound, Handler};

/// A port with its service, ready to be served.
pub struct Service {
    name: &'static str,
    address: String,
    run: Box<dyn FnOnce(watch::Receiver<bool>, Duration) -> Serving + Send>,
}

type Serving = Pin<Box<dyn Future<Output = usize> + Send>>;

impl Service {
    /// Puts `service` on `port`. The name is for the log.
    pub fn new<S: Handler>(name: &'static str, port: Bound, service: S) -> Self {
        let address = port.local_addr().map_or_else(|| "a unix socket".to_owned(), |at| at.to_string());
        let run = move |mut stop: watch::Receiver<bool>, grace| -> Serving {
            Box::pin(async move {
                let stop = async move {
                    // Whoever could stop it having gone means the same.
                    let _ = stop.wait_for(|stop| *stop).await;
                };
                port.serve(service, stop, grace).await
            })
        };
        Self { name, address, run: Box::new(run) }
    }

    /// What it serves, in one word.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    async fn run(self, stop: watch::Receiver<bool>, grace: Duration) {
        let cut = (self.run)(stop, grace).await;
        if cut > 0 {
            tracing::warn!(
                service = self.name,
                connections = cut,
                "cut connections that did not end in time"
            );
        }
    }
}

/// Serves all until `closing` turns true, then waits up to `grace` for open requests. `management` answers until the
/// others are done, so that whoever asks can see what is going on.
pub async fn serve(
    services: Vec<Service>,
    management: Service,
    closing: watch::Receiver<bool>,
    grace: Duration,
) {
    let (stop, stopping) = watch::channel(false);
    let others = async {
        join_all(services.into_iter().map(|service| spawned(service.run(closing.clone(), grace)))).await;
        stop.send_replace(true);
    };
    // Probes are short; what else is open on the management port is not waited for.
    let management = spawned(management.run(stopping, Duration::from_millis(100).min(grace)));
    tokio::join!(others, management);
}

/// Runs `task` beside the caller, so that several ports use several threads.
async fn spawned(task: impl Future<Output = ()> + Send + 'static) {
    if let Err(error) = tokio::spawn(task).await {
        tracing::error!(%error, "a port stopped serving");
    }
}
