//! The `Retry-After` header (RFC 9110, 10.2.3).

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// How long the server wants to be left alone: seconds, or a date, which is read against the server's own `Date` so that
/// no clock has to be right.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let said = text(&RETRY_AFTER)?;
    if let Ok(seconds) = said.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(said).ok()?;
    let now = httpdate::parse_http_date(text(&DATE)?).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates() {
        let date = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        for (said, date, expected) in [
            ("120", None, Some(120)),
            (" 0 ", None, Some(0)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", date, Some(30)),
            ("Wed, 21 Oct 2015 07:27:30 GMT", date, Some(0)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", None, None),
            ("-1", date, None),
            ("soon", date, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, said.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{said}");
        }
    }
}
