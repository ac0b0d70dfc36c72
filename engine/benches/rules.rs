//! The five rules over a borrowed context of ten attributes, flag lookup among a thousand included, beside datalogic-rs with
//! rule and context compiled and parsed beforehand. Measured in CPU time of the thread, which other work on the machine
//! disturbs least.
#![allow(clippy::expect_used, clippy::panic, reason = "a bench that cannot be set up has nothing to measure")]
#![allow(missing_docs, reason = "criterion's macros")]

#[path = "../tests/harness/five.rs"]
mod five;

use std::hint::black_box;
use std::sync::Arc;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, criterion_group, criterion_main};
use hoist_engine::{Bump, Context, Definition, Options, Selector, Snapshot, Value, compile};
use serde_json::json;

fn hoist(criterion: &mut Criterion<CpuTime>) {
    let document = five::document(1000);
    let definition = Definition::parse(&document).expect("a flag document");
    let compiled = compile(&definition, &Arc::from("bench"), &Options::default(), None);
    let snapshot = Snapshot::fold([&compiled.layer], 1);
    let (held, json) = (Bump::new(), five::context());
    let Value::Map(fields) = Value::from_json(&json, &held) else { panic!("a context is an object") };
    let context = Context::new(fields);
    let mut bump = Bump::new();
    let mut group = criterion.benchmark_group("hoist");
    for (name, _) in five::rules() {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let flag = snapshot.find(&Selector::Any, black_box(name)).expect("the flag is there");
                let answer = flag.resolve(black_box(&context), 1, &bump, &mut ());
                black_box(answer.expect("an answer").variant.expect("a variant").json().len());
                bump.reset();
            });
        });
    }
}

fn datalogic(criterion: &mut Criterion<CpuTime>) {
    let engine = datalogic_rs::Engine::new();
    let mut json = five::context();
    json["$flagd"] = json!({"flagKey": "R5", "timestamp": 1});
    let held = Bump::new();
    let mut group = criterion.benchmark_group("datalogic-rs");
    for (name, rule) in five::rules() {
        let Some(rule) = rule else { continue };
        let logic = engine.compile(&rule).expect("a rule");
        let parsed = engine.compile(&json!({"val": []})).expect("a rule");
        let data = engine.evaluate(&parsed, &json, &held).expect("the context itself");
        let mut bump = Bump::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let outcome = engine.evaluate(&logic, black_box(data), &bump).expect("an answer");
                black_box(outcome.as_str().expect("a name").len());
                bump.reset();
            });
        });
    }
}

/// Nanoseconds that the thread spent on a processor.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    }

    fn end(&self, start: u64) -> u64 {
        self.start() - start
    }

    fn add(&self, a: &u64, b: &u64) -> u64 {
        a + b
    }

    fn zero(&self) -> u64 {
        0
    }

    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = hoist, datalogic
}
criterion_main!(benches);
