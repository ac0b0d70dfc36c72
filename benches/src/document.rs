//! Flag documents of any size, always the same for the same size: 60 % static, 25 % one condition, 15 % complex.

use serde_json::{Value, json};

use crate::five;
use crate::rule::{self, Rule};

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const COUNTRIES: &[&str] = &["DE", "FR", "US", "GB", "IN", "BR", "JP", "SE", "PL", "NL", "ES", "IT"];

/// What a document holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document {
    /// How many flags, the five of every benchmark among them.
    pub(crate) flags: usize,
    /// The rule of one flag more.
    pub(crate) rule: Option<Rule>,
}

impl Document {
    /// `flags` flags, no rule more.
    pub(crate) fn of(flags: usize) -> Self {
        Self { flags, rule: None }
    }

    /// Its text; `version` decides what `R1` answers, and nothing else.
    pub(crate) fn text(self, version: u64) -> String {
        let mut chance = Chance(SEED);
        let mut all = serde_json::Map::new();
        for at in 0..self.flags.saturating_sub(five::rules().len()) {
            let share = chance.below(100);
            let rule = match share {
                0..60 => None,
                _ if self.rule == Some(Rule::Shared) => Some(Rule::Shared.targeting()),
                60..85 => Some(condition(&mut chance)),
                _ => Some(complex(&mut chance)),
            };
            all.insert(format!("{}-{at}", ["checkout", "search", "billing", "profile"][at % 4]), flag(rule));
        }
        for (name, rule) in five::rules() {
            let mut flag = flag(rule);
            if name == "R1" && version % 2 == 1 {
                flag["defaultVariant"] = json!("on");
            }
            all.insert(name.to_owned(), flag);
        }
        if let Some(rule) = self.rule {
            all.insert(rule::KEY.to_owned(), flag(Some(rule.targeting())));
        }
        let mut document = json!({ "flags": all });
        if let Some(evaluators) = self.rule.and_then(Rule::evaluators) {
            document["$evaluators"] = evaluators;
        }
        document.to_string()
    }
}

fn flag(rule: Option<Value>) -> Value {
    let variants = json!({"on": true, "off": false, "red": true, "blue": false});
    let mut flag = json!({"state": "ENABLED", "variants": variants, "defaultVariant": "off"});
    if let Some(rule) = rule {
        flag["targeting"] = rule;
    }
    flag
}

/// One condition, of a few hundred different ones.
fn condition(chance: &mut Chance) -> Value {
    let test = match chance.below(4) {
        0 => json!({"ends_with": [{"var": "email"}, format!("@team{}.example.com", chance.below(50))]}),
        1 => json!({"==": [{"var": "plan"}, format!("plan-{}", chance.below(50))]}),
        2 => {
            json!({"sem_ver": [{"var": "version"}, ">=", format!("{}.{}.0", chance.below(5), chance.below(20))]})
        }
        _ => json!({"in": [{"var": "country"}, countries(chance, 4)]}),
    };
    json!({"if": [test, "on", "off"]})
}

/// Several conditions with a share at their end, hardly ever the same.
fn complex(chance: &mut Chance) -> Value {
    let both = json!({"and": [
        {"in": [{"var": "country"}, countries(chance, 8)]},
        {">=": [{"var": "age"}, chance.below(60)]},
    ]});
    let on = chance.below(100);
    let share = json!({"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]},
        ["on", on], ["off", 100 - on]]});
    json!({"if": [both, "on", {"starts_with": [{"var": "region"}, "eu-"]}, share, "off"]})
}

fn countries(chance: &mut Chance, many: usize) -> Vec<&'static str> {
    let first = usize::try_from(chance.below(12)).unwrap_or(0);
    (0..many).map(|at| COUNTRIES[(first + at) % COUNTRIES.len()]).collect()
}

/// Numbers that look random and are the same in every run (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[cfg(test)]
mod tests {
    use super::Document;

    #[test]
    fn the_shares_are_as_promised() {
        let text = Document::of(10_000).text(1);
        assert_eq!(text, Document::of(10_000).text(1));
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let flags = document["flags"].as_object().unwrap();
        assert_eq!(flags.len(), 10_000);
        let static_flags = flags.values().filter(|flag| flag.get("targeting").is_none()).count();
        assert!((5_800..6_200).contains(&static_flags), "{static_flags}");
        let complex =
            flags.values().filter(|flag| flag["targeting"].to_string().contains("fractional")).count();
        assert!((1_400..1_600).contains(&complex), "{complex}");
    }
}
