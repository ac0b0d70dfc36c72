//! Which object: `s3://bucket/path/to/flags.json?region=eu-central-1`, as flagd and gocloud.dev write it (contract 1.4).

use std::collections::BTreeMap;

use object_store::path::Path;
use reqwest::Url;

/// A bucket, or Azure's container, and an object in it.
#[derive(Debug)]
pub(super) struct Location {
    pub(super) bucket: String,
    pub(super) object: Path,
}

/// The query of the URI. What is taken is known; what is left at the end is a mistake.
#[derive(Debug)]
pub(super) struct Parameters(BTreeMap<String, String>);

/// Reads `scheme://bucket/object?parameters`. Bucket and object are meant as they stand: nothing in them is decoded.
///
/// # Errors
/// There is no bucket or no object, or the object has a name that cannot be asked for.
pub(super) fn parse(uri: &str) -> Result<(Location, Parameters), String> {
    let (_, rest) = uri.split_once("://").ok_or("no scheme such as s3://")?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut parameters = Parameters::read(query)?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || key.is_empty() {
        return Err("must name a bucket and an object, such as s3://bucket/flags.json".to_owned());
    }
    if !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte)) {
        return Err("a bucket's name has letters, digits, `-`, `_` and `.` alone".to_owned());
    }
    let key = parameters.take(&["prefix"]).unwrap_or_default() + key;
    let object = Path::parse(&key).map_err(|error| format!("no name for an object: {error}"))?;
    if object.as_ref() != key {
        return Err("an object's name neither begins nor ends with `/`".to_owned());
    }
    Ok((Location { bucket: bucket.to_owned(), object }, parameters))
}

impl Parameters {
    fn read(query: &str) -> Result<Self, String> {
        let url = Url::parse(&format!("query:?{query}")).map_err(|error| error.to_string())?;
        let mut parameters = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            if parameters.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(format!("parameter {name} stands there twice"));
            }
        }
        Ok(Self(parameters))
    }

    /// The value under any of the names; an empty one counts as unset.
    pub(super) fn take(&mut self, names: &[&str]) -> Option<String> {
        let found: Vec<String> = names.iter().filter_map(|name| self.0.remove(*name)).collect();
        found.into_iter().find(|value| !value.is_empty())
    }

    /// The switch under any of the names.
    ///
    /// # Errors
    /// It is neither on nor off.
    pub(super) fn switch(&mut self, names: &[&str]) -> Result<Option<bool>, String> {
        self.take(names).map(|text| switch(names[0], &text)).transpose()
    }

    /// Lets parameters pass that mean nothing to somebody who only reads.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.0.remove(*name);
        }
    }

    /// Sees that nothing is left. `known` tells what there is.
    ///
    /// # Errors
    /// Something is: most likely a spelling mistake.
    pub(super) fn finish(self, known: &str) -> Result<(), String> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("unknown parameter {name:?} after `?`; there are {known}")),
        }
    }
}

/// A switch as Go reads one.
///
/// # Errors
/// It is neither on nor off.
pub(super) fn switch(name: &str, text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err(format!("{name} must be true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_bucket_object_and_parameters() {
        let (location, mut parameters) =
            parse("s3://my-bucket/a/b c%20d.json?region=eu&endpoint=http%3A%2F%2Fh&prefix=x/")
                .expect("a URI");
        assert_eq!((location.bucket.as_str(), location.object.as_ref()), ("my-bucket", "x/a/b c%20d.json"));
        assert_eq!(parameters.take(&["region"]).as_deref(), Some("eu"));
        assert_eq!(parameters.take(&["endpoint"]).as_deref(), Some("http://h"));
        assert!(parameters.finish("region").is_ok());
    }

    #[test]
    fn odd_uris_are_refused_and_nothing_panics() {
        for uri in [
            "",
            "s3",
            "s3://",
            "s3:///",
            "s3://b",
            "s3://b/",
            "s3:///k",
            "s3://b//k",
            "s3://b/k//l",
            "s3://b/../k",
            "s3://b/./k",
            "s3://b/k/",
            "s3://b?x/k",
            "s3://b/k?a=1&a=2",
            "s3://b:80/k",
            "s3://u@b/k",
            "s3://b/\u{0}k",
            "s3://\u{1f600}/k",
            "s3://b /k",
            "s3://b/?prefix=k",
        ] {
            assert!(parse(uri).is_err(), "{uri:?}");
        }
        for uri in [
            "s3://b/k?",
            "s3://b/k?%",
            "s3://b/k?%ff=%zz",
            "s3://b/k?=&&",
            "s3://b/\u{1f600}.json",
            "gs://b/k#f",
        ] {
            assert!(parse(uri).is_ok(), "{uri:?}");
        }
    }

    #[test]
    fn unknown_parameters_are_mistakes() {
        let (_, parameters) = parse("s3://b/k?regoin=eu").expect("a URI");
        let error = parameters.finish("region, endpoint").expect_err("a mistake");
        assert_eq!(error, "unknown parameter \"regoin\" after `?`; there are region, endpoint");
        let (_, mut parameters) = parse("s3://b/k?anonymous=maybe").expect("a URI");
        assert_eq!(parameters.switch(&["anonymous"]), Err("anonymous must be true or false".to_owned()));
    }
}
