//! `features.yaml`: all documents of all files of a source, in order.

use std::collections::HashSet;

use engine::{Compiled, Harvest, Malformed};
use serde_json::Value;
use store::{Documents, Reader, Reading};

use super::{malformed, within};
use crate::features::{self, Document};
use crate::native;
use crate::options::FileOptions;

/// Makes flags of `features.yaml`.
#[derive(Debug)]
pub struct Features(FileOptions);

impl Features {
    /// A reader that serves what `options` say.
    pub fn new(options: FileOptions) -> Self {
        Self(options)
    }
}

impl Reader for Features {
    fn read(&self, document: &Reading<'_>) -> Result<Compiled, Malformed> {
        let documents = parse(document.text)?;
        let mut harvest = Harvest::new(document.previous);
        let mapping = within(&self.0.mapping(), document);
        let mut served = HashSet::new();
        for (namespace, mut flags) in features::read(documents) {
            if self.0.namespace.as_ref().is_some_and(|only| *only != namespace) {
                continue;
            }
            if mapping.flag_set.is_some() {
                // In one flag set a key stands for one flag.
                for flag in &mut flags {
                    let Ok(read) = flag else { continue };
                    if !served.insert(read.key.clone()) {
                        *flag = Err(twin(&read.key, &read.path));
                    }
                }
            }
            native::flags(&mut harvest, &namespace, flags, document.source, &mapping);
        }
        Ok(harvest.finish())
    }

    fn check(&self, text: &str) -> Result<(), Malformed> {
        parse(text).map(drop)
    }

    fn documents(&self) -> Documents {
        Documents::All
    }
}

/// What is said of a flag that an earlier namespace has already in the one flag set.
fn twin(key: &str, path: &str) -> crate::rules::Finding {
    crate::rules::Finding {
        flag: Some(key.into()),
        path: path.to_owned(),
        message: "another namespace has this key, in the same flag set; the first counts".to_owned(),
        is_error: false,
    }
}

fn parse(text: &str) -> Result<Vec<Document>, Malformed> {
    let wrong = |message: String| Malformed { message, place: None };
    let values: Vec<Value> =
        serde_json::from_str(text).map_err(|error| malformed("documents of Flipt", &error))?;
    let one = |(value, at): (Value, usize)| {
        if !value.is_object() {
            return Err(wrong(format!("document {at} is no mapping")));
        }
        let read: Document =
            serde_json::from_value(value).map_err(|error| wrong(format!("document {at}: {error}")))?;
        if read.is_one() {
            Ok(read)
        } else {
            Err(wrong(format!("document {at} has no version, namespace, flags or segments")))
        }
    };
    let documents = values.into_iter().zip(1..).map(one).collect::<Result<Vec<_>, _>>()?;
    if documents.is_empty() { Err(wrong("there is no document".to_owned())) } else { Ok(documents) }
}
