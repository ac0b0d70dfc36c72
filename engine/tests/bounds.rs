//! What a rule may cost, whatever it and the context hold.
#![allow(clippy::expect_used, clippy::panic, reason = "a broken harness is a failed test")]

mod harness;

use harness::evaluate;
use hoist_engine::Options;
use serde_json::{Map, Value, json};

/// Evaluates on the smallest stack that a server's threads have.
fn run(rule: &Value, context: &Value) -> Result<Value, ()> {
    let (rule, context) = (rule.clone(), context.clone());
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    thread
        .spawn(move || evaluate(&rule, &context, &Options::default()))
        .expect("a thread")
        .join()
        .expect("no overflow")
}

#[test]
fn text_that_doubles_runs_out() {
    let rule =
        json!({"reduce": [{"var": "list"}, {"cat": [{"var": "accumulator"}, {"var": "accumulator"}]}, "x"]});
    assert_eq!(run(&rule, &json!({"list": vec![1; 60]})), Err(()));
    let short = run(&rule, &json!({"list": vec![1; 10]})).expect("a thousand letters are fine");
    assert_eq!(short.as_str().map(str::len), Some(1024));
}

#[test]
fn nested_loops_run_out() {
    let sum = |inner: Value| json!({"reduce": [{"var": "l"}, {"+": [{"var": "accumulator"}, inner]}, 0]});
    let rule = json!({"some": [{"var": "l"}, {"some": [{"var": "l"}, {"some": [{"var": "l"}, {"==": [{"var": ""}, "no"]}]}]}]});
    assert_eq!(run(&rule, &json!({"l": vec![1; 1000]})), Err(()));
    assert_eq!(run(&sum(json!(1)), &json!({"l": vec![1; 20_000]})), Ok(json!(20_000.0)));
}

#[test]
fn searching_a_wide_context_for_every_element_runs_out() {
    let mut wide: Map<String, Value> = (0..20_000).map(|at| (format!("a{at}"), json!(at))).collect();
    wide.insert("list".to_owned(), json!(vec!["zzz"; 20_000]));
    let context = Value::Object(wide);
    assert_eq!(run(&json!({"filter": [{"var": "list"}, {"==": [{"var": "zzz"}, 1]}]}), &context), Err(()));
    assert_eq!(run(&json!({"missing": {"var": "list"}}), &context), Err(()));
    assert_eq!(run(&json!({"map": [{"var": "list"}, {"var": ""}]}), &context).map(drop), Ok(()));
}

#[test]
fn the_deepest_rule_fits_the_stack() {
    for wrap in [
        |inner: Value| json!({"some": [[1], inner]}),
        |inner: Value| json!({"if": [true, inner]}),
        |inner: Value| json!({"+": [inner]}),
        |inner: Value| json!({"var": [inner, 1]}),
        |inner: Value| json!({"reduce": [[1], inner, 0]}),
    ] {
        let rule = (0..60).fold(json!({"var": {"cat": ["always"]}}), |inner, _| wrap(inner));
        // That there is an answer at all is the point.
        let _ = run(&rule, &json!({"always": 1}));
    }
}
