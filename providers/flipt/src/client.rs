//! The server's API: where it is, and what every request says (contract 1.1 and 1.2).

use http::{HeaderMap, HeaderValue};
use reqwest::Url;
use store::{Http, Origin, OriginError, Schedule};

use crate::options::SourceOptions;

/// The version that servers are told this client understands: older ones would hide constraints and default variants.
const UNDERSTOOD: &str = "1.47.0";
/// The environment of a server that none is named for.
const DEFAULT_ENVIRONMENT: &str = "default";

/// Where a Flipt is.
#[derive(Clone, Debug)]
pub struct Api {
    base: Url,
    environment: Option<String>,
    namespace: String,
}

impl Api {
    /// The API of `origin`, with the poller of its snapshots and when to poll.
    ///
    /// # Errors
    /// The URL or an option cannot be used.
    pub fn open(origin: &Origin, options: &SourceOptions) -> Result<(Self, Http, Schedule), OriginError> {
        let wrong = |what: String| OriginError(format!("source {origin}: {what}"));
        let address = origin.name().split('?').next().unwrap_or_default();
        let base = Url::parse(address).map_err(|error| wrong(format!("not a URL: {error}")))?;
        if base.cannot_be_a_base() {
            return Err(wrong("not a URL of a server".to_owned()));
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-flipt-accept-server-version", HeaderValue::from_static(UNDERSTOOD));
        if let Some(environment) = &options.environment {
            let value = HeaderValue::from_str(environment)
                .map_err(|_| wrong("environment is no header value".to_owned()))?;
            headers.insert("x-flipt-environment", value);
        }
        let api =
            Self { base, environment: options.environment.clone(), namespace: options.namespace.clone() };
        let (http, schedule) = Http::of_vendor(origin, api.snapshot().as_str(), headers)?;
        Ok((api, http, schedule))
    }

    /// The namespace that is meant.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where a snapshot of the namespace is, of every version of the server.
    pub fn snapshot(&self) -> Url {
        self.at(&["internal", "v1", "evaluation", "snapshot", "namespace", &self.namespace])
    }

    /// Where changes of the namespace are told (v2).
    ///
    /// The server would leave out the first message for whoever says the `digest` that they have. It is not told: it holds its
    /// very headers back until there is a message, and one that is silent could not be told from one that is dead.
    pub fn stream(&self) -> Url {
        let environment = self.environment.as_deref().unwrap_or(DEFAULT_ENVIRONMENT);
        self.at(&["client", "v2", "environments", environment, "namespaces", &self.namespace, "stream"])
    }

    /// Where flags are evaluated: `boolean`, `variant` or `batch`.
    pub fn evaluate(&self, what: &str) -> Url {
        self.at(&["evaluate", "v1", what])
    }

    /// Where the server says whether it is well.
    pub fn health(&self) -> Url {
        self.at(&["health"])
    }

    fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn open(url: &str, options: Value) -> Result<Api, OriginError> {
        let origin = Origin::new("flipt", url, options.as_object().cloned().unwrap_or_else(Map::new));
        Api::open(&origin, &SourceOptions::of(&origin)?).map(|(api, ..)| api)
    }

    #[test]
    fn addresses_name_namespace_and_environment() {
        let api = open("https://h/flipt/", json!({})).expect("an API");
        assert_eq!(
            api.snapshot().as_str(),
            "https://h/flipt/internal/v1/evaluation/snapshot/namespace/default"
        );
        let api =
            open("https://h?namespace=a%2Fb&environment=prod", json!({"namespace": "x"})).expect("an API");
        assert_eq!(api.stream().as_str(), "https://h/client/v2/environments/prod/namespaces/a%2Fb/stream");
        assert_eq!(api.evaluate("batch").as_str(), "https://h/evaluate/v1/batch");
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (url, options) in [
            ("h", json!({})),
            ("https://h?project=x", json!({})),
            ("https://h", json!({"namespace": ""})),
            ("https://h", json!({"values": "both"})),
            ("https://h", json!({"environment": "a\nb"})),
        ] {
            assert!(open(url, options.clone()).is_err(), "{url} {options}");
        }
    }
}
