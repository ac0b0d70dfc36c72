//! An evaluation takes nothing from the heap once its arena has grown to size.
#![allow(unsafe_code, reason = "counting allocations takes an allocator")]
#![allow(clippy::expect_used, clippy::panic, reason = "a broken test is a failed test")]

#[path = "harness/five.rs"]
mod five;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use hoist_engine::{Bump, Context, Definition, Options, Selector, Snapshot, Value, compile};
use serde_json::json;

/// Counts what each thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is going away has nothing left to count with.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call is the system allocator's, with the caller's own guarantees.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocates.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn served(document: &str) -> Snapshot {
    let definition = Definition::parse(document).expect("a flag document");
    let compiled = compile(&definition, &Arc::from("test"), &Options::default(), None);
    Snapshot::fold([&compiled.layer], 1)
}

/// Evaluates every flag again and again with one arena and says which of them allocated.
fn assert_free(snapshot: &Snapshot, context: &serde_json::Value) {
    let held = Bump::new();
    let Value::Map(fields) = Value::from_json(context, &held) else { panic!("a context is an object") };
    let context = Context::new(fields);
    let mut bump = Bump::new();
    for flag in snapshot.flags() {
        let mut evaluate = || {
            let flag = snapshot.find(&Selector::Any, flag.key()).expect("the flag is there");
            let _ = std::hint::black_box(flag.resolve(&context, 1, &bump, &mut ()));
            bump.reset();
        };
        for _ in 0..3 {
            evaluate();
        }
        let taken = allocations(|| (0..100).for_each(|_| evaluate()));
        assert_eq!(taken, 0, "{} took {taken} allocations in 100 evaluations", flag.key());
    }
}

#[test]
fn counting_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn the_five_rules() {
    assert_free(&served(&five::document(1000)), &five::context());
}

#[test]
fn every_operator() {
    let rules = [
        json!({"cat": ["a", 1.5, {"var": "n"}, null]}),
        json!({"substr": [{"var": "text"}, 1, -1]}),
        json!({"substr": [{"var": "n"}, 0, 1]}),
        json!({"merge": [{"var": "list"}, 1, [2, {"var": "n"}]]}),
        json!({"map": [{"var": "users"}, {"var": "role"}]}),
        json!({"filter": [{"var": "users"}, {"==": [{"var": "role"}, "admin"]}]}),
        json!({"some": [{"var": "users"}, {"in": [{"var": "role"}, ["a", "b", "admin"]]}]}),
        json!({"all": [{"var": "users"}, {"!!": [{"var": "role"}]}]}),
        json!({"none": [[1, 2], {">": [{"var": ""}, 2]}]}),
        json!({"reduce": [{"var": "list"}, {"+": [{"var": "current"}, {"var": "accumulator"}]}, 0]}),
        json!({"reduce": [{"var": "list"}, {"cat": [{"var": "accumulator"}, {"var": "current"}]}, ""]}),
        json!({"missing": ["n", "nope"]}),
        json!({"missing_some": [1, ["n", "nope"]]}),
        json!({"in": [{"var": "n"}, [1, "2", "1_000", [5, 50]]]}),
        json!({"in": ["b", {"var": "text"}]}),
        json!({"in": [{"var": "text"}, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "abc"]]}),
        json!({"==": [{"var": "text"}, {"var": "n"}]}),
        json!({"<": [1, {"var": "n"}, "1e3"]}),
        json!({"max": [{"var": "n"}, {"abs": [{"-": [1, 5]}]}, {"%": [7, {"/": [9, 3]}]}, {"*": ["2", 2]}]}),
        json!({"sem_ver": [{"var": "version"}, "^", "1.0.0-rc.1"]}),
        json!({"sem_ver": [1.5, {"var": "relation"}, {"var": "version"}]}),
        json!({"fractional": [["a", 1], ["b", {"var": "n"}]]}),
        json!({"fractional": [{"var": "text"}, ["a", 1], ["b", 2]]}),
        json!({"set": [{"var": "object"}, "k", 1]}),
        json!({"contains_any": [{"var": "list"}, [3]]}),
        json!({"starts_with": [{"var": "text"}, "a"]}),
        json!({"var": ""}),
        json!({"var": ["object.k.0", "default"]}),
        json!({"var": {"cat": ["te", "xt"]}}),
        json!({"if": [{"and": [true, {"or": [false, {"!": [{"var": "nope"}]}]}]}, {"$ref": "shared"}, 1]}),
        json!({"a": {"literal": [1, "two"]}, "b": null}),
        json!({"unknown": [1]}),
    ];
    let mut flags = serde_json::Map::new();
    for (at, rule) in rules.into_iter().enumerate() {
        let flag =
            json!({"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "a", "targeting": rule});
        flags.insert(format!("rule-{at}"), flag);
    }
    let shared = json!({"in": ["x", ["x", {"var": "text"}]]});
    let document = json!({"flags": flags, "$evaluators": {"shared": shared}}).to_string();
    let context = json!({"targetingKey": "u1", "n": 42.5, "text": "abc", "list": [1, 2, 3], "version": "v1.2",
        "users": [{"role": "admin"}, {"role": "user"}], "object": {"k": ["v"], "l": {}}, "relation": ">="});
    assert_free(&served(&document), &context);
}
