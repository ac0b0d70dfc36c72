//! A flag as sync payloads carry it (contract 5.2), so that strict in-process providers accept it (contract 11.3).

use serde_json::Value;

use super::metadata::Merged;
use super::reference::References;
use crate::text::{by_key, write_json, write_string};

/// What a payload says of a flag.
pub(crate) struct Payload<'v> {
    pub(crate) enabled: bool,
    pub(crate) default: Option<&'v str>,
    pub(crate) variants: Vec<(&'v str, &'v Value)>,
    /// Its text, `$ref` written out.
    pub(crate) targeting: Option<&'v str>,
    pub(crate) source: &'v str,
    pub(crate) metadata: &'v Merged<'v>,
}

impl Payload<'_> {
    /// The JSON object: fields in flagd's order.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        self.push(&mut out);
        out
    }

    /// Appends it.
    pub(crate) fn push(&self, out: &mut String) {
        out.push_str(if self.enabled {
            r#"{"state":"ENABLED","defaultVariant":"#
        } else {
            r#"{"state":"DISABLED","defaultVariant":"#
        });
        push_string(self.default.unwrap_or_default(), out);
        out.push_str(r#","variants":"#);
        push_object(self.variants.iter().copied(), out);
        if let Some(targeting) = self.targeting {
            out.push_str(r#","targeting":"#);
            out.push_str(targeting);
        }
        out.push_str(r#","source":"#);
        push_string(self.source, out);
        push_end(self.metadata, out);
    }
}

/// Appends the last field, the metadata, if there is any, and the end.
pub(crate) fn push_end(metadata: &Merged<'_>, out: &mut String) {
    let mut metadata = metadata.primitive().peekable();
    if metadata.peek().is_some() {
        out.push_str(r#","metadata":"#);
        push_object(metadata, out);
    }
    out.push('}');
}

/// Appends `json` with what every `$ref` stands for in its place. `References::size` bounds the outcome.
pub(crate) fn push_written_out(json: &Value, references: &References, out: &mut String) {
    match references.follow(json) {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_written_out(item, references, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            push_fields(fields.iter().map(|(key, value)| (key.as_str(), value)), out, |value, out| {
                push_written_out(value, references, out);
            });
        }
        scalar => write_json(scalar, out),
    }
}

/// Appends an object of `fields`, sorted by key.
pub(crate) fn push_object<'v>(fields: impl Iterator<Item = (&'v str, &'v Value)>, out: &mut String) {
    push_fields(fields, out, write_json);
}

fn push_fields<'v>(
    fields: impl Iterator<Item = (&'v str, &'v Value)>,
    out: &mut String,
    push: impl Fn(&'v Value, &mut String),
) {
    out.push('{');
    for (at, (key, value)) in by_key(fields).enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_string(key, out);
        out.push(':');
        push(value, out);
    }
    out.push('}');
}

/// Appends one field of an object, and what parts it from the next.
pub(crate) fn push_field(key: &str, value: &Value, out: &mut String) {
    push_string(key, out);
    out.push(':');
    write_json(value, out);
    out.push(',');
}

fn push_string(text: &str, out: &mut String) {
    // Writing to a `String` cannot fail.
    let _ = write_string(text, out);
}
