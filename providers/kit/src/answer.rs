//! What is asked for and what a resolver says.

use std::fmt;

use open_feature::{EvaluationReason, FlagMetadata, Value};

use crate::value;

/// The type that a caller asks a flag for (OpenFeature specification 1.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Text.
    String,
    /// A structure, or a list where the caller can take one.
    Object,
}

impl Type {
    /// All of them.
    pub const ALL: [Type; 5] = [Self::Bool, Self::Int, Self::Float, Self::String, Self::Object];

    /// The word for it in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::String => "string",
            Self::Object => "object",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A resolver's answer, owned.
///
/// Without a value the caller's own default stands: the flag is switched off, or nothing chose a variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The flag's value; `None` leaves the caller's default standing.
    pub value: Option<Value>,
    /// The name of the chosen variant.
    pub variant: Option<String>,
    /// Why.
    pub reason: EvaluationReason,
    /// What the flag says about itself.
    pub metadata: FlagMetadata,
}

impl Answer {
    /// An answer of unknown reason.
    pub fn new(value: impl Into<Value>) -> Self {
        Self {
            value: Some(value.into()),
            variant: None,
            reason: EvaluationReason::Unknown,
            metadata: FlagMetadata::default(),
        }
    }

    /// The caller's default stands, for `reason`: [`EvaluationReason::Disabled`] or [`EvaluationReason::Default`].
    pub fn default_stands(reason: EvaluationReason) -> Self {
        Self { value: None, variant: None, reason, metadata: FlagMetadata::default() }
    }

    /// Names the variant.
    #[must_use]
    pub fn variant(mut self, name: impl Into<String>) -> Self {
        self.variant = Some(name.into());
        self
    }

    /// Says why.
    #[must_use]
    pub fn reason(mut self, reason: EvaluationReason) -> Self {
        self.reason = reason;
        self
    }

    /// Adds the flag's metadata.
    #[must_use]
    pub fn metadata(mut self, metadata: FlagMetadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The answer, borrowed.
    pub fn as_found(&self) -> Found<'_> {
        Found {
            value: self.value.as_ref().map(Held::Value),
            variant: self.variant.as_deref(),
            reason: self.reason.clone(),
            facts: Facts::Sdk(&self.metadata),
        }
    }
}

/// An answer that still lies where the flags are: nothing is copied until somebody keeps it.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// The flag's value; `None` leaves the caller's default standing.
    pub value: Option<Held<'a>>,
    /// The name of the chosen variant.
    pub variant: Option<&'a str>,
    /// Why.
    pub reason: EvaluationReason,
    /// What the flag says about itself.
    pub facts: Facts<'a>,
}

impl Found<'_> {
    /// An owned copy.
    ///
    /// # Errors
    /// `TYPE_MISMATCH`: the value is JSON that the SDK's values cannot carry, see [`from_json`](crate::from_json).
    pub fn to_answer(&self) -> Result<Answer, open_feature::EvaluationError> {
        Ok(Answer {
            value: self.value.map(value::owned).transpose()?,
            variant: self.variant.map(str::to_owned),
            reason: self.reason.clone(),
            metadata: self.facts.to_metadata(),
        })
    }
}

/// A value, borrowed from whatever holds it.
#[derive(Clone, Copy, Debug)]
pub enum Held<'a> {
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Str(&'a str),
    /// JSON of any kind.
    Json(&'a serde_json::Value),
    /// JSON whose numbers went through doubles, as all do in flagd's engine and in protobuf's `Struct`: what is whole and
    /// exact is read as a whole number, since nobody can tell `640` from `640.0` any more.
    Doubles(&'a serde_json::Value),
    /// A value of the SDK, of any kind.
    Value(&'a Value),
}

/// A flag's metadata, borrowed.
#[derive(Clone, Copy, Debug, Default)]
pub enum Facts<'a> {
    /// None.
    #[default]
    None,
    /// Keys and JSON values; those that the SDK cannot carry are left out. Of two values of one key, the first list's counts.
    Json([&'a [(Box<str>, serde_json::Value)]; 2]),
    /// As the SDK has it.
    Sdk(&'a FlagMetadata),
}

impl Facts<'_> {
    /// An owned copy, empty when there is none.
    pub fn to_metadata(self) -> FlagMetadata {
        match self {
            Self::None => FlagMetadata::default(),
            Self::Json([first, second]) => {
                let entries = second.iter().chain(first);
                value::metadata_from_json(entries.map(|(key, value)| (&**key, value)))
            }
            Self::Sdk(metadata) => metadata.clone(),
        }
    }
}
