//! A flagd sync service whose every document a test decides.

#![allow(dead_code, unreachable_pub, clippy::expect_used, reason = "a module of several test binaries")]

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use hoist_store::{BUILT_IN, Origin, Source, find};
use proto::flagd::sync::v1::flag_sync_service_server::{FlagSyncService, FlagSyncServiceServer};
use proto::flagd::sync::v1::{
    FetchAllFlagsRequest, FetchAllFlagsResponse, GetMetadataRequest, GetMetadataResponse, SyncFlagsRequest,
    SyncFlagsResponse,
};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt};
use tonic::metadata::MetadataMap;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::suite::Backend;

/// What the server says and saw.
#[derive(Clone)]
pub struct Sync {
    pub document: watch::Sender<Option<String>>,
    pub seen: Arc<Mutex<Vec<(MetadataMap, SyncFlagsRequest)>>>,
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
pub struct Grpc {
    pub sync: Sync,
    pub uri: String,
    pub options: Map<String, Value>,
    pub folder: tempfile::TempDir,
    pub task: tokio::task::JoinHandle<()>,
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
    pub async fn tcp(tls: bool) -> Self {
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

    pub fn unix() -> Self {
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

    pub fn streams(&self) -> usize {
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
