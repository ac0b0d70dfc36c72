//! Where protobuf meets the engine: outcomes to messages, and what each version says when there is no value.

use engine::{Flag, Kind, Metadata, Reason, Resolution, Selector};
use proto::{ListValue, Struct, Value};
use tonic::Status;

use crate::ask::{Outcome, Refusal, Type};

/// A typed request for one flag.
pub(super) trait Question: prost::Message + Default {
    /// What the answer's value is.
    type Value: FromVariant;
    /// The response message.
    type Answer: prost::Message;
    /// The type that the variant has to have.
    const VALUE: Type = Self::Value::TYPE;

    /// The flag's key and the encoded context.
    fn parts(&self) -> (&str, &[u8]);

    /// The response, or the error that this version gives instead.
    fn render(answer: Answer<Self::Value>) -> Result<Self::Answer, Status>;
}

/// Makes a request message a [`Question`]: its response, its value's type, and the version's rule for missing values.
macro_rules! question {
    ($request:ident -> $response:ident($value:ty), $shape:path) => {
        impl $crate::services::evaluation::convert::Question for $request {
            type Value = $value;
            type Answer = $response;

            fn parts(&self) -> (&str, &[u8]) {
                (&self.flag_key, &self.context)
            }

            fn render(
                answer: $crate::services::evaluation::convert::Answer<$value>,
            ) -> Result<$response, tonic::Status> {
                let reason = answer.reason.to_owned();
                let (value, variant, metadata) = $shape(answer)?;
                Ok($response { value: value.into(), reason, variant, metadata: Some(metadata) })
            }
        }
    };
}
pub(super) use question;

/// What a flag's answer is, before a version gives it its shape.
pub(super) struct Answer<V> {
    /// `None`: the caller's default stands.
    value: Option<V>,
    pub(super) reason: &'static str,
    variant: Option<String>,
    metadata: Struct,
}

impl<V: FromVariant> Answer<V> {
    /// What came of a question, or its error (contract 3.5).
    pub(super) fn new(outcome: Outcome<'_>, selector: &Selector<'_>) -> Result<Self, Status> {
        let Resolution { variant, reason, metadata: more } = outcome.result.map_err(refused)?;
        let value = match variant {
            None => None,
            Some(variant) => Some(V::read(variant.value()).ok_or_else(mismatch)?),
        };
        Ok(Self {
            value,
            reason: reason.as_str(),
            variant: variant.map(|variant| variant.name().to_owned()),
            metadata: metadata(outcome.flag, more, selector),
        })
    }
}

/// v1: a flag without a default variant does not exist; a disabled one is a zero value.
pub(super) fn v1<V: Default>(answer: Answer<V>) -> Result<(V, String, Struct), Status> {
    if answer.value.is_none() && answer.reason == Reason::Default.as_str() {
        return Err(not_found());
    }
    schema_v1(answer)
}

/// schema.v1: without a value a zero value.
pub(super) fn schema_v1<V: Default>(answer: Answer<V>) -> Result<(V, String, Struct), Status> {
    Ok((answer.value.unwrap_or_default(), answer.variant.unwrap_or_default(), answer.metadata))
}

/// v2: without a value none. An empty variant name counts as none, as in flagd.
pub(super) fn v2<V>(answer: Answer<V>) -> Result<(Option<V>, Option<String>, Struct), Status> {
    Ok((answer.value, answer.variant.filter(|name| !name.is_empty()), answer.metadata))
}

/// A value as a response carries it.
pub(super) trait FromVariant: Sized {
    /// The type that the variant has to have.
    const TYPE: Type;

    /// The value, if `value` is of that type.
    fn read(value: &serde_json::Value) -> Option<Self>;
}

impl FromVariant for bool {
    const TYPE: Type = Type::Bool;

    fn read(value: &serde_json::Value) -> Option<Self> {
        value.as_bool()
    }
}

impl FromVariant for String {
    const TYPE: Type = Type::String;

    fn read(value: &serde_json::Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl FromVariant for f64 {
    const TYPE: Type = Type::Number;

    fn read(value: &serde_json::Value) -> Option<Self> {
        value.as_f64()
    }
}

/// Cut off at the decimal point, as flagd does. Beyond 64 bits it is the nearest whole number that there is: what flagd
/// gives there depends on the processor.
impl FromVariant for i64 {
    const TYPE: Type = Type::Number;

    #[allow(clippy::cast_possible_truncation)]
    fn read(value: &serde_json::Value) -> Option<Self> {
        value.as_f64().map(|number| number as i64)
    }
}

impl FromVariant for Struct {
    const TYPE: Type = Type::Object;

    fn read(value: &serde_json::Value) -> Option<Self> {
        value.as_object().map(structure)
    }
}

/// One flag among all.
pub(super) struct Item {
    pub(super) reason: &'static str,
    pub(super) variant: String,
    pub(super) value: Scalar,
    pub(super) metadata: Struct,
}

/// The value of a flag of any type.
pub(super) enum Scalar {
    Bool(bool),
    String(String),
    Double(f64),
    Object(Struct),
}

impl Item {
    /// What came of a question about all flags. `zero` stands where there is no value; without one either, the flag is left
    /// out (contract 3.9).
    pub(super) fn new(outcome: Outcome<'_>, selector: &Selector<'_>, zero: Option<Scalar>) -> Option<Self> {
        let (reason, variant, value, more) = match outcome.result {
            Ok(Resolution { variant, reason, metadata }) => {
                let value = variant.and_then(|variant| Scalar::read(variant.value()));
                (reason.as_str(), variant, value.or(zero)?, metadata)
            }
            Err(Refusal::TypeMismatch(variant)) => ("ERROR", Some(variant), zero?, None),
            Err(_) => ("ERROR", None, zero?, None),
        };
        let variant = variant.map_or_else(String::new, |variant| variant.name().to_owned());
        Some(Self { reason, variant, value, metadata: metadata(outcome.flag, more, selector) })
    }
}

impl Scalar {
    /// The zero value of the flag's type, as its default variant tells it.
    pub(super) fn zero_of(flag: &Flag) -> Option<Self> {
        match flag.default_variant()?.kind() {
            Kind::Bool => Some(Self::Bool(false)),
            Kind::String => Some(Self::String(String::new())),
            Kind::Number => Some(Self::Double(0.0)),
            Kind::Object => Some(Self::Object(Struct::default())),
            Kind::List | Kind::Null => None,
        }
    }

    fn read(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::Bool(value) => Some(Self::Bool(*value)),
            serde_json::Value::String(value) => Some(Self::String(value.clone())),
            serde_json::Value::Number(value) => value.as_f64().map(Self::Double),
            serde_json::Value::Object(value) => Some(Self::Object(structure(value))),
            serde_json::Value::Array(_) | serde_json::Value::Null => None,
        }
    }
}

/// What the selector adds to metadata (contract 3.10).
pub(super) fn reflection(selector: &Selector<'_>) -> Struct {
    metadata(None, None, selector)
}

/// The flag's metadata, with what the answer adds to it, over what the selector says.
fn metadata(flag: Option<&Flag>, more: Option<&Metadata>, selector: &Selector<'_>) -> Struct {
    let reflected = selector.reflection().map(|(key, value)| (key.to_owned(), text(value)));
    let own = flag.into_iter().flat_map(|flag| flag.metadata().with(more));
    Struct {
        fields: reflected.into_iter().chain(own.map(|(key, json)| (key.to_string(), value(json)))).collect(),
    }
}

/// What changed, as an event tells it: `{"flags": {"<key>": {"type": "write" | "update" | "delete"}}}`.
pub(super) fn changes(changes: &[(Box<str>, store::ChangeKind)]) -> Struct {
    let flags = changes.iter().map(|(key, kind)| {
        let entry = Struct { fields: [("type".to_owned(), text(kind.as_str()))].into() };
        (key.to_string(), object(entry))
    });
    Struct { fields: [("flags".to_owned(), object(Struct { fields: flags.collect() }))].into() }
}

fn structure(json: &serde_json::Map<String, serde_json::Value>) -> Struct {
    Struct { fields: json.iter().map(|(key, json)| (key.clone(), value(json))).collect() }
}

fn value(json: &serde_json::Value) -> Value {
    let kind = match json {
        serde_json::Value::Null => proto::Kind::NullValue(0),
        serde_json::Value::Bool(value) => proto::Kind::BoolValue(*value),
        serde_json::Value::Number(value) => proto::Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(value) => return text(value),
        serde_json::Value::Array(values) => {
            proto::Kind::ListValue(ListValue { values: values.iter().map(value).collect() })
        }
        serde_json::Value::Object(value) => return object(structure(value)),
    };
    Value { kind: Some(kind) }
}

fn text(text: &str) -> Value {
    Value { kind: Some(proto::Kind::StringValue(text.to_owned())) }
}

fn object(object: Struct) -> Value {
    Value { kind: Some(proto::Kind::StructValue(object)) }
}

/// The error of a request that cannot be read.
pub(super) fn invalid(error: impl ToString) -> Status {
    Status::invalid_argument(error.to_string())
}

fn not_found() -> Status {
    Status::not_found("Flag not found")
}

fn mismatch() -> Status {
    Status::invalid_argument("Type mismatch error")
}

fn refused(refusal: Refusal<'_>) -> Status {
    match refusal {
        Refusal::NotFound => not_found(),
        Refusal::TypeMismatch(_) => mismatch(),
        Refusal::Parse => Status::data_loss("Error parsing input or configuration"),
        Refusal::UnknownVariant => Status::unknown("General error"),
        // flagd never says this; its providers make GENERAL of the code and show the text.
        Refusal::TargetingKeyMissing => Status::failed_precondition("Targeting key missing"),
    }
}
