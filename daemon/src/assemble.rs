//! From settings to a daemon: ports opened, sources followed, services put on their ports.
//!
//! ```text
//! Config --Ports::open--> four open ports, or an error that names address and setting
//!        --App::new-----> what services share: store, ask, telemetry, the signal to close
//!        --App::mount---> one service per port, ready to be served (see `serve`)
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use store::Store;
use tokio::sync::watch;
use tower::Layer;

use crate::args::Fractional;
use crate::ask::Ask;
use crate::config::{Config, TlsPair};
use crate::light::Enrichment;
use crate::listen::{Address, BindError, Bound, Certificate, Endpoint, Limits};
use crate::serve::Service;
use crate::services::connect::{self, StackOptions, evaluation_stack};
use crate::services::cors::{Cors, Origins};
use crate::services::evaluation::{self, Evaluation};
use crate::services::management::{self, Management};
use crate::services::ofrep::{self, Ofrep};
use crate::services::sync::{self, Sync};
use crate::telemetry::{Measure, Telemetry};

/// How long sync clients wait for sources that do not come up, before they get what there is (contract 2).
const PATIENCE: Duration = Duration::from_secs(5);

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
        let head_bytes = usize::try_from(config.max_request_header).unwrap_or(usize::MAX);
        let limited = Limits { head_bytes, ..Limits::default() };
        let address = |port, path: &Option<std::path::PathBuf>, settings: [&'static str; 2]| match path {
            Some(path) => (Address::Unix(path.clone()), settings[1]),
            None => (Address::Port(port), settings[0]),
        };
        let (evaluation, setting) = address(listen.port, &listen.socket_path, ["--port", "--socket-path"]);
        let evaluation = Endpoint {
            address: evaluation,
            setting,
            tls: certificate.clone(),
            http2: true,
            limits: limited.clone(),
        };
        let sync = ["--sync-port", "--sync-socket-path"];
        let (sync, setting) = address(listen.sync_port, &listen.sync_socket_path, sync);
        let sync = Endpoint {
            address: sync,
            setting,
            tls: certificate.clone(),
            http2: true,
            limits: Limits { streams: SYNC_STREAMS, ..Limits::default() },
        };
        let management = Endpoint {
            address: Address::Port(listen.management_port),
            setting: "--management-port",
            tls: None,
            http2: true,
            limits: Limits::default(),
        };
        let ofrep = Endpoint {
            address: Address::Port(listen.ofrep_port),
            setting: "--ofrep-port",
            tls: certificate.clone().filter(|_| listen.ofrep_tls),
            // As flagd; browsers, which speak HTTP/2 over TLS alone, get it there.
            http2: listen.ofrep_tls,
            limits: limited,
        };
        Ok(Self {
            evaluation: evaluation.bind().await?,
            management: management.bind().await?,
            sync: sync.bind().await?,
            ofrep: ofrep.bind().await?,
            certificate,
        })
    }
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
}

impl App {
    /// Builds what services share.
    ///
    /// # Errors
    /// A mapped header has a name that HTTP does not allow.
    pub fn new(
        config: Arc<Config>,
        store: Arc<Store>,
        closing: watch::Receiver<bool>,
    ) -> Result<Self, http::header::InvalidHeaderName> {
        let pairs = |map: &BTreeMap<String, String>| map.clone().into_iter();
        let enrichment = Enrichment::new(pairs(&config.context_values), pairs(&config.context_from_header))?;
        let telemetry = Telemetry::default();
        let ask = Ask::new(Arc::clone(&store), Arc::new(enrichment), Arc::clone(&telemetry.evaluations));
        Ok(Self { store, ask, telemetry, closing, config })
    }

    /// Puts each service on its port; management comes apart from the others, since it is served longest.
    pub fn mount(&self, ports: Ports) -> (Vec<Service>, Service) {
        let Ports { evaluation, management, sync, ofrep, certificate } = ports;
        let tls = certificate.is_some();
        let services = vec![
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
        let management = Service::new(
            "management",
            management,
            self.measured(false, management::label).layer(self.management()),
        );
        (services, management)
    }

    fn evaluation(&self) -> impl crate::listen::Handler<Body = tonic::body::Body> + use<> {
        let routes = evaluation::routes(&Evaluation {
            ask: self.ask.clone(),
            store: Arc::clone(&self.store),
            closing: self.closing.clone(),
            stream_deadline: self.config.stream_deadline,
        });
        let options = StackOptions { origins: self.origins(), body_bytes: self.body_bytes() };
        evaluation_stack(routes, options)
    }

    fn sync(&self) -> tonic::service::Routes {
        sync::routes(Sync {
            store: Arc::clone(&self.store),
            context: self.ask.enrichment().fixed().to_vec(),
            open: self.open_when_loaded(),
            closing: self.closing.clone(),
            stream_deadline: self.config.stream_deadline,
            disable_metadata: self.config.disable_sync_metadata,
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
        Management::new(Arc::clone(&self.store), self.telemetry.clone(), self.closing.clone())
    }

    fn measured(&self, tls: bool, route: fn(&str) -> &'static str) -> Measure {
        Measure::new(Arc::clone(&self.telemetry.requests), tls, route)
    }

    fn origins(&self) -> Origins {
        Origins::from_list(&self.config.cors_origins)
    }

    fn body_bytes(&self) -> Option<usize> {
        self.config.max_request_body.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Turns true once every source has flags in service, or patience is over.
    fn open_when_loaded(&self) -> watch::Receiver<bool> {
        let (open, opened) = watch::channel(self.store.ready());
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            let mut news = store.subscribe_status();
            let loaded = news.wait_for(|_| store.ready());
            if tokio::time::timeout(PATIENCE, loaded).await.is_err() {
                tracing::warn!("not every source has flags yet; sync clients get what there is");
            }
            // Nobody may be listening any more.
            let _ = open.send(true);
        });
        opened
    }
}
