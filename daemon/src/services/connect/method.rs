//! The methods of the evaluation services, one line each.

use proto::flagd::evaluation::{v1, v2};
use proto::schema;

use super::json;

/// How many answers a method gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unary,
    Stream,
}

/// Which fields a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `flag_key` = 1, `context` = 2.
    Flag,
    /// `context` = 1.
    Context,
    /// None.
    Nothing,
}

/// A method: where it is asked, and how its messages read in JSON.
pub(super) struct Method {
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) shape: Shape,
    /// From an encoded answer to JSON.
    pub(super) to_json: fn(&[u8]) -> Result<Vec<u8>, String>,
}

impl Method {
    const fn new<Answer>(path: &'static str, kind: Kind, shape: Shape) -> Self
    where
        Answer: prost::Message + Default + serde::Serialize,
    {
        Self { path, kind, shape, to_json: json::from_wire::<Answer> }
    }

    const fn flag<Answer>(path: &'static str) -> Self
    where
        Answer: prost::Message + Default + serde::Serialize,
    {
        Self::new::<Answer>(path, Kind::Unary, Shape::Flag)
    }

    /// Whether it answers for all flags.
    pub(super) fn is_bulk(&self) -> bool {
        self.shape == Shape::Context
    }

    /// The method that is asked at `path`.
    pub(super) fn at(path: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.path == path)
    }
}

/// The label under which requests for `path` are counted.
pub(super) fn label(path: &str) -> &'static str {
    Method::at(path).map_or("other", |method| method.path)
}

static METHODS: [Method; 20] = [
    Method::flag::<v2::ResolveBooleanResponse>("/flagd.evaluation.v2.Service/ResolveBoolean"),
    Method::flag::<v2::ResolveStringResponse>("/flagd.evaluation.v2.Service/ResolveString"),
    Method::flag::<v2::ResolveFloatResponse>("/flagd.evaluation.v2.Service/ResolveFloat"),
    Method::flag::<v2::ResolveIntResponse>("/flagd.evaluation.v2.Service/ResolveInt"),
    Method::flag::<v2::ResolveObjectResponse>("/flagd.evaluation.v2.Service/ResolveObject"),
    Method::flag::<v1::ResolveBooleanResponse>("/flagd.evaluation.v1.Service/ResolveBoolean"),
    Method::flag::<v1::ResolveStringResponse>("/flagd.evaluation.v1.Service/ResolveString"),
    Method::flag::<v1::ResolveFloatResponse>("/flagd.evaluation.v1.Service/ResolveFloat"),
    Method::flag::<v1::ResolveIntResponse>("/flagd.evaluation.v1.Service/ResolveInt"),
    Method::flag::<v1::ResolveObjectResponse>("/flagd.evaluation.v1.Service/ResolveObject"),
    Method::flag::<schema::v1::ResolveBooleanResponse>("/schema.v1.Service/ResolveBoolean"),
    Method::flag::<schema::v1::ResolveStringResponse>("/schema.v1.Service/ResolveString"),
    Method::flag::<schema::v1::ResolveFloatResponse>("/schema.v1.Service/ResolveFloat"),
    Method::flag::<schema::v1::ResolveIntResponse>("/schema.v1.Service/ResolveInt"),
    Method::flag::<schema::v1::ResolveObjectResponse>("/schema.v1.Service/ResolveObject"),
    Method::new::<v1::ResolveAllResponse>(
        "/flagd.evaluation.v1.Service/ResolveAll",
        Kind::Unary,
        Shape::Context,
    ),
    Method::new::<schema::v1::ResolveAllResponse>(
        "/schema.v1.Service/ResolveAll",
        Kind::Unary,
        Shape::Context,
    ),
    Method::new::<v1::EventStreamResponse>(
        "/flagd.evaluation.v1.Service/EventStream",
        Kind::Stream,
        Shape::Nothing,
    ),
    Method::new::<v2::EventStreamResponse>(
        "/flagd.evaluation.v2.Service/EventStream",
        Kind::Stream,
        Shape::Nothing,
    ),
    Method::new::<schema::v1::EventStreamResponse>(
        "/schema.v1.Service/EventStream",
        Kind::Stream,
        Shape::Nothing,
    ),
];
