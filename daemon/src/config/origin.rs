//! Where flags live: the URIs of `--uri` and the entries of `--sources`, as one list. A later origin wins.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::entry;
use super::given::{Given, Places};
use super::repository::{self, Repository};
use super::{Address, ConfigError, Own, Secret, credentials};
use crate::args::Environment;

/// How an origin is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// A file, watched in the way that suits its file system.
    File,
    /// A file, watched by notifications.
    Fsnotify,
    /// A file, polled.
    Fileinfo,
    /// A Kubernetes custom resource.
    Kubernetes,
    /// An HTTP URL, polled.
    Http,
    /// A gRPC sync stream.
    Grpc,
    /// An object in Google Cloud Storage.
    Gcs,
    /// An object in Azure Blob Storage.
    Azblob,
    /// An object in S3.
    S3,
    /// Files in a git repository.
    Git,
    /// The client API of Unleash, polled.
    Unleash,
    /// The environment document of Flagsmith, polled.
    Flagsmith,
    /// The snapshot of a Flipt namespace, streamed or polled.
    Flipt,
}

/// Every provider by its name in `sources`.
pub(crate) const PROVIDERS: [(&str, Provider); 13] = [
    ("file", Provider::File),
    ("fsnotify", Provider::Fsnotify),
    ("fileinfo", Provider::Fileinfo),
    ("kubernetes", Provider::Kubernetes),
    ("http", Provider::Http),
    ("grpc", Provider::Grpc),
    ("gcs", Provider::Gcs),
    ("azblob", Provider::Azblob),
    ("s3", Provider::S3),
    ("git", Provider::Git),
    ("unleash", Provider::Unleash),
    ("flagsmith", Provider::Flagsmith),
    ("flipt", Provider::Flipt),
];

/// Forms of documents of other vendors, by their dialects' names, that may live wherever flagd's can: a form and a colon stand
/// before the rest of the URI, and the form's name in the place of a provider's. One line each.
pub(crate) const FORMS: &[&str] = &[
    "flipt-file",   // features.yaml, without a Flipt
    "percent-file", // keys with a percentage each
];

/// Schemes of flagd's own making and ours, which are no part of the origin's name; the last column is TLS.
pub(crate) const STRIPPED: [(&str, Provider, bool); 7] = [
    ("file:", Provider::File, false),
    ("core.openfeature.dev/", Provider::Kubernetes, false),
    ("grpc://", Provider::Grpc, false),
    ("grpcs://", Provider::Grpc, true),
    ("unleash+", Provider::Unleash, false),
    ("flagsmith+", Provider::Flagsmith, false),
    ("flipt+", Provider::Flipt, false),
];

/// Longest polling interval of an HTTP origin, or of a repository: a day.
const LONGEST_INTERVAL: Duration = Duration::from_secs(86_400);

impl Provider {
    /// Whether its flags are another vendor's.
    pub fn is_of_vendor(self) -> bool {
        matches!(self, Self::Unleash | Self::Flagsmith | Self::Flipt)
    }

    /// Its name in `sources`.
    pub fn name(self) -> &'static str {
        PROVIDERS.iter().find(|(_, provider)| *provider == self).map_or("", |(name, _)| name)
    }

    /// How the variables begin that tell its clients where to go and who they are.
    fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Kubernetes => &["KUBECONFIG", "KUBERNETES_SERVICE_", "HOME"],
            Self::Gcs => &["GOOGLE_", "STORAGE_EMULATOR_HOST"],
            Self::Azblob => &["AZURE_", "IDENTITY_ENDPOINT"],
            Self::S3 => &["AWS_", "HOME"],
            _ => &[],
        }
    }
}

/// One place where flags live, with its options. Options that do not apply to the provider keep their default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginConfig {
    /// Path, URL or target, without flagd's own scheme. It is also the name that selectors and metadata call `source`.
    pub uri: Address,
    /// How it is reached.
    pub provider: Provider,
    /// What its documents are, if another vendor's: a form such as `flipt-file`.
    pub form: Option<&'static str>,
    /// Value of the `Authorization` header (http).
    pub authorization: Option<Secret>,
    /// Certificate authority that the server is checked against (grpc, git).
    pub cert_path: Option<PathBuf>,
    /// Whether the connection uses TLS (grpc; an http URL says so itself).
    pub tls: bool,
    /// Identity shown to the sync service (grpc).
    pub provider_id: Option<String>,
    /// Selector sent to the sync service (grpc).
    pub selector: Option<String>,
    /// Time between polls (http, blobs, git).
    pub interval: Duration,
    /// What the phase of the polls is derived from (http, git).
    pub interval_seed: Option<String>,
    /// Largest message in bytes (grpc); none means the transport's own limit.
    pub max_message_bytes: Option<u64>,
    /// Longest time for one request (http) or look (git); none means the source's own.
    pub timeout: Option<Duration>,
    /// Whether the service may send differences (grpc).
    pub incremental_updates: bool,
    /// Headers of each request (http) or metadata (grpc).
    pub headers: BTreeMap<String, Secret>,
    /// Client credentials (http).
    pub oauth: Option<Oauth>,
    /// Options that only the provider knows (other vendors).
    pub own: Own,
    /// How a repository lets us in (git).
    pub repository: Repository,
    /// Variables that the cloud or cluster tells its clients by (blobs, kubernetes).
    pub environment: BTreeMap<String, Secret>,
}

/// OAuth client credentials of an HTTP origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oauth {
    /// Client id; absent when `folder` holds it.
    pub client_id: Option<String>,
    /// Client secret; absent when `folder` holds it.
    pub client_secret: Option<Secret>,
    /// Where tokens are fetched.
    pub token_url: Address,
    /// Directory with the files `client-id` and `client-secret`.
    pub folder: Option<PathBuf>,
    /// How often the folder is read again.
    pub reload_delay: Duration,
}

impl OriginConfig {
    /// An origin without options, polled every 5 s where it is polled; a repository every 30 s.
    pub fn new(provider: Provider, uri: impl Into<String>) -> Self {
        Self {
            uri: Address::from(uri.into()),
            provider,
            form: None,
            authorization: None,
            cert_path: None,
            tls: false,
            provider_id: None,
            selector: None,
            interval: Duration::from_secs(if provider == Provider::Git { 30 } else { 5 }),
            interval_seed: None,
            max_message_bytes: None,
            timeout: None,
            incremental_updates: false,
            headers: BTreeMap::new(),
            oauth: None,
            own: Own::default(),
            repository: Repository::default(),
            environment: BTreeMap::new(),
        }
    }

    /// Whether its flags are another vendor's.
    pub fn is_of_vendor(&self) -> bool {
        self.form.is_some() || self.provider.is_of_vendor()
    }

    /// An origin of the form `form`: wherever `uri` leads, or the file of that name.
    pub(crate) fn of_form(form: &'static str, uri: &str) -> Self {
        let rest = uri.strip_prefix(form).and_then(|rest| rest.strip_prefix(':')).unwrap_or(uri);
        let origin = Self::parse(rest).filter(|origin| !origin.is_of_vendor());
        Self { form: Some(form), ..origin.unwrap_or_else(|| Self::new(Provider::File, rest)) }
    }

    /// The same origin, with what the environment says to those who speak to its provider.
    pub fn within(self, environment: &Environment) -> Self {
        let told = environment.family(self.provider.variables());
        let environment =
            told.map(|(name, value)| (name.to_owned(), Secret::from(value.to_owned()))).collect();
        Self { environment, ..self }
    }

    /// Reads one URI as flagd's `--uri` does; none when no scheme fits.
    pub fn parse(uri: &str) -> Option<Self> {
        let of = |form: &&&str| uri.strip_prefix(**form).is_some_and(|rest| rest.starts_with(':'));
        if let Some(form) = FORMS.iter().find(of) {
            return Some(Self::of_form(form, uri));
        }
        let stripped = STRIPPED.iter().find_map(|(scheme, provider, tls)| {
            let rest = uri.strip_prefix(scheme)?;
            Some(Self { tls: *tls, ..Self::new(*provider, rest) })
        });
        stripped.or_else(|| whole(uri).map(|provider| Self::new(provider, uri)))
    }
}

/// The provider of a URI that keeps its scheme.
fn whole(uri: &str) -> Option<Provider> {
    let bucket = |scheme| {
        let rest: &str = uri.strip_prefix(scheme)?;
        // A bucket's name and a slash are mandatory.
        rest.find('/').filter(|end| *end > 0)
    };
    if uri.starts_with("http://") || uri.starts_with("https://") {
        Some(Provider::Http)
    } else if uri.starts_with("git+") {
        Some(Provider::Git)
    } else if ["envoy", "dns", "uds", "xds"].iter().any(|name| uri.starts_with(name)) {
        Some(Provider::Grpc)
    } else if bucket("gs://").is_some() {
        Some(Provider::Gcs)
    } else if bucket("azblob://").is_some() {
        Some(Provider::Azblob)
    } else {
        bucket("s3://").map(|_| Provider::S3)
    }
}

/// All origins in order: every `--uri`, then every entry of `--sources`.
pub(crate) fn read(places: &Places<'_>) -> Result<Vec<OriginConfig>, ConfigError> {
    let mut origins = Vec::new();
    let uris = places.get("uri");
    for uri in uris.list()? {
        let mut origin = OriginConfig::parse(&uri).ok_or_else(|| uris.wrong(no_scheme(&uri)))?;
        credentials::complete(&mut origin, places.environment)?;
        check(&origin, &uris, places)?;
        origins.push(origin.within(places.environment));
    }
    let sources = places.get("sources");
    for mut origin in entry::read(&sources)? {
        credentials::complete(&mut origin, places.environment)?;
        origin
            .repository
            .resolve(places.environment)
            .map_err(|what| sources.wrong(format!("{}: {what}", origin.uri)))?;
        check(&origin, &sources, places)?;
        origins.push(origin.within(places.environment));
    }
    let cache = repository::cache_dir(places)?;
    for origin in origins.iter_mut().filter(|origin| origin.provider == Provider::Git) {
        origin.repository.cache_dir.clone_from(&cache);
    }
    Ok(origins)
}

fn no_scheme(uri: &str) -> String {
    let hint = if uri.contains("://") { String::new() } else { format!("; for a file write file:{uri}") };
    format!(
        "invalid sync uri argument: {}, must start with 'file:', 'http(s)://', 'grpc(s)://', 'gs://', 'azblob://', \
         's3://' or 'core.openfeature.dev'{hint}",
        Address::from(uri.to_owned())
    )
}

/// What can be wrong with an origin before anything is opened.
fn check(origin: &OriginConfig, given: &Given<'_>, places: &Places<'_>) -> Result<(), ConfigError> {
    let uri = &origin.uri;
    if matches!(origin.provider, Provider::Http | Provider::Git) && origin.interval > LONGEST_INTERVAL {
        let seconds = origin.interval.as_secs();
        return Err(given.wrong(format!("{uri}: polling interval {seconds}s exceeds maximum 86400s")));
    }
    if origin.cert_path.is_some() && !origin.tls && origin.provider != Provider::Git {
        return Err(given.wrong(format!("{uri}: certPath is set but tls is not; set \"tls\": true")));
    }
    let account = places.environment.get("AZURE_STORAGE_ACCOUNT").unwrap_or_default();
    if origin.provider == Provider::Azblob && (account.is_empty() || account.contains(char::is_whitespace)) {
        return Err(given.wrong(format!(
            "{uri}: set the environment variable AZURE_STORAGE_ACCOUNT to the account's name"
        )));
    }
    Ok(())
}
