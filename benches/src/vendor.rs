//! A typical flag of each vendor, in the vendor's own document, and who it is asked for. The package of the vendors' crates
//! includes this file, so that both are asked the same.

use serde_json::{Value, json};

/// Flags of each document, beside which the one is looked up.
const FLAGS: usize = 20;
/// How many users are asked for.
pub(crate) const USERS: usize = 64;

/// A vendor whose flags are evaluated natively.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    /// A gradual rollout to half of two regions.
    Unleash,
    /// A segment of one plan and half its users, which switches a feature on.
    Flagsmith,
    /// A rollout to half, for one segment.
    Flipt,
}

impl Vendor {
    pub(crate) const ALL: [Self; 3] = [Self::Unleash, Self::Flagsmith, Self::Flipt];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unleash => "unleash",
            Self::Flagsmith => "flagsmith",
            Self::Flipt => "flipt",
        }
    }

    /// The document with the flag [`KEY`] and others like it.
    pub(crate) fn document(self) -> Value {
        let names = (0..FLAGS).map(|at| if at == 0 { KEY.to_owned() } else { format!("other-{at}") });
        match self {
            Self::Unleash => json!({"version": 2, "features": names.map(unleash).collect::<Vec<_>>()}),
            Self::Flagsmith => flagsmith(names.collect()),
            Self::Flipt => {
                json!({"namespace": {"key": "default"}, "digest": "0", "flags": names.map(flipt).collect::<Vec<_>>()})
            }
        }
    }
}

/// The flag that is asked for.
pub(crate) const KEY: &str = "new-shop";

/// Who is asked for.
pub(crate) struct User {
    pub(crate) key: String,
    pub(crate) region: &'static str,
    pub(crate) plan: &'static str,
}

/// User number `at`.
pub(crate) fn user(at: usize) -> User {
    User {
        key: format!("user-{at}"),
        region: if at.is_multiple_of(3) { "us" } else { "eu" },
        plan: if at.is_multiple_of(4) { "free" } else { "enterprise" },
    }
}

fn unleash(name: String) -> Value {
    json!({"name": name, "type": "release", "enabled": true, "project": "default", "stale": false, "variants": [],
        "strategies": [{"name": "flexibleRollout",
            "parameters": {"rollout": "50", "stickiness": "default", "groupId": name},
            "constraints": [{"contextName": "region", "operator": "IN", "values": ["eu", "uk"],
                "inverted": false, "caseInsensitive": false}]}]})
}

fn flagsmith(names: Vec<String>) -> Value {
    let feature = |at: usize, name: &str| json!({"id": at + 1, "name": name, "type": "STANDARD"});
    let state = |at: usize, name: &str, on: bool, segment: Option<Value>| {
        json!({"feature": feature(at, name), "enabled": on, "feature_state_value": null, "django_id": at + 1,
            "featurestate_uuid": format!("{at:08}-0000-4000-8000-000000000000"), "feature_segment": segment,
            "multivariate_feature_state_values": []})
    };
    let states: Vec<Value> =
        names.iter().enumerate().map(|(at, name)| state(at, name, false, None)).collect();
    let condition = |operator: &str, property: Option<&str>, value: &str| json!({"operator": operator, "property_": property, "value": value});
    let rule = json!({"type": "ALL", "rules": [], "conditions": [
        condition("EQUAL", Some("plan"), "enterprise"), condition("PERCENTAGE_SPLIT", None, "50")]});
    let segment = json!({"id": 1, "name": "half", "rules": [{"type": "ALL", "rules": [rule], "conditions": []}],
        "feature_states": [state(0, KEY, true, Some(json!({"priority": 0})))]});
    json!({"id": 1, "name": "bench", "api_key": "bench", "updated_at": "2026-01-01T00:00:00.000000Z",
        "project": {"id": 1, "name": "bench", "hide_disabled_flags": false, "segments": [segment],
            "organisation": {"id": 1, "name": "bench", "feature_analytics": false, "stop_serving_flags": false,
                "persist_trait_data": false}, "enable_realtime_updates": false, "server_key_only_feature_ids": []},
        "feature_states": states, "identity_overrides": [], "allow_client_traits": true, "hide_sensitive_data": false,
        "hide_disabled_flags": null, "use_identity_composite_key_for_hashing": true,
        "use_identity_overrides_in_local_eval": false})
}

fn flipt(name: String) -> Value {
    let constraint = json!({"type": "STRING_CONSTRAINT_COMPARISON_TYPE", "property": "region", "operator": "isoneof",
        "value": "[\"eu\",\"uk\"]"});
    let segment = json!({"key": "near", "matchType": "ALL_SEGMENT_MATCH_TYPE", "constraints": [constraint]});
    json!({"key": name, "enabled": true, "type": "VARIANT_FLAG_TYPE", "rollouts": [], "rules": [
        {"id": "1", "rank": 1, "segmentOperator": "OR_SEGMENT_OPERATOR", "segments": [segment], "distributions": [
            {"ruleId": "1", "variantKey": "on", "variantAttachment": "", "rollout": 50},
            {"ruleId": "1", "variantKey": "off", "variantAttachment": "", "rollout": 50}]}]})
}
