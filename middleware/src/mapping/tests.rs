use std::net::SocketAddr;
use std::sync::Arc;

use http::Request;
use http::header::HeaderValue;
use open_feature::EvaluationContextFieldValue as Field;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;
use crate::{Claims, PeerAddress, PeerIdentity};

fn parts(headers: &[(&'static str, &[u8])], claims: Option<Value>) -> Parts {
    let mut request = Request::builder().uri("/tenants/a%20b/flags?x=1").body(()).expect("a request");
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_bytes(value).expect("a value"));
    }
    if let Some(claims) = claims {
        request.extensions_mut().insert(Claims::new(&claims).expect("an object"));
    }
    request.into_parts().0
}

#[test]
fn only_what_is_listed_is_read() {
    let parts =
        parts(&[("x-plan", b"pro"), ("x-admin", b"true"), ("cookie", b"a=b")], Some(json!({"sub": "u"})));
    let context = Mapping::new().attribute("plan", header("X-Plan")).read(&parts).expect("a mapping");
    assert_eq!(*context, EvaluationContext::default().with_custom_field("plan", "pro"));
    assert_eq!(*Mapping::new().read(&parts).expect("a mapping"), EvaluationContext::default());
}

#[test]
fn values_have_the_declared_type_or_are_refused() {
    let date = OffsetDateTime::from_unix_timestamp(1_700_000_000).expect("a time");
    let long = "x".repeat(257);
    for (attribute, text, expected) in [
        (header("h"), "1", Ok(Field::from("1"))),
        (header("h").boolean(), "true", Ok(true.into())),
        (header("h").boolean(), "0", Ok(false.into())),
        (header("h").boolean(), "yes", Err(Refusal::Type)),
        (header("h").integer(), "-9223372036854775808", Ok(Field::Int(i64::MIN))),
        (header("h").integer(), "9223372036854775808", Err(Refusal::Type)),
        (header("h").integer(), "1.5", Err(Refusal::Type)),
        (header("h").number(), "1.5", Ok(1.5.into())),
        (header("h").number(), "inf", Err(Refusal::Type)),
        (header("h").date_time(), "2023-11-14T22:13:20Z", Ok(date.into())),
        (header("h").date_time(), "yesterday", Err(Refusal::Type)),
        (header("h"), &long, Err(Refusal::TooLong)),
        (header("h").at_most(300), &long, Ok(Field::from(long.as_str()))),
        (header("h"), "caf\u{e9}", Err(Refusal::NotText)),
    ] {
        let label = format!("{attribute:?} {text}");
        let parts = parts(&[("h", text.as_bytes())], None);
        let context = Mapping::new().attribute("a", attribute).read(&parts).expect("a mapping");
        match expected {
            Ok(value) => assert_eq!(context.custom_fields.get("a"), Some(&value), "{label}"),
            Err(why) => {
                assert!(context.custom_fields.is_empty(), "{label}");
                assert_eq!(context.refused(), [Refused { attribute: "a".into(), why }], "{label}");
            }
        }
    }
}

#[test]
fn claims_keep_their_type() {
    let claims =
        json!({"b": true, "i": 3, "f": 0.5, "t": "x", "n": null, "iat": 1_700_000_000, "l": ["a"], "e": ""});
    let parts = parts(&[], Some(claims));
    let mapping = ["b", "i", "f", "t", "n", "none", "e", "l"]
        .into_iter()
        .fold(Mapping::new(), |mapping, name| mapping.attribute(name, claim(name)))
        .attribute("iat", claim("iat").date_time())
        .attribute("text", claim("i").text())
        .attribute("roles", claim("l").structure())
        .attribute("wrong", claim("t").integer());
    let context = mapping.read(&parts).expect("a mapping");
    let roles = context.custom_fields.get("roles").and_then(Field::as_struct).expect("a list");
    assert_eq!(roles.downcast_ref::<Value>(), Some(&json!(["a"])));
    let mut fields = context.custom_fields.clone();
    fields.remove("roles");
    let date = OffsetDateTime::from_unix_timestamp(1_700_000_000).expect("a time");
    let expected = EvaluationContext::default()
        .with_custom_field("b", true)
        .with_custom_field("i", 3)
        .with_custom_field("f", 0.5)
        .with_custom_field("t", "x")
        .with_custom_field("iat", date)
        .with_custom_field("text", "3");
    assert_eq!(fields, expected.custom_fields);
    let refused: Vec<_> =
        context.refused().iter().map(|refused| (&*refused.attribute, refused.why)).collect();
    assert_eq!(refused, [("l", Refusal::Type), ("wrong", Refusal::Type)]);
}

#[test]
fn a_repeated_header_counts_as_declared() {
    let parts = parts(&[("h", b"a"), ("h", b"b")], None);
    for (repeated, value) in [
        (Repeated::Refuse, None),
        (Repeated::First, Some("a")),
        (Repeated::Last, Some("b")),
        (Repeated::Join, Some("a, b")),
    ] {
        let attribute = header("h").when_repeated(repeated);
        let context = Mapping::new().attribute("a", attribute).read(&parts).expect("a mapping");
        assert_eq!(context.custom_fields.get("a").and_then(Field::as_str), value, "{repeated:?}");
        assert_eq!(context.refused().is_empty(), value.is_some(), "{repeated:?}");
    }
}

#[test]
fn the_targeting_key_falls_back_when_absent_but_not_when_wrong() {
    let mapping = Mapping::new().targeting_key(claim("sub")).targeting_key(header("x-device"));
    let device: &[(&str, &[u8])] = &[("x-device", b"d")];
    for (claims, key) in [
        (None, Some("d")),
        (Some(json!({})), Some("d")),
        (Some(json!({"sub": "u"})), Some("u")),
        (Some(json!({"sub": 7})), Some("7")),
        (Some(json!({"sub": true})), None),
        (Some(json!({"sub": "u".repeat(300)})), None),
    ] {
        let label = format!("{claims:?}");
        let context = mapping.read(&parts(device, claims)).expect("a mapping");
        assert_eq!(context.targeting_key.as_deref(), key, "{label}");
        assert_eq!(context.refused().len(), usize::from(key.is_none()), "{label}");
    }
}

#[test]
fn paths_peers_and_extensions_are_read() {
    let mut parts = parts(&[], None);
    let address: SocketAddr = "[::ffff:10.0.0.1]:80".parse().expect("an address");
    parts.extensions.insert(PeerAddress(address));
    parts.extensions.insert(PeerIdentity(Arc::from("spiffe://a/b")));
    parts.extensions.insert(7_u8);
    let context = Mapping::new()
        .targeting_key(peer_identity())
        .attribute("path", path())
        .attribute("tenant", path_segment(1))
        .attribute("none", path_segment(9))
        .attribute("ip", peer_address())
        .attribute("seats", extension(|seats: &u8| Some(*seats)))
        .attribute("absent", extension(|seats: &u16| Some(*seats)))
        .read(&parts)
        .expect("a mapping");
    let expected = EvaluationContext::default()
        .with_targeting_key("spiffe://a/b")
        .with_custom_field("path", "/tenants/a%20b/flags")
        .with_custom_field("tenant", "a b")
        .with_custom_field("ip", "10.0.0.1")
        .with_custom_field("seats", 7);
    assert_eq!(*context, expected);
}

#[test]
fn what_cannot_be_meant_is_said() {
    let many = (0..65).fold(Mapping::new(), |mapping, i| mapping.attribute(&format!("a{i}"), path()));
    for (mapping, error) in [
        (Mapping::new().attribute("a", header("a b")), MappingError::Header("a b".to_owned())),
        (
            Mapping::new().targeting_key(header("Authorization")),
            MappingError::Credential("authorization".to_owned()),
        ),
        (Mapping::new().attribute("a", header("x-bin")), MappingError::Binary("x-bin".to_owned())),
        (Mapping::new().attribute("", path()), MappingError::Name(String::new())),
        (Mapping::new().attribute("targetingKey", path()), MappingError::Name("targetingKey".to_owned())),
        (many, MappingError::Attributes(65)),
    ] {
        assert_eq!(mapping.check(), Err(error));
    }
}
