//! Where the API server is, whom to trust, and who asks.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Url;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;

use super::kubeconfig;
use crate::sources::tls;
use crate::sources::variables::Variables;

/// Where Kubernetes puts what a pod needs to ask its own cluster.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A cluster's API server with all it takes to ask it.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) server: Url,
    /// PEM of who vouches for the server; without it, those whom the platform trusts.
    pub(super) authority: Option<Vec<u8>>,
    /// PEM of the client's certificate and key.
    pub(super) identity: Option<(Vec<u8>, Secret)>,
    pub(super) token: Token,
}

/// Bytes that are never shown.
pub(super) struct Secret(pub(super) Vec<u8>);

/// The value of the `Authorization` header.
#[derive(Debug)]
pub(super) enum Token {
    None,
    Fixed(Secret),
    /// A bearer token, read for each request: the kubelet replaces it within the hour.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Cluster {
    /// The cluster that `KUBECONFIG` names; or the one that this pod runs in; or the one of `~/.kube/config`.
    ///
    /// # Errors
    /// There is none, or what describes it cannot be used.
    pub(super) fn find(variables: &Variables) -> Result<Self, String> {
        if let Some(paths) = variables.get("KUBECONFIG") {
            let paths: Vec<PathBuf> = std::env::split_paths(paths).collect();
            return kubeconfig::read(&paths);
        }
        if variables.get("KUBERNETES_SERVICE_HOST").is_some() {
            return Self::around(variables, Path::new(SERVICE_ACCOUNT));
        }
        let usual = variables.get("HOME").map(|home| Path::new(home).join(".kube/config"));
        match usual.filter(|path| path.exists()) {
            Some(path) => kubeconfig::read(&[path]),
            None => Err("no cluster: KUBECONFIG is not set, there is no ~/.kube/config, and this is no pod"
                .to_owned()),
        }
    }

    /// The cluster that this pod runs in, with the service account in `folder`.
    fn around(variables: &Variables, folder: &Path) -> Result<Self, String> {
        let host = variables.get("KUBERNETES_SERVICE_HOST").unwrap_or_default();
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let port = variables.first(&["KUBERNETES_SERVICE_PORT_HTTPS", "KUBERNETES_SERVICE_PORT"]);
        let server = format!("https://{host}:{}", port.as_deref().unwrap_or("443"));
        let (authority, token) = (folder.join("ca.crt"), folder.join("token"));
        let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        read(&token).map_err(|error| format!("{error}; is the service account's token mounted?"))?;
        Ok(Self {
            server: Url::parse(&server).map_err(|error| format!("KUBERNETES_SERVICE_HOST: {error}"))?,
            authority: Some(read(&authority)?),
            identity: None,
            token: Token::File(token),
        })
    }

    /// TLS as the cluster wants it.
    pub(super) fn tls(&self) -> Result<ClientConfig, String> {
        let Some(authority) = &self.authority else { return self.platform_tls() };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authority, "certificate-authority")? {
            roots.add(certificate).map_err(|error| format!("certificate-authority: {error}"))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let Some((certificate, key)) = &self.identity else { return Ok(config.with_no_client_auth()) };
        let chain = certificates(certificate, "client-certificate")?;
        let key = PrivateKeyDer::from_pem_slice(&key.0).map_err(|error| format!("client-key: {error}"))?;
        config.with_client_auth_cert(chain, key).map_err(|error| format!("client-certificate: {error}"))
    }

    fn platform_tls(&self) -> Result<ClientConfig, String> {
        if self.identity.is_some() {
            return Err("a client certificate needs certificate-authority beside it".to_owned());
        }
        tls::client(None)
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found.map_err(|error| format!("{what}: {error}"))? {
        none if none.is_empty() => Err(format!("{what}: no certificate in it")),
        found => Ok(found),
    }
}

impl Token {
    /// The header's value as it is now, of `most` bytes at most.
    pub(super) async fn read(&self, most: usize) -> Result<Option<String>, String> {
        let path = match self {
            Self::None => return Ok(None),
            Self::Fixed(Secret(value)) => return Ok(Some(String::from_utf8_lossy(value).into_owned())),
            Self::File(path) => path,
        };
        let failed = |error: std::io::Error| format!("token {}: {error}", path.display());
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        let mut text = String::new();
        file.take(most as u64).read_to_string(&mut text).await.map_err(failed)?;
        Ok(Some(format!("Bearer {}", text.trim())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pod_asks_its_own_cluster() {
        let folder = tempfile::tempdir().expect("a folder");
        let variables = Variables::from(
            &[("KUBERNETES_SERVICE_HOST", "fd00::1"), ("KUBERNETES_SERVICE_PORT", "6443")][..],
        );
        let missing = Cluster::around(&variables, folder.path()).expect_err("no token");
        assert!(missing.contains("is the service account's token mounted?"), "{missing}");
        let made = rcgen::generate_simple_self_signed(["kubernetes".to_owned()]).expect("a certificate");
        std::fs::write(folder.path().join("ca.crt"), made.cert.pem()).expect("a file");
        std::fs::write(folder.path().join("token"), "first\n").expect("a file");
        let cluster = Cluster::around(&variables, folder.path()).expect("a cluster");
        assert_eq!(cluster.server.as_str(), "https://[fd00::1]:6443/");
        cluster.tls().expect("good certificates");
        assert_eq!(cluster.token.read(100).await, Ok(Some("Bearer first".to_owned())));
        std::fs::write(folder.path().join("token"), "second").expect("a file");
        assert_eq!(cluster.token.read(100).await, Ok(Some("Bearer second".to_owned())), "tokens are rotated");
        std::fs::write(folder.path().join("ca.crt"), "nothing").expect("a file");
        let error =
            Cluster::around(&variables, folder.path()).expect("a cluster").tls().expect_err("no certificate");
        assert!(error.contains("no certificate in it"), "{error}");
    }

    #[test]
    fn without_a_cluster_it_says_where_it_looked() {
        let error = Cluster::find(&Variables::default()).expect_err("no cluster");
        assert!(error.contains("KUBECONFIG is not set"), "{error}");
    }
}
