//! The wire of flagd: messages, servers and clients of every protobuf service hoist speaks.
//!
//! ```text
//! flagd::evaluation::v1   remote evaluation; web and older clients     served on the evaluation port
//! flagd::evaluation::v2   remote evaluation; current server clients    served on the evaluation port
//! schema::v1              the first name of v1                         served on the evaluation port
//! flagd::sync::v1         documents for in-process clients             served on the sync port, read by the grpc source
//! sync::v1                its first form, for clients of flagd-proxy   served on the sync port
//! ```
//!
//! The definitions are in `proto/`, the code in `src/generated` is made from them by `cargo run -p hoist-proto-codegen`. Two
//! fields differ from the definitions in Rust, not on the wire: the `context` of a request is the encoded
//! `google.protobuf.Struct`, and `flag_configuration` is UTF-8 as [`bytes::Bytes`]. Clients must check that UTF-8 themselves.
//! The answers of the evaluation services also serialise to protobuf's JSON form, default values included.

/// `google.protobuf.Struct` and its parts.
pub use pbjson_types::{ListValue, Struct, Value, value::Kind};

/// Packages that begin with `flagd`.
pub mod flagd {
    /// Remote evaluation.
    pub mod evaluation {
        /// `flagd.evaluation.v1`: a value is always present.
        #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::unwrap_used)]
        pub mod v1 {
            include!("generated/flagd.evaluation.v1.rs");
            include!("generated/flagd.evaluation.v1.serde.rs");
        }
        /// `flagd.evaluation.v2`: an absent value means that the code's default stands.
        #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::unwrap_used)]
        pub mod v2 {
            include!("generated/flagd.evaluation.v2.rs");
            include!("generated/flagd.evaluation.v2.serde.rs");
        }
    }
    /// Flag documents for clients that evaluate in their own process.
    pub mod sync {
        /// `flagd.sync.v1`.
        #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::unwrap_used)]
        pub mod v1 {
            include!("generated/flagd.sync.v1.rs");
        }
    }
}

/// The first name of remote evaluation.
pub mod schema {
    /// `schema.v1`.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::unwrap_used)]
    pub mod v1 {
        include!("generated/schema.v1.rs");
        include!("generated/schema.v1.serde.rs");
    }
}

/// The first form of flag documents over gRPC.
pub mod sync {
    /// `sync.v1`.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::unwrap_used)]
    pub mod v1 {
        include!("generated/sync.v1.rs");
    }
}
