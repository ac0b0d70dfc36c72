//! Checking a document against an embedded schema, and saying what is wrong in few words.

use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, Registry, ValidationError, Validator};
use serde_json::Value;

use crate::{CONFIG, FLAGD, FLAGS, TARGETING};

/// Breaches reported for one document; a longer list helps nobody.
const MOST_VIOLATIONS: usize = 100;

/// Characters of an offending value that a message repeats.
const MOST_VALUE_CHARS: usize = 60;

/// Which of the embedded schemas to check against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// [`TARGETING`].
    Targeting,
    /// [`FLAGS`].
    Flags,
    /// [`FLAGD`].
    Flagd,
    /// [`CONFIG`].
    Config,
}

/// One breach of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer (RFC 6901) to the offending place; empty for the whole document.
    pub path: String,
    /// What is wrong there, as one sentence without the place.
    pub message: String,
}

/// A schema ready to use, beside its text as data, where the sentences are looked up.
struct Compiled {
    validator: Validator,
    documents: [Value; 4],
}

/// Checks a flag document: what a source may deliver. Empty when it conforms.
///
/// Flags may be a map or a list, unless the document's own `$schema` names `flags.json`, which knows maps alone.
pub fn validate_flags(document: &Value) -> Vec<Violation> {
    let named = document.get("$schema").and_then(Value::as_str).unwrap_or_default();
    let maps_alone = named.rsplit('/').next() == Some("flags.json");
    check(if maps_alone { Schema::Flags } else { Schema::Flagd }, document)
}

/// Checks `document` against `schema` and reports at most 100 breaches, in document order. Empty when it conforms.
pub fn check(schema: Schema, document: &Value) -> Vec<Violation> {
    match compiled(schema) {
        Ok(compiled) => {
            let mut found: Vec<Violation> = Vec::new();
            for error in compiled.validator.iter_errors(document) {
                let violation = compiled.violation(&error);
                if !found.contains(&violation) {
                    found.push(violation);
                }
                if found.len() == MOST_VIOLATIONS {
                    break;
                }
            }
            found
        }
        Err(reason) => {
            vec![Violation {
                path: String::new(),
                message: format!("the embedded schema is unusable: {reason}"),
            }]
        }
    }
}

fn compiled(schema: Schema) -> Result<&'static Compiled, &'static str> {
    static ALL: [LazyLock<Result<Compiled, String>>; 4] = [
        LazyLock::new(|| compile(TARGETING)),
        LazyLock::new(|| compile(FLAGS)),
        LazyLock::new(|| compile(FLAGD)),
        LazyLock::new(|| compile(CONFIG)),
    ];
    let slot = match schema {
        Schema::Targeting => &ALL[0],
        Schema::Flags => &ALL[1],
        Schema::Flagd => &ALL[2],
        Schema::Config => &ALL[3],
    };
    slot.as_ref().map_err(String::as_str)
}

fn compile(root: &str) -> Result<Compiled, String> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
    let documents = [parse(TARGETING)?, parse(FLAGS)?, parse(FLAGD)?, parse(CONFIG)?];
    let mut registry = Registry::new();
    for document in &documents {
        let id = document["$id"].as_str().unwrap_or_default();
        registry = registry.add(id, document.clone()).map_err(|error| error.to_string())?;
    }
    let registry = registry.prepare().map_err(|error| error.to_string())?;
    let validator = jsonschema::options()
        .with_draft(Draft::Draft7)
        .offline()
        .with_registry(&registry)
        .build(&parse(root)?)
        .map_err(|error| error.to_string())?;
    Ok(Compiled { validator, documents })
}

impl Compiled {
    fn violation(&self, error: &ValidationError<'_>) -> Violation {
        let message = match self.sentence(error) {
            Some(template) => template.replace("{found}", &found(error)),
            None => plain(error),
        };
        Violation { path: error.instance_path().as_str().to_owned(), message }
    }

    /// The schema's own sentence for the broken keyword: `errorMessage` beside it, keyed by its name.
    fn sentence(&self, error: &ValidationError<'_>) -> Option<&str> {
        let (id, pointer) = error.absolute_keyword_location()?.as_str().split_once('#')?;
        let (holder, keyword) = pointer.rsplit_once('/')?;
        let document = self.documents.iter().find(|document| document["$id"] == id)?;
        document.pointer(holder)?.get("errorMessage")?.get(keyword)?.as_str()
    }
}

/// What stands at the offending place, short enough for a sentence.
fn found(error: &ValidationError<'_>) -> String {
    if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
        let names: Vec<String> = unexpected.iter().map(|name| format!("`{}`", clip(name))).collect();
        return names.join(", ");
    }
    match error.instance().as_ref() {
        Value::Object(map) => format!("an object with {} keys", map.len()),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::String(text) => format!("{:?}", clip(text)),
        scalar => clip(&scalar.to_string()),
    }
}

fn plain(error: &ValidationError<'_>) -> String {
    let found = found(error);
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!("`{}` is missing", property.as_str().unwrap_or_default())
        }
        ValidationErrorKind::AdditionalProperties { .. } => format!("unknown {found}"),
        ValidationErrorKind::Type { kind } => format!("must be {}, found {found}", types(kind)),
        ValidationErrorKind::Enum { options } => format!("must be {}, found {found}", choices(options)),
        ValidationErrorKind::MinItems { limit } | ValidationErrorKind::MinProperties { limit } => {
            format!("needs at least {limit} entries, found {found}")
        }
        ValidationErrorKind::MaxItems { limit } | ValidationErrorKind::MaxProperties { limit } => {
            format!("takes at most {limit} entries, found {found}")
        }
        ValidationErrorKind::MinLength { .. } => "must not be empty".to_owned(),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}, found {found}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}, found {found}"),
        _ => error.masked_with(found).to_string(),
    }
}

fn types(kind: &TypeKind) -> String {
    let names: Vec<String> = match kind {
        TypeKind::Single(single) => vec![single.to_string()],
        TypeKind::Multiple(several) => several.iter().map(|one| one.to_string()).collect(),
    };
    format!("of type {}", names.join(" or "))
}

fn choices(options: &Value) -> String {
    let texts: Vec<String> = options.as_array().into_iter().flatten().map(Value::to_string).collect();
    texts.join(" or ")
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(MOST_VALUE_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
