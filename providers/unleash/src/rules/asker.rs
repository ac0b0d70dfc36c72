//! Who asks: an OpenFeature context as Unleash's.
//!
//! The targeting key is the `userId`, unless there is an attribute of that name. The well-known attributes are Unleash's own,
//! in its spelling or with a capital as Go users write them; everything else is a property, as text. Properties may also
//! stand in an object `properties`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;

use engine::{Context, Question, Value};
use unleash_yggdrasil::state::{EnrichedContext, PropertiesCow, PropertiesRef};

use super::Toggle;

/// What the operator says of every context that does not say it itself.
#[derive(Clone, Debug, Default)]
pub struct Fixed {
    /// The `appName`.
    pub app_name: Option<String>,
    /// The `environment`.
    pub environment: Option<String>,
}

/// Shows `question`'s context to `look` as the rules of `toggle` need it.
pub(crate) fn with<'a, R>(
    question: &Question<'a>,
    toggle: &'a Toggle,
    fixed: &'a Fixed,
    look: impl FnOnce(&EnrichedContext<'_>) -> R,
) -> R {
    let get = |name: &str| attribute(question, name);
    let time;
    let current_time = match get("currentTime").or_else(|| get("CurrentTime")) {
        Some(given) => Some(given),
        None if toggle.timely => {
            time = rfc3339(question.now);
            Some(time.as_str())
        }
        None => None,
    };
    let properties = properties(question, &toggle.reads);
    let user = get("userId").or_else(|| get("UserId")).or_else(|| get("targetingKey"));
    look(&EnrichedContext {
        user_id: user,
        session_id: get("sessionId").or_else(|| get("SessionId")),
        environment: get("environment").or_else(|| get("Environment")).or(fixed.environment.as_deref()),
        app_name: get("appName").or_else(|| get("AppName")).or(fixed.app_name.as_deref()),
        current_time,
        remote_address: get("remoteAddress").or_else(|| get("RemoteAddress")),
        properties: properties.as_ref().map(PropertiesRef::Cows),
        external_results: None,
        toggle_name: &toggle.name,
        runtime_hostname: None,
    })
}

/// The properties that rules read; none are gathered for rules that read none.
fn properties<'a>(question: &Question<'a>, names: &'a [Box<str>]) -> Option<PropertiesCow<'a>> {
    if names.is_empty() {
        return None;
    }
    let nested = question.context.get("properties");
    let found = names.iter().filter_map(|name| {
        let inside = nested.and_then(|nested| nested.get(name)).and_then(|value| text(value, question));
        Some((Cow::Borrowed(&**name), Cow::Borrowed(attribute(question, name).or(inside)?)))
    });
    Some(found.collect::<HashMap<_, _>>())
}

fn attribute<'a>(question: &Question<'a>, name: &str) -> Option<&'a str> {
    let context: &'a Context<'a> = question.context;
    context.get(name).and_then(|value| text(value, question))
}

/// A value as text: whole numbers in decimal, others at their shortest, lists and objects as JSON; `null` is none.
fn text<'a>(value: Value<'a>, question: &Question<'a>) -> Option<&'a str> {
    match value {
        Value::Null => None,
        Value::Str(text) => Some(text),
        Value::Bool(true) => Some("true"),
        Value::Bool(false) => Some("false"),
        Value::Num(number) if number.is_finite() => {
            let mut out = String::new();
            // Writing to a string cannot fail.
            let _ = write!(out, "{number}");
            Some(question.bump.alloc_str(&out))
        }
        Value::Num(_) => None,
        Value::List(_) | Value::Map(_) => {
            let mut out = String::new();
            engine::write_json(&value.to_json(), &mut out);
            Some(question.bump.alloc_str(&out))
        }
    }
}

/// A time in Unix seconds as rules read it: RFC 3339 in UTC.
pub(crate) fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

/// Year, month and day of a count of days since 1970 in the Gregorian calendar, by eras of 400 years that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
            (1_763_683_200, "2025-11-21T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
