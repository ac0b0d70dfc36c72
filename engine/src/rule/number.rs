//! `+`, `-`, `*`, `/`, `%`, `abs`, `max`, `min`.

use crate::rule::{Failed, Rule, Scope};
use crate::value::Value;
use crate::witness::Witness;

/// An arithmetic operator. Division by zero gives an infinity or NaN, which fails only if the rule returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Absolute,
    Max,
    Min,
}

impl Arithmetic {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Absolute => "abs",
            Self::Max => "max",
            Self::Min => "min",
        }
    }

    #[inline(never)]
    pub(crate) fn run<'a, W: Witness>(
        self,
        args: &'a Rule,
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Result<Value<'a>, Failed> {
        let list = match args.arguments(scope, w)? {
            Value::List(list) => list,
            // Only these two take a bare operand.
            scalar if self == Self::Add => return scalar.number().map(Value::Num),
            scalar if self == Self::Absolute => return Ok(Value::Num(scalar.number()?.abs())),
            _ => return Err(Failed),
        };
        let number = match (self, list) {
            (Self::Max | Self::Min, []) => return Ok(Value::Null),
            (Self::Add | Self::Subtract | Self::Divide, []) => 0.0,
            (Self::Multiply, []) => 1.0,
            (Self::Remainder, [a, b, ..]) => a.number()? % b.number()?,
            (Self::Remainder, _) | (Self::Absolute, []) => return Err(Failed),
            (Self::Absolute, [a, ..]) => a.number()?.abs(),
            (Self::Subtract, [a]) => -a.number()?,
            (Self::Add, [_, _, ..]) => {
                // A sum begins at 0: two negative zeros make a positive one.
                list.iter().try_fold(0.0, |total, value| Ok(total + value.number()?))?
            }
            (_, [first, rest @ ..]) => {
                let mut total = first.number()?;
                for value in rest {
                    total = self.fold(total, value.number()?);
                }
                total
            }
        };
        Ok(Value::Num(number))
    }

    fn fold(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Remainder => a % b,
            Self::Max if b > a => b,
            Self::Min if a > b => b,
            Self::Absolute | Self::Max | Self::Min => a,
        }
    }
}
