//! Versions by date, for servers that give no ETag: `Last-Modified` and `If-Modified-Since` (RFC 9110, 8.8.2 and 13.1.3).
//!
//! Such a date has whole seconds, so that of two versions within one second the second would never be seen. A date that is
//! younger than that is therefore no condition yet, and now and then the whole document is asked for in any case.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED};

/// How long a document must have been unchanged for its date to tell it from a later one.
const SETTLED: Duration = Duration::from_secs(2);
/// How many requests in a row may be answered by "not modified" before the whole document is asked for.
const MOST_CONDITIONAL: u32 = 20;

/// What a server said of the last document.
pub(super) struct Dates {
    /// The header with the exact time, which names the version.
    exact: HeaderName,
    last: Option<Last>,
    conditional: u32,
}

struct Last {
    revision: String,
    modified: HeaderValue,
}

impl Dates {
    pub(super) fn new(exact: HeaderName) -> Self {
        Self { exact, last: None, conditional: 0 }
    }

    /// The date to ask by, if the version `seen` has one that tells it from all others.
    pub(super) fn condition(&mut self, seen: Option<&str>) -> Option<HeaderValue> {
        let last = self.last.as_ref().filter(|last| Some(&*last.revision) == seen)?;
        if self.conditional >= MOST_CONDITIONAL {
            return None;
        }
        self.conditional += 1;
        Some(last.modified.clone())
    }

    /// Takes note of a document that came, and gives the name of its version.
    pub(super) fn remember(&mut self, headers: &HeaderMap) -> Option<String> {
        (self.last, self.conditional) = (None, 0);
        let modified = headers.get(LAST_MODIFIED);
        let named = headers.get(&self.exact).or(modified)?.to_str().ok()?.to_owned();
        let settled = |modified: &HeaderValue| {
            let said = headers.get(DATE).and_then(time);
            match (said, time(modified)) {
                (Some(now), Some(then)) => now.duration_since(then).is_ok_and(|age| age >= SETTLED),
                (None, then) => then.is_some(),
                (_, None) => false,
            }
        };
        self.last = modified
            .filter(|modified| settled(modified))
            .map(|modified| Last { revision: named.clone(), modified: modified.clone() });
        Some(named)
    }
}

fn time(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: HeaderName = HeaderName::from_static("x-exact");

    fn headers(date: &str, exact: Option<&str>) -> HeaderMap {
        let modified = "Thu, 01 Jan 2026 00:00:05 GMT";
        let all = [(DATE, Some(date)), (LAST_MODIFIED, Some(modified)), (EXACT, exact)];
        let said = all.into_iter().filter_map(|(name, value)| Some((name, value?.parse().ok()?)));
        said.collect()
    }

    #[test]
    fn a_date_is_a_condition_once_it_tells_versions_apart() {
        let mut dates = Dates::new(EXACT);
        assert_eq!(dates.condition(None), None);
        let young = headers("Thu, 01 Jan 2026 00:00:06 GMT", Some("5.25"));
        assert_eq!(dates.remember(&young).as_deref(), Some("5.25"));
        assert_eq!(dates.condition(Some("5.25")), None, "a second version may come in the same second");
        let settled = headers("Thu, 01 Jan 2026 00:00:07 GMT", Some("5.25"));
        assert_eq!(dates.remember(&settled).as_deref(), Some("5.25"));
        assert_eq!(dates.condition(None), None, "a version that was refused is asked for again");
        assert_eq!(dates.condition(Some("5.25")).as_ref(), settled.get(LAST_MODIFIED));
    }

    #[test]
    fn now_and_then_the_whole_document_is_asked_for() {
        let mut dates = Dates::new(EXACT);
        let named = dates.remember(&headers("Fri, 02 Jan 2026 00:00:00 GMT", None));
        assert_eq!(named.as_deref(), Some("Thu, 01 Jan 2026 00:00:05 GMT"));
        let asked = (0..=MOST_CONDITIONAL).map(|_| dates.condition(named.as_deref()).is_some());
        let asked: Vec<bool> = asked.collect();
        assert_eq!(asked.iter().filter(|conditional| **conditional).count(), MOST_CONDITIONAL as usize);
        assert_eq!(asked.last(), Some(&false));
        assert_eq!(dates.condition(named.as_deref()), None, "until a document has come");
    }

    #[test]
    fn without_a_date_there_is_no_condition() {
        let mut dates = Dates::new(EXACT);
        assert_eq!(dates.remember(&HeaderMap::new()), None);
        assert_eq!(dates.condition(None), None);
    }
}
