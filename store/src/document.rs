//! From bytes to JSON text, within limits.

mod bundle;
mod locate;
mod stream;
mod whole;
mod yaml;

use std::borrow::Cow;
use std::path::Path;

use engine::{Malformed, Place, Problem};

#[cfg_attr(
    not(feature = "git"),
    expect(unused_imports, reason = "no other source has several files yet")
)]
pub(crate) use bundle::bundle;
pub use bundle::{Part, parts};

/// How deep JSON may nest: what a flag needs, doubled, and far from any stack's end.
const MAX_DEPTH: usize = 128;

/// What a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML 1.2, its first document only.
    Yaml,
    /// Several files, which [`parts`] takes apart.
    Bundle,
}

impl Format {
    /// The format that the extension of `path` stands for: `json`, `yaml` or `yml` in any case (contract 6.6).
    ///
    /// # Errors
    /// The extension is another one, or there is none.
    pub fn of_path(path: impl AsRef<Path>) -> Result<Self, String> {
        let extension = path.as_ref().extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match extension.as_str() {
            "json" => Ok(Self::Json),
            "yaml" | "yml" => Ok(Self::Yaml),
            other => Err(format!(
                "unsupported file format: '{}'; the name must end in .json, .yaml or .yml",
                other.escape_default()
            )),
        }
    }

    /// Its name, as copies on disk have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Bundle => "bundle",
        }
    }

    /// The format of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Json, Self::Yaml, Self::Bundle].into_iter().find(|format| format.as_str() == name)
    }

    /// The format that a `Content-Type` stands for (contract 6.6). Parameters such as `charset` do not matter.
    ///
    /// # Errors
    /// The media type is neither JSON's nor YAML's.
    pub fn of_media_type(text: &str) -> Result<Self, String> {
        let media_type = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.as_str() {
            "application/json" => Ok(Self::Json),
            "application/yaml" | "application/x-yaml" => Ok(Self::Yaml),
            other => Err(format!("unsupported file format: '{}'", other.escape_default())),
        }
    }
}

/// Which documents of a source are read as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Documents {
    /// Each file is a document, and of YAML with several documents the first counts.
    #[default]
    First,
    /// Every document of every file, in order: what is read is a JSON array of them, and paths of problems begin with the
    /// number of the document, as in `/0/flags/3`. YAML documents without anything in them are not there. Files that are a
    /// flag set each are read one by one all the same.
    All,
}

/// What is to be read of a source's bytes, as JSON text. Of [`Documents::First`] it is [`json_text`].
///
/// # Errors
/// As [`json_text`]; of several documents also JSON that is none, as the text is put together of them.
pub(crate) fn text_of(
    bytes: &[u8],
    format: Format,
    documents: Documents,
    most: usize,
) -> Result<Cow<'_, str>, Malformed> {
    match documents {
        Documents::First => json_text(bytes, format, most),
        Documents::All => whole::text(bytes, format, most).map(Cow::from),
    }
}

/// The document as JSON text, borrowed if it is JSON already. A byte order mark is accepted.
///
/// `most` bounds the bytes read and the text made of them; nesting is bounded too.
///
/// # Errors
/// The document is too large, not UTF-8, nested too deeply, or not valid YAML. JSON is not parsed yet.
pub fn json_text(bytes: &[u8], format: Format, most: usize) -> Result<Cow<'_, str>, Malformed> {
    check_size(bytes, most)?;
    let text = utf8(bytes)?;
    match format {
        Format::Json => {
            check_depth(text)?;
            Ok(text.into())
        }
        Format::Yaml => yaml::to_json(text, most).map(Cow::from),
        Format::Bundle => {
            Err(Malformed { message: "several files are no single document".to_owned(), place: None })
        }
    }
}

/// Says where in the document's bytes each problem is that was found in the JSON text made of them; one walk for all.
///
/// The engine has placed problems in that text already, which is right if the document is JSON.
pub fn place_problems(problems: &mut [Problem], bytes: &[u8], format: Format) {
    if let (Format::Yaml, Ok(text), false) = (format, utf8(bytes), problems.is_empty()) {
        locate::in_yaml(text, problems);
    }
}

/// The same for all documents of all files, which paths number; and names the files.
pub(crate) fn place_in_all(problems: &mut [Problem], bytes: &[u8], format: Format) {
    whole::place(problems, bytes, format);
}

/// What is said of a document with more than `most` bytes.
pub(crate) fn too_large(most: usize) -> String {
    format!("the document is larger than {most} bytes")
}

fn check_size(bytes: &[u8], most: usize) -> Result<(), Malformed> {
    if bytes.len() > most { Err(Malformed { message: too_large(most), place: None }) } else { Ok(()) }
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        Malformed {
            message: "the document is not UTF-8".to_owned(),
            place: Some(place_at(&good, good.len())),
        }
    })
}

/// Refuses deep nesting before anything recurses.
fn check_depth(json: &str) -> Result<(), Malformed> {
    let (bytes, mut at, mut depth) = (json.as_bytes(), 0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = behind_string(bytes, at),
            b'{' | b'[' if depth == MAX_DEPTH => {
                let message = format!("nested more than {MAX_DEPTH} levels deep");
                return Err(Malformed { message, place: Some(place_at(json, at - 1)) });
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Where the text goes on behind a string that begins at `at`, its quote not counted.
fn behind_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        // What is escaped ends nothing.
        at += 1;
    }
    bytes.len()
}

/// The place of the byte at `offset`.
fn place_at(text: &str, offset: usize) -> Place {
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place { line: before.matches('\n').count() + 1, column: before[start..].chars().count() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1 << 20;

    #[test]
    fn formats() {
        assert_eq!(Format::of_path("a/b.JSON"), Ok(Format::Json));
        assert_eq!(Format::of_path("b.yml"), Ok(Format::Yaml));
        assert_eq!(Format::of_path("b.Yaml"), Ok(Format::Yaml));
        assert!(Format::of_path("b.toml").expect_err("toml").contains("unsupported file format: 'toml'"));
        assert!(Format::of_path("flags").expect_err("none").contains("unsupported file format: ''"));
        assert_eq!(Format::of_media_type("Application/JSON; charset=utf-8"), Ok(Format::Json));
        assert_eq!(Format::of_media_type("application/x-yaml"), Ok(Format::Yaml));
        assert!(Format::of_media_type("text/html").is_err());
    }

    #[test]
    fn json_is_borrowed_and_its_mark_removed() {
        let text = json_text(b"\xef\xbb\xbf{\"flags\":{}}", Format::Json, MOST).expect("text");
        assert_eq!(text, "{\"flags\":{}}");
        assert!(matches!(text, Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_not_utf8_is_refused_where_it_is() {
        let error = json_text(b"{\n \"\xc3\xa4\xff\"}", Format::Json, MOST).expect_err("bytes");
        assert_eq!(error.place, Some(Place { line: 2, column: 4 }));
    }

    #[test]
    fn size_is_bounded() {
        let error = json_text(&[b' '; 11], Format::Json, 10).expect_err("size");
        assert_eq!(error.message, "the document is larger than 10 bytes");
    }

    #[test]
    fn depth_is_bounded_without_recursion() {
        let nest = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(check_depth(&nest(MAX_DEPTH)).is_ok());
        let error = check_depth(&nest(MAX_DEPTH + 1)).expect_err("depth");
        assert_eq!(error.place, Some(Place { line: 1, column: MAX_DEPTH + 1 }));
        assert!(check_depth(&nest(5_000_000)).is_err());
        assert!(check_depth(&format!("[\"{}\\\"[\"]", "[".repeat(1_000))).is_ok(), "brackets in strings");
    }
}
