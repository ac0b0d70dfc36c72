//! A question asked on the command line: documents read once, one flag, one context.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use engine::{Bump, Flag, Layer, Malformed, Options, Problem, Selector, Snapshot, Steps, Witness};
use serde_json::{Map, Value, json};
use store::FlagDocument;

use super::document::{Document, MOST_BYTES};
use crate::args::{EvalArgs, ExpectedType, Fractional};
use crate::ask::{Outcome, Refusal, Type, answer, clock, now};
use crate::dialects;
use crate::light::{Body, Enrichment, Light};

/// Why a question could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum CannotAsk {
    /// A source of a kind that is not read once.
    #[error("{0}: only files can be read here, such as file:flags.json")]
    NotAFile(String),
    /// A document that cannot be read at all.
    #[error("{0}: {1}")]
    Document(String, String),
    /// The context is not a JSON object.
    #[error("invalid context: {0} (from --context or --context-file)")]
    Context(String),
    /// The selector is malformed.
    #[error("{0} (from --selector)")]
    Selector(#[from] engine::SelectorError),
    /// The answer could not be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Everything that an answer depends on, except the time.
#[derive(Debug)]
pub(crate) struct Question {
    key: String,
    selector: String,
    want: Type,
    context: String,
    snapshot: Snapshot,
    /// What is wrong with the flag that is asked for, by source.
    problems: Vec<(Arc<str>, Problem)>,
}

impl Question {
    /// Reads what `args` name; `-` as a context file is `input`.
    pub(crate) fn read(args: &EvalArgs, input: &mut dyn Read) -> Result<Self, CannotAsk> {
        let bucketing = match args.fractional {
            Fractional::V2 => engine::Bucketing::V2,
            Fractional::V3 => engine::Bucketing::V3,
        };
        let options = Options { bucketing, ..Options::default() };
        let overrides = match &args.state_dir {
            Some(folder) => store::overrides_in(folder, clock())
                .map_err(|error| CannotAsk::Document(folder.display().to_string(), error.to_string()))?,
            None => Vec::new(),
        };
        let (mut layers, mut problems) = (Vec::<Layer>::new(), Vec::new());
        for uri in &args.files {
            let (name, layer, found) = layer(uri, &options)?;
            let about = |problem: &Problem| problem.flag.as_deref().is_none_or(|flag| flag == args.key);
            problems.extend(found.into_iter().filter(about).map(|problem| (Arc::clone(&name), problem)));
            let over = |flag: &Arc<Flag>| overrides.iter().find_map(|one| one.over(flag)).map(Arc::new);
            layers.push(
                layer.flags().iter().map(|flag| over(flag).unwrap_or_else(|| Arc::clone(flag))).collect(),
            );
        }
        let selector = args.selector.clone().unwrap_or_default();
        Selector::parse(&selector)?;
        Ok(Self {
            key: args.key.clone(),
            selector,
            want: match args.expect {
                ExpectedType::Any => Type::Any,
                ExpectedType::Boolean => Type::Bool,
                ExpectedType::String => Type::String,
                ExpectedType::Integer | ExpectedType::Float => Type::Number,
                ExpectedType::Object => Type::Object,
            },
            context: context(args, input)?,
            snapshot: Snapshot::fold(&layers, 1),
            problems,
        })
    }

    /// Answers, with `witness` watching, and hands the outcome to `render`.
    pub(crate) fn ask<W: Witness, R>(
        &self,
        witness: &mut W,
        render: impl FnOnce(&Outcome<'_>) -> R,
    ) -> Result<R, CannotAsk> {
        let light = Light { body: Body::Json(&self.context), headers: None };
        let (bump, scratch) = (Bump::new(), Bump::new());
        let flag = self.flag()?.map(Arc::as_ref);
        Enrichment::default()
            .lay(&light, &bump, |context| {
                let want = self.want;
                let asked = engine::Question { want, context, now: now(), bump: &scratch, bulk: false };
                render(&answer(&self.key, flag, &asked, witness))
            })
            .map_err(|error| CannotAsk::Context(error.to_string()))
    }

    /// The same, remembering how the rule ran.
    pub(crate) fn explain<R>(&self, render: impl FnOnce(&Outcome<'_>) -> R) -> Result<(R, Steps), CannotAsk> {
        let mut steps = Steps::default();
        let rendered = self.ask(&mut steps, render)?;
        Ok((rendered, steps))
    }

    /// The flag that is meant.
    pub(crate) fn flag(&self) -> Result<Option<&Arc<Flag>>, CannotAsk> {
        Ok(self.snapshot.find(&Selector::parse(&self.selector)?, &self.key))
    }

    /// The flags with the same key that are not meant, strongest last.
    pub(crate) fn others(&self) -> Result<Vec<&Arc<Flag>>, CannotAsk> {
        let meant = self.flag()?;
        let same = self.snapshot.flags().iter().filter(|flag| flag.key() == self.key);
        Ok(same.filter(|flag| !meant.is_some_and(|meant| Arc::ptr_eq(meant, flag))).collect())
    }

    /// The context as JSON text.
    pub(crate) fn context(&self) -> &str {
        &self.context
    }

    /// What is wrong with the flag and the documents as a whole.
    pub(crate) fn problems(&self) -> &[(Arc<str>, Problem)] {
        &self.problems
    }

    /// What the selector adds to the metadata, with the flag's own over it (contract 3.10).
    fn metadata(&self, outcome: &Outcome<'_>) -> Map<String, Value> {
        let reflected = Selector::parse(&self.selector).ok().and_then(|selector| selector.reflection());
        let mut metadata: Map<String, Value> =
            reflected.map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect();
        let more = outcome.result.ok().and_then(|resolution| resolution.metadata);
        let own = outcome.flag.into_iter().flat_map(|flag| flag.metadata().with(more));
        metadata.extend(own.map(|(key, value)| (key.to_owned(), value.clone())));
        metadata
    }

    /// The answer as one JSON object, in the words of OFREP, and whether it is one.
    pub(crate) fn answer(&self, outcome: &Outcome<'_>) -> (Map<String, Value>, bool) {
        let mut fields = Map::new();
        fields.insert("key".to_owned(), outcome.key.into());
        match outcome.result {
            Ok(resolution) => {
                if let Some(variant) = resolution.variant {
                    fields.insert("value".to_owned(), variant.value().clone());
                    fields.insert("variant".to_owned(), variant.name().into());
                }
                fields.insert("reason".to_owned(), resolution.reason.as_str().into());
            }
            Err(refusal) => {
                let (code, details) = self.error(refusal);
                fields.insert("errorCode".to_owned(), code.into());
                fields.insert("errorDetails".to_owned(), details.into());
            }
        }
        fields.insert("metadata".to_owned(), Value::Object(self.metadata(outcome)));
        (fields, outcome.result.is_ok())
    }

    fn error(&self, refusal: Refusal<'_>) -> (&'static str, String) {
        match refusal {
            Refusal::NotFound if self.selector.is_empty() => {
                ("FLAG_NOT_FOUND", format!("no flag `{}`", self.key))
            }
            Refusal::NotFound => {
                ("FLAG_NOT_FOUND", format!("no flag `{}` under the selector `{}`", self.key, self.selector))
            }
            Refusal::TypeMismatch(variant) => {
                ("TYPE_MISMATCH", format!("variant `{}` is {}", variant.name(), variant.json()))
            }
            Refusal::Parse => ("PARSE_ERROR", engine::Fault::Parse.to_string()),
            Refusal::UnknownVariant => ("GENERAL", engine::Fault::UnknownVariant.to_string()),
            Refusal::TargetingKeyMissing => {
                ("TARGETING_KEY_MISSING", engine::Fault::TargetingKeyMissing.to_string())
            }
        }
    }
}

/// The flags of one source, its name and what is wrong with it. A URI without a scheme is a path; one of a vendor's
/// documents has the vendor's name before it, such as `unleash:features.json`.
fn layer(uri: &str, options: &Options) -> Result<(Arc<str>, Layer, Vec<Problem>), CannotAsk> {
    let dialect = uri.split_once(':').and_then(|(name, path)| Some((dialects::find(name)?, path)));
    let path = dialect.map_or(uri.strip_prefix("file:").unwrap_or(uri), |(_, path)| path);
    if path.contains("://") || path.starts_with("core.openfeature.dev/") {
        return Err(CannotAsk::NotAFile(uri.to_owned()));
    }
    let name: Arc<str> = Arc::from(path);
    let refused = |message: String| CannotAsk::Document(name.to_string(), message);
    // A context may come from standard input; a document has a name.
    let document = Document::read(Path::new(path), &mut io::empty()).map_err(refused)?;
    let malformed = |error: Malformed| refused(error.to_string());
    let reader = match dialect {
        Some((dialect, _)) => dialects::reader(dialect, path).map_err(|error| refused(error.to_string()))?,
        None => Arc::new(FlagDocument),
    };
    let Document { bytes, format } = document;
    let compiled =
        store::read_once(&*reader, &bytes, format, &name, options, MOST_BYTES).map_err(malformed)?;
    Ok((name, compiled.layer, compiled.problems))
}

/// The context as the text of a JSON object.
fn context(args: &EvalArgs, input: &mut dyn Read) -> Result<String, CannotAsk> {
    let text = match (&args.context, &args.context_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => {
            let read = Document::read_text(path, input);
            read.map_err(|error| CannotAsk::Context(format!("{}: {error}", path.display())))?
        }
        (None, None) => json!({}).to_string(),
    };
    let object = serde_json::from_str::<Map<String, Value>>(&text);
    object.map(|_| text).map_err(|error| CannotAsk::Context(error.to_string()))
}
