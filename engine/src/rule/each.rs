//! List operators with a body: `map`, `filter`, `all`, `none`, `some`, `reduce`.

use bumpalo::collections::Vec as BumpVec;

use crate::rule::{Data, Failed, Rule, Scope};
use crate::value::Value;
use crate::witness::Witness;

/// What is done with the body's outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Map,
    Filter,
    All,
    None,
    Some,
}

/// `map`, `filter`, `all`, `none` or `some`.
#[derive(Debug)]
pub(crate) struct Each {
    pub(crate) kind: Kind,
    pub(crate) subject: Rule,
    /// `None` fails when an element reaches it.
    pub(crate) body: Option<Body>,
}

/// A rule that is evaluated once per element.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) rule: Rule,
    /// Nodes, which every element pays for.
    pub(crate) nodes: usize,
    /// Whether it holds a `var` whose argument could fail, reached or not.
    pub(crate) risky: bool,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Filter => "filter",
            Self::All => "all",
            Self::None => "none",
            Self::Some => "some",
        }
    }
}

impl Each {
    #[inline(never)]
    pub(crate) fn run<'a, W: Witness>(&'a self, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
        let subject = subject(&self.subject, scope, w)?;
        if matches!(self.kind, Kind::Map | Kind::Filter) {
            return match subject {
                Value::Null => Ok(Value::List(&[])),
                Value::List(items) => self.collect(items, scope, w),
                _ => Err(Failed),
            };
        }
        if !subject.truthy() {
            return Ok(Value::Bool(self.kind == Kind::None));
        }
        let Value::List(items) = subject else { return Err(Failed) };
        self.quantify(items, scope, w).map(Value::Bool)
    }

    fn collect<'a, W: Witness>(
        &'a self,
        items: &'a [Value<'a>],
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Result<Value<'a>, Failed> {
        let Some(body) = &self.body else { return Ok(Value::List(&[])) };
        let mut shadowed = *scope;
        if self.kind == Kind::Filter {
            shadowed = scope.shadowed(scope.data);
            body.check(&shadowed)?;
        }
        let mut collected = BumpVec::new_in(scope.bump);
        for item in items {
            let outcome = body.any(&shadowed.over(Data::Item(*item)), w)?;
            match self.kind {
                Kind::Map => collected.push(outcome),
                _ if outcome.truthy() => collected.push(*item),
                _ => {}
            }
        }
        Ok(Value::List(collected.into_bump_slice()))
    }

    fn quantify<'a, W: Witness>(
        &'a self,
        items: &'a [Value<'a>],
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Result<bool, Failed> {
        let body = self.body.as_ref().ok_or(Failed)?;
        let mut outer = *scope;
        if self.kind != Kind::All {
            outer = scope.shadowed(scope.data);
            body.check(&outer)?;
        }
        for item in items {
            let mut inner = outer.over(Data::Item(*item));
            if self.kind != Kind::None {
                inner = inner.shadowed(inner.data);
                body.check(&inner)?;
            }
            if body.object(&inner, w)?.truthy() != (self.kind == Kind::All) {
                return Ok(self.kind == Kind::Some);
            }
        }
        Ok(self.kind != Kind::Some)
    }
}

impl Body {
    fn any<'a, W: Witness>(&'a self, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
        scope.burn(1 + self.nodes / 4 + self.nodes.saturating_mul(scope.breadth()) / 256)?;
        self.rule.run(Some(1), scope, w)
    }

    /// Evaluates a body that has to be an object once variables are replaced, as every operator but `map` and `filter`
    /// demands.
    fn object<'a, W: Witness>(&'a self, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
        if !self.rule.is_object() {
            return Err(Failed);
        }
        if let Rule::Var(var) = &self.rule
            && let Some(value) = var.replaced(scope, w)?
        {
            return if matches!(value, Value::Map(_)) { Ok(value) } else { Err(Failed) };
        }
        self.any(scope, w)
    }

    /// Fails where replacing the body's variables fails.
    fn check<'a>(&'a self, scope: &Scope<'a>) -> Result<(), Failed> {
        if self.risky { check(&self.rule, scope) } else { Ok(()) }
    }
}

/// The list that an operator goes through: a literal one is taken as it is written, and what is neither a list nor an
/// operation is nothing.
fn subject<'a, W: Witness>(rule: &'a Rule, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
    if let Rule::Var(var) = rule
        && scope.shadow.is_some()
        && let Some(value) = var.replaced(scope, w)?
    {
        return Ok(if matches!(value, Value::List(_) | Value::Map(_)) { value } else { Value::Null });
    }
    rule.run(Some(0), scope, w)
}

/// `reduce`: the outcome of every element is the next one's accumulator.
#[derive(Debug)]
pub(crate) struct Reduce {
    pub(crate) subject: Rule,
    pub(crate) body: Body,
    pub(crate) initial: Rule,
}

impl Reduce {
    #[inline(never)]
    pub(crate) fn run<'a, W: Witness>(&'a self, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
        let mut accumulator = self.initial.run(Some(2), scope, w)?;
        let kind = match accumulator {
            Value::Bool(_) => "bool",
            Value::Num(_) => "number",
            Value::Str(_) => "string",
            Value::Null | Value::List(_) | Value::Map(_) => return Err(Failed),
        };
        let items = match subject(&self.subject, scope, w)? {
            Value::Null => return Ok(Value::Num(0.0)),
            Value::List(items) => items,
            _ => return Err(Failed),
        };
        for current in items.iter().copied().filter(|item| *item != Value::Null) {
            let outcome = self.body.object(&scope.over(Data::Fold { current, accumulator, kind }), w)?;
            // The initial value's type is the type of every outcome.
            accumulator = match accumulator {
                Value::Bool(_) => Value::Bool(outcome.truthy()),
                Value::Num(_) => Value::Num(outcome.number()?),
                _ => Value::Str(outcome.text(scope.bump)?),
            };
        }
        Ok(accumulator)
    }
}

/// Evaluates the argument of every variable below `rule` in the surrounding data, for its failure alone.
fn check<'a>(rule: &'a Rule, scope: &Scope<'a>) -> Result<(), Failed> {
    if let Rule::Var(var) = rule {
        return var.check(scope);
    }
    rule.children(&mut |child| check(child, scope))
}
