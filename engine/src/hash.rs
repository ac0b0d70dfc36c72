//! MurmurHash3 x86_32.

const C1: u32 = 0xcc9e_2d51;
const C2: u32 = 0x1b87_3593;

/// MurmurHash3 x86_32 with seed 0 (contract 7.3), of texts as if they were one: joining them first would take longer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Murmur3 {
    hash: u32,
    /// The last bytes, too few for a block, and how many they are.
    rest: u32,
    held: u32,
    length: u32,
}

impl Murmur3 {
    /// The hash with `bytes` after what was there before.
    #[inline]
    pub(crate) fn and(mut self, bytes: &[u8]) -> Self {
        let (blocks, tail) = bytes.as_chunks::<4>();
        for block in blocks {
            self.block(u32::from_le_bytes(*block));
        }
        let last = tail.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        let held = self.held + tail.len() as u32;
        if held < 4 {
            self.rest |= last << (8 * self.held);
            self.held = held;
        } else {
            self.block(last);
            self.held = held - 4;
        }
        self.length = self.length.wrapping_add(bytes.len() as u32);
        self
    }

    /// Takes in the bytes that wait and as many of `word` as make a block; the others wait.
    #[inline]
    fn block(&mut self, word: u32) {
        let waiting = u64::from(self.rest) | u64::from(word) << (8 * self.held);
        self.hash =
            (self.hash ^ mix(waiting as u32)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
        self.rest = (waiting >> 32) as u32;
    }

    #[inline]
    pub(crate) fn finish(self) -> u32 {
        let hash = self.hash ^ mix(self.rest) ^ self.length;
        let hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
        let hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
        hash ^ hash >> 16
    }
}

#[inline]
fn mix(word: u32) -> u32 {
    word.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2)
}

#[cfg(test)]
mod tests {
    use super::Murmur3;

    fn murmur3(bytes: &[u8]) -> u32 {
        Murmur3::default().and(bytes).finish()
    }

    /// Contract 7.3, "Hash vectors".
    #[test]
    fn vectors() {
        for (text, hash, of_100) in [
            ("", 0, 0),
            ("a", 1_009_084_850, 23),
            ("seed", 4_190_240_653, 97),
            ("fu1", 1_684_405_688, 39),
            ("fractional-flagjack", 2_682_799_072, 62),
            ("fractional-flag-shorthandjon@company.com", 618_039_204, 14),
            ("ejOoVL", 0, 0),
            ("bY9fO-", 1, 0),
            ("SI7p-", 2_147_483_647, 49),
            ("6LvT0", 2_147_483_648, 50),
            ("ceQdGm", 4_294_967_295, 99),
            ("ünï", 916_940_523, 21),
            ("flagAuser-1", 4_144_363_666, 96),
            ("flagAuser-2", 434_283_295, 10),
            ("flagAuser-3", 529_421_653, 12),
            ("flagAé", 1_059_450_295, 24),
            ("flagA😀", 753_575_878, 17),
            ("new-checkoutuser-1", 1_954_156_369, 45),
            ("new-checkoutuser-2", 986_941_360, 22),
            ("new-checkoutuser-3", 3_312_559_254, 77),
            ("ünï ☃user-1", 2_330_272_013, 54),
        ] {
            assert_eq!(murmur3(text.as_bytes()), hash, "{text}");
            assert_eq!((u64::from(hash) * 100) >> 32, of_100, "{text}");
        }
    }

    #[test]
    fn texts_hash_as_if_they_were_one() {
        let text = "fractional-flag-shorthandjon@company.com".as_bytes();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let (a, b, c) = (&text[..first], &text[first..second], &text[second..]);
                let joined = Murmur3::default().and(a).and(b).and(c).finish();
                assert_eq!(joined, 618_039_204, "cut at {first} and {second}");
            }
        }
    }
}
