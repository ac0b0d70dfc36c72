//! From a JSON pointer to a line and a column, by walking the text and skipping what is not on the way.

use crate::compile::problem::Place;

/// Where the value at `pointer` (RFC 6901) begins in the JSON `text`: for a member of an object, where its key begins.
/// Of duplicates the last one, which is the one that counts. What is not written, such as a member that is missing, is
/// where that which should hold it is. `None` if the text is not JSON.
pub fn locate(text: &str, pointer: &str) -> Option<Place> {
    let mut pointer = pointer;
    loop {
        match (find(text, pointer, true), pointer.rfind('/')) {
            (Some(at), _) => return Some(place_of(text, at)),
            (None, Some(parent)) => pointer = &pointer[..parent],
            (None, None) => return None,
        }
    }
}

/// How many lines the last duplicate at `pointer` is below the first.
pub(crate) fn lines_between(text: &str, pointer: &str) -> Option<usize> {
    let (first, last) = (find(text, pointer, false)?, find(text, pointer, true)?);
    Some(text.as_bytes().get(first..last)?.iter().filter(|byte| **byte == b'\n').count())
}

/// The byte offset of the value at `pointer`: of the `last` duplicate, or of the first one of the last segment.
pub(crate) fn find(text: &str, pointer: &str, last: bool) -> Option<usize> {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
    scan.space();
    let mut found = scan.at;
    let mut segments = pointer.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let name = segment.replace("~1", "/").replace("~0", "~");
        let last = last || segments.peek().is_some();
        let (shown, value) = match scan.peek()? {
            b'{' => scan.member(&name, last)?,
            b'[' => scan.item(name.parse().ok()?)?,
            _ => return None,
        };
        found = shown;
        scan.at = value;
    }
    scan.peek().map(|_| found)
}

/// The line and column of a byte offset.
pub(crate) fn place_of(text: &str, offset: usize) -> Place {
    Cursor::default().place_of(text, offset)
}

/// A position in a text that moves; asking for places near one another is cheap however long the text.
#[derive(Default)]
pub(crate) struct Cursor {
    at: usize,
    /// Both counted from 0.
    line: usize,
    column: usize,
}

impl Cursor {
    pub(crate) fn place_of(&mut self, text: &str, offset: usize) -> Place {
        let bytes = text.as_bytes();
        let offset = offset.min(bytes.len());
        let (passed, ahead) = if offset >= self.at {
            (&bytes[self.at..offset], true)
        } else {
            (&bytes[offset..self.at], false)
        };
        let lines = passed.iter().filter(|byte| **byte == b'\n').count();
        let characters = |bytes: &[u8]| bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        (self.line, self.column) = match (lines, ahead) {
            (0, true) => (self.line, self.column + characters(passed)),
            (0, false) => (self.line, self.column - characters(passed)),
            (_, ahead) => {
                let start = bytes[..offset].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let line = if ahead { self.line + lines } else { self.line - lines };
                (line, characters(&bytes[start..offset]))
            }
        };
        self.at = offset;
        Place { line: self.line + 1, column: self.column + 1 }
    }
}

struct Scan<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Steps over `byte` and the space after it.
    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)?;
        self.space();
        Some(())
    }

    /// In an object: where the member's key and its value begin.
    fn member(&mut self, name: &str, last: bool) -> Option<(usize, usize)> {
        self.eat(b'{')?;
        let mut found = None;
        while self.peek()? != b'}' {
            let start = self.at;
            let key = self.string()?;
            let same = key_is(&self.bytes[key.0..key.1], name);
            self.space();
            self.eat(b':')?;
            if same {
                found = Some((start, self.at));
                if !last {
                    break;
                }
            }
            self.skip()?;
            self.space();
            match self.peek()? {
                b',' => self.eat(b',')?,
                b'}' => break,
                _ => return None,
            }
        }
        found
    }

    /// In a list: where item `index` begins, twice.
    fn item(&mut self, index: usize) -> Option<(usize, usize)> {
        self.eat(b'[')?;
        for _ in 0..index {
            self.skip()?;
            self.space();
            self.eat(b',')?;
        }
        (self.peek()? != b']').then_some((self.at, self.at))
    }

    /// Steps over a string, returns what is between its quotes.
    fn string(&mut self) -> Option<(usize, usize)> {
        (self.peek()? == b'"').then(|| self.at += 1)?;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some((start, self.at - 1))
    }

    /// Steps over one value of any depth, without recursion.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                _ => self.scalar(),
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn scalar(&mut self) {
        while !matches!(
            self.peek(),
            None | Some(b',' | b':' | b'}' | b']' | b'{' | b'[' | b'"' | b' ' | b'\t' | b'\r' | b'\n')
        ) {
            self.at += 1;
        }
    }
}

/// Whether a key, as written between its quotes, means `name`.
fn key_is(raw: &[u8], name: &str) -> bool {
    if !raw.contains(&b'\\') {
        return raw == name.as_bytes();
    }
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).is_ok_and(|key| key == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\n  \"flags\": {\n    \"é/\": {\"state\": 1, \"x\": [1, {\"y\": 2}]},\n    \"a\": 1, \"\\u0061\": 2\n  }\n}";

    #[test]
    fn finds_members_and_items() {
        let at = |pointer| locate(TEXT, pointer).map(|place| (place.line, place.column));
        assert_eq!(at(""), Some((1, 1)));
        assert_eq!(at("/flags"), Some((2, 3)));
        assert_eq!(at("/flags/é~1/state"), Some((3, 12)));
        assert_eq!(at("/flags/é~1/x/1/y"), Some((3, 34)));
        assert_eq!(at("/flags/a"), Some((4, 13)), "the last duplicate, however it is written");
        assert_eq!(at("/flags/é~1/x/2"), at("/flags/é~1/x"), "what is missing is where it should be");
        assert_eq!(at("/flags/b/c"), at("/flags"));
        assert_eq!(
            find(TEXT, "/flags/a", false).map(|at| place_of(TEXT, at)),
            Some(Place { line: 4, column: 5 })
        );
    }

    #[test]
    fn the_cursor_moves_both_ways() {
        let mut cursor = Cursor::default();
        for offset in [40, 3, 0, 60, 55, 56, TEXT.len(), 10, 1000] {
            if TEXT.is_char_boundary(offset) {
                let slow = Place {
                    line: TEXT[..offset].matches('\n').count() + 1,
                    column: TEXT[..offset].chars().rev().take_while(|char| *char != '\n').count() + 1,
                };
                assert_eq!(cursor.place_of(TEXT, offset), slow, "{offset}");
            }
        }
    }

    #[test]
    fn survives_what_is_not_json() {
        for text in
            ["", "{", "{\"a", "{\"a\":", "{\"a\":}", "[1 2", "{\"a\" 1}", "\"\\", "{\"a\":1]", "[,]", "[}"]
        {
            let _ = (locate(text, "/a"), locate(text, "/1"), locate(text, "/0/0"));
        }
        let deep = "[".repeat(1_000_000);
        assert_eq!(find(&deep, "/1", true), None);
    }
}
