//! `hoistd import VENDOR PLACE`: another vendor's flags as a flag document, and how true that is.
//!
//! ```text
//! a file, or the vendor's server asked once --the vendor's reader--> native flags
//! translation of each -> the document; simulate: native beside translated for many made-up users -> the report
//! ```

mod report;
mod simulate;

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::{Flag, Options, Problem};
use store::{Reader, Relay, Settings};

use super::document::{Document, MOST_BYTES};
use crate::args::{Environment, ImportArgs, ImportFormat};
use crate::config::{self, OriginConfig, Translations};
use crate::sources::{self, SourcesError};
use crate::{ask, dialects};

/// Why nothing is imported.
#[derive(Debug, thiserror::Error)]
pub enum CannotImport {
    /// No such form of documents.
    #[error("{0:?} is no vendor that can be imported; there are: {1}")]
    Vendor(String, String),
    /// What was read is not the vendor's.
    #[error("{0}: {1}")]
    Document(String, String),
    /// The server cannot be asked.
    #[error(transparent)]
    Source(#[from] SourcesError),
    /// An option of the vendor is wrong.
    #[error(transparent)]
    Origin(#[from] store::OriginError),
    /// A credential cannot be read.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// `--timeout` is no duration.
    #[error(
        "invalid value {0:?}: a duration is a number with a unit (ms, s, m or h), such as 10s (from --timeout)"
    )]
    Timeout(String),
    /// `--translations` is none of the words.
    #[error("invalid value {0:?}: must be exact, approximate or all (from --translations)")]
    Translations(String),
    /// Something cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// A flag that was imported, or left out.
pub(crate) struct Imported {
    pub(crate) flag: Arc<Flag>,
    /// Whether it is in the document.
    pub(crate) included: bool,
    /// The share of simulated users who get another answer.
    pub(crate) moved: f64,
}

/// Writes the document to `out`, or to `--out`, and the report to `notes`.
///
/// # Errors
/// There is nothing to import, or nowhere to write.
pub fn run(
    args: &ImportArgs,
    environment: &Environment,
    input: &mut dyn Read,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> Result<(), CannotImport> {
    let allowed = translations(&args.translations)?;
    let Some(dialect) = dialects::find(&args.vendor) else {
        let names: Vec<&str> = dialects::DIALECTS.iter().map(|dialect| dialect.name).collect();
        return Err(CannotImport::Vendor(args.vendor.clone(), names.join(", ")));
    };
    let (document, reader, name) = if args.place.contains("://") {
        ask_server(args, environment)?
    } else {
        let wrong = |what| CannotImport::Document(args.place.clone(), what);
        let document = Document::read(Path::new(&args.place), input).map_err(wrong)?;
        (document, dialects::reader(dialect, &args.place)?, args.place.clone())
    };
    let (flags, problems) = read(&document, &*reader, &name)?;
    let translated = simulate::Translated::of(&flags);
    let imported: Vec<Imported> = flags
        .into_iter()
        .map(|flag| Imported {
            included: flag.translation().is_some_and(|translation| allowed.allow(&translation.fidelity)),
            moved: translated.moved(&flag, args.users),
            flag,
        })
        .collect();
    let text = flag_document(&imported);
    match &args.out {
        Some(path) => fs::write(path, text)?,
        None => out.write_all(text.as_bytes())?,
    }
    match args.format {
        ImportFormat::Text => report::text(&imported, &problems, args.users, notes)?,
        ImportFormat::Json => report::json(&imported, &problems, args.users, notes)?,
    }
    Ok(())
}

fn translations(text: &str) -> Result<Translations, CannotImport> {
    match text {
        "exact" => Ok(Translations::Exact),
        "approximate" => Ok(Translations::Approximate),
        "all" => Ok(Translations::All),
        _ => Err(CannotImport::Translations(text.to_owned())),
    }
}

type Asked = (Document, Arc<dyn Reader>, String);

/// Asks the vendor's server, with the credentials that `start` would have.
fn ask_server(args: &ImportArgs, environment: &Environment) -> Result<Asked, CannotImport> {
    let timeout = config::duration(&args.timeout).filter(|timeout| !timeout.is_zero());
    let timeout = timeout.ok_or_else(|| CannotImport::Timeout(args.timeout.clone()))?;
    let wrong = |what: &str| CannotImport::Document(args.place.clone(), what.to_owned());
    // A vendor's server, or its files wherever files can live.
    let mut uris = ["+", ":"].into_iter().map(|sign| format!("{}{sign}{}", args.vendor, args.place));
    let origin = uris.find_map(|uri| OriginConfig::parse(&uri));
    let origin = origin.ok_or_else(|| wrong("this vendor has no server to ask; name a file"))?;
    let origin = config::with_credentials(origin, environment)?;
    let name = origin.uri.to_string();
    let Some((_, source)) = sources::build(&[origin])?.into_iter().next() else {
        return Err(wrong("no source"));
    };
    let reader = source.reader();
    let document = once(source, timeout)?.map_err(|what| CannotImport::Document(name.clone(), what))?;
    Ok((document, reader, name))
}

fn once(source: Box<dyn store::Source>, timeout: Duration) -> io::Result<Result<Document, String>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let read = runtime.block_on(async {
        let relay = Relay::open(Settings::new(ask::clock), source);
        let first = tokio::time::timeout(timeout, relay.first()).await;
        let said = first.map_err(|_| format!("no answer within {timeout:?} (from --timeout)"))?;
        let document = said.document.ok_or_else(|| said.error.unwrap_or_else(|| "no document".to_owned()))?;
        Ok(Document { bytes: document.bytes.to_vec(), format: document.format })
    });
    runtime.shutdown_background();
    Ok(read)
}

type Flags = (Vec<Arc<Flag>>, Vec<Problem>);

fn read(document: &Document, reader: &dyn Reader, name: &str) -> Result<Flags, CannotImport> {
    let malformed = |error: engine::Malformed| CannotImport::Document(name.to_owned(), error.to_string());
    let source: Arc<str> = Arc::from(name);
    let compiled =
        store::read_once(reader, &document.bytes, document.format, &source, &Options::default(), MOST_BYTES);
    let compiled = compiled.map_err(malformed)?;
    Ok((compiled.layer.flags().to_vec(), compiled.problems))
}

/// The flags that are included as one document, laid out for people.
fn flag_document(imported: &[Imported]) -> String {
    let included = imported.iter().filter(|one| one.included);
    let flags: serde_json::Map<String, serde_json::Value> = included
        .filter_map(|one| {
            let mut definition: serde_json::Value = serde_json::from_str(one.flag.definition()).ok()?;
            // Where it came from says nothing where it is going.
            definition.as_object_mut()?.shift_remove("source");
            Some((one.flag.key().to_owned(), definition))
        })
        .collect();
    let document = serde_json::json!({ "$schema": "https://flagd.dev/schema/v0/flags.json", "flags": flags });
    format!("{document:#}\n")
}
