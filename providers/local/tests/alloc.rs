//! What an evaluation allocates: nothing by the handle, and through the SDK's client only what the SDK itself needs.
#![allow(clippy::unwrap_used)]
#![allow(unsafe_code, reason = "counting allocations takes an allocator")]

#[path = "no_op/mod.rs"]
mod no_op;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use engine::{Definition, Options, Snapshot, compile};
use hoist_provider_local::FlagsView;
use kit::{Emitter, Evaluate, Handle, Local, Provider};
use no_op::NoOp;
use open_feature::provider::FeatureProvider;
use open_feature::{EvaluationContext, EvaluationContextFieldValue, OpenFeature, StructValue};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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
    "number": {"state": "ENABLED", "variants": {"n": 7.5}, "defaultVariant": "n"},
    "text": {"state": "ENABLED", "variants": {"t": "a text that is too long to be kept in place"}, "defaultVariant": "t"},
    "rule": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off", "targeting":
        {"if": [{"and": [{"ends_with": [{"var": "email"}, "@example.com"]}, {"in": ["admin", {"var": "account.roles"}]}]},
            "on", {"fractional": [{"cat": [{"var": "targetingKey"}, ""]}, ["on", 10], ["off", 90]]}]}}
}}"#;

fn provider() -> Provider<Fixed> {
    let definition = Definition::parse(DOCUMENT).unwrap();
    let compiled = compile(&definition, &Arc::from("alloc"), &Options::default(), None);
    let view = Arc::new(FlagsView::new(Arc::new(Snapshot::fold([&compiled.layer], 1))));
    Provider::new(Fixed { view, events: Emitter::ready("fixed") })
}

fn ann() -> EvaluationContext {
    let account = StructValue::default().with_field("roles", vec!["user", "admin"]);
    EvaluationContext::default()
        .with_targeting_key("ann")
        .with_custom_field("email", "ann@example.com")
        .with_custom_field("age", 41)
        .with_custom_field("account", EvaluationContextFieldValue::new_struct(account))
}

fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = COUNT.with(Cell::get);
    let result = work();
    (result, COUNT.with(Cell::get) - before)
}

#[test]
fn the_handle_allocates_nothing() {
    let provider = provider();
    let (handle, ann, bob): (Handle<Fixed>, _, _) =
        (provider.handle(), ann(), EvaluationContext::default().with_targeting_key("bob"));
    let ask = || {
        assert!(handle.bool("static", false, &ann));
        assert!(handle.bool("rule", false, &ann));
        handle.bool("rule", false, &bob);
        assert_eq!(handle.float("number", 0.0, &ann), 7.5);
        assert_eq!(handle.int("number", 0, &ann), 7);
        assert_eq!(handle.with_str("text", "", &ann, str::len), 43);
    };
    // The first round builds the thread's arena.
    ask();
    let ((), allocations) = counted(|| (0..100).for_each(|_| ask()));
    assert_eq!(allocations, 0);
    let (_, sees) = counted(|| String::from("the counter counts"));
    assert_eq!(sees, 1);
}

/// The allocations of one boolean evaluation through the SDK's client.
async fn through_the_client(
    provider: impl FeatureProvider,
    key: &str,
    context: Option<&EvaluationContext>,
) -> usize {
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    let client = api.create_client();
    // The first call builds the thread's arena.
    client.get_bool_value(key, context, None).await.unwrap();
    let before = COUNT.with(Cell::get);
    assert_eq!(client.get_bool_value(key, context, None).await, Ok(true));
    COUNT.with(Cell::get) - before
}

#[tokio::test(flavor = "current_thread")]
async fn through_the_client_the_provider_adds_the_variants_name() {
    let ann = ann();
    for context in [None, Some(&ann)] {
        let sdk = through_the_client(NoOp::default(), "any", context).await;
        for key in ["static", "rule"] {
            let all = through_the_client(provider(), key, context).await;
            println!("{key}: {all} allocations, {sdk} of them the SDK's own");
            assert_eq!(
                all - sdk,
                2,
                "{key}: the variant's name, and the copy that the SDK makes of it for hooks"
            );
        }
    }
}
