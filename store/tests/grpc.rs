//! The `grpc` source against a real gRPC server: the suite that every source passes, and what only streams can do wrong.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod suite;

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hoist_store::{BUILT_IN, Origin, Source, State, find};
use proto::flagd::sync::v1::flag_sync_service_server::{FlagSyncService, FlagSyncServiceServer};
use proto::flagd::sync::v1::{
    FetchAllFlagsRequest, FetchAllFlagsResponse, GetMetadataRequest, GetMetadataResponse, SyncFlagsRequest,
    SyncFlagsResponse,
};
use serde_json::{Map, Value, json};
use suite::{Backend, becomes, document, open, serves, until};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt};
use tonic::metadata::MetadataMap;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// What the server says and saw.
#[derive(Clone)]
struct Sync {
    document: watch::Sender<Option<String>>,
    seen: Arc<Mutex<Vec<(MetadataMap, SyncFlagsRequest)>>>,
}

type Versions<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl FlagSyncService for Sync {
    type SyncFlagsStream = Versions<SyncFlagsResponse>;

    async fn sync_flags(
        &self,
        request: Request<SyncFlagsRequest>,
    ) -> Result<Response<Self::SyncFlagsStream>, Status> {
        let (metadata, _, message) = request.into_parts();
        self.seen.lock().expect("no panic under it").push((metadata, message));
        let versions = WatchStream::new(self.document.subscribe()).map(|document| match document {
            Some(text) => Ok(SyncFlagsResponse { flag_configuration: text.into(), sync_context: None }),
            None => Err(Status::unavailable("gone")),
        });
        Ok(Response::new(Box::pin(versions)))
    }

    async fn fetch_all_flags(
        &self,
        _: Request<FetchAllFlagsRequest>,
    ) -> Result<Response<FetchAllFlagsResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn get_metadata(
        &self,
        _: Request<GetMetadataRequest>,
    ) -> Result<Response<GetMetadataResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}

/// A sync service on loopback.
struct Grpc {
    sync: Sync,
    uri: String,
    options: Map<String, Value>,
    folder: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Grpc {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn sync() -> Sync {
    Sync { document: watch::Sender::new(None), seen: Arc::default() }
}

impl Grpc {
    async fn tcp(tls: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let uri = format!("localhost:{}", listener.local_addr().expect("an address").port());
        let sync = sync();
        let mut options = Map::new();
        let mut server = Server::builder();
        if tls {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, made.cert.pem()).expect("a writable file");
            options = json!({"tls": true, "certPath": path}).as_object().cloned().unwrap_or_default();
            let identity = Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem());
            server = server.tls_config(ServerTlsConfig::new().identity(identity)).expect("a matching pair");
        }
        let router = server.add_service(FlagSyncServiceServer::new(sync.clone()));
        let task = tokio::spawn(async move {
            let _ = router.serve_with_incoming(TcpListenerStream::new(listener)).await;
        });
        Self { sync, uri, options, folder, task }
    }

    fn unix() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sync.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let sync = sync();
        let router = Server::builder().add_service(FlagSyncServiceServer::new(sync.clone()));
        let task = tokio::spawn(async move {
            let _ = router.serve_with_incoming(UnixListenerStream::new(listener)).await;
        });
        Self { sync, uri: format!("unix://{}", path.display()), options: Map::new(), folder, task }
    }

    fn streams(&self) -> usize {
        self.sync.seen.lock().expect("no panic under it").len()
    }
}

impl Backend for Grpc {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let origin = Origin::new("grpc", &self.uri, self.options.clone());
        let kind = find(BUILT_IN, "grpc").expect("grpc is built in");
        let source = (kind.build)(&origin).expect("good options");
        (origin, source)
    }

    fn put(&mut self, document: &str) {
        self.sync.document.send_replace(Some(document.to_owned()));
    }

    fn vanish(&mut self) -> bool {
        self.sync.document.send_replace(None);
        true
    }
}

#[tokio::test]
async fn suite_over_tcp() {
    suite::play(Grpc::tcp(false).await).await;
}

#[tokio::test]
async fn suite_over_tls() {
    suite::play(Grpc::tcp(true).await).await;
}

#[tokio::test]
async fn suite_over_a_unix_socket() {
    let grpc = Grpc::unix();
    assert!(grpc.folder.path().exists());
    suite::play(grpc).await;
}

#[tokio::test]
async fn what_is_sent_is_what_was_configured() {
    let mut grpc = Grpc::tcp(false).await;
    let port = grpc.uri.rsplit(':').next().expect("a port").to_owned();
    grpc.uri = format!("envoy://127.0.0.1:{port}/flags.service");
    grpc.options = json!({"providerID": "me", "selector": "flagSetId=a", "headers": {"X-Token": "hunter2"}})
        .as_object()
        .cloned()
        .unwrap_or_default();
    grpc.put(&document("one"));
    let store = open(&grpc);
    serves(&store, "one").await;
    let (metadata, request) = grpc.sync.seen.lock().expect("no panic under it")[0].clone();
    assert_eq!(metadata.get("x-token").map(|value| value.as_bytes()), Some(b"hunter2".as_slice()));
    #[allow(deprecated, reason = "it is what flagd sends")]
    let sent = (request.provider_id.as_str(), request.selector.as_str());
    assert_eq!(sent, ("me", "flagSetId=a"));
    assert!(!format!("{:?}", store.sources()).contains("hunter2"));
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_an_error_that_says_so() {
    let mut grpc = Grpc::tcp(false).await;
    grpc.options.insert("maxMsgSize".to_owned(), json!(64));
    grpc.put(&document("one"));
    let status = becomes(&open(&grpc), State::Unreachable).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("maxMsgSize")), "{status:?}");
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let mut grpc = Grpc::tcp(true).await;
    grpc.put(&document("one"));
    grpc.options.remove("certPath");
    let status = becomes(&open(&grpc), State::Unreachable).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("certificate")), "{status:?}");
}

#[tokio::test]
async fn a_lost_stream_is_soon_there_again() {
    let mut grpc = Grpc::tcp(false).await;
    grpc.put(&document("one"));
    let store = open(&grpc);
    serves(&store, "one").await;
    for variant in ["two", "three", "four"] {
        let streams = grpc.streams();
        grpc.vanish();
        becomes(&store, State::Unreachable).await;
        serves(&store, if variant == "two" { "one" } else { "two" }).await;
        grpc.put(&document(if variant == "four" { "four" } else { "two" }));
        let lost = std::time::Instant::now();
        until("a new stream", &store, |store| {
            grpc.streams() > streams && store.sources()[0].state == State::Ok
        })
        .await;
        // flagd waits 4 s at the least.
        assert!(lost.elapsed() < Duration::from_secs(3), "{:?}", lost.elapsed());
    }
    serves(&store, "four").await;
}

#[tokio::test]
async fn increments_replace_only_the_sets_they_mention() {
    let mut grpc = Grpc::tcp(false).await;
    grpc.options.insert("incrementalUpdates".to_owned(), json!(true));
    let payload = |set: &str, key: &str| {
        let flag = json!({"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"});
        json!({"metadata": {"flagSetId": set}, "flags": {key: flag}}).to_string()
    };
    grpc.put(&payload("x", "first"));
    let store = open(&grpc);
    until("the first set", &store, |store| store.sources()[0].flags == 1).await;
    grpc.put(&payload("y", "second"));
    until("both sets", &store, |store| store.sources()[0].flags == 2).await;
    grpc.put(&payload("x", "third"));
    until("the first set replaced", &store, |store| {
        let snapshot = store.read();
        let keys: Vec<_> = snapshot.flags().iter().map(|flag| flag.key()).collect();
        keys == ["third", "second"]
    })
    .await;
}
