//! One small client per protocol. Each asks once and lists every version found in the answer.

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use proto::Kind;
use proto::flagd::evaluation::{v1, v2};
use proto::flagd::sync::v1 as sync;
use tonic::transport::Channel;

use super::Seen;
use crate::world::Ports;

/// gRPC over HTTP/2, evaluation and sync.
#[derive(Clone, Debug)]
pub(super) struct Grpc {
    evaluation: Channel,
    sync: Channel,
    context: Bytes,
}

/// Everything that rides on HTTP/1.1.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    ports: Ports,
}

/// A gRPC connection to a port of this machine.
pub async fn channel(port: u16) -> Channel {
    let endpoint = Channel::from_shared(format!("http://127.0.0.1:{port}")).expect("a well-formed address");
    endpoint.connect().await.expect("the daemon listens")
}

/// The context that makes `ruled` answer `now`.
fn context() -> proto::Struct {
    let email = proto::Value { kind: Some(Kind::StringValue("ada@example.com".to_owned())) };
    proto::Struct { fields: [("email".to_owned(), email)].into_iter().collect() }
}

fn failed(status: tonic::Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// The `version` of a flag's metadata, next to its value.
fn pair(value: f64, metadata: Option<&proto::Struct>) -> Seen {
    let version =
        metadata.and_then(|metadata| metadata.fields.get("version")).and_then(|value| match value.kind {
            Some(Kind::NumberValue(version)) => Some(whole(version)),
            _ => None,
        });
    Ok(vec![whole(value), version.ok_or("no version in the metadata")?])
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(number: f64) -> u64 {
    number as u64
}

fn all(answer: &v1::ResolveAllResponse) -> Seen {
    let mut seen = Vec::new();
    for key in ["paired", "ruled"] {
        let flag = answer.flags.get(key).ok_or_else(|| format!("{key} is missing"))?;
        let Some(v1::any_flag::Value::DoubleValue(value)) = flag.value else {
            return Err(format!("{key} is not a number: {:?} {}", flag.value, flag.reason));
        };
        seen.extend(pair(value, flag.metadata.as_ref())?);
    }
    Ok(seen)
}

impl Grpc {
    pub(super) async fn connect(ports: Ports) -> Self {
        let context = context().encode_to_vec().into();
        Self { evaluation: channel(ports.evaluation).await, sync: channel(ports.sync).await, context }
    }

    pub(super) async fn v1_all(self) -> Seen {
        let mut client = v1::service_client::ServiceClient::new(self.evaluation);
        let answer =
            client.resolve_all(v1::ResolveAllRequest { context: self.context }).await.map_err(failed)?;
        all(answer.get_ref())
    }

    pub(super) async fn v2_float(self) -> Seen {
        let mut client = v2::service_client::ServiceClient::new(self.evaluation);
        let request = v2::ResolveFloatRequest { flag_key: "ruled".to_owned(), context: self.context };
        let answer = client.resolve_float(request).await.map_err(failed)?.into_inner();
        pair(answer.value.ok_or("no value")?, answer.metadata.as_ref())
    }

    pub(super) async fn schema_int(self) -> Seen {
        let mut client = proto::schema::v1::service_client::ServiceClient::new(self.evaluation);
        let request =
            proto::schema::v1::ResolveIntRequest { flag_key: "paired".to_owned(), context: self.context };
        let answer = client.resolve_int(request).await.map_err(failed)?.into_inner();
        #[allow(clippy::cast_precision_loss)]
        pair(answer.value as f64, answer.metadata.as_ref())
    }

    pub(super) async fn fetch_all(self) -> Seen {
        let mut client = sync::flag_sync_service_client::FlagSyncServiceClient::new(self.sync);
        let answer = client.fetch_all_flags(sync::FetchAllFlagsRequest::default()).await.map_err(failed)?;
        let document = serde_json::from_slice::<serde_json::Value>(&answer.get_ref().flag_configuration);
        let document = document.map_err(|e| e.to_string())?;
        let flag = |key: &str| {
            [&document["flags"][key]["variants"]["now"], &document["flags"][key]["metadata"]["version"]]
        };
        flag("paired").into_iter().chain(flag("ruled")).map(number).collect()
    }
}

impl Http {
    pub(super) fn new(ports: Ports) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), ports }
    }

    async fn post(&self, port: u16, path: &str, kind: &str, body: impl Into<Bytes>) -> Result<Bytes, String> {
        let request =
            http::Request::post(format!("http://127.0.0.1:{port}{path}")).header("content-type", kind);
        let request = request.body(Full::new(body.into())).map_err(|e| e.to_string())?;
        let answer = self.client.request(request).await.map_err(|e| format!("{e:?}"))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
        if status == 200 { Ok(body) } else { Err(format!("{status}: {}", String::from_utf8_lossy(&body))) }
    }

    pub(super) async fn connect_all(self) -> Seen {
        let path = "/flagd.evaluation.v1.Service/ResolveAll";
        let body = self.post(self.ports.evaluation, path, "application/json", CONTEXT).await?;
        let answer: serde_json::Value = serde_json::from_slice(&body).map_err(|e| e.to_string())?;
        let flag =
            |key: &str| [&answer["flags"][key]["doubleValue"], &answer["flags"][key]["metadata"]["version"]];
        flag("paired").into_iter().chain(flag("ruled")).map(number).collect()
    }

    pub(super) async fn grpc_web_all(self) -> Seen {
        let message = v1::ResolveAllRequest { context: context().encode_to_vec().into() }.encode_to_vec();
        let length = u32::try_from(message.len()).map_err(|e| e.to_string())?;
        let framed = [&[0], length.to_be_bytes().as_slice(), &message].concat();
        let path = "/flagd.evaluation.v1.Service/ResolveAll";
        let mut body = self.post(self.ports.evaluation, path, "application/grpc-web+proto", framed).await?;
        if body.len() < 5 || body.get_u8() != 0 {
            return Err("no message frame".to_owned());
        }
        let length = body.get_u32() as usize;
        if body.len() <= length {
            return Err("a short frame, or no trailers".to_owned());
        }
        all(&v1::ResolveAllResponse::decode(body.split_to(length)).map_err(|e| e.to_string())?)
    }

    pub(super) async fn ofrep_single(self) -> Seen {
        let path = "/ofrep/v1/evaluate/flags/ruled";
        let body = self.post(self.ports.ofrep, path, "application/json", CONTEXT).await?;
        let answer: serde_json::Value = serde_json::from_slice(&body).map_err(|e| e.to_string())?;
        [&answer["value"], &answer["metadata"]["version"]].into_iter().map(number).collect()
    }

    pub(super) async fn ofrep_bulk(self) -> Seen {
        let body =
            self.post(self.ports.ofrep, "/ofrep/v1/evaluate/flags", "application/json", CONTEXT).await?;
        let answer: serde_json::Value = serde_json::from_slice(&body).map_err(|e| e.to_string())?;
        let flags = answer["flags"].as_array().ok_or("no flags")?;
        if flags.len() != 2 {
            return Err(format!("{} flags", flags.len()));
        }
        flags.iter().flat_map(|flag| [&flag["value"], &flag["metadata"]["version"]]).map(number).collect()
    }
}

const CONTEXT: &str = r#"{"context":{"email":"ada@example.com"}}"#;

fn number(value: &serde_json::Value) -> Result<u64, String> {
    value.as_f64().map(whole).ok_or_else(|| format!("not a version: {value}"))
}
