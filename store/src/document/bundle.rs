//! Several files as one document, for origins that have more than one.
//!
//! ```text
//! {"files":[{"name":"flags/a.yaml","format":"yaml","flagSet":"a","bytes":120}, ...]}
//! the bytes of the files, one after the other
//! ```
//!
//! This text is what is compared, hashed and kept on disk, so that several files are treated as one is.

use engine::Malformed;
use serde::{Deserialize, Serialize};

use super::Format;

/// One file of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'b> {
    /// Its path within the origin; `None` for a document that is one file.
    pub name: Option<Box<str>>,
    /// What it is written in.
    pub format: Format,
    /// The flag set of those of its flags that name none.
    pub flag_set: Option<Box<str>>,
    /// The bytes as they came.
    pub bytes: &'b [u8],
}

#[derive(Serialize, Deserialize)]
struct Head {
    files: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: Box<str>,
    format: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flag_set: Option<Box<str>>,
    bytes: usize,
}

/// The files of a document: the document itself, unless it is a [`Format::Bundle`].
///
/// # Errors
/// It is called a bundle and is none.
pub fn parts(bytes: &[u8], format: Format) -> Result<Vec<Part<'_>>, Malformed> {
    if format != Format::Bundle {
        return Ok(vec![Part { name: None, format, flag_set: None, bytes }]);
    }
    unpack(bytes)
        .ok_or_else(|| Malformed { message: "this is no bundle of several files".to_owned(), place: None })
}

fn unpack(bytes: &[u8]) -> Option<Vec<Part<'_>>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
    let mut rest = &bytes[end + 1..];
    let mut parts = Vec::with_capacity(head.files.len());
    for Entry { name, format, flag_set, bytes } in head.files {
        let format = Format::named(&format).filter(|format| *format != Format::Bundle)?;
        let part;
        (part, rest) = rest.split_at_checked(bytes)?;
        parts.push(Part { name: Some(name), format, flag_set, bytes: part });
    }
    rest.is_empty().then_some(parts)
}

/// Several files as one text of the format [`Format::Bundle`].
#[cfg_attr(not(feature = "git"), expect(dead_code, reason = "no other source has several files yet"))]
pub(crate) fn bundle(parts: &[Part<'_>]) -> Vec<u8> {
    let entry = |part: &Part<'_>| Entry {
        name: part.name.clone().unwrap_or_default(),
        format: part.format.as_str().into(),
        flag_set: part.flag_set.clone(),
        bytes: part.bytes.len(),
    };
    let head = Head { files: parts.iter().map(entry).collect() };
    // Texts and numbers can always be written.
    let mut text = serde_json::to_vec(&head).unwrap_or_default();
    text.push(b'\n');
    parts.iter().for_each(|part| text.extend_from_slice(part.bytes));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part<'b>(name: &str, flag_set: Option<&str>, bytes: &'b [u8]) -> Part<'b> {
        Part { name: Some(name.into()), format: Format::Yaml, flag_set: flag_set.map(Box::from), bytes }
    }

    #[cfg(feature = "git")]
    #[test]
    fn what_is_bundled_comes_back() {
        let all = [
            part("a\n.yaml", None, b"flags: {}\n"),
            part("b.yaml", Some("b"), b""),
            part("c", None, b"\xff"),
        ];
        assert_eq!(parts(&bundle(&all), Format::Bundle).as_deref(), Ok(&all[..]));
        assert_eq!(parts(&bundle(&[]), Format::Bundle), Ok(Vec::new()));
    }

    #[test]
    fn a_plain_document_is_its_only_part() {
        let alone = Part { name: None, ..part("", None, b"flags: {}\n") };
        assert_eq!(parts(b"flags: {}\n", Format::Yaml), Ok(vec![alone]));
    }

    #[test]
    fn what_is_no_bundle_is_refused() {
        let head = r#"{"files":[{"name":"a","format":"json","bytes":2}]}"#;
        for broken in [
            String::new(),
            "{}\n".to_owned(),
            head.to_owned(),
            format!("{head}\n{{"),
            format!("{head}\n{{}}x"),
            format!("{}\n{{}}", head.replace("json", "bundle")),
            format!("{}\n{{}}", head.replace('2', "18446744073709551615")),
        ] {
            assert!(parts(broken.as_bytes(), Format::Bundle).is_err(), "{broken}");
        }
        assert!(parts(format!("{head}\n{{}}").as_bytes(), Format::Bundle).is_ok());
    }
}
