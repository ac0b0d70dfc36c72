//! What an operator says, and what comes of it.

use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::{Denied, Done, Moved, Override, Store, Wanted};

/// What an operator wants done.
#[derive(Debug)]
pub(super) enum Order {
    Confirm(Which),
    RollBack(RollBack),
    Release(Which),
    Override(Box<OverrideFlag>),
    Clear(Clear),
}

/// One source by name, or all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    source: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RollBack {
    source: Option<String>,
    generations: usize,
    author: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OverrideFlag {
    key: String,
    flag_set: Option<String>,
    variant: String,
    seconds: u64,
    reason: String,
    author: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Clear {
    key: String,
    flag_set: Option<String>,
    author: String,
}

/// Why it is not done.
type Refused = (StatusCode, String);

impl Order {
    /// Reads an order.
    pub(super) fn read(method: &Method, path: &str, body: &[u8]) -> Result<Self, Refused> {
        let known = matches!(
            path,
            "/v1/confirm"
                | "/v1/rollback"
                | "/v1/release"
                | "/v1/override"
                | "/v1/override/clear"
                | "/v1/status"
        );
        if known && method != Method::POST {
            return Err((StatusCode::METHOD_NOT_ALLOWED, format!("{path} does not answer {method}")));
        }
        match path {
            "/v1/confirm" => parse(body).map(Self::Confirm),
            "/v1/rollback" => parse(body).map(Self::RollBack),
            "/v1/release" => parse(body).map(Self::Release),
            "/v1/override" => parse(body).map(Self::Override),
            "/v1/override/clear" => parse(body).map(Self::Clear),
            _ => Err((
                StatusCode::NOT_FOUND,
                format!("no {path} here: is the daemon older than this command?"),
            )),
        }
    }

    /// Does it. Blocks.
    pub(super) fn carry_out(self, store: &Store) -> Result<Value, Refused> {
        match self {
            Self::Confirm(Which { source }) => {
                known(store, source.as_deref())?;
                let taken = store.confirm(source.as_deref());
                if taken.is_empty() {
                    return Err(impossible("nothing is held back".to_owned()));
                }
                Ok(json!({ "sources": taken }))
            }
            Self::RollBack(RollBack { source, generations, author }) => {
                known(store, source.as_deref())?;
                moved(store.roll_back(source.as_deref(), generations, &author))
            }
            Self::Release(Which { source }) => {
                known(store, source.as_deref())?;
                let released = store.roll_forward(source.as_deref());
                if released.is_empty() {
                    return Err(impossible("nothing is rolled back".to_owned()));
                }
                moved(released)
            }
            Self::Override(wanted) => overridden(store.override_flag(wanted.meant())),
            Self::Clear(Clear { key, flag_set, author }) => {
                overridden(store.clear_override(&key, flag_set.as_deref(), &author))
            }
        }
    }
}

impl OverrideFlag {
    fn meant(self) -> Wanted {
        let Self { key, flag_set, variant, seconds, reason, author } = self;
        Wanted { key, flag_set, variant, author, reason, duration: Duration::from_secs(seconds) }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, format!("invalid order: {error}")))
}

fn impossible(why: String) -> Refused {
    (StatusCode::CONFLICT, why)
}

fn known(store: &Store, source: Option<&str>) -> Result<(), Refused> {
    let Some(name) = source else { return Ok(()) };
    if store.is_called(name) {
        return Ok(());
    }
    let names: Vec<String> = store.source_names().into_iter().map(|name| format!("`{name}`")).collect();
    Err((StatusCode::NOT_FOUND, format!("no source `{name}`, only {}", names.join(", "))))
}

/// What became of each source; a refusal if nothing moved at all.
fn moved(moved: Moved) -> Result<Value, Refused> {
    if moved.iter().all(|(_, outcome)| outcome.is_err()) {
        let why = |(name, outcome): &(String, Result<_, Denied>)| {
            outcome.as_ref().err().map(|denied| format!("source `{name}`: {denied}"))
        };
        let all: Vec<String> = moved.iter().filter_map(why).collect();
        return Err(impossible(all.join("\n")));
    }
    let one = |(name, outcome): &(String, Result<Done<u64>, Denied>)| match outcome {
        Ok(Done { what, forgetful }) => {
            json!({ "source": name, "accepted": what, "notKept": forgetful })
        }
        Err(denied) => json!({ "source": name, "error": denied.to_string() }),
    };
    Ok(json!({ "sources": moved.iter().map(one).collect::<Vec<_>>() }))
}

fn overridden(outcome: Result<Done<Override>, Denied>) -> Result<Value, Refused> {
    let Done { what, forgetful } = outcome.map_err(|denied| impossible(denied.to_string()))?;
    Ok(json!({ "override": what, "notKept": forgetful }))
}
