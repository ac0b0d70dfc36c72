//! What a service needs to serve: a store fed from memory, and the rest of a daemon's inside.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use hoistd::ask::Ask;
use hoistd::light::Enrichment;
use hoistd::telemetry::Telemetry;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use store::{Format, Memory, MemoryHandle, Origin, Settings, Source, Store};
use tokio::sync::watch;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

/// A service that generated clients ask without a connection.
pub type Wire = BoxCloneSyncService<Request<Body>, Response<Body>, std::convert::Infallible>;

/// A daemon's inside without ports.
pub struct Served {
    pub store: Arc<Store>,
    pub ask: Ask,
    pub telemetry: Telemetry,
    /// One per source, by rising priority.
    pub documents: Vec<MemoryHandle>,
    pub closing: watch::Sender<bool>,
}

impl Served {
    /// Serves sources named as given, by rising priority, each with its document.
    pub async fn new(sources: &[(&str, &str)], enrichment: Enrichment) -> Self {
        let mut documents = Vec::new();
        let mut followed: Vec<(Origin, Box<dyn Source>)> = Vec::new();
        for (name, document) in sources {
            let (memory, handle) = Memory::new(*document, Format::Json);
            let origin = Origin::new("memory", name, serde_json::Map::new());
            followed.push((origin, Box::new(memory)));
            documents.push(handle);
        }
        let store = Arc::new(Store::open(Settings::new(SystemTime::now), followed));
        store.first_load().await;
        let telemetry = Telemetry::default();
        let evaluations = Arc::clone(&telemetry.evaluations);
        let ask = Ask::new(Arc::clone(&store), Arc::new(enrichment), evaluations);
        Self { store, ask, telemetry, documents, closing: watch::Sender::new(false) }
    }
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// Sends a request to a service and reads the answer.
pub async fn send<S>(service: &S, request: http::request::Builder, body: impl Into<Bytes>) -> Answer
where
    S: Service<Request<Full<Bytes>>, Response = Response<Body>, Error = std::convert::Infallible> + Clone,
{
    let request = request.body(Full::new(body.into())).expect("a request");
    let Ok(response) = service.clone().oneshot(request).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}
