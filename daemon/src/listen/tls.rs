//! The server's certificate: read from two files, and again whenever they change.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{RecursiveMode, Watcher};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

/// How often the files are looked at where the system tells of no change (NFS, some container mounts).
const POLL: Duration = Duration::from_secs(60);
/// How long a change must rest before it is read: certificate and key are two files.
const REST: Duration = Duration::from_millis(200);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no usable certificate or key.
    #[error("{} holds no {what} in PEM form", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Certificate and key do not belong together, or are of an unknown kind.
    #[error("certificate {} and key {} do not work together: {reason}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls said.
        reason: rustls::Error,
    },
    /// TLS itself cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Setup(rustls::Error),
}

/// A certificate chain with its key, as they lie on disk.
pub struct Certificate {
    files: Files,
    current: ArcSwap<CertifiedKey>,
    digest: Mutex<Vec<u8>>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificate {
    /// Reads the PEM files `certificate` (leaf first) and `key`.
    ///
    /// # Errors
    /// A file that cannot be read or holds nothing usable, and a pair that does not belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, CertificateError> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let (chain, key) = files.read()?;
        let digest = Mutex::new(digest(&chain, &key));
        let current = ArcSwap::from_pointee(files.pair(&chain, &key)?);
        Ok(Arc::new(Self { files, current, digest }))
    }

    /// Reads the files again; says whether they had changed. A pair that does not work leaves the old one in place.
    ///
    /// # Errors
    /// As for [`Certificate::load`].
    pub fn reload(&self) -> Result<bool, CertificateError> {
        let (chain, key) = self.files.read()?;
        let new = digest(&chain, &key);
        let mut seen = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == new {
            return Ok(false);
        }
        self.current.store(Arc::new(self.files.pair(&chain, &key)?));
        *seen = new;
        Ok(true)
    }

    /// Follows the files for ever: run it beside the listeners and drop it at the end.
    pub async fn keep_fresh(self: Arc<Self>) {
        let (changed, mut changes) = mpsc::channel(1);
        let _watcher = self.watch(changed);
        loop {
            tokio::select! {
                Some(()) = changes.recv() => tokio::time::sleep(REST).await,
                () = tokio::time::sleep(POLL) => {}
            }
            let this = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || this.reload()).await {
                Ok(Ok(true)) => tracing::info!(certificate = ?self, "serving a new certificate"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "the new certificate is refused, the old one stays")
                }
                Err(error) => tracing::error!(%error, "cannot read the certificate"),
            }
        }
    }

    /// Watches the folders of both files: a renewal often replaces the files, or a link above them.
    fn watch(&self, changed: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
        let tell = move |_| {
            // A full channel already holds the news.
            let _ = changed.try_send(());
        };
        let watched = notify::recommended_watcher(tell).and_then(|mut watcher| {
            for file in [&self.files.certificate, &self.files.key] {
                let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
                watcher.watch(folder.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        watched.inspect_err(|error| tracing::warn!(%error, "certificates are polled, not watched")).ok()
    }

    /// The TLS settings of a listener: TLS 1.2 and 1.3, no client certificates.
    pub(super) fn settings(self: &Arc<Self>, http2: bool) -> Result<rustls::ServerConfig, CertificateError> {
        let provider = Arc::new(ring::default_provider());
        let mut settings = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(CertificateError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        if http2 {
            settings.alpn_protocols.push(super::ALPN_HTTP2.to_vec());
        }
        settings.alpn_protocols.push(b"http/1.1".to_vec());
        Ok(settings)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.files.certificate).finish()
    }
}

impl Files {
    fn read(&self) -> Result<(Vec<u8>, Vec<u8>), CertificateError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| CertificateError::Read { path: path.clone(), source })
        };
        Ok((read(&self.certificate)?, read(&self.key)?))
    }

    fn pair(&self, chain: &[u8], key: &[u8]) -> Result<CertifiedKey, CertificateError> {
        let content = |path: &PathBuf, what| CertificateError::Content { path: path.clone(), what };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| content(&self.certificate, "certificate"))?;
        if chain.is_empty() {
            return Err(content(&self.certificate, "certificate"));
        }
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|_| content(&self.key, "unencrypted private key"))?;
        let unfit = |reason| CertificateError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            reason,
        };
        let key = ring::default_provider().key_provider.load_private_key(key).map_err(unfit)?;
        let pair = CertifiedKey::new(chain, key);
        match pair.keys_match() {
            // A certificate that rustls would not take as a client, such as one of X.509 v1, is for clients to judge.
            Ok(())
            | Err(
                Error::InconsistentKeys(InconsistentKeys::Unknown)
                | Error::InvalidCertificate(rustls::CertificateError::Other(_)),
            ) => Ok(pair),
            Err(reason) => Err(unfit(reason)),
        }
    }
}

fn digest(chain: &[u8], key: &[u8]) -> Vec<u8> {
    Sha256::new()
        .chain_update(chain.len().to_le_bytes())
        .chain_update(chain)
        .chain_update(key)
        .finalize()
        .to_vec()
}
