//! TLS towards a backend: ring, the platform's roots, and an authority of the application's own.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

use super::error::HttpError;

/// A client's side of TLS 1.2 and 1.3. Its own configuration, so that no provider of cryptography must be installed for
/// the process.
pub(super) fn config(authority: Option<&Path>) -> Result<ClientConfig, HttpError> {
    let failed = |error: rustls::Error| HttpError::Settings(format!("TLS: {error}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let extra = authority.map(certificates).transpose()?.unwrap_or_default();
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).map_err(failed)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let failed = |what: String| HttpError::Settings(format!("authority {}: {what}", path.display()));
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error: rustls::pki_types::pem::Error| failed(error.to_string()))?;
    if found.is_empty() { Err(failed("no certificate in it".to_owned())) } else { Ok(found) }
}
