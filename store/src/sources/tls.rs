//! TLS towards an origin: ring, the platform's roots, and an authority of the operator's own.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;

/// A client's side of TLS 1.2 and 1.3 that trusts the platform's roots and those in the file `authority`.
///
/// # Errors
/// `authority` cannot be read, or holds no certificate.
pub(super) fn client(authority: Option<&Path>) -> Result<ClientConfig, String> {
    client_as(authority, None)
}

/// The same, showing the certificate of the files `own` (chain, key) to a server that asks for one.
///
/// # Errors
/// A file cannot be read, or holds nothing that can be used.
pub(super) fn client_as(
    authority: Option<&Path>,
    own: Option<(&Path, &Path)>,
) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let extra = authority.map(certificates).transpose()?.unwrap_or_default();
    let verifier =
        Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).map_err(|error| error.to_string())?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let Some((chain, key)) = own else { return Ok(config.with_no_client_auth()) };
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
    config
        .with_client_auth_cert(certificates(chain)?, secret)
        .map_err(|error| format!("{} and {}: {error}", chain.display(), key.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |error: rustls::pki_types::pem::Error| format!("certPath {}: {error}", path.display());
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if found.is_empty() {
        Err(format!("certPath {}: no certificate in it", path.display()))
    } else {
        Ok(found)
    }
}
