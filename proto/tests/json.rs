//! What the checked-in code owes to the other end of the wire.

use hoist_proto::flagd::evaluation::{v1, v2};
use hoist_proto::{Struct, Value};
use prost::Message;
use serde_json::{Value as Json, json};

fn on_wire(message: &impl serde::Serialize) -> Json {
    serde_json::to_value(message).unwrap_or_default()
}

fn context() -> Struct {
    Struct::from_iter([("targetingKey".to_owned(), Value::from("user-1"))])
}

#[test]
fn defaults_are_written() {
    let answer = v1::ResolveBooleanResponse { metadata: Some(Struct::default()), ..Default::default() };
    assert_eq!(on_wire(&answer), json!({"value": false, "reason": "", "variant": "", "metadata": {}}));
}

#[test]
fn absent_optionals_are_left_out() {
    let answer = v2::ResolveObjectResponse { reason: "DEFAULT".into(), ..Default::default() };
    assert_eq!(on_wire(&answer), json!({"reason": "DEFAULT", "metadata": null}));
}

#[test]
fn whole_numbers_are_text() {
    assert_eq!(on_wire(&v1::ResolveIntResponse { value: 10, ..Default::default() })["value"], json!("10"));
    assert_eq!(
        on_wire(&v2::ResolveIntResponse { value: Some(-7), ..Default::default() })["value"],
        json!("-7")
    );
}

#[test]
fn an_absent_message_is_null() {
    let event = v1::EventStreamResponse { r#type: "keep_alive".into(), data: None };
    assert_eq!(on_wire(&event), json!({"type": "keep_alive", "data": null}));
}

#[test]
fn any_flag_is_keyed_by_the_kind_of_its_value() {
    let flag = v1::AnyFlag { value: Some(v1::any_flag::Value::DoubleValue(1.5)), ..Default::default() };
    let answer = v1::ResolveAllResponse { flags: [("b".to_owned(), flag)].into(), metadata: None };
    let flag = json!({"doubleValue": 1.5, "reason": "", "variant": "", "metadata": null});
    assert_eq!(on_wire(&answer), json!({"flags": {"b": flag}, "metadata": null}));
}

#[test]
fn a_context_is_the_encoded_struct() {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Typed {
        #[prost(string, tag = "1")]
        flag_key: String,
        #[prost(message, optional, tag = "2")]
        context: Option<Struct>,
    }
    let typed = Typed { flag_key: "a".into(), context: Some(context()) };
    let request = v1::ResolveBooleanRequest::decode(typed.encode_to_vec().as_slice()).unwrap();
    assert_eq!(Struct::decode(request.context).unwrap(), context());
}

#[test]
fn a_context_borrows_from_the_request() {
    let request = v1::ResolveAllRequest { context: context().encode_to_vec().into() };
    let buffer = bytes::Bytes::from(request.encode_to_vec());
    let read = v1::ResolveAllRequest::decode(buffer.clone()).unwrap();
    assert!(buffer.as_ptr_range().contains(&read.context.as_ptr()));
}
