//! What servers are asked, how much of it at once, and what else goes on.

mod answer;
mod request;

use crate::Failure;
use crate::document::Document;
use crate::link::Carrier;
use crate::load::{Exchange, Wire};
use crate::rule::Rule;

pub(crate) use self::answer::not_modified;
pub(crate) use self::request::{Version, framed, grpc, single};
use self::request::{bulk, connect, connect_protobuf, extra, web, wide};

/// One line of the matrix.
#[derive(Debug)]
pub(crate) struct Workload {
    /// How tables call it.
    pub(crate) name: &'static str,
    /// The request.
    pub(crate) exchange: Exchange,
    /// What the load looks like.
    pub(crate) shape: Shape,
    /// What is served.
    pub(crate) document: Document,
    /// Servers that do nothing and still answer so that it is right.
    pub(crate) floors: &'static [&'static str],
    /// Whether the request must carry the ETag of an earlier answer.
    pub(crate) conditional: bool,
    /// What else goes on.
    pub(crate) beside: Beside,
}

/// What a load looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Connections.
    pub(crate) connections: usize,
    /// Requests that each has in flight.
    pub(crate) streams: usize,
    /// Whether a connection is closed and another one opened after each request.
    pub(crate) churn: bool,
}

/// What a server has to do beside the load. The floors have nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Nothing.
    Nothing,
    /// The flag file is rewritten every 100 ms, each time with one change.
    Rewrites,
    /// 10,000 sync streams on 100 connections, none of which hears anything.
    IdleStreams,
}

impl Workload {
    fn of(name: &'static str, exchange: Exchange, (connections, streams): (usize, usize)) -> Self {
        Self {
            name,
            exchange,
            shape: Shape { connections, streams, churn: false },
            document: Document::of(MANY),
            floors: &[],
            conditional: false,
            beside: Beside::Nothing,
        }
    }

    fn floors(self, floors: &'static [&'static str]) -> Self {
        Self { floors, ..self }
    }

    fn document(self, document: Document) -> Self {
        Self { document, ..self }
    }

    fn churning(self) -> Self {
        Self { shape: Shape { churn: true, ..self.shape }, ..self }
    }

    fn over(mut self, carrier: Carrier) -> Self {
        self.exchange.carrier = carrier;
        self
    }
}

/// Flags of the document that single evaluations are asked of.
const MANY: usize = 1_000;
/// Requests in flight where connections have many streams.
const DEEP: (usize, usize) = (16, 32);
/// Requests in flight where each has a connection.
const WIDE: (usize, usize) = (64, 1);
/// One request after the other.
const ONE: (usize, usize) = (1, 1);
/// Floors that answer gRPC.
const BOTH: &[&str] = &["tonic", "hyper"];
/// The floor that answers JSON.
const HYPER: &[&str] = &["hyper"];

/// The whole matrix.
pub(crate) fn matrix() -> Result<Vec<Workload>, Failure> {
    let parts = [protocols()?, bulks()?, links()?, rules()?, documents()?];
    Ok(parts.into_iter().flatten().collect())
}

/// Single evaluations over every protocol.
fn protocols() -> Result<Vec<Workload>, Failure> {
    let r2 = || grpc(Version::V1, "R2");
    Ok(vec![
        Workload::of("gRPC v1 R2, 16 x 32", r2()?, DEEP).floors(BOTH),
        Workload::of("gRPC v1 R2, 64 x 1", r2()?, WIDE).floors(BOTH),
        Workload::of("gRPC v1 R2, 1 x 1", r2()?, ONE).floors(BOTH),
        Workload::of("gRPC v2 R2, 16 x 32", grpc(Version::V2, "R2")?, DEEP).floors(BOTH),
        Workload::of("gRPC v1 R1, 16 x 32", grpc(Version::V1, "R1")?, DEEP),
        Workload::of("gRPC v1 R3, 16 x 32", grpc(Version::V1, "R3")?, DEEP),
        Workload::of("gRPC v1 R5, 16 x 32", grpc(Version::V1, "R5")?, DEEP),
        Workload::of("gRPC v1 R2, 64 connections of one request", r2()?, WIDE).floors(BOTH).churning(),
        Workload::of("gRPC-Web R2, HTTP/1.1 64 x 1", web(Wire::H1)?, WIDE),
        Workload::of("Connect protobuf R2, HTTP/1.1 64 x 1", connect_protobuf(Wire::H1)?, WIDE),
        Workload::of("Connect protobuf R2, HTTP/2 16 x 32", connect_protobuf(Wire::H2)?, DEEP),
        Workload::of("Connect JSON R2, HTTP/1.1 64 x 1", connect(Wire::H1)?, WIDE).floors(HYPER),
        Workload::of("Connect JSON R2, HTTP/2 16 x 32", connect(Wire::H2)?, DEEP).floors(HYPER),
        Workload::of("OFREP R1, HTTP/1.1 64 x 1", single("R1")?, WIDE).floors(HYPER),
        Workload::of("OFREP R2, HTTP/1.1 64 x 1", single("R2")?, WIDE).floors(HYPER),
        Workload::of("OFREP R2, HTTP/1.1 1 x 1", single("R2")?, ONE).floors(HYPER),
        Workload::of("OFREP R2, 64 connections of one request", single("R2")?, WIDE).floors(HYPER).churning(),
    ])
}

/// Documents that are evaluated whole.
fn bulks() -> Result<Vec<Workload>, Failure> {
    let whole = |name, check, flags| -> Result<_, Failure> {
        Ok(Workload::of(name, bulk(check)?, WIDE).document(Document::of(flags)))
    };
    let hundred = answer::bulk_of::<100>;
    let hit = whole("OFREP bulk of 100 flags, ETag hit, HTTP/1.1 64 x 1", hundred, 100)?;
    Ok(vec![
        whole("OFREP bulk of 10 flags, HTTP/1.1 64 x 1", answer::bulk_of::<10>, 10)?,
        whole("OFREP bulk of 100 flags, HTTP/1.1 64 x 1", hundred, 100)?,
        whole("OFREP bulk of 1,000 flags, HTTP/1.1 64 x 1", answer::bulk_of::<1_000>, 1_000)?,
        Workload { conditional: true, ..hit },
    ])
}

/// Other links than TCP.
fn links() -> Result<Vec<Workload>, Failure> {
    let r2 = || grpc(Version::V1, "R2");
    Ok(vec![
        Workload::of("gRPC v1 R2 over TLS, 16 x 32", r2()?, DEEP).floors(BOTH).over(Carrier::Tls),
        Workload::of("gRPC v1 R2 over a unix socket, 16 x 32", r2()?, DEEP).floors(BOTH).over(Carrier::Unix),
        Workload::of("OFREP R2 over TLS, HTTP/1.1 64 x 1", single("R2")?, WIDE)
            .floors(HYPER)
            .over(Carrier::Tls),
    ])
}

/// Other rules and contexts than the five.
fn rules() -> Result<Vec<Workload>, Failure> {
    let with = |name, rule| -> Result<_, Failure> {
        let document = Document { rule: Some(rule), ..Document::of(MANY) };
        Ok(Workload::of(name, extra(rule)?, DEEP).document(document).floors(&["tonic"]))
    };
    Ok(vec![
        with("gRPC v1, no attributes, 16 x 32", Rule::Absence)?,
        Workload::of("gRPC v1 R2 of 100 attributes, 16 x 32", wide(100)?, DEEP).floors(BOTH),
        Workload::of("gRPC v1 R2 of 1,000 attributes, 16 x 32", wide(1_000)?, DEEP).floors(BOTH),
        with("gRPC v1, an attribute five deep, 16 x 32", Rule::DeepAttribute)?,
        with("gRPC v1, nested and/or, 16 x 32", Rule::NestedLogic)?,
        with("gRPC v1, a $ref of every rule, 16 x 32", Rule::Shared)?,
        with("gRPC v1, fractional of eight, 16 x 32", Rule::EightShares)?,
        with("gRPC v1, in a list of 99,990, 16 x 32", Rule::LongList)?,
    ])
}

/// Other documents, and what may happen to one.
fn documents() -> Result<Vec<Workload>, Failure> {
    let r2 = |name| -> Result<_, Failure> {
        Ok(Workload::of(name, grpc(Version::V1, "R2")?, DEEP).floors(&["tonic"]))
    };
    let rewritten = r2("gRPC v1 R2 while the file is rewritten every 100 ms, 16 x 32")?;
    let crowded = r2("gRPC v1 R2 of 100 flags beside 10,000 idle sync streams, 16 x 32")?;
    Ok(vec![
        r2("gRPC v1 R2 of 10 flags, 16 x 32")?.document(Document::of(10)),
        r2("gRPC v1 R2 of 100,000 flags, 16 x 32")?.document(Document::of(100_000)),
        Workload { beside: Beside::Rewrites, ..rewritten },
        Workload { beside: Beside::IdleStreams, ..crowded }.document(Document::of(100)),
    ])
}
