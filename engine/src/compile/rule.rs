//! From a rule's JSON to the typed tree that runs: what can be paid at load is paid here.

use std::sync::Arc;

use bumpalo::Bump;
use serde_json::Value as Json;

use super::reference::name_of;
use crate::context::Context;
use crate::rule::compare::Comparison;
use crate::rule::each::{Body, Each, Kind, Reduce};
use crate::rule::fractional::{Bucketing, Form, Fractional, Table};
use crate::rule::list::{InLiterals, Quantity};
use crate::rule::number::Arithmetic;
use crate::rule::sem_ver::{Owned, Relation, SemVer, Version, plain};
use crate::rule::text::End;
use crate::rule::var::{Name, Var, numeric};
use crate::rule::{Failed, Literal, Program, Rule, Scope};
use crate::value::Value;

/// Compiles a rule whose size and nesting the caller has bounded, every `$ref` written out. Never fails: what cannot be
/// evaluated fails when it is reached, as in flagd.
///
/// `evaluator` gives the compiled evaluator that `$ref` names, `None` if there is none to use. It is shared, not copied.
pub(crate) fn compile_rule(
    json: &Json,
    bucketing: Bucketing,
    evaluator: &mut dyn FnMut(&str) -> Option<Arc<Program>>,
) -> Program {
    let mut compiler = Compiler { bucketing, evaluator, nodes: 0, reads: 0, timed: false, risky: false };
    let root = compiler.unfolded(json);
    Program {
        root,
        nodes: compiler.nodes,
        reads: compiler.reads,
        timed: compiler.timed,
        risky: compiler.risky,
    }
}

struct Compiler<'c> {
    bucketing: Bucketing,
    evaluator: &'c mut dyn FnMut(&str) -> Option<Arc<Program>>,
    nodes: usize,
    reads: usize,
    timed: bool,
    risky: bool,
}

impl Compiler<'_> {
    fn rule(&mut self, json: &Json) -> Rule {
        folded(self.unfolded(json))
    }

    /// A rule that may be asked whether it was written as an object.
    fn unfolded(&mut self, json: &Json) -> Rule {
        self.nodes += 1;
        match json {
            Json::Array(items) => Rule::List(items.iter().map(|item| self.rule(item)).collect()),
            Json::Object(fields) => match fields.iter().next() {
                Some((operator, args)) if fields.len() == 1 => self.operation(operator, args, json),
                _ => self.kept(json),
            },
            _ => Rule::Literal(scalar(json).unwrap_or(Literal::Null)),
        }
    }

    /// A literal that costs what it holds every time it is looked at.
    fn kept(&mut self, json: &Json) -> Rule {
        self.nodes = self.nodes.saturating_add(size(json));
        Rule::Literal(Literal::Json(Box::new(json.clone())))
    }

    fn boxed(&mut self, json: &Json) -> Box<Rule> {
        Box::new(self.rule(json))
    }

    /// The argument of an operator that looks attributes up as often as the context has it.
    fn searching(&mut self, json: &Json) -> Box<Rule> {
        self.reads = usize::MAX;
        self.timed = true;
        self.boxed(json)
    }

    fn operation(&mut self, operator: &str, args: &Json, whole: &Json) -> Rule {
        match operator {
            "$ref" => self.reference(whole),
            "var" => Rule::Var(Box::new(self.var(args))),
            "missing" => Rule::Missing(self.searching(args)),
            "missing_some" => Rule::MissingSome(self.searching(args)),
            "if" | "?:" => self.lazy(args).map_or(Rule::Fails("if"), Rule::If),
            "and" => self.lazy(args).map_or(Rule::Fails("and"), Rule::And),
            "or" => self.lazy(args).map_or(Rule::Fails("or"), Rule::Or),
            "!" => Rule::Not(self.boxed(args)),
            "!!" => Rule::Truthy(self.boxed(args)),
            "map" => self.each(Kind::Map, args),
            "filter" => self.each(Kind::Filter, args),
            "all" => self.each(Kind::All, args),
            "none" => self.each(Kind::None, args),
            "some" => self.each(Kind::Some, args),
            "reduce" => self.reduce(args),
            "in" => self.contained(args),
            "merge" => Rule::Merge(self.boxed(args)),
            "set" => Rule::Set(self.boxed(args)),
            "cat" => Rule::Cat(self.boxed(args)),
            "substr" => Rule::Substr(self.boxed(args)),
            "fractional" => self.fractional(args),
            "sem_ver" => self.sem_ver(args),
            _ => self.plain(operator, args),
        }
    }

    /// The operators that come in families.
    fn plain(&mut self, operator: &str, args: &Json) -> Rule {
        let comparison = match operator {
            "==" => Some(Comparison::Equal),
            "!=" => Some(Comparison::NotEqual),
            "===" => Some(Comparison::Identical),
            "!==" => Some(Comparison::NotIdentical),
            "<" => Some(Comparison::Less),
            "<=" => Some(Comparison::LessOrEqual),
            ">" => Some(Comparison::Greater),
            ">=" => Some(Comparison::GreaterOrEqual),
            _ => None,
        };
        if let Some(comparison) = comparison {
            return match self.pair(args) {
                Some(pair) => Rule::Compare(comparison, pair),
                None => Rule::CompareAny(comparison, self.boxed(args)),
            };
        }
        let arithmetic = match operator {
            "+" => Some(Arithmetic::Add),
            "-" => Some(Arithmetic::Subtract),
            "*" => Some(Arithmetic::Multiply),
            "/" => Some(Arithmetic::Divide),
            "%" => Some(Arithmetic::Remainder),
            "abs" => Some(Arithmetic::Absolute),
            "max" => Some(Arithmetic::Max),
            "min" => Some(Arithmetic::Min),
            _ => None,
        };
        if let Some(arithmetic) = arithmetic {
            return Rule::Number(arithmetic, self.boxed(args));
        }
        match operator {
            "starts_with" => self.affix(End::Start, args),
            "ends_with" => self.affix(End::End, args),
            "contains_all" => Rule::Contains(Quantity::All, self.boxed(args)),
            "contains_any" => Rule::Contains(Quantity::Any, self.boxed(args)),
            "contains_none" => Rule::Contains(Quantity::None, self.boxed(args)),
            _ => Rule::Fails("unknown operator"),
        }
    }

    fn reference(&mut self, whole: &Json) -> Rule {
        let Some(program) = name_of(whole).and_then(|name| (self.evaluator)(name)) else {
            return Rule::Fails("$ref");
        };
        self.nodes = self.nodes.saturating_add(program.nodes);
        self.reads = self.reads.saturating_add(program.reads);
        self.timed |= program.timed;
        self.risky |= program.risky;
        Rule::Ref(program)
    }

    fn var(&mut self, args: &Json) -> Var {
        let named = |text: &str, default: Literal| {
            let segments: Box<[Box<str>]> =
                text.split('.').filter(|segment| !segment.is_empty()).map(Box::from).collect();
            match (&*segments, &default) {
                ([], _) => None,
                ([only], Literal::Null) if **only != *"$flagd" => Some(Name::Attribute(only.clone())),
                ([flagd, key], Literal::Null) if **flagd == *"$flagd" && **key == *"flagKey" => {
                    Some(Name::FlagKey)
                }
                _ => Some(Name::Path(segments, default)),
            }
        };
        let name = match args {
            Json::String(text) => {
                let name = named(text, Literal::Null).unwrap_or(Name::Whole);
                return self.read(name, !text.is_empty() && !text.starts_with('.'));
            }
            Json::Number(n) => named(&numeric(n.as_f64().unwrap_or_default()), Literal::Null),
            Json::Array(items) => match items.as_slice() {
                [Json::String(text)] => named(text, Literal::Null),
                [Json::String(text), default] => scalar(default).and_then(|default| named(text, default)),
                _ => None,
            },
            _ => None,
        };
        let name = name.unwrap_or_else(|| {
            self.risky = true;
            Name::Computed(self.rule(args))
        });
        self.read(name, true)
    }

    fn read(&mut self, name: Name, shadowable: bool) -> Var {
        self.timed |= match &name {
            Name::FlagKey | Name::Attribute(_) => false,
            Name::Path(segments, _) => segments.first().is_some_and(|first| **first == *"$flagd"),
            Name::Whole | Name::Computed(_) => true,
        };
        self.reads = self.reads.saturating_add(match name {
            Name::FlagKey => 0,
            Name::Attribute(_) | Name::Path(..) => 1,
            Name::Whole | Name::Computed(_) => usize::MAX,
        });
        Var { name, shadowable }
    }

    /// The arguments of an operator that evaluates them as it needs them. They have to be written as an array.
    fn lazy(&mut self, args: &Json) -> Option<Box<[Rule]>> {
        match args {
            Json::Array(items) => Some(items.iter().map(|item| self.rule(item)).collect()),
            _ => match name_of(args).map(|_| self.reference(args))? {
                Rule::Ref(program) => match &program.root {
                    Rule::List(rules) => {
                        Some((0..rules.len()).map(|at| Rule::Part(Arc::clone(&program), at)).collect())
                    }
                    _ => None,
                },
                _ => None,
            },
        }
    }

    fn pair(&mut self, args: &Json) -> Option<Box<[Rule; 2]>> {
        match args.as_array()?.as_slice() {
            [a, b] => Some(Box::new([self.rule(a), self.rule(b)])),
            _ => None,
        }
    }

    fn affix(&mut self, end: End, args: &Json) -> Rule {
        match self.pair(args) {
            Some(pair) => Rule::Affix(end, pair),
            None => Rule::AffixAny(end, self.boxed(args)),
        }
    }

    fn each(&mut self, kind: Kind, args: &Json) -> Rule {
        let lists = matches!(kind, Kind::Map | Kind::Filter);
        match self.operands(args) {
            Some(Operands { subject: Some(subject), body, .. }) if body.is_some() || !lists => {
                Rule::Each(Box::new(Each { kind, subject, body }))
            }
            Some(_) if lists => Rule::List(Box::default()),
            _ => Rule::Fails(kind.name()),
        }
    }

    fn reduce(&mut self, args: &Json) -> Rule {
        match self.operands(args) {
            Some(Operands { subject: Some(subject), body: Some(body), initial: Some(initial) }) => {
                Rule::Reduce(Box::new(Reduce { subject, body, initial }))
            }
            Some(_) => Rule::Literal(Literal::Num(0.0)),
            None => Rule::Fails("reduce"),
        }
    }

    /// The operands of a list operator. They have to be written as an array.
    fn operands(&mut self, args: &Json) -> Option<Operands> {
        if let Json::Array(items) = args {
            return Some(Operands {
                subject: items.first().map(|json| self.subject(json)),
                body: items.get(1).map(|json| self.body(json)),
                initial: items.get(2).map(|json| self.rule(json)),
            });
        }
        let mut parts = self.lazy(args)?.into_iter();
        self.reads = usize::MAX;
        Some(Operands {
            subject: parts.next(),
            body: parts.next().map(|rule| Body { rule, nodes: self.nodes, risky: self.risky }),
            initial: parts.next(),
        })
    }

    /// What a list operator goes through: a literal list stays as it is written.
    fn subject(&mut self, json: &Json) -> Rule {
        match json {
            Json::Object(_) => self.rule(json),
            Json::Array(_) => self.kept(json),
            _ => Rule::Literal(Literal::Null),
        }
    }

    fn body(&mut self, json: &Json) -> Body {
        self.reads = usize::MAX;
        let (nodes, risky) = (self.nodes, std::mem::take(&mut self.risky));
        let rule = self.unfolded(json);
        let body = Body { rule, nodes: self.nodes.saturating_sub(nodes), risky: self.risky };
        self.risky |= risky;
        body
    }

    fn contained(&mut self, args: &Json) -> Rule {
        if let Some([needle, Json::Array(entries)]) = args.as_array().map(Vec::as_slice)
            && let Some(entries) = entries.iter().map(scalar).collect::<Option<Vec<_>>>()
        {
            self.nodes = self.nodes.saturating_add(entries.len());
            return Rule::InLiterals(Box::new(InLiterals::new(self.rule(needle), &entries)));
        }
        Rule::In(self.boxed(args))
    }

    fn fractional(&mut self, args: &Json) -> Rule {
        // The targeting key, where nothing else is hashed.
        self.reads = self.reads.saturating_add(1);
        let form = match args.as_array().map(Vec::as_slice) {
            Some([]) => Form::Prepared { key: None, table: None },
            Some(items @ [first, rest @ ..]) => {
                let (key, shares) = if first.is_array() { (None, items) } else { (Some(first), rest) };
                if shares.iter().all(is_constant) {
                    self.nodes = self.nodes.saturating_add(2 * shares.len());
                    let table = shares.iter().map(share).collect::<Option<Vec<_>>>();
                    let table = table.and_then(Table::new);
                    let before = self.reads;
                    let key = key.map(|key| self.rule(key));
                    // What cannot be hashed part by part is read again.
                    self.reads = self.reads.saturating_add(self.reads.saturating_sub(before));
                    Form::Prepared { key, table }
                } else {
                    Form::Computed(self.rule(args))
                }
            }
            None => Form::Computed(self.rule(args)),
        };
        Rule::Fractional(Box::new(Fractional { bucketing: self.bucketing, form }))
    }

    fn sem_ver(&mut self, args: &Json) -> Rule {
        if let Some([version, Json::String(relation), Json::String(target)]) =
            args.as_array().map(Vec::as_slice)
            && let Some(relation) = Relation::parse(relation)
            && let Some(parsed) = Version::parse(target)
        {
            let (plain, target) = (plain(target.as_bytes()), Owned::new(&parsed));
            return Rule::SemVer(Box::new(SemVer { version: self.rule(version), relation, target, plain }));
        }
        Rule::SemVerAny(self.boxed(args))
    }
}

/// The rule, or the scalar that it always gives. What fails is left to fail when it is reached.
fn folded(rule: Rule) -> Rule {
    let pure = matches!(
        rule,
        Rule::Not(_)
            | Rule::Truthy(_)
            | Rule::Compare(..)
            | Rule::CompareAny(..)
            | Rule::Number(..)
            | Rule::Cat(_)
            | Rule::Substr(_)
            | Rule::Affix(..)
            | Rule::AffixAny(..)
            | Rule::In(_)
            | Rule::InLiterals(_)
            | Rule::SemVer(_)
            | Rule::SemVerAny(_)
    );
    if !pure || rule.children(&mut constant).is_err() {
        return rule;
    }
    let (context, bump) = (Context::default(), Bump::new());
    let literal = match rule.run(None, &Scope::new(&context, "", 0, &bump), &mut ()) {
        Ok(Value::Null) => Literal::Null,
        Ok(Value::Bool(b)) => Literal::Bool(b),
        Ok(Value::Num(n)) => Literal::Num(n),
        Ok(Value::Str(s)) => Literal::Str(s.into()),
        Ok(Value::List(_) | Value::Map(_)) | Err(Failed) => return rule,
    };
    Rule::Literal(literal)
}

/// Fails for a rule that depends on anything.
fn constant(rule: &Rule) -> Result<(), Failed> {
    match rule {
        Rule::Literal(_) => Ok(()),
        Rule::List(rules) => rules.iter().try_for_each(constant),
        _ => Err(Failed),
    }
}

struct Operands {
    subject: Option<Rule>,
    body: Option<Body>,
    initial: Option<Rule>,
}

fn scalar(json: &Json) -> Option<Literal> {
    match json {
        Json::Null => Some(Literal::Null),
        Json::Bool(b) => Some(Literal::Bool(*b)),
        Json::Number(n) => Some(Literal::Num(n.as_f64().unwrap_or_default())),
        Json::String(s) => Some(Literal::Str(s.as_str().into())),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// How many values `json` holds, itself included.
fn size(json: &Json) -> usize {
    match json {
        Json::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Json::Object(fields) => 1 + fields.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

/// Whether `json` holds nothing to evaluate.
fn is_constant(json: &Json) -> bool {
    match json {
        Json::Array(items) => items.iter().all(is_constant),
        Json::Object(fields) => fields.len() != 1,
        _ => true,
    }
}

/// A constant share's variant and weight; `None` if it is no share.
fn share(json: &Json) -> Option<(Literal, Option<f64>)> {
    let (variant, rest) = json.as_array()?.split_first()?;
    let weight = match rest.first() {
        None | Some(Json::Null) => None,
        Some(weight) => Some(weight.as_f64()?),
    };
    Some((scalar(variant)?, weight))
}
