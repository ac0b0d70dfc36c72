//! The engine alone: the five rules over ten attributes, the flag being at hand.

use std::hint::black_box;
use std::sync::Arc;

use engine::{Bump, Context, Definition, Options, Selector, Snapshot, Value, compile};

use crate::{Failure, five};

/// Evaluates the flag `name` so many `times`.
pub(crate) fn evaluate(name: &str, times: u64) -> Result<(), Failure> {
    let document = five::document(0);
    let definition = Definition::parse(&document)?;
    let compiled = compile(&definition, &Arc::from("bench"), &Options::default(), None);
    let snapshot = Snapshot::fold([&compiled.layer], 1);
    let (held, json) = (Bump::new(), five::context());
    let fields = match Value::from_json(&json, &held) {
        Value::Map(fields) => fields,
        _ => &[],
    };
    let flag = snapshot.find(&Selector::Any, name).ok_or("no such flag")?;
    let context = Context::new(fields);
    let mut bump = Bump::new();
    for _ in 0..times {
        let answer = black_box(flag).resolve(black_box(&context), 1, &bump, &mut ())?;
        black_box(answer.variant.ok_or("no variant")?.json().len());
        bump.reset();
    }
    Ok(())
}
