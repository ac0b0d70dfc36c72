//! From settings to a daemon: ports opened, sources followed, services put on their ports.
//!
//! ```text
//! Config --Ports::open--> the open ports, or an error that names address and setting
//!        --App::new-----> what services share: store, ask, telemetry, the signal to close
//!        --App::mount---> one service per port, ready to be served (see `serve`)
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
#[cfg(feature = "otel")]
use std::time::SystemTime;

use engine::Selector;
use store::Store;
use tokio::sync::watch;
#[cfg(feature = "otel")]
use tokio::task::JoinHandle;
use tower::Layer;

use crate::args::Fractional;
use crate::ask::Ask;
use crate::config::{Config, Provider, TlsPair, Traces};
use crate::light::Enrichment;
use crate::listen::{Address, BindError, Bound, Certificate, Endpoint, Limits};
use crate::serve::Service;
use crate::services::connect::{self, StackOptions, evaluation_stack};
use crate::services::control::{self, Control};
use crate::services::cors::{Cors, Origins};
use crate::services::evaluation::{self, Evaluation};
use crate::services::management::{self, Hooks, Management};
use crate::services::ofrep::{self, Ofrep};
use crate::services::sync::{self, Sync};
use crate::services::unleash::Unleash;
#[cfg(feature = "otel")]
use crate::telemetry::export::{Collector, push_metrics};
use crate::telemetry::{Evaluations, Measure, Telemetry};
use crate::{services, sources};

/// How long sync clients wait for sources that do not come up, before they get what there is (contract 2).
const PATIENCE: Duration = Duration::from_secs(5);

/// Operators at a time, and the bytes of a request head of theirs.
const OPERATORS: usize = 16;
const OPERATOR_HEAD: usize = 8 << 10;

/// Streams that one connection of the sync port may have open; each is a client of a proxy.
const SYNC_STREAMS: u32 = 10_000;

/// The ports of a daemon, open and not yet served.
pub struct Ports {
    /// gRPC, gRPC-Web and Connect.
    pub evaluation: Bound,
    /// Health, readiness, metrics.
    pub management: Bound,
    /// gRPC for in-process clients.
    pub sync: Bound,
    /// OFREP.
    pub ofrep: Bound,
    /// The door for operators, if there is a state directory and it can be used.
    pub control: Option<Bound>,
    /// The APIs of Unleash, if they are served.
    pub unleash: Option<Bound>,
    /// The certificate of those that speak TLS.
    pub certificate: Option<Arc<Certificate>>,
}

impl Ports {
    /// Opens every port, or none.
    ///
    /// # Errors
    /// The first port or certificate that cannot be used, with the setting that names it.
    pub async fn open(config: &Config) -> Result<Self, BindError> {
        let listen = &config.listen;
        let load = |TlsPair { cert, key }: &TlsPair| Certificate::load(cert, key);
        let certificate = listen.tls.as_ref().map(load).transpose()?;
        let [evaluation, management, sync, ofrep] = endpoints(config, certificate.as_ref());
        Ok(Self {
            evaluation: evaluation.bind().await?,
            management: management.bind().await?,
            sync: sync.bind().await?,
            ofrep: ofrep.bind().await?,
            control: door(config).await,
            unleash: match unleash_endpoint(config) {
                Some(endpoint) => Some(endpoint.bind().await?),
                None => None,
            },
            certificate,
        })
    }
}

/// The door for operators. A disk that is full or read-only costs the door and not the daemon.
async fn door(config: &Config) -> Option<Bound> {
    let path = control::socket(config.resilience.state_dir.as_deref()?);
    let shown = path.display().to_string();
    let bound = match control::prepare(&path) {
        Ok(()) => {
            let limits = Limits { connections: OPERATORS, head_bytes: OPERATOR_HEAD, ..Limits::default() };
            let setting = "--state-dir";
            let door = Endpoint { address: Address::Unix(path), setting, tls: None, http2: false, limits };
            door.bind().await.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    let failed = |error: &String| {
        tracing::error!(socket = shown, error, "the daemon cannot be operated; it serves all the same");
    };
    bound.inspect_err(failed).ok()
}

/// Evaluation, management, sync and OFREP as configured.
pub(crate) fn endpoints(config: &Config, certificate: Option<&Arc<Certificate>>) -> [Endpoint; 4] {
    let listen = &config.listen;
    let head_bytes = usize::try_from(config.max_request_header).unwrap_or(usize::MAX);
    let (address, setting) = place(&listen.socket_path, "--socket-path", listen.port, "--port");
    let limits = Limits { head_bytes, ..Limits::default() };
    let evaluation = Endpoint { address, setting, tls: certificate.cloned(), http2: true, limits };

    let (address, setting) =
        place(&listen.sync_socket_path, "--sync-socket-path", listen.sync_port, "--sync-port");
    let limits = Limits { streams: SYNC_STREAMS, ..Limits::default() };
    let sync = Endpoint { address, setting, tls: certificate.cloned(), http2: true, limits };

    let (address, setting) = place(&None, "", listen.management_port, "--management-port");
    let management = Endpoint { address, setting, tls: None, http2: true, limits: Limits::default() };

    // Plain and HTTP/1.1 alone as in flagd, unless it has TLS: then browsers may use HTTP/2.
    let (address, setting) = place(&None, "", listen.ofrep_port, "--ofrep-port");
    let tls = certificate.filter(|_| listen.ofrep_tls).cloned();
    let limits = Limits { head_bytes, ..Limits::default() };
    let ofrep = Endpoint { address, setting, http2: tls.is_some(), tls, limits };
    [evaluation, management, sync, ofrep]
}

/// The port of Unleash's APIs: plain, as it stands beside applications.
fn unleash_endpoint(config: &Config) -> Option<Endpoint> {
    let (address, setting) = place(&None, "", config.listen.unleash_port?, "--unleash-port");
    Some(Endpoint { address, setting, tls: None, http2: false, limits: Limits::default() })
}

/// A unix socket where one is configured, else a port; and the setting that says so.
fn place(
    socket: &Option<PathBuf>,
    by_socket: &'static str,
    port: u16,
    by_port: &'static str,
) -> (Address, &'static str) {
    match socket {
        Some(path) => (Address::Unix(path.clone()), by_socket),
        None => (Address::Port(port), by_port),
    }
}

/// Whether somebody gets traces.
fn is_traced(config: &Config) -> bool {
    cfg!(feature = "otel") && config.otel.traces != Traces::Off
}

/// What the services of one daemon share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    /// The flags.
    pub store: Arc<Store>,
    /// Who answers.
    pub ask: Ask,
    /// What is counted.
    pub telemetry: Telemetry,
    /// True from the moment on at which streams have to end.
    pub closing: watch::Receiver<bool>,
    config: Arc<Config>,
    /// The APIs of Unleash, if they are served.
    unleash: Option<Unleash>,
}

/// Why services cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A mapped header has a name that HTTP does not allow.
    #[error("context-from-header: {0}")]
    Header(#[from] http::header::InvalidHeaderName),
    /// An option of a source cannot be used.
    #[error(transparent)]
    Origin(#[from] store::OriginError),
}

impl App {
    /// Builds what services share. Must be called in a Tokio runtime.
    ///
    /// # Errors
    /// A header's name or a source's option that cannot be used.
    pub fn new(
        config: Arc<Config>,
        store: Arc<Store>,
        closing: watch::Receiver<bool>,
    ) -> Result<Self, AppError> {
        let pairs = |map: &BTreeMap<String, String>| map.clone().into_iter();
        let enrichment = Enrichment::new(pairs(&config.context_values), pairs(&config.context_from_header))?;
        let telemetry = Telemetry::default();
        tokio::spawn(foresee(&store, Arc::clone(&telemetry.evaluations)));
        let ask = Ask::new(Arc::clone(&store), Arc::new(enrichment), Arc::clone(&telemetry.evaluations))
            .traced(is_traced(&config));
        let unleash = config.listen.unleash_port.map(|_| unleash(&config, &store, &closing)).transpose()?;
        Ok(Self { store, ask, telemetry, closing, config, unleash })
    }

    /// Waits until what is told others at the end has been told.
    pub async fn farewell(&self) {
        if let Some(unleash) = &self.unleash {
            unleash.farewell().await;
        }
    }

    /// Puts each service on its port; management comes apart from the others, since it is served longest.
    pub fn mount(&self, ports: Ports) -> (Vec<Service>, Service) {
        let Ports { evaluation, management, sync, ofrep, control, unleash, certificate } = ports;
        let tls = certificate.is_some();
        let mut services = vec![
            Service::new(
                "evaluation",
                evaluation,
                self.measured(tls, connect::label).layer(self.evaluation()),
            ),
            Service::new("sync", sync, self.measured(tls, sync::label).layer(self.sync())),
            Service::new(
                "ofrep",
                ofrep,
                self.measured(self.config.listen.ofrep_tls, ofrep::label).layer(self.ofrep()),
            ),
        ];
        let control =
            control.map(|door| Service::new("control", door, Control::new(Arc::clone(&self.store))));
        services.extend(control);
        if let (Some(port), Some(service)) = (unleash, &self.unleash) {
            let service = Cors::new(service.clone(), self.origins());
            services.push(Service::new(
                "unleash",
                port,
                self.measured(false, services::unleash::label).layer(service),
            ));
        }
        let management = Service::new(
            "management",
            management,
            self.measured(false, management::label).traced(false).layer(self.management()),
        );
        (services, management)
    }

    /// Pushes metrics to the collector that gets them, if one does, until streams have to end. Call it within the runtime.
    ///
    /// # Errors
    /// The collector cannot be used as configured.
    #[cfg(feature = "otel")]
    pub fn push_metrics(&self, clock: fn() -> SystemTime) -> Result<Option<JoinHandle<()>>, String> {
        let otel = &self.config.otel;
        let Some(at) = &otel.metrics else { return Ok(None) };
        let collector = Collector::new(at, otel)?;
        let (store, telemetry) = (Arc::clone(&self.store), self.telemetry.clone());
        let mut closing = self.closing.clone();
        let last = async move {
            // Whoever could close having gone means the same.
            let _ = closing.wait_for(|closing| *closing).await;
        };
        let collect = move || management::families(&store, &telemetry);
        let (resource, interval) = (otel.resource.clone(), otel.interval);
        Ok(Some(tokio::spawn(push_metrics(collector, resource, interval, clock, collect, last))))
    }

    fn evaluation(&self) -> impl crate::listen::Handler<Body = tonic::body::Body> + use<> {
        let methods = evaluation::methods(&Evaluation {
            ask: self.ask.clone(),
            store: Arc::clone(&self.store),
            closing: self.closing.clone(),
            stream_deadline: self.config.stream_deadline,
        });
        let options = StackOptions { origins: self.origins(), body_bytes: self.body_bytes() };
        evaluation_stack(methods, options)
    }

    fn sync(&self) -> impl crate::listen::Handler<Body = tonic::body::Body> + use<> {
        sync::routes(Sync {
            store: Arc::clone(&self.store),
            context: self.ask.enrichment().fixed().to_vec(),
            open: self.open_when_loaded(),
            closing: self.closing.clone(),
            stream_deadline: self.config.stream_deadline,
            disable_metadata: self.config.disable_sync_metadata,
            translations: self.config.translations,
            streams: Arc::clone(&self.telemetry.streams),
        })
    }

    fn ofrep(&self) -> Cors<Ofrep> {
        let salt = match self.config.fractional {
            Fractional::V2 => "v2",
            Fractional::V3 => "v3",
        };
        let closing = self.closing.clone();
        let ofrep = Ofrep::new(self.ask.clone(), Arc::clone(&self.store), self.body_bytes(), salt, closing);
        Cors::new(ofrep, self.origins())
    }

    fn management(&self) -> Management {
        let management =
            Management::new(Arc::clone(&self.store), self.telemetry.clone(), self.closing.clone());
        match &self.config.hook_secret {
            Some(secret) => management.with_hooks(Hooks::new(Arc::clone(&self.store), secret.clone())),
            None => management,
        }
    }

    fn measured(&self, tls: bool, route: fn(&str) -> &'static str) -> Measure {
        let measure = Measure::new(Arc::clone(&self.telemetry.requests), tls, route);
        measure.traced(is_traced(&self.config))
    }

    fn origins(&self) -> Origins {
        Origins::from_list(&self.config.cors_origins)
    }

    fn body_bytes(&self) -> Option<usize> {
        body_bytes(&self.config)
    }

    /// Turns true once every source has flags in service, or patience is over.
    fn open_when_loaded(&self) -> watch::Receiver<bool> {
        let (open, opened) = watch::channel(self.store.loaded());
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            let mut news = store.subscribe_status();
            let loaded = news.wait_for(|_| store.loaded());
            if tokio::time::timeout(PATIENCE, loaded).await.is_err() {
                tracing::warn!("not every source has flags yet; sync clients get what there is");
            }
            // Nobody may be listening any more.
            let _ = open.send(true);
        });
        opened
    }
}

/// Makes what can be made of flags before they are asked, as they come into service and for as long as there is a store:
/// counters, and the replies of those that have counters and give everybody the same answer.
fn foresee(store: &Arc<Store>, evaluations: Arc<Evaluations>) -> impl Future<Output = ()> + use<> {
    let mut news = store.subscribe();
    news.mark_changed();
    let store = Arc::downgrade(store);
    async move {
        while news.changed().await.is_ok()
            && let Some(store) = store.upgrade()
        {
            let evaluations = Arc::clone(&evaluations);
            let work = move || {
                let snapshot = Arc::clone(&store.read());
                drop(store);
                let flags = snapshot.select(&Selector::Any).map(AsRef::as_ref);
                evaluations.foresee(flags.inspect(|flag| services::foresee(flag)));
            };
            // What failed here is made when it is first asked.
            let _ = tokio::task::spawn_blocking(work).await;
        }
    }
}

fn body_bytes(config: &Config) -> Option<usize> {
    config.max_request_body.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// The APIs of Unleash over the sources of Unleash.
fn unleash(
    config: &Config,
    store: &Arc<Store>,
    closing: &watch::Receiver<bool>,
) -> Result<Unleash, store::OriginError> {
    let theirs = config.origins.iter().filter(|origin| origin.provider == Provider::Unleash);
    let origins: Vec<_> = theirs.map(sources::origin).collect();
    Unleash::new(Arc::clone(store), &origins, body_bytes(config), closing)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
    use store::{Format, Memory, Origin, Settings};

    use super::*;

    #[tokio::test]
    async fn counters_and_fixed_replies_are_made_as_flags_come_into_service() {
        let document = |keys: &[&str]| {
            let flag = json!({"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"});
            let flags: Map<_, _> = keys.iter().map(|key| ((*key).to_owned(), flag.clone())).collect();
            json!({ "flags": flags }).to_string()
        };
        let (memory, handle) = Memory::new(document(&["a"]), Format::Json);
        let origin = Origin::new("memory", "flags", Map::new());
        let settings = Settings::new(crate::ask::clock);
        let store = Arc::new(Store::open(settings, vec![(origin, Box::new(memory))]));
        let evaluations = Arc::<Evaluations>::default();
        let foreseeing = tokio::spawn(foresee(&store, Arc::clone(&evaluations)));
        for keys in [&["a"][..], &["a", "b", "c"]] {
            handle.set(document(keys));
            while evaluations.known() != keys.len() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let snapshot = Arc::clone(&store.read());
        for flag in snapshot.flags() {
            let (shelf, _) = crate::shelf::Shelf::of(flag, None).expect("a shelf");
            assert_eq!((shelf.counters.len(), shelf.replies.len()), (1, 2), "a reply of v1 and one of OFREP");
        }
        drop(store);
        foreseeing.await.expect("ends with the store");
    }
}
