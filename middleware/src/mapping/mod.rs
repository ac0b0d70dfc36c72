//! The declared way from a request to an evaluation context.
//!
//! What decides is written here once:
//! - a header that comes more than once is refused, unless the mapping says what then ([`Attribute::when_repeated`]): two proxies
//!   that each pick another one of two values are a way round a check;
//! - a value that is not printable ASCII is refused; one that is too long is refused and not cut, because half an identity is
//!   another identity;
//! - a value that does not have the declared type is refused;
//! - an empty value is none.
//!
//! Refused attributes are absent from the context, and [`RequestContext::refused`] lists them.

mod attribute;
mod convert;

use http::request::Parts;
use open_feature::{EvaluationContext, EvaluationContextFieldValue};

pub use attribute::{
    Attribute, Repeated, claim, extension, header, path, path_segment, peer_address, peer_identity,
};

use crate::request_context::RequestContext;

/// How many attributes a mapping may name, fallbacks included.
const ATTRIBUTES: usize = 64;
/// How providers call the targeting key in wire formats.
const TARGETING_KEY: &str = "targetingKey";

/// Which parts of a request become which attributes: an allow-list.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    targeting_key: Vec<Attribute>,
    attributes: Vec<(Box<str>, Vec<Attribute>)>,
}

/// A mapping that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// No name of a header.
    #[error("header `{0}`: not the name of a header; use letters, digits and hyphens")]
    Header(String),
    /// A header that carries a credential.
    #[error("header `{0}` carries a credential: let a layer in front verify it, and map its claims")]
    Credential(String),
    /// Binary gRPC metadata.
    #[error("header `{0}` is binary gRPC metadata: map a header that is text")]
    Binary(String),
    /// A name that providers use themselves.
    #[error("attribute `{0}`: the name is taken or empty; choose another, or call `targeting_key`")]
    Name(String),
    /// More attributes than are read.
    #[error("{0} attributes, at most {ATTRIBUTES}: leave out what no rule asks for")]
    Attributes(usize),
}

/// An attribute that the request has, but not in a form that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The attribute's name, or `targetingKey`.
    pub attribute: Box<str>,
    /// Why it is absent.
    pub why: Refusal,
}

/// Why an attribute is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header comes more than once.
    #[error("the header comes more than once")]
    Repeated,
    /// Bytes that are not text.
    #[error("not text")]
    NotText,
    /// Longer than the attribute may be.
    #[error("too long")]
    TooLong,
    /// Not of the declared type.
    #[error("not of the declared type")]
    Type,
}

impl Mapping {
    /// A mapping that reads nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the targeting key comes from. Said again, it names a fallback for requests in which the earlier ones are absent.
    #[must_use]
    pub fn targeting_key(mut self, from: Attribute) -> Self {
        self.targeting_key.push(from);
        self
    }

    /// Where the attribute `name` comes from. Said again for the same name, it names a fallback.
    #[must_use]
    pub fn attribute(mut self, name: &str, from: Attribute) -> Self {
        match self.attributes.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, fallbacks)) => fallbacks.push(from),
            None => self.attributes.push((name.into(), vec![from])),
        }
        self
    }

    /// Whether the mapping can be meant.
    ///
    /// # Errors
    /// The first thing that cannot.
    pub fn check(&self) -> Result<(), MappingError> {
        let named = self.attributes.iter().map(|(_, origins)| origins.len()).sum::<usize>();
        let count = named + self.targeting_key.len();
        if count > ATTRIBUTES {
            return Err(MappingError::Attributes(count));
        }
        for (name, _) in &self.attributes {
            if name.is_empty() || **name == *TARGETING_KEY {
                return Err(MappingError::Name(name.to_string()));
            }
        }
        let origins = self.attributes.iter().flat_map(|(_, origins)| origins);
        self.targeting_key.iter().chain(origins).try_for_each(Attribute::check)
    }

    /// What the mapping makes of one request.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn read(&self, parts: &Parts) -> Result<RequestContext, MappingError> {
        self.check()?;
        Ok(self.lay(parts))
    }

    /// What a checked mapping makes of one request.
    pub(crate) fn lay(&self, parts: &Parts) -> RequestContext {
        let mut context = EvaluationContext::default();
        let mut refused = Vec::new();
        if let Some(value) = first(&self.targeting_key, TARGETING_KEY, parts, &mut refused) {
            match convert::key(value) {
                Some(key) => context.targeting_key = Some(key),
                None => refused.push(Refused { attribute: TARGETING_KEY.into(), why: Refusal::Type }),
            }
        }
        for (name, origins) in &self.attributes {
            if let Some(value) = first(origins, name, parts, &mut refused) {
                context.custom_fields.insert(name.to_string(), value);
            }
        }
        RequestContext::with_refused(context, refused)
    }
}

/// The first of `origins` that the request has. One that is refused does not fall back: the request has it, and it is wrong.
fn first(
    origins: &[Attribute],
    name: &str,
    parts: &Parts,
    refused: &mut Vec<Refused>,
) -> Option<EvaluationContextFieldValue> {
    match origins.iter().find_map(|origin| origin.read(parts).transpose())? {
        Ok(value) => Some(value),
        Err(why) => {
            refused.push(Refused { attribute: name.into(), why });
            None
        }
    }
}

#[cfg(test)]
mod tests;
