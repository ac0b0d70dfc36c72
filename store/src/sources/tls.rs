//! TLS towards an origin: ring, the platform's roots, and an authority of the operator's own.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
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
    let extra = authority.map(authorities).transpose()?.unwrap_or_default();
    let verifier = Trust { extra, provider: Arc::clone(&provider), verifier: OnceLock::new() };
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

/// The certificates of `path`, of which each can be an authority.
fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let (found, mut roots) = (certificates(path)?, RootCertStore::empty());
    for certificate in &found {
        roots.add(certificate.clone()).map_err(|error| format!("certPath {}: {error}", path.display()))?;
    }
    Ok(found)
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

/// The platform's roots and `extra` ones, loaded when the first server shows a certificate.
///
/// Loading takes tens of milliseconds, which a start must not wait for, and an origin without TLS needs none. Roots that
/// could not be loaded are tried again with the next connection.
#[derive(Debug)]
struct Trust {
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<Verifier>,
}

impl Trust {
    fn verifier(&self) -> Result<&Verifier, Error> {
        if let Some(verifier) = self.verifier.get() {
            return Ok(verifier);
        }
        let loaded = Verifier::new_with_extra_roots(self.extra.clone(), Arc::clone(&self.provider))?;
        Ok(self.verifier.get_or_init(|| loaded))
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()?.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()?.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_cannot_be_used_is_told_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        let none = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        for (text, says) in [(None, "ca.pem: "), (Some(""), "no certificate in it"), (Some(none), "ca.pem: ")]
        {
            if let Some(text) = text {
                std::fs::write(&path, text).expect("a file");
            }
            let error = client(Some(&path)).expect_err("no authority");
            assert!(error.starts_with("certPath ") && error.contains(says), "{text:?}: {error}");
        }
    }
}
