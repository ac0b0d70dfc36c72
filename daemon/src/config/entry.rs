//! One entry of `--sources`: a JSON object whose fields are matched in any case and whose unknown fields are ignored.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::error::quoted;
use super::given::Given;
use super::origin::{FORMS, PROVIDERS, STRIPPED};
use super::{Address, ConfigError, Oauth, OriginConfig, Own, Provider, Repository, Secret};

/// Fields that every provider's entry can have, in lower case.
const KNOWN: [&str; 16] = [
    "uri",
    "provider",
    "authheader",
    "bearertoken",
    "certpath",
    "tls",
    "providerid",
    "selector",
    "interval",
    "intervalseed",
    "maxmsgsize",
    "timeouts",
    "incrementalupdates",
    "headers",
    "oauth",
    "$schema",
];

/// An object's fields, by name in lower case. Messages name the field and never show a value: it may be a token.
struct Fields<'a> {
    fields: BTreeMap<String, &'a Value>,
    written: &'a Map<String, Value>,
    /// What the object is called in messages, such as `entry 2`.
    place: String,
}

/// All entries of `sources`, in order.
pub(crate) fn read(sources: &Given<'_>) -> Result<Vec<OriginConfig>, ConfigError> {
    let wrong = |what: String| sources.wrong(format!("error parsing sync providers: {what}"));
    let data = sources.json().map_err(|error| wrong(error.to_string()))?;
    let entries = match &data {
        Value::Null => return Ok(Vec::new()),
        Value::Array(entries) => entries,
        _ => {
            return Err(wrong(
                r#"must be a list such as [{"uri": "flags.json", "provider": "file"}]"#.to_owned(),
            ));
        }
    };
    let origins = entries.iter().enumerate().map(|(index, entry)| {
        let place = format!("entry {}", index + 1);
        let map = entry.as_object().ok_or_else(|| wrong(format!("{place} is not an object")))?;
        origin(&Fields::new(map, place)).map_err(|what| sources.wrong(what))
    });
    origins.collect()
}

fn origin(fields: &Fields<'_>) -> Result<OriginConfig, String> {
    let required = |name: &str| {
        let missing =
            || format!("sync provider argument parse: {name} is a required field ({})", fields.place);
        fields.text(name)?.filter(|text| !text.is_empty()).ok_or_else(missing)
    };
    let uri = required("uri")?;
    let name = required("provider")?;
    let defaults = match FORMS.iter().find(|form| **form == name) {
        Some(form) => OriginConfig::of_form(form, &uri),
        None => bare(provider(&name)?, &uri),
    };
    Ok(OriginConfig {
        authorization: authorization(fields)?,
        cert_path: fields.path("certPath")?,
        tls: fields.switch("tls")?.unwrap_or(defaults.tls),
        provider_id: fields.text("providerID")?,
        selector: fields.text("selector")?,
        interval: fields.seconds("interval")?.filter(|time| !time.is_zero()).unwrap_or(defaults.interval),
        interval_seed: fields.text("intervalSeed")?,
        max_message_bytes: fields.number("maxMsgSize")?.filter(|bytes| *bytes > 0),
        timeout: fields.seconds("timeoutS")?.filter(|time| !time.is_zero()),
        incremental_updates: fields.switch("incrementalUpdates")?.unwrap_or_default(),
        headers: fields.headers()?,
        oauth: fields.object("oauth")?.map(|fields| oauth(&fields)).transpose()?,
        own: if defaults.is_of_vendor() { fields.others() } else { Own::default() },
        repository: repository(fields)?,
        ..defaults
    })
}

fn provider(name: &str) -> Result<Provider, String> {
    let found = PROVIDERS.iter().find(|(known, _)| *known == name);
    found.map(|(_, provider)| *provider).ok_or_else(|| {
        format!(
            "could not create sync sources from config: could not create sync provider: invalid sync provider: {}, must \
             be one of with 'file', 'fsnotify', 'fileinfo', 'kubernetes', 'http', 'grpc', 'gcs', 'azblob', 's3' or 'git', or of \
             'unleash', 'flagsmith', 'flipt', 'flipt-file' or 'percent-file'",
            quoted(name)
        )
    })
}

/// The origin without its options: a scheme that only `--uri` needs is taken off here too.
fn bare(provider: Provider, uri: &str) -> OriginConfig {
    let family = match provider {
        Provider::Fsnotify | Provider::Fileinfo => Provider::File,
        other => other,
    };
    let mine = STRIPPED.iter().filter(|(_, owner, _)| *owner == family);
    let stripped = mine.filter_map(|(scheme, _, tls)| Some((uri.strip_prefix(scheme)?, *tls))).next();
    let (uri, tls) = stripped.unwrap_or((uri, false));
    OriginConfig { tls, ..OriginConfig::new(provider, uri) }
}

/// flagd's `authHeader`, or the `bearerToken` that the OpenFeature Operator still writes.
fn authorization(fields: &Fields<'_>) -> Result<Option<Secret>, String> {
    let header = fields.text("authHeader")?;
    let token = fields.text("bearerToken")?.map(|token| format!("Bearer {token}"));
    Ok(header.or(token).map(Secret::from))
}

fn oauth(fields: &Fields<'_>) -> Result<Oauth, String> {
    let missing = || format!("{}: tokenUrl is missing", fields.place);
    Ok(Oauth {
        client_id: fields.text("clientID")?,
        client_secret: fields.text("clientSecret")?.map(Secret::from),
        token_url: Address::from(fields.text("tokenUrl")?.ok_or_else(missing)?),
        folder: fields.path("folder")?,
        reload_delay: fields.seconds("reloadDelayS")?.unwrap_or_default(),
    })
}

fn repository(fields: &Fields<'_>) -> Result<Repository, String> {
    Ok(Repository {
        username: fields.text("username")?,
        token: fields.text("token")?.map(Secret::from),
        token_path: fields.path("tokenPath")?,
        token_variable: fields.text("tokenEnv")?,
        identity_path: fields.path("identityPath")?,
        known_hosts_path: fields.path("knownHostsPath")?,
        cache_dir: None,
    })
}

impl<'a> Fields<'a> {
    fn new(map: &'a Map<String, Value>, place: String) -> Self {
        let set = map.iter().filter(|(_, value)| !value.is_null());
        Self {
            fields: set.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
            written: map,
            place,
        }
    }

    /// The fields that not every provider has, as written.
    fn others(&self) -> Own {
        let own =
            self.written.iter().filter(|(name, _)| !KNOWN.contains(&name.to_ascii_lowercase().as_str()));
        own.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(&name.to_ascii_lowercase()).copied()
    }

    /// The field read by `as_type`; an error says what it must be.
    fn read<T>(
        &self,
        name: &str,
        must_be: &str,
        as_type: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        as_type(value).map(Some).ok_or_else(|| format!("{}: {name} must be {must_be}", self.place))
    }

    /// An empty text counts as unset.
    fn text(&self, name: &str) -> Result<Option<String>, String> {
        let text = self.read(name, "text", Value::as_str)?;
        Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
    }

    fn path(&self, name: &str) -> Result<Option<PathBuf>, String> {
        Ok(self.text(name)?.map(PathBuf::from))
    }

    fn switch(&self, name: &str) -> Result<Option<bool>, String> {
        self.read(name, "true or false", Value::as_bool)
    }

    fn number(&self, name: &str) -> Result<Option<u64>, String> {
        self.read(name, "a whole number, 0 or more", Value::as_u64)
    }

    fn seconds(&self, name: &str) -> Result<Option<Duration>, String> {
        let seconds = self.read(name, "a whole number of seconds, 0 or more", |value| {
            value.as_u64().filter(|seconds| *seconds <= u64::from(u32::MAX))
        })?;
        Ok(seconds.map(Duration::from_secs))
    }

    fn object(&self, name: &str) -> Result<Option<Fields<'a>>, String> {
        let map = self.read(name, "an object", Value::as_object)?;
        Ok(map.map(|map| Fields::new(map, format!("{} {name}", self.place))))
    }

    fn headers(&self) -> Result<BTreeMap<String, Secret>, String> {
        let Some(map) = self.read("headers", "an object", Value::as_object)? else {
            return Ok(BTreeMap::new());
        };
        let headers = map.iter().map(|(name, value)| {
            let text = value
                .as_str()
                .ok_or_else(|| format!("{}: header {} must be text", self.place, quoted(name)))?;
            Ok((name.clone(), Secret::from(text.to_owned())))
        });
        headers.collect()
    }
}
