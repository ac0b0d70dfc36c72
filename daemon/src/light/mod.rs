//! How a request's context is laid: its body under the operator's static values under those mapped from headers.
//!
//! ```text
//! body     Struct bytes (gRPC, Connect) or JSON text (OFREP)   one scan, borrowed, into the evaluation's arena
//! static   -X key=value                                        over the body
//! header   -H Header-Name=key                                  over both
//! ```
//!
//! Nothing is merged and no text is copied: rules search the layers from the top (contract 3.12). The engine itself puts
//! `$flagd` over all of them.

mod json;
mod structure;

use engine::{Bump, Context, Value};
use http::HeaderMap;
use http::header::{HeaderName, InvalidHeaderName};

pub use structure::scan;

/// How deep objects and arrays of a context may nest. flagd accepts 10,000 levels; no client sends more than a few.
pub const MAX_DEPTH: usize = 64;

/// One layer of attributes, in the order they were written; of two with one key the later counts.
pub type Attributes<'a> = &'a [(&'a str, Value<'a>)];

/// What a request says about its context, unread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Light<'r> {
    /// The context that the request carries.
    pub body: Body<'r>,
    /// The headers that `-H` may map; `None` where a protocol ignores the mapping (schema.v1).
    pub headers: Option<&'r HeaderMap>,
}

/// A context as it came in.
#[derive(Clone, Copy, Debug, Default)]
pub enum Body<'r> {
    /// None was sent.
    #[default]
    Empty,
    /// An encoded `google.protobuf.Struct`; empty bytes are the empty context.
    Struct(&'r [u8]),
    /// JSON text. What is not an object counts as the empty context (contract 4.2).
    Json(&'r str),
}

/// A context that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub(crate) String);

impl Unreadable {
    fn too_deep() -> Self {
        Self(format!("the context nests deeper than {MAX_DEPTH} levels"))
    }
}

/// What the operator adds to every context: `-X` and `-H`.
#[derive(Clone, Debug, Default)]
pub struct Enrichment {
    fixed: Vec<(String, String)>,
    mapped: Vec<(HeaderName, String)>,
}

impl Enrichment {
    /// `fixed` are static attributes (key, value); `mapped` are header names, in any case, and the attributes they fill.
    ///
    /// # Errors
    /// A header name that HTTP does not allow.
    pub fn new(
        fixed: impl IntoIterator<Item = (String, String)>,
        mapped: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, InvalidHeaderName> {
        let mapped = mapped
            .into_iter()
            .map(|(name, key)| Ok((HeaderName::from_bytes(name.as_bytes())?, key)))
            .collect::<Result<_, InvalidHeaderName>>()?;
        Ok(Self { fixed: fixed.into_iter().collect(), mapped })
    }

    /// The static attributes, which sync clients are told as `sync_context`.
    pub fn fixed(&self) -> &[(String, String)] {
        &self.fixed
    }

    /// The attributes that `headers` fill: first value of each mapped header, unless it is empty or no text.
    pub fn mapped<'r>(&'r self, headers: &'r HeaderMap) -> impl Iterator<Item = (&'r str, &'r str)> {
        self.mapped.iter().filter_map(move |(name, key)| {
            let value = std::str::from_utf8(headers.get(name)?.as_bytes()).ok()?;
            (!value.is_empty()).then_some((key.as_str(), value))
        })
    }

    /// Reads `light` and hands its context, layers laid, to `then`.
    ///
    /// # Errors
    /// The body is malformed or nests too deep.
    pub(crate) fn lay<R>(
        &self,
        light: &Light<'_>,
        bump: &Bump,
        then: impl FnOnce(&Context<'_>) -> R,
    ) -> Result<R, Unreadable> {
        let body = Context::new(match light.body {
            Body::Empty => &[],
            Body::Struct(bytes) => structure::scan(bytes, bump)?,
            Body::Json(text) => json::parse(text, bump)?,
        });
        let fixed = bump.alloc_slice_fill_iter(self.fixed.iter().map(|(k, v)| (k.as_str(), Value::Str(v))));
        let fixed = if fixed.is_empty() { body } else { Context::new(fixed).over(&body) };
        let Some(headers) = light.headers.filter(|_| !self.mapped.is_empty()) else {
            return Ok(then(&fixed));
        };
        let mut mapped = bumpalo::collections::Vec::with_capacity_in(self.mapped.len(), bump);
        mapped.extend(self.mapped(headers).map(|(key, value)| (key, Value::Str(value))));
        Ok(then(&Context::new(&mapped).over(&fixed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn the_operators_values_lie_over_the_bodys_and_headers_over_both() {
        let enrichment = Enrichment::new(
            [pair("a", "static"), pair("b", "static")],
            [pair("X-B", "b"), pair("x-c", "c"), pair("X-Empty", "a"), pair("X-Absent", "a")],
        )
        .expect("header names are valid");
        let mut headers = HeaderMap::new();
        headers.append("x-b", "first".parse().expect("a value"));
        headers.append("x-b", "second".parse().expect("a value"));
        headers.append("x-c", "header".parse().expect("a value"));
        headers.append("x-empty", "".parse().expect("a value"));
        let body = Body::Json(r#"{"a":1,"b":2,"c":3,"d":4}"#);
        let bump = Bump::new();
        let seen = |headers| {
            let light = Light { body, headers };
            enrichment
                .lay(&light, &bump, |context| {
                    ["a", "b", "c", "d", "e"].map(|key| context.get(key).map(Value::to_json))
                })
                .expect("readable")
        };
        let text = |text: &str| Some(serde_json::Value::from(text));
        let number = |number: f64| Some(serde_json::Value::from(number));
        assert_eq!(seen(Some(&headers)), [text("static"), text("first"), text("header"), number(4.0), None]);
        assert_eq!(seen(None), [text("static"), text("static"), number(3.0), number(4.0), None]);
    }

    #[test]
    fn an_impossible_header_name_is_refused() {
        assert!(Enrichment::new([], [pair("not a header", "k")]).is_err());
    }
}
