//! What Flipt's answers are to an OpenFeature client (contract 1.1, "OpenFeature mapping").

use engine::Type;
use serde_json::{Number, Value};

/// How flags are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// What a variant's value is.
    pub values: Values,
    /// The flag set of all flags, in place of their namespace.
    pub flag_set: Option<String>,
    /// The environment, for metadata.
    pub environment: Option<String>,
    /// Whether a flag that depends on the context is an error for whoever has no targeting key; if not, they are the entity
    /// without a name.
    pub require_targeting_key: bool,
}

/// What a variant's value is to whoever asks for text or for no type in particular.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Values {
    /// Its key, as Flipt's own providers have it; the attachment is in the metadata, and what objects are.
    #[default]
    Key,
    /// Its attachment; where there is none, its key.
    Attachment,
}

impl Values {
    /// What the variant `key` with `attachment` is to whoever wants `want`.
    pub fn value(self, key: &str, attachment: Option<&Value>, want: Type) -> Value {
        let name = || Value::String(key.to_owned());
        let any = || match self {
            Self::Key => name(),
            Self::Attachment => attachment.cloned().unwrap_or_else(name),
        };
        match want {
            Type::Any | Type::Bool => any(),
            Type::String => Some(any()).filter(Value::is_string).unwrap_or_else(name),
            Type::Number => {
                let attached = attachment.filter(|attached| attached.is_number()).cloned();
                let of_key = key.parse().ok().and_then(Number::from_f64).map(Value::Number);
                let number = match self {
                    Self::Key => of_key.or(attached),
                    Self::Attachment => attached.or(of_key),
                };
                number.unwrap_or_else(name)
            }
            Type::Object => {
                let structured = attachment.filter(|attached| attached.is_object() || attached.is_array());
                structured.cloned().unwrap_or_else(name)
            }
        }
    }
}
