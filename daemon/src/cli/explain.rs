//! `hoistd explain KEY`: how a flag comes to its answer, step by step.

use std::io::{self, Read, Write};
use std::sync::Arc;

use engine::{Flag, Step};
use serde_json::{Map, Value, json};

use super::eval::{text, write_answer};
use super::question::{CannotAsk, Question};
use crate::args::{AnswerFormat, ExplainArgs};

/// Characters of a rule that a line shows.
const SHOWN: usize = 72;

/// Explains to `out`; returns whether there is an answer.
///
/// # Errors
/// The question cannot be asked, or the explanation not be written.
pub fn run(args: &ExplainArgs, input: &mut dyn Read, out: &mut dyn Write) -> Result<bool, CannotAsk> {
    let question = Question::read(&args.eval, input)?;
    let ((answer, good), steps) = question.explain(|outcome| question.answer(outcome))?;
    let flag = question.flag()?;
    let targeting = flag.and_then(targeting);
    let steps = steps.finish();
    match args.eval.format {
        AnswerFormat::Human => {
            write_flag(flag, &question, out)?;
            writeln!(out)?;
            for step in &steps {
                write_step(step, targeting.as_ref(), 0, out)?;
            }
            if !steps.is_empty() {
                writeln!(out)?;
            }
            write_answer(&answer, out)?;
        }
        AnswerFormat::Json => {
            let steps: Vec<_> = steps.iter().map(|step| step_json(step, targeting.as_ref())).collect();
            writeln!(out, "{:#}", explanation(flag, &question, &answer, &steps)?)?;
        }
    }
    Ok(good)
}

/// The rule as it is run, every `$ref` written out. A native flag runs another: its vendor's.
fn targeting(flag: &Arc<Flag>) -> Option<Value> {
    if flag.translation().is_some() {
        return None;
    }
    let mut definition: Value = serde_json::from_str(flag.definition()).ok()?;
    definition.get_mut("targeting").map(Value::take)
}

fn state(flag: &Flag) -> &'static str {
    if flag.enabled() { "ENABLED" } else { "DISABLED" }
}

fn write_flag(flag: Option<&Arc<Flag>>, question: &Question, out: &mut dyn Write) -> Result<(), CannotAsk> {
    if let Some(flag) = flag {
        writeln!(out, "{:12} {}", "state", state(flag))?;
        writeln!(out, "{:12} {}", "source", flag.source().escape_debug())?;
        if let Some(set) = flag.flag_set() {
            writeln!(out, "{:12} {}", "flag set", set.escape_debug())?;
        }
        if let Some(translation) = flag.translation() {
            let fidelity = &translation.fidelity;
            writeln!(out, "{:12} the vendor's own; translation: {}", "rules", fidelity.as_str())?;
            for reason in fidelity.reasons() {
                writeln!(out, "{:12} {}", "", clipped(reason))?;
            }
        }
        let metadata = flag.metadata().entries();
        if let Some((_, Value::String(reason))) = metadata.iter().find(|(name, _)| **name == *"override") {
            writeln!(out, "{:12} {}", "override", reason.escape_debug())?;
        }
        let default = flag.default_variant().map_or("(none)".to_owned(), |variant| variant.name().to_owned());
        writeln!(out, "{:12} {}", "default", default.escape_debug())?;
    }
    for other in question.others()? {
        let set = other.flag_set().map_or(String::new(), |set| format!(" (flag set {set})"));
        writeln!(out, "{:12} {}{}", "not this one", other.source().escape_debug(), set.escape_debug())?;
    }
    for (source, problem) in question.problems() {
        writeln!(out, "{:12} {source}: {problem}", "problem")?;
    }
    writeln!(out, "{:12} {}", "context", clipped(question.context()))?;
    Ok(())
}

/// One line for the step, the steps in it below and to the right.
fn write_step(step: &Step, written: Option<&Value>, depth: usize, out: &mut dyn Write) -> io::Result<()> {
    let outcome = step.outcome.as_ref().map_or("cannot be evaluated".to_owned(), text);
    let indent = 2 * depth;
    match operands(step, written) {
        _ if step.operator == "literal" => writeln!(out, "{:indent$}{}", "", clipped(&outcome))?,
        Some(operands) => {
            let shown = clipped(&text(operands));
            writeln!(out, "{:indent$}{} {shown} -> {}", "", step.operator, clipped(&outcome))?;
        }
        None => writeln!(out, "{:indent$}{} -> {}", "", step.operator, clipped(&outcome))?,
    }
    if let Some((key, hash, bucket, total)) = &step.bucket {
        let key = key.escape_debug();
        writeln!(out, "{:indent$}  bucket {bucket} of {total}: hash {hash} of \"{key}\"", "")?;
        for (variant, from, to) in shares(operands(step, written)) {
            let here = if (from..to).contains(&(*bucket as f64)) { "  <- here" } else { "" };
            writeln!(out, "{:indent$}    {from} to below {to}: {}{here}", "", text(&variant))?;
        }
    }
    for inner in &step.steps {
        write_step(inner, inner_rule(step, inner, written), depth + 1, out)?;
    }
    Ok(())
}

/// What an operator is applied to, as it is written.
fn operands<'v>(step: &Step, written: Option<&'v Value>) -> Option<&'v Value> {
    written?.as_object().filter(|fields| fields.len() == 1)?.get(step.operator)
}

/// The rule of a step within `step`. A reference is written out, so what it leads to is written in its place.
fn inner_rule<'v>(step: &Step, inner: &Step, written: Option<&'v Value>) -> Option<&'v Value> {
    let all = match step.operator {
        "$ref" => return written,
        "literal" => written?,
        _ => operands(step, written)?,
    };
    match inner.at {
        None => Some(all),
        Some(at) => all.get(at),
    }
}

/// The variants of a `fractional` with literal weights and the buckets they have.
fn shares(operands: Option<&Value>) -> Vec<(Value, f64, f64)> {
    let mut from = 0.0;
    let entries = operands.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_array);
    let shares = entries.map(|entry| {
        let weight = match entry.get(1) {
            None | Some(Value::Null) => 1.0,
            Some(weight) => weight.as_f64()?.max(0.0),
        };
        let start = from;
        from += weight;
        Some((entry.first()?.clone(), start, from))
    });
    // A computed weight moves all that come after it; then the shares are better not shown.
    shares.collect::<Option<_>>().unwrap_or_default()
}

fn step_json(step: &Step, written: Option<&Value>) -> Value {
    let steps: Vec<_> =
        step.steps.iter().map(|inner| step_json(inner, inner_rule(step, inner, written))).collect();
    let mut fields = Map::new();
    fields.insert("operator".to_owned(), step.operator.into());
    if let Some(at) = step.at {
        fields.insert("at".to_owned(), at.into());
    }
    if let Some(operands) = operands(step, written) {
        fields.insert("operands".to_owned(), operands.clone());
    }
    match &step.outcome {
        Some(outcome) => fields.insert("outcome".to_owned(), outcome.clone()),
        None => fields.insert("failed".to_owned(), true.into()),
    };
    if let Some((key, hash, bucket, total)) = &step.bucket {
        let bucket = json!({ "key": key, "hash": hash, "bucket": bucket, "total": total });
        fields.insert("bucket".to_owned(), bucket);
    }
    if !steps.is_empty() {
        fields.insert("steps".to_owned(), steps.into());
    }
    Value::Object(fields)
}

fn explanation(
    flag: Option<&Arc<Flag>>,
    question: &Question,
    answer: &Map<String, Value>,
    steps: &[Value],
) -> Result<Value, CannotAsk> {
    let named = |flag: &Arc<Flag>| json!({ "source": flag.source(), "flagSetId": flag.flag_set() });
    let mut fields = answer.clone();
    if let Some(flag) = flag {
        let default = flag.default_variant().map(|variant| variant.name());
        let mut described = json!({
            "state": state(flag), "source": flag.source(), "flagSetId": flag.flag_set(), "defaultVariant": default,
        });
        if let Some(translation) = flag.translation() {
            described["translation"] = translation.fidelity.as_str().into();
            described["translationReasons"] = translation.fidelity.reasons().into();
        }
        fields.insert("flag".to_owned(), described);
    }
    fields.insert("notThisOne".to_owned(), question.others()?.into_iter().map(named).collect());
    let problems = question.problems().iter().map(|(source, problem)| format!("{source}: {problem}").into());
    fields.insert("problems".to_owned(), Value::Array(problems.collect()));
    fields.insert("context".to_owned(), serde_json::from_str(question.context()).unwrap_or_default());
    fields.insert("steps".to_owned(), steps.into());
    Ok(Value::Object(fields))
}

/// Text as one line of a terminal shows it.
fn clipped(text: &str) -> String {
    let plain: String =
        text.chars().take(SHOWN).map(|char| if char.is_control() { ' ' } else { char }).collect();
    if text.chars().nth(SHOWN).is_some() { format!("{plain}...") } else { plain }
}
