//! Which of the few things OFREP offers a path means (contract 4.1).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

pub(super) const SINGLE: &str = "/ofrep/v1/evaluate/flags/{key}";
/// As flagd labels it.
pub(super) const BULK: &str = "/ofrep/v1/evaluate/{path:flags\\/|flags}";
pub(super) const EVENTS: &str = "/ofrep/v1/sse";
const FLAGS: &str = "/ofrep/v1/evaluate/flags";

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route<'p> {
    /// One flag, its key decoded.
    Single(Cow<'p, str>),
    /// All flags.
    Bulk,
    /// News for those that hold flags.
    Events,
    /// The same path without repeated slashes and dot segments.
    Moved(String),
    /// A percent sign that encodes nothing.
    Malformed,
    /// Nothing.
    Unknown,
}

/// Reads a path as it stands in the request line. Keys are decoded once, so `%2F` is a slash of the key.
pub(super) fn route(path: &str) -> Route<'_> {
    if let Some(cleaned) = cleaned(path) {
        return Route::Moved(cleaned);
    }
    if path == EVENTS {
        return Route::Events;
    }
    match path.strip_prefix(FLAGS) {
        Some("" | "/") => Route::Bulk,
        Some(rest) => match rest.strip_prefix('/') {
            Some(key) if key.contains('/') => Route::Unknown,
            Some(key) if is_malformed(key) => Route::Malformed,
            Some(key) => Route::Single(percent_decode_str(key).decode_utf8_lossy()),
            None => Route::Unknown,
        },
        None => Route::Unknown,
    }
}

/// The label under which requests for `path` are counted.
pub fn label(path: &str) -> &'static str {
    match path.strip_prefix(FLAGS) {
        Some("" | "/") => BULK,
        Some(rest) if rest.starts_with('/') => SINGLE,
        _ if path == EVENTS => EVENTS,
        _ => "other",
    }
}

/// The path without empty and dot segments, if it has any.
fn cleaned(path: &str) -> Option<String> {
    let mut inner = path.strip_prefix('/')?.split('/').peekable();
    let mut kept: Vec<&str> = Vec::new();
    let mut changed = false;
    let mut slash = false;
    while let Some(segment) = inner.next() {
        let last = inner.peek().is_none();
        match segment {
            "" if last => slash = true,
            "" | "." => changed = true,
            ".." => {
                changed = true;
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    if !changed {
        return None;
    }
    let tail = if slash && !kept.is_empty() { "/" } else { "" };
    Some(format!("/{}{tail}", kept.join("/")))
}

fn is_malformed(key: &str) -> bool {
    let mut rest = key;
    while let Some(at) = rest.find('%') {
        let code = rest.as_bytes().get(at + 1..at + 3);
        if !code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit)) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let key = |key: &'static str| Route::Single(key.into());
        let moved = |path: &str| Route::Moved(path.to_owned());
        for (path, meant) in [
            ("/ofrep/v1/evaluate/flags", Route::Bulk),
            ("/ofrep/v1/evaluate/flags/", Route::Bulk),
            ("/ofrep/v1/evaluate/flags/a", key("a")),
            ("/ofrep/v1/evaluate/flags/a%2Fb", key("a/b")),
            ("/ofrep/v1/evaluate/flags/a%252Fb", key("a%2Fb")),
            ("/ofrep/v1/evaluate/flags/%C3%BCn%C3%AF%20%E2%98%83", key("ünï ☃")),
            ("/ofrep/v1/evaluate/flags/%FF", key("\u{fffd}")),
            ("/ofrep/v1/evaluate/flags/%2E%2E", key("..")),
            ("/ofrep/v1/evaluate/flags/a%2", Route::Malformed),
            ("/ofrep/v1/evaluate/flags/a%zz", Route::Malformed),
            ("/ofrep/v1/evaluate/flags/a%%20", Route::Malformed),
            ("/ofrep/v1/evaluate/flags/a/b", Route::Unknown),
            ("/ofrep/v1/evaluate/flags/b/", Route::Unknown),
            ("/ofrep/v1/evaluate/flagsx", Route::Unknown),
            ("/ofrep/v1/configuration", Route::Unknown),
            ("/ofrep/v1/sse", Route::Events),
            ("/", Route::Unknown),
            ("*", Route::Unknown),
            ("//ofrep/v1//evaluate/flags", moved("/ofrep/v1/evaluate/flags")),
            ("/ofrep/v1/evaluate/flags//", moved("/ofrep/v1/evaluate/flags/")),
            ("/ofrep/v1/evaluate/flags/../x/./y", moved("/ofrep/v1/evaluate/x/y")),
            ("//", moved("/")),
            ("//evil.example/..", moved("/")),
        ] {
            assert_eq!(route(path), meant, "{path}");
        }
    }

    #[test]
    fn labels_are_few() {
        assert_eq!(label("/ofrep/v1/evaluate/flags/anything"), SINGLE);
        assert_eq!(label("/ofrep/v1/evaluate/flags/"), BULK);
        assert_eq!(label("/ofrep/v1/sse"), EVENTS);
        assert_eq!(label("/ofrep/v1/evaluate/flagsx"), "other");
    }
}
