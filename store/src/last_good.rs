//! Last known good: the documents of a source that were accepted, as files that survive the process.
//!
//! ```text
//! <state dir>/sources/<hash of the origin>/00000000000000000042.copy
//!     hoist-copy/1 <SHA-256 of all that follows>
//!     {"origin": ..., "format": ..., "revision": ..., "at": ...}
//!     the document as it came
//! ```
//!
//! A file appears whole, by renaming, or not at all. One that does not match its checksum is as good as missing, and the
//! one before it is used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::document::Format;
use crate::intake::hex;
use crate::origin::Origin;
use crate::rollback::Pin;
use crate::seal;
use crate::source::Authorship;
use crate::stamp::unix;

const MAGIC: &str = "hoist-copy/1 ";
const ENDING: &str = "copy";
/// The file that says which copy is served in place of later ones.
const PIN: &str = "rollback";
const PIN_MAGIC: &str = "hoist-rollback/1 ";
/// The most bytes of a second line.
const HEAD_BYTES: usize = 64 << 10;

/// A document that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    /// The bytes as they came.
    pub(crate) bytes: Vec<u8>,
    /// What they are.
    pub(crate) format: Format,
    /// What the origin calls this version.
    pub(crate) revision: Option<String>,
    /// Who made it.
    pub(crate) authorship: Option<Authorship>,
    /// When it was accepted.
    pub(crate) at: SystemTime,
}

/// The second line of a file.
#[derive(Serialize, Deserialize)]
struct Head {
    origin: String,
    format: String,
    revision: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authorship: Option<Author>,
    /// Unix seconds.
    at: u64,
}

/// [`Authorship`] as it is written.
#[derive(Serialize, Deserialize)]
struct Author {
    author: String,
    subject: String,
    /// Unix seconds.
    at: u64,
}

/// The copies of one source, oldest first by number.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    origin: String,
    /// How many copies are kept.
    kept: usize,
    /// The most bytes of a document.
    most: usize,
}

impl Shelf {
    /// The shelf of `origin`; `twin` counts the origins before it that have the same name.
    pub(crate) fn new(state_dir: &Path, origin: &Origin, twin: usize, kept: usize, most: usize) -> Self {
        let mut hash = Sha256::new();
        for part in [origin.provider(), origin.name(), &origin.view(), &twin.to_string()] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        // Names may hold credentials: only a hash of them goes to disk.
        let folder = state_dir.join("sources").join(&hex(&hash.finalize())[..32]);
        Self { folder, origin: origin.to_string(), kept: kept.max(1), most }
    }

    /// The whole copies and their numbers, the newest first. What is broken or of the future is logged and left out.
    pub(crate) fn whole(&self) -> impl Iterator<Item = (u64, Copy)> + use<'_> {
        let numbers = self.numbers().unwrap_or_default().into_iter().rev();
        numbers.filter_map(|number| {
            let path = self.path(number);
            let copy = read(&path, self.most).inspect_err(|error| {
                tracing::error!(source = self.origin, copy = %path.display(), %error, "copy on disk ignored");
            });
            Some((number, copy.ok()?))
        })
    }

    /// Notes that a copy is served in place of later ones, or no longer so.
    pub(crate) fn pin(&self, pin: Option<&Pin>) -> io::Result<()> {
        let path = self.folder.join(PIN);
        match pin {
            Some(pin) => seal::write(&path, PIN_MAGIC, &[&serde_json::to_vec(pin)?]),
            None => match fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            },
        }
    }

    /// What was noted so.
    pub(crate) fn pinned(&self) -> Option<Pin> {
        let path = self.folder.join(PIN);
        let text = match seal::read(&path, PIN_MAGIC, HEAD_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            read => read.and_then(|text| Ok(serde_json::from_slice(&text)?)),
        };
        let ignored = |error: &io::Error| {
            tracing::error!(source = self.origin, %error, "rollback on disk ignored");
        };
        text.inspect_err(ignored).ok()
    }

    /// Adds a copy and lets go of the oldest beyond what is kept; the copy is on disk when this returns. A document that
    /// the newest copy has already, as after a restart, is not written again.
    pub(crate) fn put(&self, copy: &Copy) -> io::Result<()> {
        let numbers = self.numbers()?;
        let newest = numbers.last().and_then(|number| read(&self.path(*number), self.most).ok());
        if newest.is_some_and(|newest| newest.bytes == copy.bytes && newest.format == copy.format) {
            return Ok(());
        }
        let number = numbers.last().map_or(1, |last| last + 1);
        seal::write(&self.path(number), MAGIC, &[&self.head(copy)?, &copy.bytes])?;
        self.tidy(&numbers, number);
        Ok(())
    }

    /// Removes copies beyond those kept, and what a writer that was killed has left. Failing is no harm.
    fn tidy(&self, before: &[u64], newest: u64) {
        let surplus = (before.len() + 1).saturating_sub(self.kept);
        for number in &before[..surplus.min(before.len())] {
            let _ = fs::remove_file(self.path(*number));
        }
        let leftovers = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in leftovers.filter(|path| path.extension().is_none_or(|ending| ending != ENDING)) {
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            if number.is_some_and(|number| number <= newest) {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// The second line.
    fn head(&self, copy: &Copy) -> io::Result<Vec<u8>> {
        let head = Head {
            origin: self.origin.clone(),
            format: copy.format.as_str().to_owned(),
            revision: copy.revision.clone(),
            authorship: copy.authorship.as_ref().map(Author::of),
            at: unix(copy.at),
        };
        let mut line = serde_json::to_vec(&head)?;
        line.push(b'\n');
        if line.len() > HEAD_BYTES {
            return Err(io::Error::other("the origin's name or revision is too long"));
        }
        Ok(line)
    }

    fn numbers(&self) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let number = |path: PathBuf| {
            let named = path.extension().is_some_and(|ending| ending == ENDING);
            named.then(|| path.file_stem()?.to_str()?.parse::<u64>().ok()).flatten()
        };
        let mut numbers: Vec<u64> = entries.flatten().filter_map(|entry| number(entry.path())).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.{ENDING}"))
    }
}

impl Author {
    fn of(Authorship { author, at, subject }: &Authorship) -> Self {
        Self { author: author.clone(), subject: subject.clone(), at: unix(*at) }
    }

    fn read(self) -> Authorship {
        Authorship { author: self.author, at: moment(self.at), subject: self.subject }
    }
}

fn moment(unix: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(unix)).unwrap_or(UNIX_EPOCH)
}

/// Reads a copy whole, at most one byte more than it may have.
fn read(path: &Path, most: usize) -> io::Result<Copy> {
    let mut file = seal::read(path, MAGIC, most.saturating_add(HEAD_BYTES))?;
    let end = file.iter().take(HEAD_BYTES).position(|byte| *byte == b'\n');
    let end = end.ok_or_else(|| seal::broken("cut off"))?;
    let head: Head = serde_json::from_slice(&file[..end])?;
    let format = Format::named(&head.format).ok_or_else(|| seal::broken("in a format of the future"))?;
    file.drain(..=end);
    let authorship = head.authorship.map(Author::read);
    Ok(Copy { bytes: file, format, revision: head.revision, authorship, at: moment(head.at) })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn shelf(folder: &Path) -> Shelf {
        let origin = Origin::new("http", "https://me:hunter2@h/flags.json", serde_json::Map::new());
        Shelf::new(folder, &origin, 0, 3, 1_000)
    }

    fn copy(text: &str) -> Copy {
        let at = UNIX_EPOCH + Duration::from_secs(1_000);
        let author = "Ada <ada@example.com>".to_owned();
        let authorship = Some(Authorship { author, at: UNIX_EPOCH, subject: "Turn it on".to_owned() });
        let (bytes, revision) = (text.as_bytes().to_vec(), Some("\"e\"".to_owned()));
        Copy { bytes, format: Format::Yaml, revision, authorship, at }
    }

    fn newest(shelf: &Shelf) -> String {
        shelf.whole().next().map(|(_, copy)| text(copy)).unwrap_or_default()
    }

    fn text(copy: Copy) -> String {
        String::from_utf8(copy.bytes).expect("UTF-8")
    }

    #[test]
    fn what_is_put_comes_back_and_generations_are_bounded() {
        let folder = tempfile::tempdir().expect("a directory");
        let shelf = shelf(folder.path());
        assert!(shelf.whole().next().is_none());
        for number in 1..=5 {
            shelf.put(&copy(&format!("flags: {number}\n"))).expect("put");
        }
        let (_, newest) = shelf.whole().next().expect("a copy");
        assert_eq!((newest.format, newest.revision.as_deref()), (Format::Yaml, Some("\"e\"")));
        assert_eq!(newest.at, UNIX_EPOCH + Duration::from_secs(1_000));
        assert_eq!(newest.authorship, copy("").authorship);
        let all: Vec<(u64, String)> = shelf.whole().map(|(number, copy)| (number, text(copy))).collect();
        let expected = [(5, "flags: 5\n"), (4, "flags: 4\n"), (3, "flags: 3\n")];
        assert_eq!(all, expected.map(|(number, text)| (number, text.to_owned())));
        let files: Vec<_> = fs::read_dir(&shelf.folder).expect("a folder").flatten().collect();
        assert_eq!(files.len(), 3, "{files:?}");
        let bytes = fs::read(shelf.path(5)).expect("a file");
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"));
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_noticed() {
        let folder = tempfile::tempdir().expect("a directory");
        let shelf = shelf(folder.path());
        shelf.put(&copy("old")).expect("put");
        shelf.put(&copy("new and longer")).expect("put");
        let whole = fs::read(shelf.path(2)).expect("a file");
        for end in 0..whole.len() {
            fs::write(shelf.path(2), &whole[..end]).expect("write");
            assert_eq!(newest(&shelf), "old", "cut at {end}");
            let mut changed = whole.clone();
            changed[end] ^= 1;
            fs::write(shelf.path(2), changed).expect("write");
            assert_eq!(newest(&shelf), "old", "changed at {end}");
        }
        fs::write(shelf.path(2), whole).expect("write");
        assert_eq!(newest(&shelf), "new and longer");
    }

    #[test]
    fn what_a_killed_writer_left_is_not_read_and_goes() {
        let folder = tempfile::tempdir().expect("a directory");
        let shelf = shelf(folder.path());
        shelf.put(&copy("old")).expect("put");
        let left = shelf.folder.join(format!("{:020}.unfinished", 2));
        fs::write(&left, "half").expect("write");
        assert_eq!(newest(&shelf), "old");
        shelf.put(&copy("new")).expect("put");
        assert_eq!(newest(&shelf), "new");
        assert!(!left.exists());
    }

    #[test]
    fn a_copy_that_is_too_large_is_ignored() {
        let folder = tempfile::tempdir().expect("a directory");
        let shelf = shelf(folder.path());
        shelf.put(&copy("old")).expect("put");
        let huge = File::create(shelf.path(2)).expect("create");
        huge.set_len(1 << 40).expect("a hole");
        assert_eq!(newest(&shelf), "old");
    }

    #[test]
    fn origins_that_differ_have_shelves_of_their_own() {
        let folder = Path::new("/state");
        let place = |provider: &str, name: &str, options: &str, twin: usize| {
            let options = serde_json::from_str(options).expect("options");
            Shelf::new(folder, &Origin::new(provider, name, options), twin, 1, 1).folder
        };
        let all = [
            place("http", "https://h/a", "{}", 0),
            place("http", "https://h/a", "{}", 1),
            place("grpc", "https://h/a", "{}", 0),
            place("http", "https://h/b", "{}", 0),
            place("http", "https://h/a", r#"{"selector": "x"}"#, 0),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one), "{all:?}");
        }
        assert_eq!(all[0], place("http", "https://h/a", r#"{"authHeader": "changes"}"#, 0));
    }
}
