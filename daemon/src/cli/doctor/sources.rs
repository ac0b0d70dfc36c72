//! Each source, read once.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use engine::{Options, Problem, Severity};
use futures_util::future::join_all;
use store::{Authorship, RawDocument, Reader, Relay};

use super::{Finding, Level};
use crate::ask;
use crate::cli::document::{Document, MOST_BYTES};
use crate::cli::validate;
use crate::config::{Config, OriginConfig, Provider};
use crate::sources;

const WHAT: &str = "source";
/// How many problems of a document are named.
const NAMED: usize = 5;

/// What came from each source within `timeout`.
pub(super) async fn check(config: &Config, timeout: Duration) -> Vec<Finding> {
    let found = join_all(config.origins.iter().map(|origin| one(config, origin, timeout))).await;
    found.into_iter().flatten().collect()
}

async fn one(config: &Config, origin: &OriginConfig, timeout: Duration) -> Vec<Finding> {
    let place = origin.uri.to_string();
    // What the daemon keeps is its user's, and left alone.
    let mut origin = origin.clone();
    origin.repository.cache_dir = None;
    let origin = &origin;
    let source = match sources::build(std::slice::from_ref(origin)).map(|built| built.into_iter().next()) {
        Ok(Some((_, source))) => source,
        Ok(None) => return Vec::new(),
        Err(error) => {
            let advice = "correct the source's options, or use a build that has its provider";
            return vec![Finding::error(WHAT, place, error.to_string(), advice)];
        }
    };
    let reader = source.reader();
    let relay = Relay::open(sources::settings(config, ask::clock), source);
    let Ok(said) = tokio::time::timeout(timeout, relay.first()).await else {
        let advice = format!("{}; a longer --timeout may help", remedy(origin));
        return vec![Finding::error(WHAT, place, format!("no answer within {timeout:?}"), advice)];
    };
    match said.document {
        Some(document) => documented(config, origin, place, document, &*reader),
        None => {
            let why = said.error.unwrap_or_else(|| "no document".to_owned());
            vec![Finding::error(WHAT, place, why, remedy(origin))]
        }
    }
}

/// What to look at when a source gives nothing.
fn remedy(origin: &OriginConfig) -> &'static str {
    match origin.provider {
        Provider::File | Provider::Fsnotify | Provider::Fileinfo => {
            "check that the file exists, may be read by this user, and holds a flag document"
        }
        Provider::Http => "check the URL, the network, and the source's credentials",
        Provider::Grpc => "check host, port and tls of the source, and that the server offers flagd.sync.v1",
        Provider::Git => {
            "check the repository's URL, ref and path, and username and token or key of this source"
        }
        Provider::S3 => {
            "check bucket, object, region and endpoint, and the AWS_* variables or the profile of this user"
        }
        Provider::Gcs => {
            "check bucket and object, and GOOGLE_APPLICATION_CREDENTIALS or the machine's account"
        }
        Provider::Azblob => "check container and object, and the AZURE_STORAGE_* variables or the identity",
        Provider::Kubernetes => {
            "check namespace and name, KUBECONFIG or the pod's service account, and that its role may get, list and \
             watch featureflags.core.openfeature.dev"
        }
        _ => "check the source's address and credentials",
    }
}

/// What is to be said of a document.
fn documented(
    config: &Config,
    origin: &OriginConfig,
    place: String,
    document: RawDocument,
    reader: &dyn Reader,
) -> Vec<Finding> {
    let bytes = document.bytes.len();
    let (flags, problems) =
        if origin.is_of_vendor() { native(&document, reader) } else { checked(&document) };
    let mut came = format!("{flags} flags in {bytes} bytes, {} problems", problems.len());
    if let (Some(revision), Some(Authorship { author, .. })) = (&document.revision, &document.authorship) {
        came.push_str(&format!(", {revision} by {author}"));
    }
    if let Some(age) = age(origin) {
        came.push_str(&format!(", last written {age} ago"));
    }
    let mut findings = vec![if flags == 0 {
        Finding::warning(
            WHAT,
            &*place,
            came,
            "every flag of this source will be FLAG_NOT_FOUND; was that meant?",
        )
    } else {
        Finding::ok(WHAT, &*place, came)
    }];
    let advice = "`hoistd validate` shows each problem with its line";
    for problem in problems.iter().take(NAMED) {
        let text = problem.to_string();
        let refused = problem.severity == Severity::Error || config.strict;
        let level = if refused { Level::Error } else { Level::Warning };
        findings.push(Finding { level, ..Finding::warning("flags", &*place, text, advice) });
    }
    if problems.len() > NAMED {
        let more = &problems[NAMED..];
        let errors = more.iter().filter(|problem| problem.severity == Severity::Error).count();
        let level = if errors > 0 || config.strict { Level::Error } else { Level::Warning };
        let text = format!("and {} problems more, {errors} of them errors", more.len());
        findings.push(Finding { level, ..Finding::warning("flags", &*place, text, advice) });
    }
    findings
}

/// How many flags another vendor's document has, and what is wrong with it.
fn native(document: &RawDocument, reader: &dyn Reader) -> (usize, Vec<Problem>) {
    match store::read_once(
        reader,
        &document.bytes,
        document.format,
        &Arc::from(""),
        &Options::default(),
        MOST_BYTES,
    ) {
        Ok(compiled) => (compiled.layer.flags().len(), compiled.problems),
        Err(error) => (0, vec![Problem::error("", error.to_string())]),
    }
}

/// The number of flags that can be served, and the problems, file by file.
fn checked(document: &RawDocument) -> (usize, Vec<Problem>) {
    // A bundle that is none was refused before.
    let parts = store::parts(&document.bytes, document.format).unwrap_or_default();
    let (mut flags, mut problems) = (0, Vec::new());
    for part in parts {
        let (served, found) = validate::check(&Document { bytes: part.bytes.to_vec(), format: part.format });
        flags += served;
        problems.extend(found.into_iter().map(|problem| Problem { file: part.name.clone(), ..problem }));
    }
    (flags, problems)
}

/// How long ago a file was written.
fn age(origin: &OriginConfig) -> Option<String> {
    if !matches!(origin.provider, Provider::File | Provider::Fsnotify | Provider::Fileinfo) {
        return None;
    }
    let written = fs::metadata(origin.uri.expose()).ok()?.modified().ok()?;
    let seconds = ask::clock().duration_since(written).ok()?.as_secs();
    Some(match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    })
}
