//! `if`, `and`, `or`, `!`, `!!`.

use crate::rule::{Failed, Rule, Scope};
use crate::value::Value;
use crate::witness::Witness;

/// `if`: pairs of condition and outcome, then perhaps an `else`. An outcome is never evaluated a second time.
#[inline(never)]
pub(crate) fn choose<'a, W: Witness>(
    clauses: &'a [Rule],
    scope: &Scope<'a>,
    w: &mut W,
) -> Result<Value<'a>, Failed> {
    let (pairs, otherwise) = clauses.as_chunks::<2>();
    for (at, [condition, outcome]) in pairs.iter().enumerate() {
        if condition.test(Some(2 * at), scope, w)? {
            return outcome.run(Some(2 * at + 1), scope, w);
        }
    }
    match otherwise.first() {
        Some(rule) => rule.run(Some(clauses.len() - 1), scope, w),
        None => Ok(Value::Null),
    }
}

/// `and` (`until` false) and `or` (`until` true): the first operand whose truth is `until`, else the last one.
#[inline(never)]
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

/// Whether `and` gives something true.
#[inline(never)]
pub(crate) fn every<'a, W: Witness>(rules: &'a [Rule], scope: &Scope<'a>, w: &mut W) -> Result<bool, Failed> {
    for rule in rules {
        if !rule.test(None, scope, w)? {
            return Ok(false);
        }
    }
    Ok(!rules.is_empty())
}

/// Whether `or` gives something true.
#[inline(never)]
pub(crate) fn any<'a, W: Witness>(rules: &'a [Rule], scope: &Scope<'a>, w: &mut W) -> Result<bool, Failed> {
    for rule in rules {
        if rule.test(None, scope, w)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `!`: of an array that is not empty, only the first element counts.
#[inline(never)]
pub(crate) fn falsy<'a, W: Witness>(arg: &'a Rule, scope: &Scope<'a>, w: &mut W) -> Result<bool, Failed> {
    if let Rule::List(rules) = arg
        && let [only] = &**rules
    {
        return only.test(Some(0), scope, w).map(|truthy| !truthy);
    }
    Ok(match arg.arguments(scope, w)? {
        Value::List([first, ..]) => !first.truthy(),
        value => !value.truthy(),
    })
}
