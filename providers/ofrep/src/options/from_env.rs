//! Options from the variables that OFREP's providers share (OFREP ADR on environment configuration; js-sdk-contrib, .NET, Go).

use std::time::Duration;

use kit::Variables;
use percent_encoding::percent_decode_str;

use super::{Options, OptionsError};

impl Options {
    /// The defaults, with what the environment says: `OFREP_ENDPOINT`, `OFREP_HEADERS` (`name=value,name=value`, percent-encoded
    /// where a value holds a comma) and `OFREP_TIMEOUT_MS`. Go's `OFREP_TIMEOUT`, plain milliseconds, counts where the latter is
    /// not set.
    ///
    /// # Errors
    /// A variable that cannot be read. Unset and empty ones are as if absent.
    pub fn from_env() -> Result<Self, OptionsError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`from_env`](Self::from_env), with variables from anywhere.
    ///
    /// # Errors
    /// As there.
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, OptionsError> {
        let variables = Variables::new(get);
        let get = |name: &str| variables.text(name);
        let mut options = Self::default();
        if let Some(endpoint) = get("OFREP_ENDPOINT") {
            options.base_url = endpoint;
        }
        if let Some(headers) = get("OFREP_HEADERS") {
            options.headers = parse_headers(&headers)?;
        }
        if let Some(timeout) = get("OFREP_TIMEOUT_MS").or_else(|| get("OFREP_TIMEOUT")) {
            options.timeout = parse_timeout(&timeout)?;
        }
        Ok(options)
    }
}

fn parse_headers(text: &str) -> Result<Vec<(String, String)>, OptionsError> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let parse = |pair: &str| {
        // The text may be a secret as a whole: only what is left of a sign is told.
        let Some((name, value)) = pair.split_once('=') else {
            return Err(OptionsError::Header("..".to_owned(), "holds an entry without `=`"));
        };
        let decode =
            |text: &str| percent_decode_str(text.trim()).decode_utf8().map(|text| text.trim().to_owned());
        match (decode(name), decode(value)) {
            (Ok(name), Ok(value)) if !name.is_empty() => Ok((name, value)),
            _ => Err(OptionsError::Header(name.trim().to_owned(), "is not percent-encoded text")),
        }
    };
    pairs.map(parse).collect()
}

fn parse_timeout(text: &str) -> Result<Duration, OptionsError> {
    match text.parse() {
        Ok(milliseconds) if milliseconds > 0 => Ok(Duration::from_millis(milliseconds)),
        _ => Err(OptionsError::Timeout(format!("`{text}` is no time"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<Options, OptionsError> {
        Options::from_variables(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_are_read_as_the_stock_providers_read_them() {
        let options = from(&[
            ("OFREP_ENDPOINT", " https://flags.test/api "),
            ("OFREP_HEADERS", "Authorization=Bearer 123, X-List=a%2Cb=c,,x-e="),
            ("OFREP_TIMEOUT_MS", "5000"),
        ])
        .expect("options");
        assert_eq!(options.base_url, "https://flags.test/api");
        let headers = [("Authorization", "Bearer 123"), ("X-List", "a,b=c"), ("x-e", "")];
        assert_eq!(options.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(options.timeout, Duration::from_secs(5));
        assert!(!format!("{options:?}").contains("123"));

        let options = from(&[("OFREP_TIMEOUT", "70"), ("OFREP_ENDPOINT", "")]).expect("options");
        assert_eq!(options.timeout, Duration::from_millis(70));
        assert_eq!(options.base_url, Options::default().base_url);
    }

    #[test]
    fn what_cannot_be_read_is_said_without_secrets() {
        for (name, value) in [
            ("OFREP_TIMEOUT_MS", "soon"),
            ("OFREP_TIMEOUT_MS", "0"),
            ("OFREP_HEADERS", "secret"),
            ("OFREP_HEADERS", "=secret"),
            ("OFREP_HEADERS", "x=%ffsecret"),
        ] {
            let error = from(&[(name, value)]).expect_err(value).to_string();
            assert!(error.contains(name) && !error.contains("secret"), "{error}");
        }
    }
}
