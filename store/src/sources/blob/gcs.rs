//! Google Cloud Storage. Parameters are those of gocloud.dev, variables those of Google's own clients.

use std::sync::Arc;

use object_store::client::{HttpConnector, StaticCredentialProvider};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::{ObjectStore, RetryConfig};
use reqwest::Url;

use super::Variables;
use super::location::Parameters;

/// What the URI may say.
pub(super) const KNOWN: &str = "anonymous, endpoint, universe_domain and prefix";
/// What only signed URLs need, which are never made here.
const IGNORED: [&str; 2] = ["access_id", "private_key_path"];

/// How a bucket is reached.
#[derive(Debug)]
pub(super) struct Gcs {
    /// The server, if it is not Google's.
    endpoint: Option<String>,
    anonymous: bool,
    credentials: Option<String>,
}

impl Gcs {
    /// # Errors
    /// A parameter has no such value.
    pub(super) fn read(parameters: &mut Parameters, variables: &Variables) -> Result<Self, String> {
        parameters.ignore(&IGNORED);
        let mut anonymous = parameters.switch(&["anonymous"])?.unwrap_or_default();
        let universe =
            parameters.take(&["universe_domain"]).map(|domain| format!("https://storage.{domain}"));
        let mut endpoint = parameters.take(&["endpoint"]).or(universe);
        if let (None, Some(emulator)) = (&endpoint, variables.get("STORAGE_EMULATOR_HOST")) {
            // Emulators know no credentials.
            anonymous = true;
            endpoint = Some(emulator.to_owned());
        }
        let endpoint = endpoint.map(|endpoint| {
            let whole = if endpoint.contains("://") { endpoint } else { format!("http://{endpoint}") };
            match Url::parse(&whole) {
                Ok(url) if ["http", "https"].contains(&url.scheme()) => {
                    Ok(whole.trim_end_matches('/').to_owned())
                }
                Ok(_) => Err("endpoint must be an http or https URL".to_owned()),
                Err(error) => Err(format!("endpoint is no URL: {error}")),
            }
        });
        let credentials = variables.get("GOOGLE_APPLICATION_CREDENTIALS").map(str::to_owned);
        Ok(Self { endpoint: endpoint.transpose()?, anonymous, credentials })
    }

    /// Reads the credentials that there are now: the file of `GOOGLE_APPLICATION_CREDENTIALS`, what `gcloud auth` left in
    /// the home folder, or the metadata server of the machine.
    ///
    /// # Errors
    /// They cannot be used.
    pub(super) fn open(
        &self,
        bucket: &str,
        http: impl HttpConnector,
        retry: RetryConfig,
    ) -> Result<Box<dyn ObjectStore>, String> {
        let mut builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(bucket)
            .with_retry(retry)
            .with_http_connector(http);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_base_url(endpoint);
        }
        if self.anonymous {
            let nobody = StaticCredentialProvider::new(GcpCredential { bearer: String::new() });
            builder = builder.with_skip_signature(true).with_credentials(Arc::new(nobody));
        } else if let Some(path) = &self.credentials {
            builder = builder.with_application_credentials(path);
        }
        Ok(Box::new(builder.build().map_err(|error| super::said(&error))?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::location;
    use super::*;

    fn gcs(query: &str, variables: &[(&str, &str)]) -> Result<Gcs, String> {
        let (_, mut parameters) = location::parse(&format!("gs://b/k{query}")).expect("a URI");
        let gcs = Gcs::read(&mut parameters, &Variables::from(variables))?;
        parameters.finish(KNOWN)?;
        Ok(gcs)
    }

    #[test]
    fn an_emulator_is_asked_without_credentials() {
        let emulator = gcs("", &[("STORAGE_EMULATOR_HOST", "localhost:4443")]).expect("an emulator");
        assert_eq!((emulator.endpoint.as_deref(), emulator.anonymous), (Some("http://localhost:4443"), true));
        let plain = gcs("?access_id=x", &[("GOOGLE_APPLICATION_CREDENTIALS", "/key.json")]).expect("plain");
        assert_eq!((plain.endpoint, plain.anonymous), (None, false));
        assert_eq!(plain.credentials.as_deref(), Some("/key.json"));
        let other = gcs("?universe_domain=example.org", &[]).expect("another universe");
        assert_eq!(other.endpoint.as_deref(), Some("https://storage.example.org"));
        assert!(gcs("?endpoint=ftp://h", &[]).is_err());
    }
}
