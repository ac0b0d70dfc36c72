//! What the Kubernetes API says: as much of it as following one object takes.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A list of objects, and the version of the cluster's state that it shows.
#[derive(Deserialize)]
pub(super) struct List<'a> {
    pub(super) metadata: Meta,
    #[serde(borrow, default)]
    pub(super) items: Vec<Object<'a>>,
}

/// A FeatureFlag of `core.openfeature.dev/v1beta1`, or a bookmark, which has a version and no more.
#[derive(Deserialize)]
pub(super) struct Object<'a> {
    #[serde(default)]
    pub(super) metadata: Meta,
    #[serde(borrow, default)]
    pub(super) spec: Option<Spec<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    pub(super) name: String,
    pub(super) resource_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec<'a> {
    /// The document, as it stands.
    #[serde(borrow, default)]
    pub(super) flag_spec: Option<&'a RawValue>,
}

/// One line of a watch.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    #[serde(borrow)]
    pub(super) object: &'a RawValue,
}

/// What is said when something is wrong.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) message: String,
    pub(super) code: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_comes_as_it_stands() {
        let text = r#"{"kind":"FeatureFlagList","metadata":{"resourceVersion":"7"},"items":[
            {"metadata":{"name":"n","resourceVersion":"5","uid":"u"},"spec":{"flagSpec":{"flags": {"a": 1.0}}}},
            {"metadata":{"name":"m"},"spec":{"flagSpec":null}},{"metadata":{"name":"o"}}]}"#;
        let list: List<'_> = serde_json::from_str(text).expect("a list");
        assert_eq!(list.metadata.resource_version, "7");
        let specs: Vec<Option<&str>> =
            list.items.iter().map(|item| Some(item.spec.as_ref()?.flag_spec?.get())).collect();
        assert_eq!(specs, [Some(r#"{"flags": {"a": 1.0}}"#), None, None]);
        let deep = format!(
            r#"{{"type":"ADDED","object":{{"spec":{{"flagSpec":{}{}}}}}}}"#,
            "[".repeat(9999),
            "]".repeat(9999)
        );
        let event: Event<'_> = serde_json::from_str(&deep).expect("an event");
        assert!(
            serde_json::from_str::<Object<'_>>(event.object.get()).is_ok(),
            "depth is the document's own matter"
        );
    }
}
