//! Rules and contexts beyond the five: one flag more in a document, and what it is asked over.

use serde_json::{Value, json};

use crate::five;

/// The flag that has the rule.
pub(crate) const KEY: &str = "asked";
/// Entries of the longest literal list: a rule of more than 100,000 nodes is refused.
const ENTRIES: usize = 99_990;

/// What the flag more is like. All but [`Self::EightShares`] are on for their context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Whether there is no e-mail, over a context without attributes.
    Absence,
    /// An attribute five maps deep.
    DeepAttribute,
    /// `and` in `or` in `and` in `or`, eight comparisons, of which the last ones decide.
    NestedLogic,
    /// An evaluator that every rule of the document refers to.
    Shared,
    /// `fractional` of eight shares.
    EightShares,
    /// `in` a literal list, at its end.
    LongList,
}

impl Rule {
    /// What decides.
    pub(crate) fn targeting(self) -> Value {
        let is = |name: &str, value: &str| json!({"==": [{"var": name}, value]});
        let test = match self {
            Self::Absence => json!({"!": {"var": "email"}}),
            Self::DeepAttribute => is("account.company.unit.team.plan", "gold"),
            Self::NestedLogic => {
                let missing = json!({"and": [is("plan", "free"), is("region", "us-east-1")]});
                let found = json!({"or": [is("device", "web"), is("device", "ios")]});
                json!({"or": [
                    {"and": [is("country", "FR"), missing]},
                    {"and": [{"or": [missing, is("country", "DE")]}, found]},
                ]})
            }
            Self::Shared => json!({"$ref": "known"}),
            Self::LongList => {
                let mut entries: Vec<String> =
                    (1..ENTRIES).map(|at| format!("user-{at}@example.org")).collect();
                entries.push("jane.doe@example.com".to_owned());
                json!({"in": [{"var": "email"}, entries]})
            }
            Self::EightShares => {
                let shares = ["on", "off", "red", "blue", "on", "off", "red", "blue"];
                let shares = shares.iter().zip([5, 10, 20, 15, 10, 20, 15, 5]).map(|share| json!(share));
                let key = json!({"cat": [{"var": "$flagd.flagKey"}, {"var": "email"}]});
                let all: Vec<Value> = [key].into_iter().chain(shares).collect();
                return json!({ "fractional": all });
            }
        };
        json!({"if": [test, "on", "off"]})
    }

    /// The document's `$evaluators`.
    pub(crate) fn evaluators(self) -> Option<Value> {
        let known = json!({"or": [
            {"ends_with": [{"var": "email"}, "@example.net"]},
            {"in": [{"var": "country"}, ["AT", "CH", "DE"]]},
        ]});
        (self == Self::Shared).then(|| json!({ "known": known }))
    }

    /// What the flag is asked over.
    pub(crate) fn context(self) -> Value {
        if self == Self::Absence {
            return json!({});
        }
        let mut context = five::context();
        if self == Self::DeepAttribute {
            context["account"] = json!({"company": {"unit": {"team": {"plan": "gold"}}}});
        }
        context
    }
}
