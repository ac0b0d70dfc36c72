//! What a rule says that cannot be meant: operators that do not exist, variants that the flag does not have, shares
//! that can never be given. flagd finds out when it gets there; an author wants to know before.

use serde_json::{Map, Value};

use super::entry::{MAX_WARNINGS, kind};
use super::hint::did_you_mean;
use super::problem::{Problem, quote};
use super::reference::name_of;
use crate::text::write_json;
use crate::tree::{push_index, push_segment};

/// The operators of contract 7.2 and 7.4.
const OPERATORS: [&str; 43] = [
    "var",
    "missing",
    "missing_some",
    "if",
    "?:",
    "==",
    "===",
    "!=",
    "!==",
    "!",
    "!!",
    "or",
    "and",
    "<",
    "<=",
    ">",
    ">=",
    "max",
    "min",
    "+",
    "-",
    "*",
    "/",
    "%",
    "abs",
    "map",
    "filter",
    "reduce",
    "all",
    "none",
    "some",
    "merge",
    "in",
    "cat",
    "substr",
    "set",
    "contains_all",
    "contains_any",
    "contains_none",
    "fractional",
    "sem_ver",
    "starts_with",
    "ends_with",
];

/// The greatest weight, and the greatest sum of weights, of `fractional` (contract 7.3).
const MAX_WEIGHT: f64 = 2_147_483_647.0;

/// Looks at a rule; `variants` are those of the flag, or `None` for a rule that only `$ref` leads to.
pub(crate) fn check_rule(
    rule: &Value,
    path: &str,
    variants: Option<&Map<String, Value>>,
    found: &mut Vec<Problem>,
) {
    let mut check = Check { path: path.to_owned(), variants, found };
    check.rule(rule, variants.is_some());
}

struct Check<'c> {
    path: String,
    variants: Option<&'c Map<String, Value>>,
    found: &'c mut Vec<Problem>,
}

impl Check<'_> {
    /// `decides`: what comes out here is taken as the name of a variant.
    fn rule(&mut self, rule: &Value, decides: bool) {
        match rule {
            Value::Array(items) if !decides => {
                for (at, item) in items.iter().enumerate() {
                    self.at(at, |check| check.rule(item, false));
                }
            }
            Value::Object(fields) if fields.len() == 1 && name_of(rule).is_none() => {
                for (operator, operands) in fields {
                    self.within(operator, |check| check.operation(operator, operands, decides));
                }
            }
            Value::String(_) | Value::Bool(_) | Value::Number(_) if decides => self.variant(rule),
            _ => {}
        }
    }

    fn operation(&mut self, operator: &str, operands: &Value, decides: bool) {
        if !OPERATORS.contains(&operator) {
            let problem = self.warning(format!("there is no operator {}", quote(operator)));
            return self.warn(problem.hint(did_you_mean(operator, OPERATORS)));
        }
        let Value::Array(items) = operands else { return self.rule(operands, false) };
        match operator {
            "fractional" => self.fractional(items, decides),
            "if" | "?:" => {
                for (at, item) in items.iter().enumerate() {
                    let branch = at % 2 == 1 || at + 1 == items.len();
                    self.at(at, |check| check.rule(item, decides && branch));
                }
            }
            _ => self.rule(operands, false),
        }
    }

    fn fractional(&mut self, items: &[Value], decides: bool) {
        let mut sum = 0.0;
        for (at, item) in items.iter().enumerate() {
            let Value::Array(share) = item else {
                self.at(at, |check| check.rule(item, false));
                continue;
            };
            self.at(at, |check| {
                if let Some(variant) = share.first() {
                    check.at(0, |check| check.rule(variant, decides));
                }
                sum += match share.get(1) {
                    Some(weight) => check.at(1, |check| check.weight(weight)),
                    None => 1.0,
                };
            });
        }
        if sum > MAX_WEIGHT {
            let message = format!("the weights add up to more than {MAX_WEIGHT}, so no share is ever given");
            self.warn(self.warning(message));
        } else if sum <= 0.0 {
            self.warn(self.warning("the weights add up to nothing, so no share is ever given"));
        }
    }

    /// The weight as far as it is known; a computed one counts as one.
    fn weight(&mut self, weight: &Value) -> f64 {
        let message = match weight {
            Value::Null => return 1.0,
            Value::Object(_) => {
                self.rule(weight, false);
                return 1.0;
            }
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or_default();
                if number < 0.0 {
                    "a negative weight counts as 0".to_owned()
                } else if number.fract() != 0.0 {
                    format!("the weight {number} is not a whole number, so no share is ever given")
                } else {
                    return number;
                }
            }
            _ => format!("a weight is a number, not {}; no share is ever given", kind(weight)),
        };
        self.warn(self.warning(message));
        // Said once; that the rest may add up to nothing is not worth a second word.
        1.0
    }

    /// A literal that decides names a variant; booleans and numbers by their JSON text (contract 7.1 step 6).
    fn variant(&mut self, literal: &Value) {
        let Some(variants) = self.variants else { return };
        let mut name = String::new();
        match literal {
            Value::String(text) => name.push_str(text),
            _ => write_json(literal, &mut name),
        }
        if !variants.contains_key(&name) {
            let problem = self.warning(format!("the flag has no variant {}", quote(&name)));
            self.warn(problem.hint(did_you_mean(&name, variants.keys().map(String::as_str))));
        }
    }

    fn at<T>(&mut self, item: usize, look: impl FnOnce(&mut Self) -> T) -> T {
        self.deeper(|path| push_index(path, item), look)
    }

    fn within<T>(&mut self, member: &str, look: impl FnOnce(&mut Self) -> T) -> T {
        self.deeper(|path| push_segment(path, member), look)
    }

    fn deeper<T>(&mut self, step: impl FnOnce(&mut String), look: impl FnOnce(&mut Self) -> T) -> T {
        let depth = self.path.len();
        step(&mut self.path);
        let done = look(self);
        self.path.truncate(depth);
        done
    }

    fn warning(&self, message: impl Into<String>) -> Problem {
        Problem::warning(self.path.as_str(), message)
    }

    fn warn(&mut self, problem: Problem) {
        if self.found.len() < MAX_WARNINGS {
            self.found.push(problem);
        }
    }
}
