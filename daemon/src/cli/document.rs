//! Flag documents that a command reads once, from files or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use store::Format;

/// The most bytes of a document, as for the daemon's sources.
pub(crate) const MOST_BYTES: usize = 64 << 20;

/// A document as it was read.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    pub(crate) format: Format,
}

impl Document {
    /// Reads the file at `path`, or `input` for `-`. The extension says the format; without one the first character
    /// does: an object or a list in JSON begins with a bracket.
    ///
    /// # Errors
    /// A sentence for a person: the extension is another one, or the file cannot be read.
    pub(crate) fn read(path: &Path, input: &mut dyn Read) -> Result<Self, String> {
        if path == Path::new("-") {
            let bytes = read(input).map_err(|error| format!("standard input: {error}"))?;
            let json = bytes.trim_ascii_start().first().is_none_or(|first| matches!(first, b'{' | b'['));
            return Ok(Self { bytes, format: if json { Format::Json } else { Format::Yaml } });
        }
        let format = Format::of_path(path)?;
        let bytes = File::open(path).and_then(|mut file| read(&mut file));
        Ok(Self { bytes: bytes.map_err(|error| error.to_string())?, format })
    }

    /// Reads the file at `path`, or `input` for `-`, as text of no particular format.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) fn read_text(path: &Path, input: &mut dyn Read) -> Result<String, String> {
        let bytes = if path == Path::new("-") {
            read(input)
        } else {
            File::open(path).and_then(|mut file| read(&mut file))
        };
        let bytes = bytes.map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
    }
}

/// One byte more than allowed is read, so that whoever parses it sees that it is too much.
fn read(input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
