//! The HTTP client of a source: ring for TLS, the platform's roots, and redirects kept on a short lead.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, ClientBuilder};

use crate::sources::tls;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How many redirects are followed.
const REDIRECTS: usize = 5;

/// A client that trusts the platform's roots and those of `authority`. With `credentials` it stays on the first host.
///
/// # Errors
/// `authority` cannot be read, or holds no certificate.
pub(in crate::sources) fn build(authority: Option<&Path>, credentials: bool) -> Result<Client, String> {
    builder(authority, credentials)?.build().map_err(said)
}

/// A client such as [`build`] makes, to be completed.
///
/// # Errors
/// `authority` cannot be read, or holds no certificate.
pub(in crate::sources) fn builder(
    authority: Option<&Path>,
    credentials: bool,
) -> Result<ClientBuilder, String> {
    let redirects = Policy::custom(move |attempt| match objection(&attempt, credentials) {
        Some(why) => attempt.error(why),
        None => attempt.follow(),
    });
    Ok(Client::builder()
        .tls_backend_preconfigured(tls::client(authority)?)
        .connect_timeout(CONNECT)
        .redirect(redirects)
        .user_agent(concat!("hoistd/", env!("CARGO_PKG_VERSION"))))
}

fn objection(attempt: &Attempt<'_>, credentials: bool) -> Option<String> {
    let (from, to) = (attempt.previous().last()?, attempt.url());
    if attempt.previous().len() > REDIRECTS {
        return Some(format!("more than {REDIRECTS} redirects"));
    }
    if from.scheme() != to.scheme() {
        return Some(format!("redirected from {} to {}", from.scheme(), to.scheme()));
    }
    let moved = from.host() != to.host() || from.port_or_known_default() != to.port_or_known_default();
    (credentials && moved)
        .then(|| "redirected to another host, which would get this source's credentials".to_owned())
}

/// What a client's error says, causes included and the URL left out: it may hold a signature.
pub(in crate::sources) fn said(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
