//! The flag document as data: the wire form, before any of it is believed.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::compile::problem::Place;
use crate::locate::place_of;
use crate::tree::Tree;

/// More flags than this are refused while they are being read.
const MAX_FLAGS: usize = 1_000_000;
/// The metadata that names a flag set.
const FLAG_SET: &str = "flagSetId";

/// A parsed flag document, borrowing from its JSON text.
///
/// Flags and evaluators are still raw text: each is read on its own by `compile`, so that a bad one is only its own
/// problem and a large document never stands in memory as a tree.
#[derive(Debug)]
pub struct Definition<'t> {
    pub(crate) text: &'t str,
    /// In document order, duplicates included.
    pub(crate) flags: Vec<Entry<'t>>,
    /// What `$evaluators` holds, duplicates included.
    pub(crate) evaluators: Vec<Entry<'t>>,
    /// The set's own metadata.
    pub(crate) metadata: Map<String, Value>,
    /// Names at the top of the document, as written.
    pub(crate) fields: Vec<Cow<'t, str>>,
}

/// A named piece of the document, unread.
#[derive(Debug)]
pub(crate) struct Entry<'t> {
    /// The name; `None` for a flag of a list that does not say its key.
    pub(crate) key: Option<Cow<'t, str>>,
    /// The place in a list of flags.
    pub(crate) index: Option<usize>,
    pub(crate) raw: &'t RawValue,
}

/// A document that cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub message: String,
    /// Where in the text.
    pub place: Option<Place>,
}

impl<'t> Definition<'t> {
    /// The last field at the top that is `name` in any case, as written.
    pub(crate) fn field(&self, name: &'static str) -> &str {
        self.fields.iter().rfind(|field| field.eq_ignore_ascii_case(name)).map_or(name, |field| field)
    }

    /// Puts those of its flags into the flag set `id` that are in none: it becomes the document's own `flagSetId`, unless
    /// the document has one.
    #[must_use]
    pub fn in_flag_set(mut self, id: &str) -> Self {
        if self.metadata.get(FLAG_SET).is_none_or(Value::is_null) {
            self.metadata.insert(FLAG_SET.to_owned(), id.into());
        }
        self
    }

    /// Reads a JSON document.
    ///
    /// # Errors
    /// The text is not JSON, not an object, has no `flags`, or its `flags`, `metadata` or `$evaluators` are of the wrong
    /// type (contract 6.2 and 6.3).
    pub fn parse(text: &'t str) -> Result<Self, Malformed> {
        if text.trim_ascii().is_empty() {
            return Err(Malformed::new("the document is empty", None));
        }
        let mut input = serde_json::Deserializer::from_str(text);
        let read = DocumentVisitor.deserialize(&mut input).and_then(|document| {
            input.end()?;
            Ok(document)
        });
        let mut document = read.map_err(|error| Malformed::of_json(&error, text))?;
        let Some(flags) = document.flags.take() else {
            return Err(Malformed::new(document.missing_flags(), None));
        };
        let metadata = match document.metadata {
            Some(raw) => set_metadata(raw, text)?,
            None => Map::new(),
        };
        Ok(Self { text, flags, evaluators: document.evaluators, metadata, fields: document.fields })
    }
}

fn set_metadata(raw: &RawValue, text: &str) -> Result<Map<String, Value>, Malformed> {
    let place = || place_of(text, offset(text, raw.get()));
    match Tree::parse(raw.get()).map(|tree| tree.value) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(Malformed::new("`metadata` is not an object", Some(place()))),
        Err(error) => Err(Malformed::new(format!("`metadata`: {}", reason(&error)), Some(place()))),
    }
}

/// Where `part`, a slice of `text`, begins.
pub(crate) fn offset(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len())
}

/// What a JSON error says, without its position.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let full = error.to_string();
    match full.rfind(" at line ") {
        Some(end) => full[..end].to_owned(),
        None => full,
    }
}

impl Malformed {
    fn new(message: impl Into<String>, place: Option<Place>) -> Self {
        Self { message: message.into(), place }
    }

    fn of_json(error: &serde_json::Error, text: &str) -> Self {
        let place = (error.line() > 0).then(|| {
            // The reader counts bytes; people count characters.
            let line = text.split('\n').nth(error.line() - 1).unwrap_or_default();
            let before = &line.as_bytes()[..error.column().saturating_sub(1).min(line.len())];
            let characters = before.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
            Place { line: error.line(), column: characters + 1 }
        });
        Self { message: reason(error), place }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.place {
            Some(place) => write!(f, " at line {} column {}", place.line, place.column),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Malformed {}

/// The document's top level; names are matched as flagd does, whatever their case (contract 6.1).
#[derive(Default)]
struct Document<'t> {
    flags: Option<Vec<Entry<'t>>>,
    evaluators: Vec<Entry<'t>>,
    metadata: Option<&'t RawValue>,
    fields: Vec<Cow<'t, str>>,
}

impl Document<'_> {
    fn missing_flags(&self) -> String {
        let near = self.fields.iter().find(|name| crate::compile::hint::nearest(name, ["flags"]).is_some());
        match near {
            Some(name) => format!("the document has no `flags`; did you mean `flags` by `{name}`?"),
            None => "the document has no `flags`".to_owned(),
        }
    }
}

struct DocumentVisitor;

impl<'t> DeserializeSeed<'t> for DocumentVisitor {
    type Value = Document<'t>;

    fn deserialize<D: Deserializer<'t>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for DocumentVisitor {
    type Value = Document<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `flags`")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut input: A) -> Result<Self::Value, A::Error> {
        let mut document = Document::default();
        while let Some(Name(name)) = input.next_key()? {
            if name.eq_ignore_ascii_case("flags") {
                document.flags = Some(input.next_value_seed(Entries { lists: true })?);
            } else if name.eq_ignore_ascii_case("$evaluators") {
                document.evaluators = input.next_value_seed(Entries { lists: false })?;
            } else if name.eq_ignore_ascii_case("metadata") {
                document.metadata = Some(input.next_value()?);
            } else {
                input.next_value::<IgnoredAny>()?;
            }
            if document.fields.len() < 256 {
                document.fields.push(name);
            }
        }
        Ok(document)
    }
}

/// Named raw values: of an object, or (where lists are allowed) of a list whose objects carry a `key`.
struct Entries {
    lists: bool,
}

impl<'t> DeserializeSeed<'t> for Entries {
    type Value = Vec<Entry<'t>>;

    fn deserialize<D: Deserializer<'t>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Entries {
    type Value = Vec<Entry<'t>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.lists { "an object or a list of flags" } else { "an object of `$evaluators`" })
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_map<A: MapAccess<'t>>(self, mut input: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((Name(name), raw)) = input.next_entry()? {
            entries.push(Entry { key: Some(name), index: None, raw });
            bounded(&entries)?;
        }
        Ok(entries)
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut input: A) -> Result<Self::Value, A::Error> {
        if !self.lists {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        let mut entries = Vec::new();
        while let Some(raw) = input.next_element::<&'t RawValue>()? {
            let key = serde_json::from_str(raw.get()).ok().and_then(|Keyed(key)| key);
            entries.push(Entry { key, index: Some(entries.len()), raw });
            bounded(&entries)?;
        }
        Ok(entries)
    }
}

fn bounded<E: Error>(entries: &[Entry<'_>]) -> Result<(), E> {
    if entries.len() > MAX_FLAGS {
        return Err(E::custom(format_args!("more than {MAX_FLAGS} entries")));
    }
    Ok(())
}

/// An object's key, borrowed where it holds no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'t>(#[serde(borrow)] Cow<'t, str>);

/// The `key` of a flag in a list, if it is a string.
struct Keyed<'t>(Option<Cow<'t, str>>);

impl<'t> Deserialize<'t> for Keyed<'t> {
    fn deserialize<D: Deserializer<'t>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(KeyedVisitor)
    }
}

struct KeyedVisitor;

impl<'t> Visitor<'t> for KeyedVisitor {
    type Value = Keyed<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flag")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut input: A) -> Result<Self::Value, A::Error> {
        let mut key = None;
        while let Some(Name(name)) = input.next_key()? {
            if name.eq_ignore_ascii_case("key") {
                let raw: &RawValue = input.next_value()?;
                key = serde_json::from_str(raw.get()).ok().map(|Name(key)| key);
            } else {
                input.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Keyed(key))
    }
}
