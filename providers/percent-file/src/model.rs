//! The document, as protobuf's JSON mapping has it (protobuf.dev/programming-guides/json).
//!
//! Fields go by their `lowerCamelCase` or their `snake_case` name; `null` is a field that is not there, and what is not there is
//! zero, `false` or empty. Numbers may be text, and `25.0` and `2.5e1` are whole. Fields that are not known are ignored, so that
//! a newer writer does not stop an older reader; so is the value of `schemaVersion`, for there is only one.

use serde::Deserialize;
use serde_json::Value;

/// All flags of a file. Each is left unread, since it may be broken on its own.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The version of the format.
    #[serde(default, alias = "schema_version")]
    pub schema_version: Value,
    /// [`Flag`]s.
    #[serde(default)]
    pub flags: Option<Vec<Value>>,
}

/// A flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The key that applications ask for.
    pub key: String,
    /// Whether anybody gets it.
    pub enabled: bool,
    /// The share of the subjects that get it, in percent, as written: 0 is everybody, and so is all from 100 on.
    pub rollout_percent: u32,
}

/// A flag as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    key: Option<String>,
    enabled: Option<bool>,
    #[serde(alias = "rollout_percent")]
    rollout_percent: Option<Value>,
}

impl Flag {
    /// Reads a flag.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn read(value: &Value) -> Result<Self, String> {
        let written = Written::deserialize(value).map_err(|error| error.to_string())?;
        let percent = written.rollout_percent.unwrap_or_default();
        Ok(Self {
            key: written.key.filter(|key| !key.is_empty()).ok_or("a flag needs a `key`, a text")?,
            enabled: written.enabled.unwrap_or_default(),
            rollout_percent: whole(&percent).ok_or("`rolloutPercent` must be a whole number, 0 or more")?,
        })
    }
}

/// A `uint32` of protobuf's JSON.
fn whole(value: &Value) -> Option<u32> {
    let number = match value {
        Value::Null => return Some(0),
        Value::Number(number) => number.as_f64()?,
        Value::String(text) if text.starts_with(|first: char| first.is_ascii_digit()) => text.parse().ok()?,
        _ => return None,
    };
    let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    fits.then_some(number as u32)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn percentages_are_read_as_protobuf_writes_them() {
        for (value, percent) in [
            (json!(25), Some(25)),
            (json!("25"), Some(25)),
            (json!(25.0), Some(25)),
            (json!("2.5e1"), Some(25)),
            (json!(null), Some(0)),
            (json!(4_294_967_295_u32), Some(u32::MAX)),
            (json!(4_294_967_296_u64), None),
            (json!(-1), None),
            (json!(0.5), None),
            (json!(" 25"), None),
            (json!(""), None),
            (json!("inf"), None),
            (json!(true), None),
        ] {
            assert_eq!(whole(&value), percent, "{value}");
        }
    }

    #[test]
    fn fields_have_two_names_and_unknown_ones_are_ignored() {
        let flag =
            |value: Value| Flag::read(&value).map(|flag| (flag.key, flag.enabled, flag.rollout_percent));
        let shop = Ok(("shop".to_owned(), true, 5));
        assert_eq!(flag(json!({"key": "shop", "enabled": true, "rolloutPercent": 5})), shop);
        assert_eq!(
            flag(json!({"key": "shop", "enabled": true, "rollout_percent": "5", "owner": "me"})),
            shop
        );
        assert_eq!(flag(json!({"key": "shop", "enabled": null})), Ok(("shop".to_owned(), false, 0)));
        assert!(flag(json!({"enabled": true})).is_err_and(|error| error.contains("key")));
        assert!(flag(json!({"key": "shop", "enabled": "true"})).is_err());
        assert!(
            flag(json!({"key": "shop", "rolloutPercent": 0.5})).is_err_and(|error| error.contains("whole"))
        );
    }
}
