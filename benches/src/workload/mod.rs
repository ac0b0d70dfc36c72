//! What servers are asked, and how much of it at once.

mod answer;
mod request;

use crate::Failure;
use crate::load::{Exchange, Wire};

pub(crate) use self::answer::not_modified;
pub(crate) use self::request::{Version, framed, grpc, single};
use self::request::{bulk, connect, connect_protobuf, web, wide};

/// One line of the matrix.
#[derive(Debug)]
pub(crate) struct Workload {
    /// How tables call it.
    pub(crate) name: &'static str,
    /// The request.
    pub(crate) exchange: Exchange,
    /// What the load looks like.
    pub(crate) shape: Shape,
    /// Flags of the document.
    pub(crate) flags: usize,
    /// Servers that do nothing and still answer so that it is right.
    pub(crate) floors: &'static [&'static str],
    /// Whether the request must carry the ETag of an earlier answer.
    pub(crate) conditional: bool,
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

/// Flags of the document that single evaluations are asked of.
const MANY: usize = 1_000;
/// Flags of the document that is evaluated whole.
const BULK: usize = 100;

/// The whole matrix.
pub(crate) fn matrix() -> Result<Vec<Workload>, Failure> {
    let one = |name, exchange, (connections, streams), floors| Workload {
        name,
        exchange,
        shape: Shape { connections, streams, churn: false },
        flags: MANY,
        floors,
        conditional: false,
    };
    let bulk = |name, conditional| -> Result<_, Failure> {
        let shape = Shape { connections: 64, streams: 1, churn: false };
        Ok(Workload { name, exchange: bulk()?, shape, flags: BULK, floors: &[], conditional })
    };
    let churning = |name, exchange, floors| {
        let workload = one(name, exchange, (64, 1), floors);
        Workload { shape: Shape { churn: true, ..workload.shape }, ..workload }
    };
    let grpc_floors: &[&str] = &["tonic", "hyper"];
    let hit = bulk("OFREP bulk of 100 flags, ETag hit, HTTP/1.1 64 x 1", true)?;
    Ok(vec![
        one("gRPC v1 R2, 16 x 32", grpc(Version::V1, "R2")?, (16, 32), grpc_floors),
        one("gRPC v1 R2, 64 x 1", grpc(Version::V1, "R2")?, (64, 1), grpc_floors),
        one("gRPC v2 R2, 16 x 32", grpc(Version::V2, "R2")?, (16, 32), grpc_floors),
        one("gRPC v1 R1, 16 x 32", grpc(Version::V1, "R1")?, (16, 32), &[]),
        one("gRPC v1 R3, 16 x 32", grpc(Version::V1, "R3")?, (16, 32), &[]),
        one("gRPC v1 R5, 16 x 32", grpc(Version::V1, "R5")?, (16, 32), &[]),
        one("gRPC v1 R2 of 100 attributes, 16 x 32", wide()?, (16, 32), grpc_floors),
        churning("gRPC v1 R2, 64 connections of one request", grpc(Version::V1, "R2")?, grpc_floors),
        one("gRPC-Web R2, HTTP/1.1 64 x 1", web(Wire::H1)?, (64, 1), &[]),
        one("Connect protobuf R2, HTTP/2 16 x 32", connect_protobuf()?, (16, 32), &[]),
        one("Connect JSON R2, HTTP/1.1 64 x 1", connect(Wire::H1)?, (64, 1), &["hyper"]),
        one("Connect JSON R2, HTTP/2 16 x 32", connect(Wire::H2)?, (16, 32), &["hyper"]),
        one("OFREP R1, HTTP/1.1 64 x 1", single("R1")?, (64, 1), &["hyper"]),
        one("OFREP R2, HTTP/1.1 64 x 1", single("R2")?, (64, 1), &["hyper"]),
        churning("OFREP R2, 64 connections of one request", single("R2")?, &["hyper"]),
        bulk("OFREP bulk of 100 flags, HTTP/1.1 64 x 1", false)?,
        hit,
    ])
}
