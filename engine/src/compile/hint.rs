//! "Did you mean ...?"

/// The candidate that `word` is probably a slip of: the same but for case, or at most a third of its letters away.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let letters: Vec<char> = word.chars().take(MAX_LETTERS + 1).flat_map(char::to_lowercase).collect();
    if letters.is_empty() || letters.len() > MAX_LETTERS {
        return None;
    }
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (distance(&letters, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The hint that goes with it: ``did you mean `targeting`?``.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// Longer words get no hint; it bounds the work.
const MAX_LETTERS: usize = 64;

/// Insertions, deletions, replacements and swaps of neighbours between two words, whatever their case.
fn distance(from: &[char], to: &str) -> usize {
    let to: Vec<char> = to.chars().take(MAX_LETTERS + 1).flat_map(char::to_lowercase).collect();
    if to.len().abs_diff(from.len()) > MAX_LETTERS / 3 {
        return usize::MAX;
    }
    let mut before = vec![0; to.len() + 1];
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut line = vec![row + 1; to.len() + 1];
        for (column, other) in to.iter().enumerate() {
            let replaced = above[column] + usize::from(letter != other);
            line[column + 1] = replaced.min(above[column + 1] + 1).min(line[column] + 1);
            let swapped = row > 0 && column > 0 && from[row - 1] == *other && to[column - 1] == *letter;
            if swapped {
                line[column + 1] = line[column + 1].min(before[column - 1] + 1);
            }
        }
        before = std::mem::replace(&mut above, line);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        let fields = ["state", "variants", "defaultVariant", "targeting", "metadata"];
        assert_eq!(nearest("targetting", fields), Some("targeting"));
        assert_eq!(nearest("tragets", fields), None);
        assert_eq!(nearest("Variants", fields), Some("variants"));
        assert_eq!(nearest("variant", fields), Some("variants"));
        assert_eq!(nearest("default", fields), None);
        assert_eq!(nearest("satte", fields), Some("state"));
        assert_eq!(nearest("description", fields), None);
        assert_eq!(nearest("disabled", ["ENABLED", "DISABLED"]), Some("DISABLED"));
        assert_eq!(nearest(&"x".repeat(1_000_000), fields), None);
        assert_eq!(nearest("on", ["on"]), None, "a word is no slip of itself");
    }
}
