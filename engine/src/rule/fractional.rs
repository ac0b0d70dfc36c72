//! `fractional`: a share of the users for each variant.

/// What `fractional` hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Bucketing {
    /// The bucketing key's UTF-8 bytes: what flagd 0.16.1 does (contract 7.3).
    #[default]
    V2,
    /// The bucketing value in deterministic CBOR (RFC 8949 section 4.2.1).
    V3,
}
