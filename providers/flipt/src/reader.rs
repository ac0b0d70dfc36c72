//! Reads snapshots and features.yaml for the store.

use std::borrow::Cow;

use engine::{Compiled, Harvest, Malformed, Place};
use serde::de::DeserializeOwned;
use store::{Format, Reader, Reading};

use crate::features::{self, Document};
use crate::mapping::Mapping;
use crate::model::Snapshot;
use crate::{native, rules};

/// Makes flags of a namespace's snapshot.
#[derive(Debug, Default)]
pub(crate) struct NamespaceSnapshot(pub(crate) Mapping);

impl Reader for NamespaceSnapshot {
    fn read(&self, document: &Reading<'_>) -> Result<Compiled, Malformed> {
        let snapshot: Snapshot = parse(document.text, "a snapshot")?;
        let namespace = match snapshot.namespace.key.as_str() {
            "" => features::DEFAULT_NAMESPACE.to_owned(),
            key => key.to_owned(),
        };
        let mut harvest = Harvest::new(document.previous);
        native::flags(&mut harvest, &namespace, rules::read(snapshot), document.source, &self.0);
        Ok(harvest.finish())
    }

    fn check(&self, text: &str) -> Result<(), Malformed> {
        parse::<Snapshot>(text, "a snapshot").map(drop)
    }
}

/// Makes flags of features.yaml, all of its documents.
#[derive(Debug, Default)]
pub(crate) struct Features {
    pub(crate) mapping: Mapping,
    /// The only namespace that is served; `None` serves all.
    pub(crate) namespace: Option<String>,
}

impl Reader for Features {
    /// A list of the documents.
    fn json<'b>(&self, bytes: &'b [u8], format: Format, most: usize) -> Result<Cow<'b, str>, Malformed> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) if format == Format::Yaml && bytes.len() <= most => text,
            _ => return store::json_text(bytes, format, most),
        };
        let mut json = String::from("[");
        for document in documents(text) {
            if json.len() > 1 {
                json.push(',');
            }
            let left = most.saturating_sub(json.len());
            json.push_str(&store::json_text(document.as_bytes(), Format::Yaml, left)?);
        }
        json.push(']');
        Ok(Cow::Owned(json))
    }

    fn read(&self, document: &Reading<'_>) -> Result<Compiled, Malformed> {
        let namespaces = features::read(read_documents(document.text)?);
        let mut harvest = Harvest::new(document.previous);
        for (namespace, flags) in namespaces {
            if self.namespace.as_ref().is_none_or(|wanted| *wanted == namespace) {
                native::flags(&mut harvest, &namespace, flags, document.source, &self.mapping);
            }
        }
        Ok(harvest.finish())
    }

    fn check(&self, text: &str) -> Result<(), Malformed> {
        read_documents(text).map(drop)
    }
}

fn read_documents(text: &str) -> Result<Vec<Document>, Malformed> {
    if text.trim_start().starts_with('[') {
        let documents: Vec<Option<Document>> = parse(text, "a list of features documents")?;
        return Ok(documents.into_iter().flatten().collect());
    }
    parse(text, "a features document").map(|document| vec![document])
}

/// The documents of a YAML stream, apart where a line begins with `---`: no scalar can have such a line.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let marked = line
                .strip_prefix("---")
                .is_some_and(|after| after.trim_end().is_empty() || after.starts_with([' ', '\t']));
            if at > 0 && marked {
                rest = Some(&text[at..]);
                return Some(&text[..at]);
            }
            at += line.len();
        }
        rest = None;
        Some(text)
    })
    .filter(|document| {
        document.lines().any(|line| !matches!(line.trim(), "" | "---") && !line.trim_start().starts_with('#'))
    })
}

fn parse<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(|error| Malformed {
        message: format!("not {what} of Flipt: {error}"),
        place: (error.line() > 0).then(|| Place { line: error.line(), column: error.column().max(1) }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_fall_apart() {
        let text = "# first\n---\na: 1\n--- # second\nb: |\n  --- in text\n---not a mark: 1\n---\n\n";
        let parts: Vec<&str> = documents(text).collect();
        assert_eq!(parts, ["---\na: 1\n", "--- # second\nb: |\n  --- in text\n---not a mark: 1\n"]);
        assert_eq!(documents("a: 1").collect::<Vec<_>>(), ["a: 1"]);
        assert_eq!(documents("").count(), 0);
    }
}
