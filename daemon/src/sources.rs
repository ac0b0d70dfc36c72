//! From configured origins to the sources that follow them, and what their first words mean for a start.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use store::{Followed, Origin, ReadBy, Settings, SourceKind, SourceStatus, State, Store, find};

use crate::args::Fractional;
use crate::config::{Config, OriginConfig, Secret};
use crate::dialects;

/// How long dropped sources may take to remove their temporary files when a process ends.
pub(crate) const PARTING: Duration = Duration::from_millis(500);

/// Every kind of source in this build.
static KINDS: &[&[&SourceKind]] = &[store::BUILT_IN, dialects::KINDS];

/// Why there is no source for an origin. Trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourcesError {
    /// The provider is known and not in this build.
    #[error("{origin}: provider `{provider}` is not in this build, which has {built}")]
    NotBuilt {
        /// The origin, without its secrets.
        origin: String,
        /// What was asked for.
        provider: &'static str,
        /// What there is.
        built: String,
    },
    /// The origin's options do not fit its provider.
    #[error(transparent)]
    Options(#[from] store::OriginError),
}

/// Follows the configured origins, a later one winning. Must be called in a Tokio runtime.
///
/// # Errors
/// An origin cannot be followed by this build. Nothing has been read yet: what the origins say is in
/// [`Store::first_load`].
pub fn open(config: &Config, clock: fn() -> SystemTime) -> Result<Store, SourcesError> {
    Ok(Store::open(settings(config, clock), build(&config.origins)?))
}

/// How documents are taken in.
pub fn settings(config: &Config, clock: fn() -> SystemTime) -> Settings {
    let mut settings = Settings::new(clock);
    settings.engine.bucketing = match config.fractional {
        Fractional::V2 => engine::Bucketing::V2,
        Fractional::V3 => engine::Bucketing::V3,
    };
    settings.strict = config.strict;
    settings.max_bytes = usize::try_from(config.max_document_bytes).unwrap_or(usize::MAX);
    settings.max_flags = usize::try_from(config.max_flags).unwrap_or(usize::MAX);
    let resilience = &config.resilience;
    settings.state_dir.clone_from(&resilience.state_dir);
    settings.generations = resilience.generations;
    settings.readiness = resilience.readiness;
    settings.stale_after = resilience.stale_after;
    settings.stale_answers = resilience.stale_answers;
    settings.shrink_hold = resilience.shrink_hold;
    settings
}

/// A source for each origin, in order.
///
/// # Errors
/// The first origin that this build cannot follow.
pub fn build(origins: &[OriginConfig]) -> Result<Vec<Followed>, SourcesError> {
    origins.iter().map(source).collect()
}

fn source(config: &OriginConfig) -> Result<Followed, SourcesError> {
    let provider = config.provider.name();
    let kind = KINDS.iter().find_map(|kinds| find(kinds, provider)).ok_or_else(|| {
        let names: Vec<&str> =
            KINDS.iter().copied().flatten().flat_map(|kind| kind.providers).copied().collect();
        SourcesError::NotBuilt { origin: config.uri.to_string(), provider, built: names.join(", ") }
    })?;
    let origin = origin(config);
    let source = (kind.build)(&origin)?;
    Ok(match config.form.and_then(dialects::find) {
        Some(dialect) => {
            let reader = (dialect.reader)(&origin)?;
            (origin, Box::new(ReadBy::new(source, reader)))
        }
        None => (origin, source),
    })
}

/// The origin as sources know it.
pub(crate) fn origin(config: &OriginConfig) -> Origin {
    Origin::new(config.provider.name(), config.uri.expose(), options(config))
}

/// The origin's options under flagd's names (contract 1.5); each source takes those it knows.
fn options(config: &OriginConfig) -> Map<String, Value> {
    let oauth = config.oauth.as_ref().map(|oauth| {
        set([
            ("clientID", oauth.client_id.as_deref().map(Value::from)),
            ("clientSecret", oauth.client_secret.as_ref().map(|secret| secret.expose().into())),
            ("tokenUrl", Some(oauth.token_url.expose().into())),
            ("folder", oauth.folder.as_deref().map(path)),
            ("reloadDelayS", Some(oauth.reload_delay.as_secs().into())),
        ])
    });
    let repository = &config.repository;
    let texts = |texts: &BTreeMap<String, Secret>| {
        let texts = texts.iter().map(|(name, value)| (name.clone(), value.expose().into()));
        Value::Object(texts.collect())
    };
    let mut all = set([
        ("authHeader", config.authorization.as_ref().map(|secret| secret.expose().into())),
        ("certPath", config.cert_path.as_deref().map(path)),
        ("tls", Some(config.tls.into())),
        ("providerID", config.provider_id.as_deref().map(Value::from)),
        ("selector", config.selector.as_deref().map(Value::from)),
        ("interval", Some(config.interval.as_secs().into())),
        ("intervalSeed", config.interval_seed.as_deref().map(Value::from)),
        ("maxMsgSize", config.max_message_bytes.map(Value::from)),
        ("timeoutS", config.timeout.map(|time| time.as_secs().into())),
        ("incrementalUpdates", Some(config.incremental_updates.into())),
        ("headers", Some(texts(&config.headers))),
        ("oauth", oauth.map(Value::Object)),
        ("username", repository.username.as_deref().map(Value::from)),
        ("token", repository.token.as_ref().map(|secret| secret.expose().into())),
        ("tokenPath", repository.token_path.as_deref().map(path)),
        ("identityPath", repository.identity_path.as_deref().map(path)),
        ("knownHostsPath", repository.known_hosts_path.as_deref().map(path)),
        ("cacheDir", repository.cache_dir.as_deref().map(path)),
        ("environment", Some(&config.environment).filter(|told| !told.is_empty()).map(texts)),
    ]);
    all.extend(config.own.expose().clone());
    all
}

/// An object of what is set.
fn set<const N: usize>(options: [(&str, Option<Value>); N]) -> Map<String, Value> {
    options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn path(path: &Path) -> Value {
    path.to_string_lossy().into()
}

/// Why a start should not go on after [`Store::first_load`], as flagd would not: an origin is not there (contract 1.3), and
/// no copy of it either. A document that is there and broken is no reason; it can be mended.
pub fn absent(first: &[SourceStatus]) -> Option<String> {
    let gone = |status: &&SourceStatus| matches!(status.state, State::Unreachable | State::Stopped);
    let absent = first.iter().find(|status| !status.ready && gone(status))?;
    Some(format!(
        "source `{}` cannot be read: {}",
        absent.origin,
        absent.error.as_deref().unwrap_or("no reason is known")
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Provider;

    #[test]
    #[cfg(not(feature = "blob"))]
    fn what_is_not_built_is_refused_by_name() {
        let origin = OriginConfig::new(Provider::S3, "s3://bucket/flags.json?key=hunter2");
        let error = build(&[origin]).err().expect("an error").to_string();
        assert!(error.contains("`s3` is not in this build, which has file, fsnotify, fileinfo"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn options_go_by_flagds_names() {
        let mut origin = OriginConfig::new(Provider::Http, "https://flags/all.json");
        origin.authorization = Some("Bearer hunter2".to_owned().into());
        origin.timeout = Some(Duration::from_secs(7));
        origin.headers.insert("X-Team".to_owned(), "blue".to_owned().into());
        let expected = serde_json::json!({
            "authHeader": "Bearer hunter2", "tls": false, "interval": 5, "timeoutS": 7,
            "incrementalUpdates": false, "headers": {"X-Team": "blue"},
        });
        assert_eq!(Value::Object(options(&origin)), expected);
        build(&[origin]).expect("http is built in");
    }

    #[tokio::test]
    async fn a_missing_file_is_absent_and_a_broken_one_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
        std::fs::write(path("broken.json"), "{").expect("write");
        let first = async |name: &str| {
            let sources = build(&[OriginConfig::new(Provider::File, path(name))]).expect("sources");
            Store::open(Settings::new(|| SystemTime::UNIX_EPOCH), sources).first_load().await
        };
        let broken = first("broken.json").await;
        assert_eq!((broken[0].state, absent(&broken)), (State::Refused, None));
        let missing = absent(&first("missing.json").await).expect("a reason");
        assert!(missing.ends_with("missing.json: no such file"), "{missing}");
    }
}
