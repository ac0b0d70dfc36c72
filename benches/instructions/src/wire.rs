//! A whole daemon asked for `R2` over ten attributes, from the bytes of a request to those of its answer.
//!
//! Daemon and client share one thread and speak through unix sockets, so that who runs when is the same in every run. The
//! client sends bytes made before and looks at little of what it gets: nearly all instructions are the daemon's.

mod http1;
mod http2;

use std::path::Path;
use std::sync::Arc;

use hoistd::args::{Environment, StartArgs};
use hoistd::assemble::{App, Ports};
use hoistd::config::Config;
use hoistd::listen::{Address, BindError, Bound, Endpoint, Limits};
use hoistd::{ask, serve, sources};
use prost::Message;
use proto::flagd::evaluation::v1::ResolveBooleanRequest;
use serde_json::json;
use store::{Format, Memory, Origin, Store};
use tokio::net::UnixStream;
use tokio::sync::watch;

use crate::{Failure, five};

/// `ResolveBoolean` over gRPC.
pub(crate) const GRPC: &str = "gRPC";
/// One flag over OFREP and HTTP/1.1.
pub(crate) const OFREP: &str = "OFREP";
/// `ResolveBoolean` over Connect with JSON and HTTP/1.1.
pub(crate) const CONNECT: &str = "Connect JSON";

const RESOLVE: &str = "/flagd.evaluation.v1.Service/ResolveBoolean";
/// What each right answer has in it, in every protocol.
const RIGHT: &[u8] = b"TARGETING_MATCH";

/// Asks a daemon so many `times` in the protocol called `name`.
pub(crate) fn ask(name: &str, times: u64) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let _closing = serve(folder.path()).await?;
        let connect = |port| UnixStream::connect(folder.path().join(port));
        let context = five::context();
        match name {
            GRPC => {
                let context = serde_json::from_value::<proto::Struct>(context)?.encode_to_vec().into();
                let message = ResolveBooleanRequest { flag_key: "R2".to_owned(), context };
                http2::ask(connect("evaluation").await?, RESOLVE, &message.encode_to_vec(), times).await
            }
            OFREP => {
                let body = json!({ "context": context }).to_string();
                http1::ask(connect("ofrep").await?, "/ofrep/v1/evaluate/flags/R2", &body, times).await
            }
            CONNECT => {
                let body = json!({ "flagKey": "R2", "context": context }).to_string();
                http1::ask(connect("evaluation").await?, RESOLVE, &body, times).await
            }
            _ => Err("no such protocol".into()),
        }
    })
}

/// Serves a daemon with default settings on sockets in `folder` until what it answers is dropped.
async fn serve(folder: &Path) -> Result<watch::Sender<bool>, Failure> {
    let config = Config::read_without_source(&StartArgs::default(), &Environment::default())?;
    let (memory, _) = Memory::new(five::document(0), Format::Json);
    let origin = Origin::new("memory", "bench", serde_json::Map::new());
    let store = Store::open(sources::settings(&config, ask::clock), vec![(origin, Box::new(memory))]);
    store.first_load().await;
    let (close, closing) = watch::channel(false);
    let grace = config.shutdown_timeout;
    let app = App::new(Arc::new(config), Arc::new(store), closing.clone())?;
    let ports = Ports {
        evaluation: bind(folder, "evaluation", true).await?,
        management: bind(folder, "management", true).await?,
        sync: bind(folder, "sync", true).await?,
        ofrep: bind(folder, "ofrep", false).await?,
        control: None,
        unleash: None,
        certificate: None,
    };
    let (services, management) = app.mount(ports);
    tokio::spawn(serve::serve(services, management, closing, grace));
    Ok(close)
}

async fn bind(folder: &Path, name: &'static str, http2: bool) -> Result<Bound, BindError> {
    let address = Address::Unix(folder.join(name));
    Endpoint { address, setting: name, tls: None, http2, limits: Limits::default() }.bind().await
}

/// Whether an answer, or the part of it that was looked for, is right.
fn is_right(answer: &[u8]) -> bool {
    answer.windows(RIGHT.len()).any(|part| part == RIGHT)
}
