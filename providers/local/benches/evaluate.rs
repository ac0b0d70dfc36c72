//! What an evaluation costs by the handle, and through the SDK's client.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use engine::{Definition, Options, Snapshot, compile};
use hoist_provider_local::FlagsView;
use kit::{Emitter, Evaluate, Local, Provider};
use open_feature::{EvaluationContext, OpenFeature};

struct Fixed {
    view: Arc<FlagsView>,
    events: Emitter,
}

impl Local for Fixed {
    const NAME: &'static str = "fixed";
    type View = FlagsView;

    fn view(&self) -> Arc<FlagsView> {
        Arc::clone(&self.view)
    }

    fn read<T>(&self, look: impl FnOnce(&FlagsView) -> T) -> T {
        look(&self.view)
    }

    fn events(&self) -> &Emitter {
        &self.events
    }
}

const DOCUMENT: &str = r#"{"flags": {
    "static": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"},
    "rule": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off", "targeting":
        {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "on", "off"]}},
    "share": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off", "targeting":
        {"fractional": [["on", 10], ["off", 90]]}}
}}"#;

fn evaluations(criterion: &mut Criterion) {
    let definition = Definition::parse(DOCUMENT).unwrap();
    let compiled = compile(&definition, &Arc::from("bench"), &Options::default(), None);
    let view = Arc::new(FlagsView::new(Arc::new(Snapshot::fold([&compiled.layer], 1))));
    let provider = Provider::new(Fixed { view, events: Emitter::ready("fixed") });
    let handle = provider.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let client = runtime.block_on(async {
        let mut api = OpenFeature::default();
        api.set_provider(provider).await;
        api.create_client()
    });
    let ann = EvaluationContext::default()
        .with_targeting_key("ann")
        .with_custom_field("email", "ann@example.com")
        .with_custom_field("age", 41);
    for key in ["static", "rule", "share"] {
        criterion.bench_function(&format!("handle/{key}"), |bencher| {
            bencher.iter(|| handle.bool(black_box(key), false, black_box(&ann)));
        });
        criterion.bench_function(&format!("client/{key}"), |bencher| {
            bencher.iter(|| {
                runtime.block_on(client.get_bool_value(black_box(key), Some(black_box(&ann)), None)).unwrap()
            });
        });
        criterion.bench_function(&format!("client, no context/{key}"), |bencher| {
            bencher.iter(|| runtime.block_on(client.get_bool_value(black_box(key), None, None)).unwrap());
        });
    }
}

criterion_group!(benches, evaluations);
criterion_main!(benches);
