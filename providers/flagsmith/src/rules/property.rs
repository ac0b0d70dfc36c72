//! What a condition looks at: a trait, or a path into the evaluation's context.

use super::Environment;
use super::identity::{Identity, Trait};

/// The left side of a condition.
#[derive(Debug, PartialEq)]
pub(crate) enum Property {
    /// The identity's key: a percentage split that names nothing.
    Identity,
    /// The trait of this name.
    Trait(Box<str>),
    /// A JSONPath (RFC 9535); a trait of the same name goes first.
    Path(Box<str>, Path),
}

/// The places in the context that hold something.
#[derive(Debug, PartialEq)]
pub(crate) enum Path {
    EnvironmentKey,
    EnvironmentName,
    Identifier,
    IdentityKey,
    Trait(Box<str>),
    Nothing,
}

impl Property {
    /// Reads a property; the note says if nothing can ever be there.
    pub(super) fn of(text: &str, operator: &str) -> (Self, Option<String>) {
        if text.is_empty() && operator == "PERCENTAGE_SPLIT" {
            return (Self::Identity, None);
        }
        if !text.starts_with("$.") {
            return (Self::Trait(text.into()), None);
        }
        let path = Path::of(text);
        let note = (path == Path::Nothing).then(|| {
            format!(
                "nothing is at {text:?} when the server evaluates an identity, unless a trait is called so"
            )
        });
        (Self::Path(text.into(), path), note)
    }

    /// The value that is there, numbers in text made numbers.
    pub(super) fn value<'a>(
        &'a self,
        environment: &'a Environment,
        identity: &Identity<'a>,
    ) -> Option<Trait<'a>> {
        let value = match self {
            Self::Identity => Trait::Text(environment.key_of(identity.identifier).to_string().into()),
            Self::Trait(name) => identity.traits.get(name)?,
            Self::Path(name, path) => match (identity.traits.get(name), path) {
                (Some(value), _) => value,
                (None, Path::EnvironmentKey) => Trait::text(&environment.key),
                (None, Path::EnvironmentName) => Trait::text(&environment.name),
                (None, Path::Identifier) => Trait::text(identity.identifier),
                (None, Path::IdentityKey) => {
                    Trait::Text(environment.key_of(identity.identifier).to_string().into())
                }
                (None, Path::Trait(name)) => identity.traits.get(name)?,
                (None, Path::Nothing) => return None,
            },
        };
        Some(value.coerced())
    }
}

impl Path {
    fn of(text: &str) -> Self {
        let Some(names) = names(text) else { return Self::Nothing };
        match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["environment", "key"] => Self::EnvironmentKey,
            ["environment", "name"] => Self::EnvironmentName,
            ["identity", "identifier"] => Self::Identifier,
            ["identity", "key"] => Self::IdentityKey,
            ["identity", "traits", name] => Self::Trait(name.into()),
            _ => Self::Nothing,
        }
    }
}

/// The names of a path that only names members: `$.a.b`, `$.a['b']`, `$.a["b"]`.
fn names(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('$')?;
    let mut names = Vec::new();
    while !rest.is_empty() {
        if let Some(dotted) = rest.strip_prefix('.') {
            let end = dotted.find(['.', '[']).unwrap_or(dotted.len());
            let (name, after) = dotted.split_at(end);
            let begins = name.chars().next()?;
            let inside = |c: char| c == '_' || !c.is_ascii() || c.is_ascii_alphanumeric();
            if begins.is_ascii_digit() || !name.chars().all(inside) {
                return None;
            }
            names.push(name.to_owned());
            rest = after;
        } else {
            let (name, after) = quoted(rest.strip_prefix('[')?.trim_start())?;
            names.push(name);
            rest = after.trim_start().strip_prefix(']')?;
        }
    }
    Some(names)
}

/// A quoted name at the start of `text`, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut name = String::new();
    let mut chars = text[1..].char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((name, &text[1 + at + 1..])),
            '\\' => name.push(chars.next().map(|(_, c)| c).filter(|c| matches!(c, '\\' | '\'' | '"' | '/'))?),
            c => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (text, path) in [
            ("$.environment.key", Path::EnvironmentKey),
            ("$.environment['name']", Path::EnvironmentName),
            ("$.identity[\"identifier\"]", Path::Identifier),
            ("$.identity.key", Path::IdentityKey),
            ("$.identity.traits.plan", Path::Trait("plan".into())),
            ("$.identity.traits['a \\'b\\'.c']", Path::Trait("a 'b'.c".into())),
            ("$.identity.traits", Path::Nothing),
            ("$.identity..key", Path::Nothing),
            ("$.identity.traits[*]", Path::Nothing),
            ("$.environment.1", Path::Nothing),
            ("$.", Path::Nothing),
        ] {
            let (property, note) = Property::of(text, "EQUAL");
            assert_eq!(note.is_some(), path == Path::Nothing, "{text}");
            assert_eq!(property, Property::Path(text.into(), path));
        }
        assert_eq!(Property::of("", "PERCENTAGE_SPLIT").0, Property::Identity);
        assert_eq!(Property::of("", "EQUAL").0, Property::Trait("".into()));
        assert_eq!(Property::of("plan", "EQUAL").0, Property::Trait("plan".into()));
    }
}
