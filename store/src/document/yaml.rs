//! YAML as JSON text (contract 6.6), written while it is read: nothing but the text is kept.
//!
//! - `yes`, `no`, `on`, `off` are strings; only `true` and `false` are booleans.
//! - `0x10` is 16; `0o17` and `017` are 15; digits after a leading zero that are not octal are decimal.
//! - `~`, `null` and nothing at all are null. `.inf`, `.nan` and numbers beyond a double are errors.
//! - Keys become strings as they are spelled. A key given twice is an error; `<<` merges; anchors and aliases work.
//! - A date stays the text that it is. flagd makes a time of it, which no flag can use.
//! - Documents after the first are not read.

use std::fmt;

use engine::{Malformed, Place};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error, MessageFormatter, Options, UserMessageFormatter};

use super::too_large;

/// How deep YAML may nest: half of what JSON may, as merging along a chain of aliases costs more than its depth squared.
const MAX_DEPTH: usize = 64;

/// What reading YAML to the greatest depth may need, with room to spare in a debug build.
const STACK: usize = 16 << 20;

/// Reads the first document of `text`; the JSON made of it has at most `most` bytes, whatever its aliases say.
pub(super) fn to_json(text: &str, most: usize) -> Result<String, Malformed> {
    read(text, |yaml| {
        let mut json = String::with_capacity(text.len().min(most));
        Json { out: &mut json, most }.deserialize(yaml)?;
        Ok(json)
    })
}

/// Gives the first document of `text` to `work`, on a thread whose stack is deep enough.
pub(super) fn read<T: Send>(
    text: &str,
    work: impl FnOnce(serde_saphyr::Deserializer<'_, '_>) -> Result<T, Error> + Send,
) -> Result<T, Malformed> {
    let reading = || {
        let mut done = None;
        let ended =
            serde_saphyr::with_deserializer_from_str_with_options(text, options(text.len()), |yaml| {
                done = Some(work(yaml)?);
                Ok(())
            });
        match (ended, done) {
            (Ok(()) | Err(Error::MultipleDocuments { .. }), Some(done)) => Ok(done),
            (Ok(()), None) => Err(internal()),
            (Err(error), _) => Err(malformed(&error)),
        }
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("yaml".to_owned()).stack_size(STACK);
        let reader = thread.spawn_scoped(scope, reading).map_err(|_| internal())?;
        reader.join().unwrap_or_else(|_| Err(internal()))
    })
}

fn internal() -> Malformed {
    Malformed { message: "internal error: the YAML could not be read".to_owned(), place: None }
}

/// `size` is the text's, and so bounds what it can hold.
fn options(size: usize) -> Options {
    serde_saphyr::options! {
        strict_booleans: true,
        legacy_octal_numbers: true,
        duplicate_keys: DuplicateKeyPolicy::Error,
        with_snippet: false,
        emit_comments: false,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_events: size.saturating_add(10_000),
            max_nodes: size.saturating_add(10_000),
            max_total_scalar_bytes: usize::MAX,
        },
    }
}

fn malformed(error: &Error) -> Malformed {
    let place = error.location().filter(|location| location.line() > 0).map(|location| Place {
        line: usize::try_from(location.line()).unwrap_or(usize::MAX),
        column: usize::try_from(location.column()).unwrap_or(usize::MAX),
    });
    Malformed { message: UserMessageFormatter.format_message(error.without_snippet()).into_owned(), place }
}

/// Writes whatever comes as JSON.
struct Json<'o> {
    out: &'o mut String,
    most: usize,
}

impl Json<'_> {
    fn put<E: serde::de::Error>(&mut self, text: &str) -> Result<(), E> {
        if self.out.len() + text.len() > self.most {
            return Err(E::custom(too_large(self.most)));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn put_quoted<E: serde::de::Error>(&mut self, text: &str) -> Result<(), E> {
        let quoted = serde_json::to_string(text).map_err(E::custom)?;
        self.put(&quoted)
    }

    fn inner(&mut self) -> Json<'_> {
        Json { out: self.out, most: self.most }
    }
}

impl<'de> DeserializeSeed<'de> for Json<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Json<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something that JSON can say")
    }

    fn visit_unit<E: serde::de::Error>(mut self) -> Result<(), E> {
        self.put("null")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: serde::de::Error>(mut self, value: bool) -> Result<(), E> {
        self.put(if value { "true" } else { "false" })
    }

    fn visit_i64<E: serde::de::Error>(mut self, value: i64) -> Result<(), E> {
        self.put(&value.to_string())
    }

    fn visit_u64<E: serde::de::Error>(mut self, value: u64) -> Result<(), E> {
        self.put(&value.to_string())
    }

    fn visit_i128<E: serde::de::Error>(mut self, value: i128) -> Result<(), E> {
        self.put(&value.to_string())
    }

    fn visit_u128<E: serde::de::Error>(mut self, value: u128) -> Result<(), E> {
        self.put(&value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(mut self, value: f64) -> Result<(), E> {
        let number = serde_json::Number::from_f64(value)
            .ok_or_else(|| E::custom(format!("{value} is not a number that JSON has")))?;
        self.put(&number.to_string())
    }

    fn visit_str<E: serde::de::Error>(mut self, value: &str) -> Result<(), E> {
        self.put_quoted(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.put("[")?;
        let start = self.out.len();
        while items.next_element_seed(Comma { json: self.inner(), start })?.is_some() {}
        self.put("]")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.put("{")?;
        let start = self.out.len();
        while let Some(key) = members.next_key::<String>()? {
            if self.out.len() > start {
                self.put(",")?;
            }
            self.put_quoted(&key)?;
            self.put(":")?;
            members.next_value_seed(self.inner())?;
        }
        self.put("}")
    }
}

/// An item of a list that began at `start`.
struct Comma<'o> {
    json: Json<'o>,
    start: usize,
}

impl<'de> DeserializeSeed<'de> for Comma<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        if self.json.out.len() > self.start {
            self.json.put::<D::Error>(",")?;
        }
        self.json.deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1 << 20;

    fn json(yaml: &str) -> String {
        to_json(yaml, MOST).unwrap_or_else(|error| panic!("{yaml}: {error}"))
    }

    fn refused(yaml: &str) -> Malformed {
        match to_json(yaml, MOST) {
            Ok(json) => panic!("{yaml}: became {json}"),
            Err(error) => error,
        }
    }

    #[test]
    fn scalars() {
        for (yaml, expected) in [
            ("yes", r#""yes""#),
            ("on", r#""on""#),
            ("off", r#""off""#),
            ("n", r#""n""#),
            ("true", "true"),
            ("'true'", r#""true""#),
            ("0x10", "16"),
            ("010", "8"),
            ("0o17", "15"),
            ("089", "89.0"),
            ("-7", "-7"),
            ("1.50", "1.5"),
            ("1e3", "1000.0"),
            ("18446744073709551615", "18446744073709551615"),
            ("~", "null"),
            ("2024-01-01", r#""2024-01-01""#),
            ("\"a\\tb\\\"\"", r#""a\tb\"""#),
            ("|\n  two\n  lines\n", r#""two\nlines\n""#),
        ] {
            assert_eq!(json(&format!("v: {yaml}")), format!("{{\"v\":{expected}}}"), "{yaml}");
        }
        assert_eq!(json("v:"), r#"{"v":null}"#);
    }

    #[test]
    fn keys_become_strings() {
        assert_eq!(json("1: a\ntrue: b\n1.5: c\nyes: d"), r#"{"1":"a","true":"b","1.5":"c","yes":"d"}"#);
    }

    #[test]
    fn anchors_and_merges() {
        assert_eq!(
            json("a: &x {p: 1, q: [2]}\nb: *x\nc:\n  <<: *x\n  p: 3\n"),
            r#"{"a":{"p":1,"q":[2]},"b":{"p":1,"q":[2]},"c":{"p":3,"q":[2]}}"#
        );
    }

    #[test]
    fn only_the_first_document() {
        assert_eq!(json("a: 1\n---\nb: 2\n---\n- c\n"), r#"{"a":1}"#);
    }

    #[test]
    fn errors_say_where() {
        let error = refused("flags:\n  a: 1\n  a: 2\n");
        assert_eq!(error.place, Some(Place { line: 3, column: 3 }), "{error}");
        assert!(!error.message.contains("line"), "{error}");
        let error = refused("flags:\n  a: [1\n  b: }\n");
        assert!(error.place.is_some_and(|place| place.line >= 2), "{error}");
        for yaml in ["v: .inf", "v: .nan", "v: 1e400", "v: \"unclosed"] {
            refused(yaml);
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        refused(&format!("v: {}{}", "[".repeat(100_000), "]".repeat(100_000)));
        let link = |level: usize| format!("a{level}: &a{level} {{<<: *a{}, k{level}: 1}}\n", level - 1);
        refused(&("a0: &a0 {k0: 1}\n".to_owned() + &(1..1_000).map(link).collect::<String>()));
        refused(&(0..500).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>());
        json(&format!("v: {}{}", "[".repeat(60), "]".repeat(60)));
    }

    #[test]
    fn alias_bombs_are_refused() {
        let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            laughs += &format!("a{level}: &a{level} [{}]\n", below.trim_end_matches(", "));
        }
        refused(&laughs);
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(90));
        assert!(refused(&long).message.contains("larger than"));
    }
}
