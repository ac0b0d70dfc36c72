//! `cat`, `substr`, `starts_with`, `ends_with`.

use bumpalo::collections::String as BumpString;

use crate::bytes::{same_end, same_start};
use crate::rule::{Failed, Literal, Rule, Scope, truncate};
use crate::text::write_plain;
use crate::value::Value;
use crate::witness::Witness;

/// `cat`: a lone string as it is, several arguments joined and trimmed.
#[inline(never)]
pub(crate) fn cat<'a, W: Witness>(args: &'a Rule, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
    let mut joined = BumpString::with_capacity_in(64, scope.bump);
    match args {
        Rule::List(rules) if rules.len() > 1 => {
            for (at, rule) in rules.iter().enumerate() {
                match rule.operand(Some(at), scope, w)? {
                    // What most parts are.
                    Value::Str(text) => {
                        scope.burn_built(text.len())?;
                        joined.push_str(text);
                    }
                    part => join(&mut joined, part, scope)?,
                }
            }
        }
        _ => match args.arguments(scope, w)? {
            Value::Str(text) => return Ok(Value::Str(text)),
            Value::List([]) => return Ok(Value::Str("")),
            Value::List([only]) => return only.text(scope.bump).map(Value::Str),
            Value::List(parts) => parts.iter().try_for_each(|part| join(&mut joined, *part, scope))?,
            _ => return Err(Failed),
        },
    }
    Ok(Value::Str(trimmed(joined.into_bump_str())))
}

/// The text without the white space around it; most has none, which two bytes tell.
#[inline]
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

#[inline(never)]
fn join<'a>(joined: &mut BumpString<'a>, part: Value<'a>, scope: &Scope<'a>) -> Result<(), Failed> {
    match part {
        Value::Str(text) => {
            scope.burn_built(text.len())?;
            joined.push_str(text);
        }
        Value::Num(n) => write_plain(n, joined).map_err(|_| Failed)?,
        Value::Null => {}
        Value::Bool(_) | Value::List(_) | Value::Map(_) => return Err(Failed),
    }
    Ok(())
}

/// `substr`: counts Unicode scalar values.
#[inline(never)]
pub(crate) fn substr<'a, W: Witness>(
    args: &'a Rule,
    scope: &Scope<'a>,
    w: &mut W,
) -> Result<Value<'a>, Failed> {
    let Value::List([subject, start, rest @ ..]) = args.arguments(scope, w)? else { return Err(Failed) };
    let text = subject.text(scope.bump)?;
    scope.burn_searched(text.len())?;
    let size = text.chars().count() as i64;
    let start = truncate(start.number()?);
    let from = if start < 0 { start.wrapping_add(size) } else { start };
    if from < 0 || from > size {
        return Ok(Value::Str(text));
    }
    let to = match rest {
        [length] => match truncate(length.number()?) {
            dropped if dropped < 0 => size.wrapping_add(dropped),
            length => from.wrapping_add(length).min(size),
        },
        _ => size,
    };
    if to < from {
        return Err(Failed);
    }
    let byte = |chars: i64| text.char_indices().nth(chars as usize).map_or(text.len(), |(at, _)| at);
    text.get(byte(from)..byte(to)).map(Value::Str).ok_or(Failed)
}

/// Which end of a string is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Start,
    End,
}

impl End {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "starts_with",
            Self::End => "ends_with",
        }
    }

    /// Exactly two arguments; `None` unless both are strings.
    #[inline(never)]
    pub(crate) fn pair<'a, W: Witness>(
        self,
        [text, affix]: &'a [Rule; 2],
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Result<Option<bool>, Failed> {
        let text = text.operand(Some(0), scope, w)?;
        let affix = match affix {
            Rule::Literal(Literal::Str(affix)) if !W::WATCHES => Value::Str(affix),
            _ => affix.run(Some(1), scope, w)?,
        };
        Ok(self.test(text, affix))
    }

    /// Any other argument; only two strings can be tested.
    #[inline(never)]
    pub(crate) fn any<'a, W: Witness>(
        self,
        args: &'a Rule,
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Result<Value<'a>, Failed> {
        match args.arguments(scope, w)? {
            Value::List([text, affix]) => Ok(self.test(*text, *affix).map_or(Value::Null, Value::Bool)),
            _ => Ok(Value::Null),
        }
    }

    #[inline]
    fn test(self, text: Value<'_>, affix: Value<'_>) -> Option<bool> {
        match (text, affix) {
            (Value::Str(text), Value::Str(affix)) => Some(match self {
                Self::Start => same_start(text.as_bytes(), affix.as_bytes()),
                Self::End => same_end(text.as_bytes(), affix.as_bytes()),
            }),
            _ => None,
        }
    }
}
