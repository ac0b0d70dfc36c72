//! Where an identity falls between 0 and 100 (contract 2.2, "Hash").

use std::fmt::{self, Display, Write};

use md5::{Digest, Md5};

/// How often the ids are repeated at most to get away from exactly 100: once in ten thousand each time.
const REPEATS: usize = 64;

/// The percentage of the two ids: the MD5 of `first,second` as one number, `% 9999 / 9998 * 100`. Exactly 100 is hashed
/// again, with the ids repeated once more.
pub(crate) fn percentage(first: &impl Display, second: &impl Display) -> f64 {
    for repeats in 1..=REPEATS {
        let n = number(first, second, repeats);
        if n != 9998 {
            return f64::from(n) / 9998.0 * 100.0;
        }
    }
    0.0
}

fn number(first: &impl Display, second: &impl Display, repeats: usize) -> u32 {
    let mut hash = Hashed(Md5::new());
    for repeat in 0..repeats {
        // What is hashed takes everything.
        let _ = write!(hash, "{}{first},{second}", if repeat == 0 { "" } else { "," });
    }
    let number = u128::from_be_bytes(hash.0.finalize().into()) % 9999;
    number as u32
}

/// Text goes into the hash piece by piece and is never put together.
struct Hashed(Md5);

impl Write for Hashed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contract 2.2, "Worked examples".
    #[test]
    fn worked_examples() {
        for (first, second, n, percent) in [
            ("12345", "test_env_foobar", 5198, 51.99040),
            ("78986", "test_env_foobar", 5452, 54.53091),
            ("78986", "32103813", 4927, 49.27986),
            ("1016366", "8AYnz4q3KEfT5DFtnramnP_user-123", 3919, 39.19784),
        ] {
            assert_eq!(number(&first, &second, 1), n);
            assert!((percentage(&first, &second) - percent).abs() < 0.00001, "{first},{second}");
        }
    }

    /// Vendor fault 5: its engine leaves 100 as it is.
    #[test]
    fn a_hundred_is_hashed_again() {
        assert_eq!((number(&"3", &"1627", 1), number(&"3", &"1627", 2)), (9998, 690));
        assert!((percentage(&"3", &"1627") - 6.90138).abs() < 0.00001);
    }
}
