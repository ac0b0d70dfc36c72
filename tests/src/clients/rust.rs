//! Rust: `hoist-provider-flagd` (rpc, in-process, file), driven within the test's own process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flagd::{Flagd, Mode, Options, provider};
use kit::{EventKind, Handle};
use open_feature::{
    Client as Sdk, EvaluationContext, EvaluationContextFieldValue, EvaluationDetails, EvaluationError,
    EvaluationResult, FlagMetadataValue, OpenFeature, StructValue,
};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::testbed::{Client, Defect, Inside, Says};

/// gRPC, `flagd.evaluation.v2`.
pub const RUST_RPC: Client = Client {
    name: "rust rpc",
    kind: "rpc",
    port: |ports| ports.evaluation,
    tags: &["rpc"],
    without: &["no-default"],
    fractional: "fractional-v2",
    defects: &[],
};

/// `SyncFlags` and hoist's engine, with the bucketing that the daemon has.
pub const RUST_IN_PROCESS: Client = Client {
    name: "rust in-process",
    kind: "in-process",
    port: |ports| ports.sync,
    tags: &["in-process"],
    without: &["no-default"],
    fractional: "fractional-v2",
    defects: &[],
};

/// The testbed's file, without a daemon.
pub const RUST_FILE: Client = Client {
    name: "rust file",
    kind: "file",
    port: |ports| ports.sync,
    tags: &["file"],
    without: &["no-default"],
    fractional: "fractional-v2",
    defects: &[
        Defect { case: &["connection: ", "[ssl]"], why: NO_CONNECTION },
        Defect { case: &["connection: ", "[socket]"], why: NO_CONNECTION },
    ],
};

const NO_CONNECTION: &str = "a file is read without a connection, so that there is nothing to encrypt";

/// How long a provider may take to be ready.
const READY: Duration = Duration::from_secs(10);

/// Providers of this process by name.
pub struct Rust {
    runtime: Runtime,
    open: Arc<Mutex<HashMap<String, Arc<Open>>>>,
}

/// A provider behind the SDK that it is asked through.
struct Open {
    handle: Handle<Flagd>,
    client: Sdk,
    /// Holds the provider.
    _api: OpenFeature,
}

impl Default for Rust {
    fn default() -> Self {
        Self { runtime: Runtime::new().expect("a runtime"), open: Arc::default() }
    }
}

impl Inside for Rust {
    fn take(&self, request: &Value, says: Says) {
        let (request, open) = (request.clone(), Arc::clone(&self.open));
        self.runtime.spawn(async move {
            let answered = answer(&request, &open, &says).await;
            let mut line = answered.unwrap_or_else(|why| json!({"error": why}));
            line["provider"] = request["provider"].clone();
            says.say(line);
        });
    }
}

type Opened = Mutex<HashMap<String, Arc<Open>>>;

async fn answer(request: &Value, open: &Opened, says: &Says) -> Result<Value, String> {
    let name = request["provider"].as_str().unwrap_or_default();
    let found = || {
        let open = open.lock().expect("no panic holds the providers");
        open.get(name).cloned().ok_or_else(|| format!("no provider {name}"))
    };
    match request["op"].as_str() {
        Some("open") => {
            let opened = Arc::new(start(request, says).await?);
            open.lock().expect("no panic holds the providers").insert(name.to_owned(), opened);
            Ok(json!({}))
        }
        Some("evaluate") => Ok(evaluate(&found()?.client, request).await),
        Some("state") => Ok(json!({"state": found()?.handle.state().as_str()})),
        Some("close") => {
            found()?.handle.shutdown();
            open.lock().expect("no panic holds the providers").remove(name);
            Ok(json!({}))
        }
        _ => Err(format!("not understood: {request}")),
    }
}

async fn start(request: &Value, says: &Says) -> Result<Open, String> {
    let provider = provider(options(request)?).map_err(|e| e.to_string())?;
    let (handle, name, says) = (provider.handle(), request["provider"].clone(), says.clone());
    let mut events = handle.events();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            let kind = match event.kind {
                EventKind::Ready => "ready",
                EventKind::Stale => "stale",
                EventKind::Error => "error",
                EventKind::ConfigurationChanged => "change",
            };
            let flags = event.flags_changed.as_deref().unwrap_or_default();
            says.say(json!({"event": kind, "provider": name, "flags": flags}));
        }
    });
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    if request["options"]["await"] != false {
        handle.ready(READY).await.map_err(|e| e.to_string())?;
    }
    Ok(Open { handle, client: api.create_client(), _api: api })
}

/// The options of a scenario over those that make a test quick.
fn options(request: &Value) -> Result<Options, String> {
    let given = &request["options"];
    let text = |name: &str| given[name].as_str().map(str::to_owned);
    let mut options = Options {
        resolver: request["kind"].as_str().unwrap_or_default().parse::<Mode>()?,
        port: request["port"].as_u64().and_then(|port| u16::try_from(port).ok()),
        target_uri: text("targetUri"),
        tls: given["tls"] == true,
        cert_path: text("certPath").map(Into::into),
        socket_path: text("socketPath").map(Into::into),
        deadline: Duration::from_secs(5),
        retry_backoff: Duration::from_millis(100),
        retry_backoff_max: Duration::from_secs(1),
        retry_grace_period: Duration::from_secs(2),
        selector: text("selector"),
        fatal_status_codes: text("fatalStatusCodes").into_iter().collect(),
        ..Options::default()
    };
    if let Some(cache) = text("cache") {
        options.cache = cache.parse()?;
    }
    if let Some(millis) = text("deadlineMs") {
        options.deadline = Duration::from_millis(millis.parse().map_err(|_| "no deadlineMs")?);
    }
    if options.resolver == Mode::File {
        // The selector of a scenario names a file of the daemon's, which is read in its place.
        let name = options.selector.take().unwrap_or_else(|| "flags/allFlags.json".to_owned());
        let folder = text("folder").ok_or("no folder")?;
        options.offline_flag_source_path = Some(std::path::Path::new(&folder).join(name));
    }
    Ok(options)
}

async fn evaluate(client: &Sdk, request: &Value) -> Value {
    let (key, default) = (request["key"].as_str().unwrap_or_default(), &request["default"]);
    let context = &context(request["context"].as_object());
    let details = match request["type"].as_str() {
        Some("Boolean") => carry(client.get_bool_details(key, Some(context), None).await),
        Some("Integer") => carry(client.get_int_details(key, Some(context), None).await),
        Some("Float") => carry(client.get_float_details(key, Some(context), None).await),
        Some("Object") => carry(client.get_struct_details::<StructValue>(key, Some(context), None).await),
        _ => carry(client.get_string_details(key, Some(context), None).await),
    };
    match details {
        Ok(details) => details,
        // The SDK has no default of the caller: an error lets it stand, and says whether it is one.
        Err(error) => match kit::error::default_reason(&error) {
            Some(reason) => json!({"value": default, "reason": reason.to_string()}),
            None => json!({
                "value": default,
                "reason": "ERROR",
                "errorCode": error.code.to_string(),
                "errorMessage": error.message,
            }),
        },
    }
}

fn carry<T: Into<open_feature::Value>>(
    details: EvaluationResult<EvaluationDetails<T>>,
) -> Result<Value, EvaluationError> {
    let details = details?;
    let metadata = details.flag_metadata.values.into_iter().map(|(key, value)| {
        let value = match value {
            FlagMetadataValue::Bool(value) => json!(value),
            FlagMetadataValue::Int(value) => json!(value),
            FlagMetadataValue::Float(value) => json!(value),
            FlagMetadataValue::String(value) => json!(value),
        };
        (key, value)
    });
    Ok(json!({
        "value": kit::to_json(&details.value.into())?,
        "variant": details.variant,
        "reason": details.reason.map(|reason| reason.to_string()),
        "metadata": metadata.collect::<Map<_, _>>(),
    }))
}

fn context(attributes: Option<&Map<String, Value>>) -> EvaluationContext {
    let mut context = EvaluationContext::default();
    for (key, value) in attributes.into_iter().flatten() {
        match value {
            Value::String(text) if key == kit::TARGETING_KEY => context.targeting_key = Some(text.clone()),
            Value::String(text) => context.add_custom_field(key, text.as_str()),
            Value::Bool(value) => context.add_custom_field(key, *value),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => context.add_custom_field(key, whole),
                None => context.add_custom_field(key, number.as_f64().unwrap_or(f64::NAN)),
            },
            json => context.add_custom_field(key, EvaluationContextFieldValue::new_struct(json.clone())),
        }
    }
    context
}
