//! ETags: whether a bulk answer can have changed, decided without evaluating where that is possible.
//!
//! An answer follows from the flags that the selector means, the context, and for some rules the time. So the tag of an
//! answer is a hash over a hash of those flags, the context as it came and what the operator adds to it. Flags that may ask
//! for the time are told by their text; an answer with any of them is tagged by its body.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Selector, Snapshot};
use http::HeaderMap;
use http::header::IF_NONE_MATCH;
use sha2::{Digest, Sha256};

/// How many selectors' views are remembered at once. Selectors come from clients.
const REMEMBERED: usize = 256;

/// The flags that a selector means, in a few bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Equal for equal flags, across restarts and machines.
    pub(super) tag: Box<str>,
    /// Whether some flag may ask for the time, or for chance.
    pub(super) timely: bool,
}

/// Remembers the views of the snapshot that is current.
#[derive(Debug, Default)]
pub(super) struct Views {
    salt: Box<str>,
    remembered: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    generation: u64,
    views: HashMap<Box<str>, Arc<View>>,
}

impl Views {
    /// `salt` stands for what else answers depend on and no request changes: the operator's options.
    pub(super) fn new(salt: &str) -> Self {
        Self { salt: salt.into(), remembered: Mutex::default() }
    }

    /// The view of `selector` in `snapshot`, worked out once per snapshot.
    pub(super) fn view(&self, snapshot: &Snapshot, selector: &Selector<'_>) -> Arc<View> {
        let name = name(selector);
        {
            let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            if remembered.generation < snapshot.generation() {
                *remembered = Remembered { generation: snapshot.generation(), views: HashMap::new() };
            }
            let current = remembered.generation == snapshot.generation();
            if let Some(view) = remembered.views.get(&*name).filter(|_| current) {
                return Arc::clone(view);
            }
        }
        let view = Arc::new(self.look(snapshot, selector, &name));
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.generation == snapshot.generation() && remembered.views.len() < REMEMBERED {
            remembered.views.insert(name, Arc::clone(&view));
        }
        view
    }

    fn look(&self, snapshot: &Snapshot, selector: &Selector<'_>, name: &str) -> View {
        let mut hash = Hash::default();
        // Another version may answer or write otherwise.
        hash.part(env!("CARGO_PKG_VERSION")).part(&self.salt).part(name);
        let mut timely = false;
        for flag in snapshot.select(selector) {
            hash.part(flag.key()).part(flag.flag_set().unwrap_or_default()).part(flag.source());
            hash.part(flag.definition());
            if let Some(version) = flag.native_version() {
                hash.part(&version.to_string());
            }
            timely |= flag.varies() || may_ask_for_time(flag.definition());
        }
        View { tag: hash.hex(), timely }
    }
}

/// The selector as one text that no other selector has.
fn name(selector: &Selector<'_>) -> Box<str> {
    match selector {
        Selector::Any => "".into(),
        Selector::FlagSet(id) => format!("set {id}").into(),
        Selector::Source(uri) => format!("source {uri}").into(),
    }
}

/// Whether a rule in a flag's definition may read `$flagd.timestamp`, to be sure: any `var` that names `$flagd`, the whole
/// context, or what only the evaluation tells.
fn may_ask_for_time(definition: &str) -> bool {
    definition.split("\"var\":").skip(1).any(|argument| {
        let argument = argument.trim_start().trim_start_matches('[').trim_start();
        match argument.strip_prefix('"') {
            Some(path) => {
                path.starts_with('"')
                    || path.starts_with('\\')
                    || (path.starts_with("$flagd") && !path.starts_with("$flagd.flagKey\""))
            }
            None => !argument.starts_with(|first: char| first.is_ascii_digit()),
        }
    })
}

/// Hashes parts so that no two lists of parts look the same.
#[derive(Default)]
pub(super) struct Hash(Sha256);

impl Hash {
    pub(super) fn part(&mut self, part: &str) -> &mut Self {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// The first half of the hash, in hexadecimal.
    pub(super) fn hex(self) -> Box<str> {
        let digest = self.0.finalize();
        digest[..16]
            .iter()
            .fold(String::with_capacity(32), |mut hex, byte| {
                // Writing to a string cannot fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
            .into()
    }
}

/// The tag of an answer that only its body tells from others.
pub(super) fn of_body(body: &[u8]) -> Box<str> {
    let mut hash = Hash::default();
    hash.0.update(body);
    hash.hex()
}

/// Whether the client already has what `tag` tags (RFC 9110, 13.1.2: weak comparison, lists, `*`).
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|list| {
        list.split(',').map(str::trim).any(|candidate| {
            let opaque = candidate.strip_prefix("W/").unwrap_or(candidate);
            candidate == "*" || opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == Some(tag)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match() {
        let known = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_NONE_MATCH, value.parse().expect("a header value"));
            }
            is_known(&headers, "abc")
        };
        for yes in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*", "\"x\",W/\"abc\""] {
            assert!(known(&[yes]), "{yes}");
        }
        for no in ["", "abc", "\"ab\"", "\"abcd\"", "\"x\"", "w/\"abc\""] {
            assert!(!known(&[no]), "{no}");
        }
        assert!(known(&["\"x\"", "\"abc\""]));
        assert!(!known(&[]));
    }

    #[test]
    fn rules_that_may_see_the_time() {
        for timely in [
            r#"{"targeting":{">":[{"var":"$flagd.timestamp"},5]}}"#,
            r#"{"targeting":{">":[{"var":["$flagd.timestamp",0]},5]}}"#,
            r#"{"targeting":{"var":{"var":"path"}}}"#,
            r#"{"targeting":{"var":[{"cat":["$flagd",".timestamp"]}]}}"#,
            r#"{"targeting":{"var":""}}"#,
            r#"{"targeting":{"var":[]}}"#,
            r#"{"targeting":{"var":null}}"#,
            r#"{"targeting":{"var":"$flagd"}}"#,
        ] {
            assert!(may_ask_for_time(timely), "{timely}");
        }
        for timeless in [
            r#"{"state":"ENABLED"}"#,
            r#"{"targeting":{"==":[{"var":"email"},"$flagd.timestamp"]}}"#,
            r#"{"targeting":{"cat":[{"var":"$flagd.flagKey"},{"var":["a.b",1]},{"var":0}]}}"#,
        ] {
            assert!(!may_ask_for_time(timeless), "{timeless}");
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        let hash = |parts: &[&str]| {
            let mut hash = Hash::default();
            parts.iter().for_each(|part| {
                hash.part(part);
            });
            hash.hex()
        };
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_eq!(hash(&["a"]).len(), 32);
    }
}
