//! OFREP's JSON, as lenient as its servers are various.

use serde::Deserialize;
use serde_json::{Map, Value};

/// What is answered for one flag, good or bad.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Evaluation {
    pub(crate) key: Option<String>,
    pub(crate) value: Option<Value>,
    pub(crate) reason: Option<String>,
    pub(crate) variant: Option<String>,
    pub(crate) metadata: Option<Map<String, Value>>,
    pub(crate) error_code: Option<String>,
    pub(crate) error_details: Option<String>,
}

/// What is answered for all flags.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct BulkEvaluation {
    pub(crate) flags: Option<Vec<Evaluation>>,
    pub(crate) metadata: Option<Map<String, Value>>,
    pub(crate) event_streams: Option<Vec<EventStream>>,
}

/// Where news comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EventStream {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) url: Option<String>,
    pub(crate) endpoint: Option<Endpoint>,
}

/// An address in parts; without an origin it is that of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Endpoint {
    pub(crate) origin: Option<String>,
    pub(crate) request_uri: String,
}

/// What an event says. Types that are not known are passed over (OFREP ADR 8).
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Notice {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<Value>,
}
