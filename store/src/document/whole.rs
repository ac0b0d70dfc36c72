//! All documents of all files of a source as one JSON array, and the way back: from a place in the array to file, line and
//! column.

use std::borrow::Cow;

use engine::{Malformed, Place, Problem};

use super::stream::{Section, sections};
use super::{Format, Part, check_depth, check_size, locate, parts, too_large, utf8, yaml};

/// Each place in JSON is a walk through it; nobody reads more of them.
const MOST_PLACES: usize = 100;

/// All documents as one array; a file of JSON is one document.
pub(super) fn text(bytes: &[u8], format: Format, most: usize) -> Result<String, Malformed> {
    check_size(bytes, most)?;
    let mut text = String::from("[");
    for part in parts(bytes, format)? {
        add(&mut text, &part, most).map_err(|error| match &part.name {
            Some(name) => Malformed { message: format!("{name}: {}", error.message), ..error },
            None => error,
        })?;
    }
    text.push(']');
    Ok(text)
}

fn add(text: &mut String, part: &Part<'_>, most: usize) -> Result<(), Malformed> {
    for document in documents(part)? {
        let json: Cow<'_, str> = match document {
            Document::Json(json) => {
                check_depth(json)?;
                // What is put together must not become sound by being put together.
                let alone = serde_json::from_str::<serde::de::IgnoredAny>(json);
                alone.map_err(|error| malformed(&error))?;
                json.into()
            }
            Document::Yaml(section) => {
                let room = most.saturating_sub(text.len());
                let read = yaml::to_json(section.text, room);
                let place = |place| section.place(place);
                read.map_err(|error| Malformed { place: error.place.map(place), ..error })?.into()
            }
        };
        if text.len() + json.len() > most {
            return Err(Malformed { message: too_large(most), place: None });
        }
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&json);
    }
    Ok(())
}

fn malformed(error: &serde_json::Error) -> Malformed {
    let text = error.to_string();
    let message = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]).to_owned();
    Malformed { message, place: Some(Place { line: error.line(), column: error.column() }) }
}

/// Says where each problem is whose path begins with the number of its document.
pub(super) fn place(problems: &mut [Problem], bytes: &[u8], format: Format) {
    let Ok(parts) = parts(bytes, format) else { return };
    let mut first = 0;
    for part in &parts {
        let Ok(documents) = documents(part) else { return };
        for (number, document) in (first..).zip(&documents) {
            place_in(problems, number, document, part);
        }
        first += documents.len();
    }
}

fn place_in(problems: &mut [Problem], number: usize, document: &Document<'_>, part: &Part<'_>) {
    let within = |problem: &Problem| {
        let rest = problem.path.strip_prefix('/')?.strip_prefix(&number.to_string())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
    };
    let (mut mine, mut paths) = (Vec::new(), Vec::new());
    for problem in problems {
        if let Some(path) = within(problem) {
            mine.push(problem);
            paths.push(path);
        }
    }
    if mine.is_empty() {
        return;
    }
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let places: Vec<Option<Place>> = match document {
        Document::Json(json) => {
            paths.iter().take(MOST_PLACES).map(|path| engine::locate(json, path)).collect()
        }
        Document::Yaml(section) => {
            let start = Place { line: 1, column: 1 };
            let places = locate::find(section.text, &paths).into_iter();
            places.map(|place| Some(section.place(place.unwrap_or(start)))).collect()
        }
    };
    for (at, problem) in mine.into_iter().enumerate() {
        problem.place = places.get(at).copied().flatten();
        problem.file.clone_from(&part.name);
    }
}

/// A document of a file.
enum Document<'t> {
    Json(&'t str),
    Yaml(Section<'t>),
}

fn documents<'t>(part: &Part<'t>) -> Result<Vec<Document<'t>>, Malformed> {
    let text = utf8(part.bytes)?;
    Ok(match part.format {
        Format::Yaml => sections(text)?.into_iter().map(Document::Yaml).collect(),
        Format::Json | Format::Bundle => vec![Document::Json(text)],
    })
}
