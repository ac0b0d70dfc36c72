//! `==`, `!=`, `===`, `!==`, `<`, `<=`, `>`, `>=`.

use crate::rule::{Failed, Rule, Scope};
use crate::value::Value;
use crate::witness::Witness;

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Identical,
    NotIdentical,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Identical => "===",
            Self::NotIdentical => "!==",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Exactly two arguments.
    #[inline(never)]
    pub(crate) fn pair<'a, W: Witness>(
        self,
        [a, b]: &'a [Rule; 2],
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Result<bool, Failed> {
        let a = a.operand(Some(0), scope, w)?;
        let b = b.run(Some(1), scope, w)?;
        Ok(self.holds(a, b))
    }

    /// Any other argument. Too few compare as false, a third one makes an ordering a range.
    #[inline(never)]
    pub(crate) fn any<'a, W: Witness>(
        self,
        args: &'a Rule,
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Result<bool, Failed> {
        let negative = matches!(self, Self::NotEqual | Self::NotIdentical);
        Ok(match args.arguments(scope, w)? {
            Value::List([] | [_]) => negative,
            Value::List([a, b, c]) if self.orders() => self.holds(*a, *b) && self.holds(*b, *c),
            Value::List([a, b, ..]) => self.holds(*a, *b),
            _ if matches!(self, Self::Identical | Self::NotIdentical) => negative,
            _ => return Err(Failed),
        })
    }

    fn orders(self) -> bool {
        matches!(self, Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual)
    }

    #[inline]
    fn holds(self, a: Value<'_>, b: Value<'_>) -> bool {
        match self {
            Self::Equal => a.loosely_equals(b),
            Self::NotEqual => !a.loosely_equals(b),
            Self::Identical => a.strictly_equals(b),
            Self::NotIdentical => !a.strictly_equals(b),
            Self::Less => a.less_than(b),
            Self::LessOrEqual => a.less_than(b) || a.loosely_equals(b),
            Self::Greater => b.less_than(a),
            Self::GreaterOrEqual => b.less_than(a) || a.loosely_equals(b),
        }
    }
}
