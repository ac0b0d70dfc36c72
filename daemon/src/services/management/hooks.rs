//! `POST /hooks/git`: a git server says that somebody has pushed, and the sources of that repository are asked at once.
//!
//! | server | how it shows that it knows the secret |
//! |---|---|
//! | GitHub, Forgejo | `X-Hub-Signature-256: sha256=` and the HMAC of the body |
//! | Gitea | `X-Gitea-Signature:` and the same |
//! | GitLab | `X-Gitlab-Token:` and the secret itself |
//!
//! What a push brought is not believed but looked up: a source that is asked in vain costs a request.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use ring::hmac::{HMAC_SHA256, Key, sign, verify};
use serde_json::{Value, json};
use store::Store;
use tonic::body::Body;

use super::{BoxError, set};

/// Where git servers post to.
pub(super) const PATH: &str = "/hooks/git";
/// Bytes of a notice; a longer one is left to the next poll.
const LONGEST: usize = 5 << 20;
/// Bytes of the secret's file.
const LONGEST_SECRET: u64 = 4_096;
/// What a notice calls a repository, under `repository` or `project`.
const NAMES: [&str; 12] = [
    "full_name",
    "path_with_namespace",
    "clone_url",
    "ssh_url",
    "git_url",
    "html_url",
    "git_http_url",
    "git_ssh_url",
    "web_url",
    "http_url",
    "homepage",
    "url",
];

/// Listens to git servers.
#[derive(Debug)]
pub struct Hooks {
    store: Arc<Store>,
    /// Read each time, so that it may be replaced.
    secret: PathBuf,
}

impl Hooks {
    /// Has the sources of `store` ask at once when a server that knows the secret in the file says so.
    pub fn new(store: Arc<Store>, secret: PathBuf) -> Self {
        Self { store, secret }
    }

    pub(super) async fn answer<B>(&self, head: &http::request::Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if head.method != Method::POST {
            let mut response = said(StatusCode::METHOD_NOT_ALLOWED, "post here");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        let body = match Limited::new(body, LONGEST).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return said(StatusCode::PAYLOAD_TOO_LARGE, "the notice is too long, or was cut off"),
        };
        let path = self.secret.clone();
        let secret = match tokio::task::spawn_blocking(move || read(&path)).await {
            Ok(Ok(secret)) => secret,
            Ok(Err(error)) => {
                tracing::error!(path = %self.secret.display(), %error, "hook refused: its secret cannot be read");
                return said(StatusCode::SERVICE_UNAVAILABLE, "the secret cannot be read");
            }
            Err(_) => return said(StatusCode::SERVICE_UNAVAILABLE, "the secret cannot be read"),
        };
        if !is_signed(&head.headers, &body, &secret) {
            tracing::warn!("hook refused: no signature with the secret of --hook-secret-path");
            return said(StatusCode::UNAUTHORIZED, "no valid signature");
        }
        let pushed = repositories(&body);
        let sources = self.store.kick(|origin| {
            let named = pushed.is_empty() || pushed.iter().any(|name| is_same(origin.name(), name));
            origin.provider() == "git" && named
        });
        tracing::info!(sources = sources.len(), "a git server says that there is news");
        let mut response = Response::new(Body::new(Full::from(json!({ "sources": sources }).to_string())));
        *response.status_mut() = StatusCode::ACCEPTED;
        set(&mut response, CONTENT_TYPE, "application/json");
        response
    }
}

fn said(status: StatusCode, what: &str) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::from(json!({ "error": what }).to_string())));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "application/json");
    response
}

/// The secret without the line's end that editors leave.
fn read(path: &PathBuf) -> io::Result<Vec<u8>> {
    let mut secret = Vec::new();
    File::open(path)?.take(LONGEST_SECRET).read_to_end(&mut secret)?;
    let secret = secret.trim_ascii().to_vec();
    if secret.is_empty() { Err(io::Error::other("it is empty")) } else { Ok(secret) }
}

/// Whether the sender knows the secret. Nothing can be learnt from how long this takes.
fn is_signed(headers: &HeaderMap, body: &[u8], secret: &[u8]) -> bool {
    let key = Key::new(HMAC_SHA256, secret);
    let header = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    if let Some(token) = header("x-gitlab-token") {
        // Comparing what both hash to takes as long for any two texts.
        return verify(&key, token, sign(&key, secret).as_ref()).is_ok();
    }
    let signature = header("x-hub-signature-256")
        .and_then(|signature| signature.strip_prefix(b"sha256="))
        .or_else(|| header("x-gitea-signature"));
    signature.and_then(unhex).is_some_and(|signature| verify(&key, body, &signature).is_ok())
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.chunks(2).map(pair).collect()
}

/// What a notice calls its repository; nothing if it does not say.
fn repositories(body: &[u8]) -> Vec<String> {
    let notice: Value = serde_json::from_slice(body).unwrap_or_default();
    let parts = ["repository", "project"].into_iter().filter_map(|part| notice.get(part));
    let names = parts.flat_map(|part| NAMES.iter().filter_map(|name| part.get(name)?.as_str()));
    names.filter(|name| !path(name).is_empty()).map(str::to_owned).collect()
}

/// Whether a source's address and a notice mean the same repository. Hosts have several names: the path decides.
fn is_same(source: &str, pushed: &str) -> bool {
    let (source, pushed) = (path(source).to_ascii_lowercase(), path(pushed).to_ascii_lowercase());
    let ends_with =
        |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.ends_with('/'));
    source == pushed || ends_with(&source, &pushed) || ends_with(&pushed, &source)
}

/// The path of a repository: of `https://host/org/repo.git?x`, `git@host:org/repo.git` and `org/repo` it is `org/repo`.
fn path(address: &str) -> &str {
    let address = address.split('?').next().unwrap_or_default();
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => address.split_once(':').map_or(address, |(_, path)| path),
    };
    let path = path.trim_matches('/');
    path.strip_suffix(".git").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().expect("a value"))])
    }

    #[test]
    fn signatures_are_those_of_the_servers() {
        // The example of GitHub's documentation.
        let (secret, body) = (b"It's a Secret to Everybody", b"Hello, World!");
        let hex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let github = headers("x-hub-signature-256", &format!("sha256={hex}"));
        assert!(is_signed(&github, body, secret));
        assert!(!is_signed(&github, b"Hello, World?", secret));
        assert!(!is_signed(&github, body, b"another"));
        assert!(is_signed(&headers("x-gitea-signature", hex), body, secret));
        assert!(is_signed(&headers("x-gitlab-token", "It's a Secret to Everybody"), body, secret));
        for (name, value) in [
            ("x-gitlab-token", "It's a Secret"),
            ("x-gitlab-token", ""),
            ("x-hub-signature-256", hex),
            ("x-hub-signature-256", "sha256="),
            ("x-hub-signature-256", "sha256=75"),
            ("x-gitea-signature", "zz"),
            ("x-gitea-signature", &hex[1..]),
            ("authorization", "It's a Secret to Everybody"),
        ] {
            assert!(!is_signed(&headers(name, value), body, secret), "{name}: {value}");
        }
    }

    #[test]
    fn repositories_are_known_by_their_path() {
        for (source, pushed, same) in [
            ("git+https://host/Org/repo.git?path=f", "https://host/org/repo", true),
            ("git+https://inside:8443/org/repo.git?path=f", "https://outside/org/repo.git", true),
            ("git+ssh://git@host/org/repo?path=f", "git@host:org/repo.git", true),
            ("git+https://host/scm/org/repo.git?path=f", "org/repo", true),
            ("git+file:///srv/org/repo.git?path=f", "org/repo", true),
            ("git+https://host/org/repo.git?path=f", "org/another", false),
            ("git+https://host/org/repo.git?path=f", "rg/repo", false),
            ("git+https://host/org/repo.git?path=f", "repo2", false),
        ] {
            assert_eq!(is_same(source, pushed), same, "{source} {pushed}");
        }
        let gitlab =
            br#"{"project": {"path_with_namespace": "a/b", "git_ssh_url": "git@h:a/b.git", "id": 1}}"#;
        assert_eq!(repositories(gitlab), ["a/b", "git@h:a/b.git"]);
        assert!(repositories(b"payload=%7B%7D").is_empty());
    }
}
