//! `hoistd eval KEY`: one flag's answer, without a daemon.

use std::io::{Read, Write};

use serde_json::{Map, Value};

use super::question::{CannotAsk, Question};
use crate::args::{AnswerFormat, EvalArgs};

/// Answers to `out`; returns whether there is an answer. What is wrong with the flag goes to `notes`.
///
/// # Errors
/// The question cannot be asked, or the answer not be written.
pub fn run(
    args: &EvalArgs,
    input: &mut dyn Read,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> Result<bool, CannotAsk> {
    let question = Question::read(args, input)?;
    for (source, problem) in question.problems() {
        writeln!(notes, "{source}: {problem}")?;
    }
    let (answer, good) = question.ask(&mut (), |outcome| question.answer(outcome))?;
    match args.format {
        AnswerFormat::Human => write_answer(&answer, out)?,
        AnswerFormat::Json => writeln!(out, "{}", Value::Object(answer))?,
    }
    Ok(good)
}

/// One line per field.
pub(super) fn write_answer(answer: &Map<String, Value>, out: &mut dyn Write) -> std::io::Result<()> {
    if !answer.contains_key("value") && !answer.contains_key("errorCode") {
        writeln!(out, "{:12} (none: the caller's own default stands)", "value")?;
    }
    for (name, value) in answer {
        // Names of variants and reasons are read more easily without quotes; a value shows its type.
        match value {
            Value::String(text) if name != "value" => writeln!(out, "{name:12} {}", text.escape_debug())?,
            _ => writeln!(out, "{name:12} {}", text(value))?,
        }
    }
    Ok(())
}

/// JSON with numbers printed as everywhere else.
pub(super) fn text(value: &Value) -> String {
    let mut text = String::new();
    engine::write_json(value, &mut text);
    text
}
