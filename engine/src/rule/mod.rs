//! Compiled rules: a typed tree and the exhaustive `run` over it.
//!
//! Each operator family has its file. An operator's argument is itself a rule: a literal list of arguments is
//! [`Rule::List`], and anything else is evaluated and, if an array comes out, taken as the list (contract 7.2).

mod cbor;
pub(crate) mod compare;
pub(crate) mod each;
pub(crate) mod fractional;
pub(crate) mod list;
pub(crate) mod logic;
pub(crate) mod number;
mod scope;
pub(crate) mod sem_ver;
pub(crate) mod text;
pub(crate) mod var;

use std::sync::Arc;

use crate::value::Value;
use crate::witness::Witness;
pub(crate) use scope::{Data, Scope, Shadow};

/// A compiled rule.
#[derive(Debug)]
pub(crate) enum Rule {
    /// A value that is what it is.
    Literal(Literal),
    /// An array, evaluated element by element.
    List(Box<[Rule]>),
    /// An evaluator that `$ref` names.
    Ref(Arc<Program>),
    /// One element of an evaluator that is a list and stands for an operator's arguments.
    Part(Arc<Program>, usize),
    /// Something that cannot be evaluated, said in a warning at load.
    Fails(&'static str),
    Var(Box<var::Var>),
    Missing(Box<Rule>),
    MissingSome(Box<Rule>),
    If(Box<[Rule]>),
    And(Box<[Rule]>),
    Or(Box<[Rule]>),
    Not(Box<Rule>),
    Truthy(Box<Rule>),
    /// A comparison of exactly two arguments.
    Compare(compare::Comparison, Box<[Rule; 2]>),
    /// A comparison of whatever comes out of the argument.
    CompareAny(compare::Comparison, Box<Rule>),
    Number(number::Arithmetic, Box<Rule>),
    Cat(Box<Rule>),
    Substr(Box<Rule>),
    /// `starts_with` or `ends_with` of exactly two arguments.
    Affix(text::End, Box<[Rule; 2]>),
    AffixAny(text::End, Box<Rule>),
    In(Box<Rule>),
    /// `in` over a list of literals.
    InLiterals(Box<list::InLiterals>),
    Merge(Box<Rule>),
    Set(Box<Rule>),
    Contains(list::Quantity, Box<Rule>),
    Each(Box<each::Each>),
    Reduce(Box<each::Reduce>),
    Fractional(Box<fractional::Fractional>),
    SemVer(Box<sem_ver::SemVer>),
    SemVerAny(Box<Rule>),
}

/// A whole rule, or an evaluator that several share, and what it costs.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) root: Rule,
    /// Nodes, every `$ref` counted as if it were written out.
    pub(crate) nodes: usize,
    /// How often it looks an attribute up at most; `usize::MAX` where that depends on the context.
    pub(crate) reads: usize,
    /// Whether it may see the time.
    pub(crate) timed: bool,
    /// Whether it holds a `var` whose argument could fail.
    pub(crate) risky: bool,
}

/// A constant.
#[derive(Debug)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Num(f64),
    Str(Box<str>),
    /// An object, or an array that an operator takes unevaluated.
    Json(Box<serde_json::Value>),
}

/// A rule could not be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

impl Program {
    /// Evaluates the rule in `scope` (contract 7.2).
    #[inline]
    pub(crate) fn run<'a, W: Witness>(
        &'a self,
        scope: &Scope<'a>,
        witness: &mut W,
    ) -> Result<Value<'a>, Failed> {
        self.root.run(None, scope, witness)
    }
}

impl Rule {
    /// Evaluates one node, which is number `at` of its parent's arguments.
    #[inline]
    pub(crate) fn run<'a, W: Witness>(
        &'a self,
        at: Option<usize>,
        scope: &Scope<'a>,
        witness: &mut W,
    ) -> Result<Value<'a>, Failed> {
        if W::WATCHES {
            witness.enter(at, self.name());
            let outcome = self.evaluate(scope, witness);
            witness.leave(outcome.ok());
            return outcome;
        }
        // Most operands are one of these two.
        match self {
            Self::Literal(literal) => literal.outcome(scope),
            Self::Var(var) => var.run(scope, witness),
            _ => self.evaluate(scope, witness),
        }
    }

    /// The same where most rules are an attribute: that is looked up on the spot.
    #[inline(always)]
    pub(crate) fn operand<'a, W: Witness>(
        &'a self,
        at: Option<usize>,
        scope: &Scope<'a>,
        witness: &mut W,
    ) -> Result<Value<'a>, Failed> {
        match self {
            Self::Var(var) if !W::WATCHES => match var.attribute(scope) {
                Some(value) => Ok(value),
                None => self.run(at, scope, witness),
            },
            _ => self.run(at, scope, witness),
        }
    }

    /// Evaluates an operator's argument or arguments, which are steps of the operator itself.
    #[inline]
    pub(crate) fn arguments<'a, W: Witness>(
        &'a self,
        scope: &Scope<'a>,
        witness: &mut W,
    ) -> Result<Value<'a>, Failed> {
        match self {
            Self::List(rules) => list::evaluate(rules, scope, witness),
            _ => self.run(None, scope, witness),
        }
    }

    /// Whether what comes out is true, without making a value of it where the operator gives a boolean.
    pub(crate) fn test<'a, W: Witness>(
        &'a self,
        at: Option<usize>,
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Result<bool, Failed> {
        if W::WATCHES {
            return self.run(at, scope, w).map(Value::truthy);
        }
        match self {
            Self::And(rules) => logic::every(rules, scope, w),
            Self::Or(rules) => logic::any(rules, scope, w),
            Self::Not(arg) => logic::falsy(arg, scope, w),
            Self::Truthy(arg) => logic::falsy(arg, scope, w).map(|falsy| !falsy),
            Self::Compare(comparison, pair) => comparison.pair(pair, scope, w),
            Self::Affix(end, pair) => end.pair(pair, scope, w).map(|held| held == Some(true)),
            Self::InLiterals(test) => test.run(scope, w),
            Self::SemVer(test) => test.run(scope, w).map(|held| held == Some(true)),
            _ => self.run(at, scope, w).map(Value::truthy),
        }
    }

    /// One jump to the operator's own function, each with no more of a stack frame than it needs.
    #[inline]
    fn evaluate<'a, W: Witness>(&'a self, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
        match self {
            Self::Literal(literal) => literal.outcome(scope),
            Self::List(rules) => list::evaluate(rules, scope, w),
            Self::Ref(program) => program.root.run(None, scope, w),
            Self::Part(program, at) => part(program, *at, scope, w),
            Self::Fails(_) => Err(Failed),
            Self::Var(var) => var.run(scope, w),
            Self::Missing(args) => var::missing(args, scope, w),
            Self::MissingSome(args) => var::missing_some(args, scope, w),
            Self::If(clauses) => logic::choose(clauses, scope, w),
            Self::And(rules) => logic::deciding(rules, false, scope, w),
            Self::Or(rules) => logic::deciding(rules, true, scope, w),
            Self::Not(arg) => logic::falsy(arg, scope, w).map(Value::Bool),
            Self::Truthy(arg) => logic::falsy(arg, scope, w).map(|falsy| Value::Bool(!falsy)),
            Self::Compare(comparison, pair) => comparison.pair(pair, scope, w).map(Value::Bool),
            Self::CompareAny(comparison, args) => comparison.any(args, scope, w).map(Value::Bool),
            Self::Number(arithmetic, args) => arithmetic.run(args, scope, w),
            Self::Cat(args) => text::cat(args, scope, w),
            Self::Substr(args) => text::substr(args, scope, w),
            Self::Affix(end, pair) => end.pair(pair, scope, w).map(truth),
            Self::AffixAny(end, args) => end.any(args, scope, w),
            Self::In(args) => list::contained(args, scope, w),
            Self::InLiterals(test) => test.run(scope, w).map(Value::Bool),
            Self::Merge(args) => list::merge(args, scope, w),
            Self::Set(args) => list::set(args, scope, w),
            Self::Contains(quantity, args) => quantity.run(args, scope, w),
            Self::Each(each) => each.run(scope, w),
            Self::Reduce(reduce) => reduce.run(scope, w),
            Self::Fractional(fractional) => fractional.run(scope, w),
            Self::SemVer(test) => test.run(scope, w).map(truth),
            Self::SemVerAny(args) => sem_ver::any(args, scope, w),
        }
    }

    /// The node's JsonLogic name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Literal(_) | Self::List(_) | Self::Part(..) => "literal",
            Self::Ref(_) => "$ref",
            Self::Fails(name) => name,
            Self::Var(_) => "var",
            Self::Missing(_) => "missing",
            Self::MissingSome(_) => "missing_some",
            Self::If(_) => "if",
            Self::And(_) => "and",
            Self::Or(_) => "or",
            Self::Not(_) => "!",
            Self::Truthy(_) => "!!",
            Self::Compare(comparison, _) | Self::CompareAny(comparison, _) => comparison.name(),
            Self::Number(arithmetic, _) => arithmetic.name(),
            Self::Cat(_) => "cat",
            Self::Substr(_) => "substr",
            Self::Affix(end, _) | Self::AffixAny(end, _) => end.name(),
            Self::In(_) | Self::InLiterals(_) => "in",
            Self::Merge(_) => "merge",
            Self::Set(_) => "set",
            Self::Contains(quantity, _) => quantity.name(),
            Self::Each(each) => each.kind.name(),
            Self::Reduce(_) => "reduce",
            Self::Fractional(_) => "fractional",
            Self::SemVer(_) | Self::SemVerAny(_) => "sem_ver",
        }
    }
}

impl Rule {
    /// Whether it is written as a JSON object; the bodies of some operators have to be.
    pub(crate) fn is_object(&self) -> bool {
        match self {
            Self::Literal(literal) => matches!(literal, Literal::Json(json) if json.is_object()),
            Self::List(_) => false,
            Self::Ref(program) => program.root.is_object(),
            Self::Part(program, at) => match &program.root {
                Self::List(rules) => rules.get(*at).is_some_and(Self::is_object),
                _ => false,
            },
            _ => true,
        }
    }

    /// Shows `visit` every rule directly below, until it fails.
    pub(crate) fn children<'a>(
        &'a self,
        visit: &mut dyn FnMut(&'a Self) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        match self {
            Self::Literal(_) | Self::Fails(_) | Self::Var(_) => Ok(()),
            Self::Ref(program) => visit(&program.root),
            Self::Part(program, at) => match &program.root {
                Self::List(rules) => rules.get(*at).map_or(Ok(()), visit),
                _ => Ok(()),
            },
            Self::List(rules) | Self::If(rules) | Self::And(rules) | Self::Or(rules) => {
                rules.iter().try_for_each(visit)
            }
            Self::Compare(_, pair) | Self::Affix(_, pair) => pair.iter().try_for_each(visit),
            Self::Missing(arg)
            | Self::MissingSome(arg)
            | Self::Not(arg)
            | Self::Truthy(arg)
            | Self::CompareAny(_, arg)
            | Self::Number(_, arg)
            | Self::Cat(arg)
            | Self::Substr(arg)
            | Self::AffixAny(_, arg)
            | Self::In(arg)
            | Self::Merge(arg)
            | Self::Set(arg)
            | Self::Contains(_, arg)
            | Self::SemVerAny(arg) => visit(arg),
            Self::InLiterals(test) => visit(&test.needle),
            Self::SemVer(test) => visit(&test.version),
            Self::Fractional(fractional) => fractional.children().try_for_each(visit),
            Self::Each(each) => {
                visit(&each.subject)?;
                each.body.as_ref().map_or(Ok(()), |body| visit(&body.rule))
            }
            Self::Reduce(reduce) => {
                [&reduce.subject, &reduce.body.rule, &reduce.initial].into_iter().try_for_each(visit)
            }
        }
    }
}

fn part<'a, W: Witness>(
    program: &'a Program,
    at: usize,
    scope: &Scope<'a>,
    w: &mut W,
) -> Result<Value<'a>, Failed> {
    match &program.root {
        Rule::List(rules) => rules.get(at).ok_or(Failed)?.run(None, scope, w),
        _ => Err(Failed),
    }
}

/// What holds, does not hold, or cannot be told.
fn truth<'a>(held: Option<bool>) -> Value<'a> {
    held.map_or(Value::Null, Value::Bool)
}

impl Literal {
    pub(crate) fn value<'a>(&'a self, scope: &Scope<'a>) -> Value<'a> {
        self.outcome(scope).unwrap_or(Value::Null)
    }

    #[inline]
    fn outcome<'a>(&'a self, scope: &Scope<'a>) -> Result<Value<'a>, Failed> {
        match self {
            Self::Null => Ok(Value::Null),
            Self::Bool(b) => Ok(Value::Bool(*b)),
            Self::Num(n) => Ok(Value::Num(*n)),
            Self::Str(s) => Ok(Value::Str(s)),
            Self::Json(json) => Ok(Value::from_json(json, scope.bump)),
        }
    }

    /// The number that arithmetic makes of it.
    fn number(&self) -> Result<f64, Failed> {
        match self {
            Self::Num(n) => Ok(*n),
            Self::Str(s) => Value::Str(s).number(),
            Self::Null | Self::Bool(_) | Self::Json(_) => Err(Failed),
        }
    }
}

/// The integer part of `n` as a 64-bit Go program has it: what does not fit is the least integer.
pub(crate) fn truncate(n: f64) -> i64 {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if (-TWO_63..TWO_63).contains(&n) { n as i64 } else { i64::MIN }
}
