//! Azure Blob Storage. Parameters are those of gocloud.dev, variables those of gocloud.dev and of Azure's own clients.

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::HttpConnector;
use object_store::{ObjectStore, RetryConfig};
use reqwest::Url;

use super::Variables;
use super::location::{Parameters, switch};

/// What the URI may say.
pub(super) const KNOWN: &str = "domain, protocol, cdn, localemu, storage_account, anonymous and prefix";

/// How a container is reached.
#[derive(Debug)]
pub(super) struct Azure {
    account: String,
    endpoint: String,
    anonymous: bool,
    variables: Variables,
}

/// Variables that say who asks, and what the builder calls them.
const CHAIN: &[(&str, AzureConfigKey)] = &[
    ("AZURE_STORAGE_KEY", AzureConfigKey::AccessKey),
    ("AZURE_STORAGE_SAS_TOKEN", AzureConfigKey::SasKey),
    ("AZURE_CLIENT_ID", AzureConfigKey::ClientId),
    ("AZURE_TENANT_ID", AzureConfigKey::AuthorityId),
    ("AZURE_CLIENT_SECRET", AzureConfigKey::ClientSecret),
    ("AZURE_FEDERATED_TOKEN_FILE", AzureConfigKey::FederatedTokenFile),
    ("AZURE_AUTHORITY_HOST", AzureConfigKey::AuthorityHost),
    ("IDENTITY_ENDPOINT", AzureConfigKey::MsiEndpoint),
];

impl Azure {
    /// # Errors
    /// There is no account, or a parameter has no such value.
    pub(super) fn read(parameters: &mut Parameters, mut variables: Variables) -> Result<Self, String> {
        let connection =
            variables.first(&["AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGEBLOB_CONNECTIONSTRING"]);
        let connection = connection.as_deref().map(connection_string).unwrap_or_default();
        for (part, variable) in
            [("AccountKey", "AZURE_STORAGE_KEY"), ("SharedAccessSignature", "AZURE_STORAGE_SAS_TOKEN")]
        {
            if let Some(value) = connection.get(part) {
                variables.set(variable, value);
            }
        }
        let account = parameters
            .take(&["storage_account"])
            .or_else(|| variables.first(&["AZURE_STORAGE_ACCOUNT"]))
            .or_else(|| connection.get("AccountName").map(str::to_owned));
        let account =
            account.ok_or("set the environment variable AZURE_STORAGE_ACCOUNT to the account's name")?;
        let endpoint = endpoint(&account, parameters, &variables, &connection)?;
        let anonymous = parameters.switch(&["anonymous"])?.unwrap_or_default();
        Ok(Self { account, endpoint, anonymous, variables })
    }

    /// Reads the credentials that there are now: a key, a signature, a workload identity, a client's secret, or the
    /// machine's managed identity.
    ///
    /// # Errors
    /// They cannot be used.
    pub(super) fn open(
        &self,
        container: &str,
        http: impl HttpConnector,
        retry: RetryConfig,
    ) -> Result<Box<dyn ObjectStore>, String> {
        let builder = MicrosoftAzureBuilder::new()
            .with_account(&self.account)
            .with_container_name(container)
            .with_endpoint(self.endpoint.clone())
            .with_skip_signature(self.anonymous)
            .with_retry(retry)
            .with_http_connector(http);
        let builder = self.variables.lay(CHAIN, builder, MicrosoftAzureBuilder::with_config);
        Ok(Box::new(builder.build().map_err(|error| super::said(&error))?))
    }
}

/// The address of the account, by gocloud.dev's rules.
fn endpoint(
    account: &str,
    parameters: &mut Parameters,
    variables: &Variables,
    connection: &Variables,
) -> Result<String, String> {
    let on = |parameter: Option<bool>, variable: &str| match (parameter, variables.get(variable)) {
        (Some(on), _) => Ok(on),
        (None, Some(text)) => switch(variable, text),
        (None, None) => Ok(false),
    };
    let cdn = on(parameters.switch(&["cdn"])?, "AZURE_STORAGE_IS_CDN")?;
    let local = on(parameters.switch(&["localemu"])?, "AZURE_STORAGE_IS_LOCAL_EMULATOR")?;
    let protocol = parameters
        .take(&["protocol"])
        .or_else(|| variables.first(&["AZURE_STORAGE_PROTOCOL"]))
        .or_else(|| connection.get("DefaultEndpointsProtocol").map(str::to_owned))
        .unwrap_or_else(|| "https".to_owned());
    let domain = parameters.take(&["domain"]).or_else(|| variables.first(&["AZURE_STORAGE_DOMAIN"]));
    let endpoint = match (domain, connection.get("BlobEndpoint")) {
        (None, Some(whole)) => whole.trim_end_matches('/').to_owned(),
        (domain, _) => {
            let suffix =
                || format!("blob.{}", connection.get("EndpointSuffix").unwrap_or("core.windows.net"));
            let domain = domain.unwrap_or_else(suffix);
            if local || domain.starts_with("127.0.0.1") || domain.starts_with("localhost") {
                format!("{protocol}://{domain}/{account}")
            } else if cdn {
                format!("{protocol}://{domain}")
            } else {
                format!("{protocol}://{account}.{domain}")
            }
        }
    };
    match Url::parse(&endpoint) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => Ok(endpoint),
        Ok(_) => Err("protocol must be http or https".to_owned()),
        Err(error) => Err(format!("account, domain and protocol make no URL: {error}")),
    }
}

/// `AccountName=...;AccountKey=...`, by the names of its parts.
fn connection_string(text: &str) -> Variables {
    let parts = text.split(';').filter_map(|part| part.split_once('='));
    parts.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::location;
    use super::*;

    fn azure(query: &str, variables: &[(&str, &str)]) -> Result<Azure, String> {
        let (_, mut parameters) = location::parse(&format!("azblob://c/k{query}")).expect("a URI");
        let azure = Azure::read(&mut parameters, Variables::from(variables))?;
        parameters.finish(KNOWN)?;
        Ok(azure)
    }

    #[test]
    fn addresses_are_those_of_gocloud() {
        let account = ("AZURE_STORAGE_ACCOUNT", "me");
        let table = [
            ("", vec![account], "https://me.blob.core.windows.net"),
            ("?storage_account=you", vec![account], "https://you.blob.core.windows.net"),
            ("?domain=blob.core.usgovcloudapi.net", vec![account], "https://me.blob.core.usgovcloudapi.net"),
            ("?domain=cdn.example&cdn=true", vec![account], "https://cdn.example"),
            ("?domain=localhost:10001&protocol=http", vec![account], "http://localhost:10001/me"),
            ("?domain=azurite:10001&protocol=http&localemu=true", vec![account], "http://azurite:10001/me"),
            (
                "",
                vec![account, ("AZURE_STORAGE_DOMAIN", "127.0.0.1:1"), ("AZURE_STORAGE_PROTOCOL", "http")],
                "http://127.0.0.1:1/me",
            ),
            (
                "",
                vec![(
                    "AZURE_STORAGE_CONNECTION_STRING",
                    "AccountName=me;AccountKey=k==;EndpointSuffix=example.net",
                )],
                "https://me.blob.example.net",
            ),
        ];
        for (query, variables, expected) in table {
            assert_eq!(azure(query, &variables).expect(query).endpoint, expected, "{query}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let account = [("AZURE_STORAGE_ACCOUNT", "me")];
        assert!(azure("", &[]).is_err_and(|error| error.contains("AZURE_STORAGE_ACCOUNT")));
        assert!(azure("?protocol=ftp", &account).is_err_and(|error| error.contains("protocol")));
        assert!(azure("?cdn=perhaps", &account).is_err_and(|error| error.contains("cdn must be")));
        let secret = azure("", &[account[0], ("AZURE_STORAGE_CONNECTION_STRING", "AccountKey=hunter2")]);
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
