//! From a document's bytes to flags: each of its files on its own, and then together.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use engine::{Compiled, Layer, Malformed, Problem, Severity};

use crate::document::{Documents, Format, Part, parts, place_in_all, place_problems, text_of};
use crate::reader::{Reader, Reading};
use crate::status::Kept;

/// Problems of one document that are kept in memory; what is beyond them is not even counted.
const MOST_PROBLEMS: usize = 10_000;

/// The flags of each file by its name; nothing for a document that is one file.
pub(crate) type Files = BTreeMap<Box<str>, Layer>;

/// The document before.
#[derive(Clone, Copy)]
pub(crate) struct Before<'b> {
    pub(crate) layer: &'b Layer,
    pub(crate) files: &'b Files,
}

/// Who reads a document, and for whom.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) reader: &'c dyn Reader,
    pub(crate) source: &'c Arc<str>,
    pub(crate) options: &'c engine::Options,
    /// The most bytes of a file, and of what is made of it.
    pub(crate) most: usize,
}

/// What a document came to.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) layer: Layer,
    pub(crate) problems: Vec<Problem>,
    pub(crate) kept: Kept,
    pub(crate) files: Files,
}

/// Makes flags of a document. A file that cannot be read refuses it whole.
///
/// # Errors
/// The document, or one of its files, cannot be read at all.
pub(crate) fn compile(
    bytes: &[u8],
    format: Format,
    context: Context<'_>,
    before: Option<Before<'_>>,
) -> Result<Output, Malformed> {
    let parts = parts(bytes, format)?;
    let as_one =
        context.reader.documents() == Documents::All && parts.iter().all(|part| part.flag_set.is_none());
    if format != Format::Bundle || as_one {
        let part = Part { name: None, format, flag_set: None, bytes };
        let Compiled { layer, problems } = alone(&part, context, before.map(|before| before.layer))?;
        return Ok(Output { kept: kept(&layer, &problems), layer, problems, files: Files::new() });
    }
    let mut output = Output::default();
    for part in &parts {
        let name = part.name.clone().unwrap_or_default();
        let compiled = alone(part, context, before.and_then(|before| before.files.get(&name)));
        let Compiled { layer, problems } =
            compiled.map_err(|error| Malformed { message: format!("{name}: {}", error.message), ..error })?;
        output.kept.add(kept(&layer, &problems));
        let room = MOST_PROBLEMS.saturating_sub(output.problems.len());
        let named = problems.into_iter().map(|problem| Problem { file: Some(name.clone()), ..problem });
        output.problems.extend(named.take(room));
        output.files.insert(name, layer);
    }
    output.layer = together(&parts, &output.files, &mut output.problems);
    Ok(output)
}

fn alone(part: &Part<'_>, context: Context<'_>, before: Option<&Layer>) -> Result<Compiled, Malformed> {
    let Context { reader, source, options, most } = context;
    let text = text_of(part.bytes, part.format, reader.documents(), most)?;
    let reading =
        Reading { text: &text, source, options, previous: before, flag_set: part.flag_set.as_deref() };
    let mut compiled = reader.read(&reading).map_err(|error| match text {
        Cow::Borrowed(_) => error,
        // Its place is in text that nobody has seen.
        Cow::Owned(_) => Malformed { place: None, ..error },
    })?;
    match reader.documents() {
        Documents::First => place_problems(&mut compiled.problems, part.bytes, part.format),
        Documents::All => place_in_all(&mut compiled.problems, part.bytes, part.format),
    }
    Ok(compiled)
}

/// The flags of all files in order. Of flags with one identity the last counts, as within a file; the others are problems.
fn together(parts: &[Part<'_>], files: &Files, problems: &mut Vec<Problem>) -> Layer {
    let layer = |part: &Part<'_>| part.name.as_deref().and_then(|name| files.get(name));
    let mut winners = HashMap::new();
    for (at, part) in parts.iter().enumerate() {
        for flag in layer(part).into_iter().flat_map(Layer::flags) {
            winners.insert((flag.key(), flag.flag_set()), at);
        }
    }
    let mut flags = Vec::with_capacity(winners.len());
    for (at, part) in parts.iter().enumerate() {
        for flag in layer(part).into_iter().flat_map(Layer::flags) {
            match winners.get(&(flag.key(), flag.flag_set())) {
                Some(winner) if *winner != at => {
                    if problems.len() < MOST_PROBLEMS {
                        problems.push(twin(flag.key(), part, &parts[*winner]));
                    }
                }
                _ => flags.push(Arc::clone(flag)),
            }
        }
    }
    flags.into_iter().collect()
}

/// What is said of a flag in `part` that `winner` has too.
fn twin(key: &str, part: &Part<'_>, winner: &Part<'_>) -> Problem {
    let path = format!("/flags/{}", key.replace('~', "~0").replace('/', "~1"));
    let place = match part.format {
        Format::Json => std::str::from_utf8(part.bytes).ok().and_then(|text| engine::locate(text, &path)),
        Format::Yaml | Format::Bundle => None,
    };
    let mut problem = [Problem {
        severity: Severity::Warning,
        flag: Some(key.into()),
        path: path.into(),
        message: format!(
            "also defined in `{}`, which comes later and counts",
            winner.name.as_deref().unwrap_or_default()
        ),
        hint: Some("take one of them away, or give them different flag sets".into()),
        place,
        file: part.name.clone(),
    }];
    place_problems(&mut problem, part.bytes, part.format);
    let [problem] = problem;
    problem
}

/// The flags with an error that are in the layer nevertheless: it took them from the layer before.
fn kept(layer: &Layer, problems: &[Problem]) -> Kept {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let spoilt: BTreeSet<&str> = errors.filter_map(|problem| problem.flag.as_deref()).collect();
    let mut kept = Kept::default();
    if !spoilt.is_empty() {
        layer
            .flags()
            .iter()
            .filter(|flag| spoilt.contains(flag.key()))
            .for_each(|flag| kept.push(flag.key()));
    }
    kept
}

#[cfg(test)]
#[cfg(feature = "git")]
mod tests {
    use super::*;
    use crate::document::bundle;

    fn flag(key: &str, variant: &str) -> String {
        format!(
            r#"{{"flags": {{"{key}": {{"state": "ENABLED", "variants": {{"{variant}": 1}}, "defaultVariant": "{variant}"}}}}}}"#
        )
    }

    fn document(files: &[(&str, Option<&str>, &str)]) -> Vec<u8> {
        let mut parts = Vec::new();
        for (name, set, text) in files {
            let format = Format::of_path(name).expect("a format");
            let (name, flag_set) = (Some((*name).into()), set.map(Box::from));
            parts.push(Part { name, format, flag_set, bytes: text.as_bytes() });
        }
        bundle(&parts)
    }

    fn compiled(bytes: &[u8], before: &Output) -> Result<Output, Malformed> {
        let options = engine::Options::default();
        let before = Before { layer: &before.layer, files: &before.files };
        let source = Arc::from("test");
        let reader = &crate::reader::FlagDocument;
        let context = Context { reader, source: &source, options: &options, most: 1 << 20 };
        compile(bytes, Format::Bundle, context, Some(before))
    }

    /// Key, flag set and default variant of each flag.
    fn shown(output: &Output) -> Vec<(&str, &str, &str)> {
        fn row(flag: &Arc<engine::Flag>) -> (&str, &str, &str) {
            let variant = flag.default_variant().map_or("", |variant| variant.name());
            (flag.key(), flag.flag_set().unwrap_or_default(), variant)
        }
        output.layer.flags().iter().map(row).collect()
    }

    #[test]
    fn a_key_may_live_once_in_each_flag_set() {
        let bytes = document(&[
            ("prod.json", Some("prod"), &flag("a", "off")),
            ("test.json", Some("test"), &flag("a", "on")),
        ]);
        let output = compiled(&bytes, &Output::default()).expect("compiled");
        assert_eq!(shown(&output), [("a", "prod", "off"), ("a", "test", "on")]);
        assert_eq!(output.problems, []);
    }

    #[test]
    fn of_twins_the_last_counts_and_both_files_are_named() {
        let yaml = "flags:\n  b: {state: ENABLED, variants: {x: 1}, defaultVariant: x}\n  a: {state: ENABLED, variants: {x: 1}, defaultVariant: x}\n";
        let bytes = document(&[("1.yaml", None, yaml), ("2.json", None, &flag("a", "last"))]);
        let output = compiled(&bytes, &Output::default()).expect("compiled");
        assert_eq!(shown(&output), [("b", "", "x"), ("a", "", "last")]);
        let said: Vec<String> = output.problems.iter().map(ToString::to_string).collect();
        let expected = "flag `a`: also defined in `2.json`, which comes later and counts (1.yaml: line 3, column 3); \
                        take one of them away, or give them different flag sets";
        assert_eq!(said, [expected]);
    }

    #[test]
    fn a_broken_flag_is_placed_in_its_file_and_keeps_what_that_file_had() {
        let good =
            [("prod.json", Some("prod"), flag("a", "off")), ("test.json", Some("test"), flag("a", "on"))];
        let mut files: Vec<_> = good.iter().map(|(name, set, text)| (*name, *set, text.as_str())).collect();
        let before = compiled(&document(&files), &Output::default()).expect("compiled");
        let broken = "{\"flags\": {\n  \"a\": {\"state\": \"ENABLED\", \"variants\": {\"on\": 1}, \"defaultVariant\": \"none\"}}}";
        files[1].2 = broken;
        let output = compiled(&document(&files), &before).expect("compiled");
        assert_eq!(shown(&output), [("a", "prod", "off"), ("a", "test", "on")]);
        assert_eq!(output.kept.list, ["a".into()]);
        let problem = output.problems[0].to_string();
        assert!(problem.contains("(test.json: line 2, column"), "{problem}");
    }

    #[test]
    fn a_file_that_cannot_be_read_refuses_all() {
        let bytes = document(&[("a.json", None, &flag("a", "on")), ("dir/b.json", None, "{\n oops")]);
        let error = compiled(&bytes, &Output::default()).expect_err("refused").to_string();
        assert!(error.starts_with("dir/b.json: ") && error.ends_with("at line 2 column 2"), "{error}");
    }
}
