//! Comparing short texts, which attribute names, list entries and variant names are, without a call.

/// Whether two texts are the same.
#[inline]
pub(crate) fn same(a: &str, b: &str) -> bool {
    same_bytes(a.as_bytes(), b.as_bytes())
}

/// Whether two byte strings are the same: up to 16 bytes in two words that may overlap, beyond that by the library.
#[inline]
pub(crate) fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(a_first), Some(b_first)) = (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        return match (a.len() <= 16, a.last_chunk::<8>(), b.last_chunk::<8>()) {
            (true, Some(a_last), Some(b_last)) => a_first == b_first && a_last == b_last,
            _ => a == b,
        };
    }
    if let (Some(a_first), Some(b_first)) = (a.first_chunk::<4>(), b.first_chunk::<4>()) {
        return a_first == b_first && a.last_chunk::<4>() == b.last_chunk::<4>();
    }
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// Whether `text` begins with `affix`.
#[inline]
pub(crate) fn same_start(text: &[u8], affix: &[u8]) -> bool {
    text.get(..affix.len()).is_some_and(|start| same_bytes(start, affix))
}

/// Whether `text` ends with `affix`.
#[inline]
pub(crate) fn same_end(text: &[u8], affix: &[u8]) -> bool {
    let start = text.len().checked_sub(affix.len());
    start.and_then(|start| text.get(start..)).is_some_and(|end| same_bytes(end, affix))
}

#[cfg(test)]
mod tests {
    use super::{same_bytes, same_end, same_start};

    #[test]
    fn affixes() {
        for (text, affix) in [("", ""), ("a", ""), ("ab", "ab"), ("jane@example.com", "com"), ("xab", "xa")] {
            assert_eq!(
                same_start(text.as_bytes(), affix.as_bytes()),
                text.starts_with(affix),
                "{text} {affix}"
            );
            assert_eq!(same_end(text.as_bytes(), affix.as_bytes()), text.ends_with(affix), "{text} {affix}");
        }
        assert!(!same_end(b"b", b"ab") && !same_start(b"a", b"ab"));
    }

    #[test]
    fn every_length_and_every_place_counts() {
        for length in 0..40 {
            let text: Vec<u8> = (0..length).collect();
            assert!(same_bytes(&text, &text.clone()));
            assert!(!same_bytes(&text, &[&*text, b"x"].concat()));
            for at in 0..text.len() {
                let mut other = text.clone();
                other[at] ^= 0x80;
                assert!(!same_bytes(&text, &other), "{length} bytes, number {at} differs");
            }
        }
    }
}
