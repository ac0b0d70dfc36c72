//! What Flipt's answers are to an OpenFeature client (contract 1.1, "OpenFeature mapping").

/// How flags are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// What a variant's value is.
    pub values: Values,
    /// The flag set of all flags, in place of their namespace.
    pub flag_set: Option<String>,
    /// The environment, for metadata.
    pub environment: Option<String>,
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
