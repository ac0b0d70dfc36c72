//! A FeatureFlag resource of a Kubernetes cluster, `namespace/name`: its `spec.flagSpec` is the document (contract 9.4).
//!
//! ```text
//! cluster: where the API server is, and who asks   (KUBECONFIG, the pod's service account, ~/.kube/config)
//! list one object -> deliver -> watch from there -> deliver each change
//!    ^                              |  410 Gone, or ten minutes gone
//!    +------------------------------+
//! ```
//!
//! A client of its own and not the crate `kube`: following one object takes two requests and four kinds of event. `kube`
//! with `k8s-openapi` brings 43 crates and 173 s of checking (two cores) for types of every resource that there is; this
//! folder needs nothing that other sources do not use already.
//!
//! What is not here: environment variables are handed in as the option `environment`; writing to the cluster.

mod client;
mod cluster;
mod kubeconfig;
mod wire;

use std::convert::Infallible;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::document::{Format, too_large};
use crate::origin::{Origin, OriginError};
use crate::source::{Delivery, Feed, Retry, Source, SourceError, SourceKind};
use crate::sources::variables::Variables;
use client::{Client, Failure, Lines};
use cluster::Cluster;
use wire::{Event, List, Object, Status};

/// The Kubernetes source.
pub(crate) static KIND: SourceKind = SourceKind { providers: &["kubernetes"], build };

/// How long a list may take, and a watch to begin, when nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a watch lasts before it is asked for again; a connection that hangs is found out soon after.
const WATCH: Duration = Duration::from_secs(60);
/// How much longer than asked for a watch may be silent.
const GRACE: Duration = Duration::from_secs(15);
/// How often the object is read whatever the watch says.
const RESYNC: Duration = Duration::from_secs(600);
/// How soon something is asked for again that should not have been needed twice.
const PAUSE: Duration = Duration::from_secs(5);
/// How soon a missing object is watched for.
const SEARCH: Duration = Duration::from_millis(100);
/// A watch that ends sooner, with nothing said, is none.
const SHORTEST: Duration = Duration::from_millis(500);
/// Room for the object round the document: what servers note about changes can be as large as those.
const ROOM: usize = 2 << 20;

/// What the source understands.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Options {
    environment: Variables,
    #[serde(rename = "timeoutS")]
    timeout: Option<u64>,
}

/// A resource with all it takes to follow it.
struct Kubernetes {
    variables: Variables,
    timeout: Duration,
    namespace: String,
    name: String,
    known: Option<Known>,
}

/// How much of the object's history is known.
struct Known {
    /// The version to watch from.
    version: String,
    /// The version that was delivered last, if the object is there.
    present: Option<String>,
    /// When the object was last read as a whole.
    listed: Instant,
}

fn build(origin: &Origin) -> Result<Box<dyn Source>, OriginError> {
    let options: Options = origin.options()?;
    let (namespace, name) = target(origin.name()).ok_or_else(|| {
        OriginError(format!(
            "source {origin}: must be namespace/name of a FeatureFlag resource, such as team/flags"
        ))
    })?;
    let timeout = options.timeout.filter(|seconds| *seconds > 0).map_or(TIMEOUT, Duration::from_secs);
    Ok(Box::new(Kubernetes { variables: options.environment, timeout, namespace, name, known: None }))
}

/// Namespace and name, as Kubernetes allows them (RFC 1123).
fn target(text: &str) -> Option<(String, String)> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let named = |name: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        name.len() <= 253 && name.bytes().all(fits) && edge(name.bytes().next()) && edge(name.bytes().last())
    };
    let (namespace, name) = text.split_once('/')?;
    let good = named(namespace) && !namespace.contains('.') && named(name);
    good.then(|| (namespace.to_owned(), name.to_owned()))
}

#[async_trait]
impl Source for Kubernetes {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        let variables = self.variables.clone();
        let found = tokio::task::spawn_blocking(move || Cluster::find(&variables)).await;
        let found = found.unwrap_or_else(|error| Err(error.to_string()));
        // Certificates and tokens are read anew whenever following begins again: they are rotated.
        let client =
            found.and_then(|cluster| Client::new(cluster, &self.namespace, &self.name, self.timeout));
        let client = client.map_err(|what| self.failed(what))?;
        loop {
            let due = self.known.as_ref().is_none_or(|known| known.listed.elapsed() > RESYNC);
            if due && !self.list(&client, feed).await? {
                sleep(PAUSE).await;
                continue;
            }
            self.watch(&client, feed).await?;
        }
    }
}

impl Kubernetes {
    /// Reads the object; `false` if it is of no use.
    async fn list(&mut self, client: &Client, feed: &mut Feed<'_>) -> Result<bool, SourceError> {
        let most = feed.max_bytes() + ROOM;
        let bytes = client.list(most).await.map_err(|failure| self.refused(failure))?;
        if bytes.len() > most {
            feed.refuse(too_large(feed.max_bytes()));
            return Ok(false);
        }
        let list: List<'_> = serde_json::from_slice(&bytes).map_err(|error| self.garbled(&error))?;
        let object = list.items.into_iter().find(|object| object.metadata.name == self.name);
        let present = self.known.take().and_then(|known| known.present);
        self.known = Some(Known { version: list.metadata.resource_version, present, listed: Instant::now() });
        match object {
            Some(object) => self.take(object, feed).await,
            None => return Err(self.missing("no such FeatureFlag in the cluster")),
        }
        Ok(true)
    }

    /// Follows changes until the server ends the watch, as it does by and by.
    async fn watch(&mut self, client: &Client, feed: &mut Feed<'_>) -> Result<(), SourceError> {
        let Some(known) = &self.known else { return Ok(()) };
        let (began, listed) = (Instant::now(), known.listed);
        let mut lines = match client.watch(&known.version, WATCH).await {
            Ok(lines) => lines,
            Err(failure) if failure.is_gone() => return self.gone(listed),
            Err(failure) => return Err(self.refused(failure)),
        };
        if known.present.is_some() {
            feed.unchanged();
        }
        let (most, mut heard) = (feed.max_bytes() + ROOM, false);
        loop {
            let next = tokio::time::timeout(WATCH + GRACE, lines.next(most)).await;
            let Ok(next) = next else { return Err(self.failed("the watch fell silent".to_owned())) };
            match next.map_err(|what| self.failed(what))? {
                Lines::Line(line) => {
                    if !self.heard(&line, feed, listed).await? {
                        return Ok(());
                    }
                    heard = true;
                }
                Lines::TooLong => {
                    feed.refuse(too_large(feed.max_bytes()));
                    self.known = None;
                    sleep(PAUSE).await;
                    return Ok(());
                }
                Lines::End if heard || began.elapsed() > SHORTEST => return Ok(()),
                Lines::End => return Err(self.failed("the server ended the watch at once".to_owned())),
            }
        }
    }

    /// Takes in one event; `false` if the watch has nothing more to say.
    async fn heard(
        &mut self,
        line: &[u8],
        feed: &mut Feed<'_>,
        listed: Instant,
    ) -> Result<bool, SourceError> {
        let event: Event<'_> = serde_json::from_slice(line).map_err(|error| self.garbled(&error))?;
        if event.kind == "ERROR" {
            let status: Status = serde_json::from_str(event.object.get()).unwrap_or_default();
            if status.code == Some(410) {
                return self.gone(listed).map(|()| false);
            }
            self.known = None;
            return Err(self.failed(format!("the watch failed: {}", status.message)));
        }
        let object: Object<'_> =
            serde_json::from_str(event.object.get()).map_err(|error| self.garbled(&error))?;
        let Some(known) = &mut self.known else { return Ok(false) };
        if !object.metadata.resource_version.is_empty() {
            known.version.clone_from(&object.metadata.resource_version);
        }
        match event.kind {
            "BOOKMARK" if known.present.is_some() => feed.unchanged(),
            "ADDED" | "MODIFIED" if object.metadata.name == self.name => self.take(object, feed).await,
            "DELETED" if object.metadata.name == self.name => {
                known.present = None;
                return Err(self.missing("the FeatureFlag was deleted"));
            }
            _ => {}
        }
        Ok(true)
    }

    /// Delivers the object's document.
    async fn take(&mut self, object: Object<'_>, feed: &mut Feed<'_>) {
        let revision = Some(object.metadata.resource_version);
        if let Some(known) = &mut self.known {
            if known.present == revision {
                return feed.unchanged();
            }
            known.present.clone_from(&revision);
        }
        match object.spec.and_then(|spec| spec.flag_spec) {
            Some(document) => {
                let bytes = document.get().as_bytes().to_vec();
                let (format, authorship) = (Format::Json, None);
                feed.deliver(Delivery { bytes, format, revision, authorship, provisional: false }).await;
            }
            None => {
                feed.refuse("spec.flagSpec is missing".to_owned());
            }
        }
    }

    /// The version to watch from is too old for the server: the object is read again.
    fn gone(&mut self, listed: Instant) -> Result<(), SourceError> {
        self.known = None;
        if listed.elapsed() < SHORTEST {
            return Err(self.failed("the server has already forgotten the version it just gave".to_owned()));
        }
        Ok(())
    }

    /// The object is not there; what is known stays, so that the watch goes on from there.
    fn missing(&mut self, what: &str) -> SourceError {
        SourceError { retry: Retry::After(SEARCH), ..self.failed(what.to_owned()) }
    }

    fn garbled(&mut self, error: &serde_json::Error) -> SourceError {
        self.known = None;
        self.failed(format!("the server's answer is not what the API promises: {error}"))
    }

    fn failed(&self, what: String) -> SourceError {
        let place = format!("{}/{}", self.namespace, self.name);
        SourceError { what, place, retry: Retry::Backoff }
    }

    fn refused(&self, failure: Failure) -> SourceError {
        let hint = match failure.status {
            Some(401) => "; check the service account's token, or the user of the kubeconfig",
            Some(403) => "; grant get, list and watch on featureflags.core.openfeature.dev in this namespace",
            Some(404) => {
                "; is the FeatureFlag resource of the OpenFeature Operator installed in the cluster?"
            }
            _ => "",
        };
        let retry = failure.rest.map_or(Retry::Backoff, Retry::After);
        SourceError { retry, ..self.failed(failure.what + hint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_namespace_and_a_name() {
        assert_eq!(target("ns/my-flags.v1"), Some(("ns".to_owned(), "my-flags.v1".to_owned())));
        let long = format!("ns/{}", "a".repeat(254));
        for odd in [
            "", "/", "ns", "ns/", "/n", "a/b/c", "NS/n", "n.s/n", "ns/-n", "ns/n-", "ns/..", "ns/a%2f", &long,
        ] {
            assert_eq!(target(odd), None, "{odd}");
        }
    }
}
