//! `if`, `and`, `or`, `!`, `!!`.

use crate::rule::{Failed, Rule, Scope};
use crate::value::Value;
use crate::witness::Witness;

/// `if`: pairs of condition and outcome, then perhaps an `else`. An outcome is never evaluated a second time.
#[inline]
pub(crate) fn choose<'a, W: Witness>(
    clauses: &'a [Rule],
    scope: &Scope<'a>,
    w: &mut W,
) -> Result<Value<'a>, Failed> {
    let (pairs, otherwise) = clauses.as_chunks::<2>();
    for (at, [condition, outcome]) in pairs.iter().enumerate() {
        if condition.run(Some(2 * at), scope, w)?.truthy() {
            return outcome.run(Some(2 * at + 1), scope, w);
        }
    }
    match otherwise.first() {
        Some(rule) => rule.run(Some(clauses.len() - 1), scope, w),
        None => Ok(Value::Null),
    }
}

/// `and` (`until` false) and `or` (`until` true): the first operand whose truth is `until`, else the last one.
#[inline]
pub(crate) fn deciding<'a, W: Witness>(
    rules: &'a [Rule],
    until: bool,
    scope: &Scope<'a>,
    w: &mut W,
) -> Result<Value<'a>, Failed> {
    let mut last = Value::Null;
    for (at, rule) in rules.iter().enumerate() {
        last = rule.run(Some(at), scope, w)?;
        if last.truthy() == until {
            break;
        }
    }
    Ok(last)
}

/// `!`: of an array that is not empty, only the first element counts.
#[inline]
pub(crate) fn negation<'a, W: Witness>(arg: &'a Rule, scope: &Scope<'a>, w: &mut W) -> Result<bool, Failed> {
    Ok(match arg.arguments(scope, w)? {
        Value::List([first, ..]) => !first.truthy(),
        value => !value.truthy(),
    })
}
