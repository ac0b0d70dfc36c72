//! Targets: the origins that clients ask for, each followed once for all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use store::{Relay, Settings};
use tonic::Status;

use crate::args::Environment;
use crate::config::{OriginConfig, Provider};
use crate::{ask, sources};

/// The most targets that are followed at a time.
const MOST: usize = 1_000;
/// How long a target is followed after its last client has left.
const LINGER: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What clients may ask for. Anything else would let them have the proxy open connections of their choice.
const ALLOWED: [Provider; 2] = [Provider::File, Provider::Kubernetes];

/// The targets that are followed.
#[derive(Debug, Default)]
pub struct Targets {
    /// What tells the sources of a cluster where it is.
    environment: Environment,
    open: Mutex<HashMap<Box<str>, Target>>,
}

#[derive(Debug)]
struct Target {
    relay: Arc<Relay>,
    idle: Option<Instant>,
}

impl Targets {
    /// No targets. Those without clients are dropped for as long as it lives. Must be called in a Tokio runtime.
    pub fn open(environment: Environment) -> Arc<Self> {
        let targets = Arc::new(Self { environment, ..Self::default() });
        tokio::spawn(sweep(Arc::downgrade(&targets)));
        targets
    }

    /// How many targets are followed.
    pub fn count(&self) -> usize {
        self.locked().len()
    }

    /// The follower of `target`, started if there is none, and the target's name for people. The target is followed for as
    /// long as somebody has it, and a little longer.
    ///
    /// # Errors
    /// UNKNOWN, as flagd-proxy says, for a target that is none or that cannot be followed; RESOURCE_EXHAUSTED if there are
    /// too many.
    pub(super) fn join(&self, target: &str) -> Result<(String, Arc<Relay>), Status> {
        let origin = OriginConfig::parse(target)
            .filter(|origin| ALLOWED.contains(&origin.provider) && !origin.is_of_vendor());
        let origin = origin.ok_or_else(|| {
            let text = "the selector must name a target, core.openfeature.dev/namespace/name or file:/path";
            Status::unknown(text)
        })?;
        let (name, origin) = (origin.uri.to_string(), origin.within(&self.environment));
        let mut open = self.locked();
        if let Some(known) = open.get_mut(target) {
            known.idle = None;
            return Ok((name, Arc::clone(&known.relay)));
        }
        if open.len() >= MOST {
            return Err(Status::resource_exhausted(format!("{MOST} targets are followed already")));
        }
        let built = sources::build(&[origin]).map_err(|error| Status::unknown(error.to_string()))?;
        let source = built.into_iter().next().ok_or_else(|| Status::unknown("no source"))?.1;
        tracing::info!(target = name, "following a target");
        let relay = Arc::new(Relay::open(Settings::new(ask::clock), source));
        open.insert(target.into(), Target { relay: Arc::clone(&relay), idle: None });
        Ok((name, relay))
    }

    /// Lets go of targets that nobody has had for a while.
    fn sweep(&self, now: Instant) {
        self.locked().retain(|_, target| {
            if Arc::strong_count(&target.relay) > 1 {
                target.idle = None;
                return true;
            }
            now.saturating_duration_since(*target.idle.get_or_insert(now)) < LINGER
        });
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Target>> {
        // Every change under the lock is one step; what a panic leaves behind is whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(targets: Weak<Targets>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(targets) = targets.upgrade() else { return };
        targets.sweep(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_target_is_followed_once_and_dropped_later() {
        let targets = Targets::default();
        let (name, first) = targets.join("file:/none/flags.json").expect("a target");
        assert_eq!(name, "/none/flags.json");
        let (_, second) = targets.join("file:/none/flags.json").expect("the same target");
        assert!(Arc::ptr_eq(&first, &second));
        let now = Instant::now();
        drop((first, second));
        targets.sweep(now);
        targets.sweep(now + LINGER - Duration::from_millis(1));
        assert_eq!(targets.count(), 1);
        let back = targets.join("file:/none/flags.json").expect("the same target");
        targets.sweep(now + LINGER);
        drop(back);
        targets.sweep(now + LINGER * 2);
        assert_eq!(targets.count(), 1, "somebody had it meanwhile");
        targets.sweep(now + LINGER * 3);
        assert_eq!(targets.count(), 0);
    }

    #[tokio::test]
    async fn targets_are_bounded_and_of_known_kinds() {
        let targets = Targets::default();
        for wrong in ["", "flags.json", "source=x", "http://10.0.0.1/flags.json", "grpc://h:1"] {
            assert_eq!(targets.join(wrong).expect_err(wrong).code(), tonic::Code::Unknown);
        }
        for at in 0..MOST {
            targets.join(&format!("file:/none/{at}.json")).expect("room");
        }
        let error = targets.join("file:/none/one-more.json").expect_err("no room");
        assert_eq!(error.code(), tonic::Code::ResourceExhausted);
        targets.join("file:/none/0.json").expect("known already");
    }
}
