//! Files that are whole or not there: a first line names the format and the SHA-256 of all that follows.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::intake::hex;

/// The ending of a file that is not yet whole.
const UNFINISHED: &str = "unfinished";
/// What a file may have beside what it holds.
const HEAD_BYTES: usize = 256;

/// Writes `parts`, one after the other, as a file of the format `magic`: aside, forced to disk, renamed. Missing folders
/// are made, for the daemon's user alone.
pub(crate) fn write(path: &Path, magic: &str, parts: &[&[u8]]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a file needs a folder"))?;
    private(fs::DirBuilder::new().recursive(true)).create(folder)?;
    let digest = parts.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part)).finalize();
    let first = format!("{magic}{}\n", hex(&digest));
    let unfinished = path.with_extension(UNFINISHED);
    let written = put(&unfinished, &first, parts)
        .and_then(|()| fs::rename(&unfinished, path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        // A disk that is full has no room for halves; if it cannot be removed, nobody reads it either.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Reads what follows the first line of such a file, at most one byte more than `most`.
pub(crate) fn read(path: &Path, magic: &str, most: usize) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let most = most.saturating_add(HEAD_BYTES);
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut file)?;
    if file.len() > most {
        return Err(io::Error::other("larger than it may be"));
    }
    let end =
        file.iter().take(HEAD_BYTES).position(|byte| *byte == b'\n').ok_or_else(|| broken("cut off"))?;
    let digest = std::str::from_utf8(&file[..end]).ok().and_then(|text| text.strip_prefix(magic));
    let digest = digest.ok_or_else(|| broken("not a file that this version can read"))?;
    if *hex(&Sha256::digest(&file[end + 1..])) != *digest {
        return Err(broken("the checksum does not match: cut off or changed"));
    }
    file.drain(..=end);
    Ok(file)
}

/// Says that a file is not what it should be.
pub(crate) fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// What is kept may be nobody else's business.
pub(crate) fn private(builder: &mut fs::DirBuilder) -> &mut fs::DirBuilder {
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
    builder
}

fn put(path: &Path, first: &str, parts: &[&[u8]]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(first.as_bytes())?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}
