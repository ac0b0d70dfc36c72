//! Selectors: which part of the flags a request means (contract 3.11).

use crate::flag::Flag;

/// A parsed `Flagd-Selector`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Selector<'a> {
    /// No selector: every flag, a key meaning the flag of the source with the highest priority.
    #[default]
    Any,
    /// `flagSetId=<id>`; the empty id means the flags that belong to no set.
    FlagSet(&'a str),
    /// `source=<uri>`, or bare text.
    Source(&'a str),
}

/// A selector with a key other than `flagSetId` and `source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError {
    /// The key as it was sent.
    pub key: String,
}

impl std::fmt::Display for SelectorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "invalid selector key \"{}\", valid keys: \"flagSetId\", \"source\"",
            self.key.escape_default()
        )
    }
}

impl std::error::Error for SelectorError {}

impl<'a> Selector<'a> {
    /// Reads `<key>=<value>`, split at the first `=`. Text without `=` is a source; empty text is no selector.
    ///
    /// # Errors
    /// The key is neither `flagSetId` nor `source`, to the letter.
    pub fn parse(text: &'a str) -> Result<Self, SelectorError> {
        match text.split_once('=') {
            None if text.is_empty() => Ok(Self::Any),
            None => Ok(Self::Source(text)),
            Some(("flagSetId", id)) => Ok(Self::FlagSet(id)),
            Some(("source", uri)) => Ok(Self::Source(uri)),
            Some((key, _)) => Err(SelectorError { key: key.to_owned() }),
        }
    }

    /// Whether `flag` is one of those.
    #[inline]
    pub(crate) fn means(&self, flag: &Flag) -> bool {
        match *self {
            Self::Any => true,
            Self::FlagSet(id) => flag.flag_set().unwrap_or_default() == id,
            Self::Source(uri) => flag.source() == uri,
        }
    }

    /// What the selector adds to an answer's metadata (contract 3.10): its key and value, unless the value is empty.
    pub fn reflection(&self) -> Option<(&'static str, &'a str)> {
        match *self {
            Self::FlagSet(id) if !id.is_empty() => Some(("flagSetId", id)),
            Self::Source(uri) if !uri.is_empty() => Some(("source", uri)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        assert_eq!(Selector::parse(""), Ok(Selector::Any));
        assert_eq!(Selector::parse("flags.json"), Ok(Selector::Source("flags.json")));
        assert_eq!(Selector::parse("source=a=b"), Ok(Selector::Source("a=b")));
        assert_eq!(Selector::parse("flagSetId=a,source=b"), Ok(Selector::FlagSet("a,source=b")));
        assert_eq!(Selector::parse("flagSetId="), Ok(Selector::FlagSet("")));
        let error = Selector::parse("flagSetId = x").expect_err("spaces are part of the key");
        assert_eq!(
            error.to_string(),
            r#"invalid selector key "flagSetId ", valid keys: "flagSetId", "source""#
        );
    }

    #[test]
    fn reflection_leaves_empty_values_out() {
        assert_eq!(Selector::FlagSet("a").reflection(), Some(("flagSetId", "a")));
        assert_eq!(Selector::FlagSet("").reflection(), None);
        assert_eq!(Selector::Any.reflection(), None);
    }
}
