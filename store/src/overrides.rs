//! Break-glass: for a while everybody gets one variant of a flag, whatever the documents say.
//!
//! An override is laid over its flag when a source's flags are shown, so that it reaches answers, sync payloads, events
//! and ETags like any other change; its end is a change too. It is kept in the state directory and outlives a restart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, SystemTime};

use engine::{Flag, Notes, Snapshot, did_you_mean};
use serde::{Deserialize, Serialize};

use crate::intake::{Shared, locked};
use crate::seal;
use crate::stamp::{rfc3339, unix};

const FILE: &str = "overrides";
const MAGIC: &str = "hoist-overrides/1 ";
/// The most overrides at a time.
const MOST: usize = 100;
/// The most bytes of a reason or an author.
const MOST_TEXT: usize = 500;
/// The longest an override may last.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// The most bytes of the file.
const MOST_BYTES: usize = 4 << 20;
/// How long the end of an override may go unnoticed if the wall clock jumps.
const LOOK: Duration = Duration::from_secs(30);

/// A variant that everybody gets for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Override {
    /// The flag.
    pub key: Box<str>,
    /// Its flag set; none for a flag of no set.
    pub flag_set: Option<Box<str>>,
    /// What it answers.
    pub variant: Box<str>,
    /// Who said so.
    pub author: Box<str>,
    /// Why.
    pub reason: Box<str>,
    /// Since when, in Unix seconds.
    pub since: u64,
    /// Until when, in Unix seconds.
    pub until: u64,
}

/// An override as somebody wants it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The flag.
    pub key: String,
    /// Its flag set; not needed if only one has the flag.
    pub flag_set: Option<String>,
    /// What it is to answer.
    pub variant: String,
    /// Who wants it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// For how long.
    pub duration: Duration,
}

/// What an operator asked for and cannot have. The message says what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Denied(pub String);

/// What an operator asked for and has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<T> {
    /// What it is.
    pub what: T,
    /// Why it would not outlive a restart, if it would not.
    pub forgetful: Option<String>,
}

impl Override {
    /// The position of the variant that `flag` is to answer, if this is about it and it has the variant.
    pub(crate) fn variant_of(&self, flag: &Flag) -> Option<usize> {
        let same = *self.key == *flag.key() && self.flag_set.as_deref() == flag.flag_set();
        flag.variants().iter().position(|variant| same && variant.name() == &*self.variant)
    }

    /// Whether it decides any answer: not if its flag or variant is gone from all documents.
    pub fn applies(&self, snapshot: &Snapshot) -> bool {
        snapshot.flags().iter().any(|flag| self.variant_of(flag).is_some())
    }

    /// The flag as everybody gets it under this override; `None` if it is about another flag, or about a variant that
    /// the flag does not have.
    pub fn over(&self, flag: &Flag) -> Option<Flag> {
        let variant = Some(self.variant_of(flag)?);
        Some(flag.noted(&Notes { metadata: &self.metadata(), reason: None, variant }))
    }

    /// What answers say of it.
    pub(crate) fn metadata(&self) -> [(&'static str, serde_json::Value); 3] {
        [
            ("override", (*self.reason).into()),
            ("overrideBy", (*self.author).into()),
            ("overrideUntil", rfc3339(self.until).into()),
        ]
    }

    fn is_of(&self, key: &str, flag_set: Option<&str>) -> bool {
        *self.key == *key && self.flag_set.as_deref() == flag_set
    }
}

impl Shared {
    /// Has everybody get a variant for a while, in place of an earlier override of the same flag.
    pub(crate) fn override_flag(&self, wanted: Wanted) -> Result<Done<Override>, Denied> {
        within_bounds(&wanted)?;
        let now = unix(self.now().at);
        let folding = locked(&self.folding);
        let snapshot = self.snapshot.load_full();
        let flag = meant(&snapshot, &wanted.key, wanted.flag_set.as_deref())?;
        let made = Override {
            key: flag.key().into(),
            flag_set: flag.flag_set().map(Box::from),
            variant: variant(flag, &wanted.variant)?.into(),
            author: wanted.author.into(),
            reason: wanted.reason.into(),
            since: now,
            until: now.saturating_add(wanted.duration.as_secs().max(1)),
        };
        let mut list: Vec<Override> = self.overrides.load().to_vec();
        list.retain(|other| !other.is_of(&made.key, made.flag_set.as_deref()));
        if list.len() >= MOST {
            return Err(Denied(format!("there are {MOST} overrides already; clear one first")));
        }
        list.push(made.clone());
        tracing::warn!(
            flag = %made.key, flag_set = made.flag_set.as_deref(), variant = %made.variant, author = %made.author,
            reason = %made.reason, until = rfc3339(made.until), "OVERRIDE: everybody gets this variant"
        );
        self.override_with(&folding, list);
        drop(folding);
        Ok(Done { what: made, forgetful: self.save_overrides() })
    }

    /// Ends an override before its time.
    pub(crate) fn clear_override(
        &self,
        key: &str,
        flag_set: Option<&str>,
        author: &str,
    ) -> Result<Done<Override>, Denied> {
        let folding = locked(&self.folding);
        let mut list: Vec<Override> = self.overrides.load().to_vec();
        let of =
            |other: &Override| *other.key == *key && flag_set.is_none_or(|set| other.is_of(key, named(set)));
        let found: Vec<usize> = (0..list.len()).filter(|at| of(&list[*at])).collect();
        let cleared = match found[..] {
            [at] => list.remove(at),
            [] => {
                let keys = list.iter().map(|other| &*other.key);
                let hint = did_you_mean(key, keys).map_or(String::new(), |hint| format!("; {hint}"));
                return Err(Denied(format!("no override of flag `{key}`{hint}")));
            }
            _ => {
                let sets = found.iter().map(|at| list[*at].flag_set.as_deref());
                return Err(Denied(format!("flag `{key}` has overrides in {}", sets_named(sets))));
            }
        };
        tracing::warn!(flag = %cleared.key, flag_set = cleared.flag_set.as_deref(), author, "override cleared");
        self.override_with(&folding, list);
        drop(folding);
        Ok(Done { what: cleared, forgetful: self.save_overrides() })
    }

    /// Ends the overrides whose time is over; says how long it will be until the next one's is.
    pub(crate) fn expire_overrides(&self) -> Option<Duration> {
        if self.overrides.load().is_empty() {
            return None;
        }
        let folding = locked(&self.folding);
        let now = unix(self.now().at);
        let (over, list): (Vec<Override>, Vec<Override>) =
            self.overrides.load().iter().cloned().partition(|one| one.until <= now);
        for one in &over {
            tracing::warn!(flag = %one.key, flag_set = one.flag_set.as_deref(), "override is over");
        }
        let next = list.iter().map(|one| one.until - now).min();
        if !over.is_empty() {
            self.override_with(&folding, list);
            // Lest a clock that goes back brings them back after a restart.
            self.overrides_ended.store(true, Ordering::Relaxed);
        }
        next.map(|seconds| Duration::from_secs(seconds).min(LOOK))
    }

    fn override_with(&self, folding: &MutexGuard<'_, ()>, list: Vec<Override>) {
        self.overrides.store(Arc::new(list));
        for slot in &self.slots {
            let stale = locked(&slot.status).stale.is_some();
            self.show(slot, stale);
        }
        self.fold(folding);
        self.news.send_modify(|news| *news += 1);
    }

    /// Writes the overrides to disk; says why not, if not.
    pub(crate) fn save_overrides(&self) -> Option<String> {
        let Some(path) = path(self) else { return Some("there is no state directory".to_owned()) };
        let _one_at_a_time = locked(&self.saving);
        let saved = serde_json::to_vec(&**self.overrides.load())
            .map_err(Into::into)
            .and_then(|text| seal::write(&path, MAGIC, &[&text]));
        let error = saved.err()?;
        tracing::error!(%error, path = %path.display(), "overrides are not kept on disk; they hold all the same");
        Some(error.to_string())
    }

    /// Takes up the overrides on disk whose time is not over.
    pub(crate) fn load_overrides(&self) {
        let Some(folder) = &self.settings.state_dir else { return };
        match overrides_in(folder, self.now().at) {
            Ok(list) => {
                if !list.is_empty() {
                    tracing::warn!(overrides = list.len(), "OVERRIDE: overrides are in force again");
                }
                self.overrides.store(Arc::new(list));
            }
            Err(error) => {
                tracing::error!(%error, folder = %folder.display(), "overrides on disk ignored");
            }
        }
    }
}

/// The overrides kept in a state directory whose time is not over at `now`.
///
/// # Errors
/// What is kept there cannot be read or is broken.
pub fn overrides_in(state_dir: &Path, now: SystemTime) -> io::Result<Vec<Override>> {
    let text = match seal::read(&state_dir.join(FILE), MAGIC, MOST_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let mut list: Vec<Override> = serde_json::from_slice(&text)?;
    list.retain(|one| one.until > unix(now));
    list.truncate(MOST);
    Ok(list)
}

fn path(shared: &Shared) -> Option<PathBuf> {
    Some(shared.settings.state_dir.as_ref()?.join(FILE))
}

fn within_bounds(wanted: &Wanted) -> Result<(), Denied> {
    if wanted.reason.trim().is_empty() || wanted.author.trim().is_empty() {
        return Err(Denied("an override needs an author and a reason".to_owned()));
    }
    if wanted.reason.len() > MOST_TEXT || wanted.author.len() > MOST_TEXT {
        return Err(Denied(format!("author and reason may have {MOST_TEXT} bytes each")));
    }
    if wanted.duration.is_zero() || wanted.duration > LONGEST {
        return Err(Denied("an override lasts for 30 days (720h) at most, and not for nothing".to_owned()));
    }
    Ok(())
}

/// The flag that is meant, the one of the strongest source.
fn meant<'s>(snapshot: &'s Snapshot, key: &str, flag_set: Option<&str>) -> Result<&'s Flag, Denied> {
    let same =
        |flag: &&Arc<Flag>| flag.key() == key && flag_set.is_none_or(|set| flag.flag_set() == named(set));
    let found: Vec<&Arc<Flag>> = snapshot.flags().iter().filter(same).collect();
    let Some(first) = found.first() else {
        let of_set =
            snapshot.flags().iter().filter(|flag| flag_set.is_none_or(|set| flag.flag_set() == named(set)));
        let hint = did_you_mean(key, of_set.map(|flag| flag.key()))
            .map_or(String::new(), |hint| format!("; {hint}"));
        let set = flag_set.map_or(String::new(), |set| format!(" in flag set `{set}`"));
        return Err(Denied(format!("no flag `{key}`{set}{hint}")));
    };
    if found.iter().any(|flag| flag.flag_set() != first.flag_set()) {
        let mut sets: Vec<Option<&str>> = found.iter().map(|flag| flag.flag_set()).collect();
        sets.dedup();
        return Err(Denied(format!("flag `{key}` is in {}", sets_named(sets.into_iter()))));
    }
    Ok(first)
}

/// The set that somebody means by `name`: the empty name is no set.
fn named(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}

fn sets_named<'s>(sets: impl Iterator<Item = Option<&'s str>>) -> String {
    let names: Vec<String> = sets.take(8).map(|set| format!("`{}`", set.unwrap_or_default())).collect();
    format!("more than one flag set; say which: {} (`` is none)", names.join(", "))
}

fn variant<'w>(flag: &Flag, name: &'w str) -> Result<&'w str, Denied> {
    if flag.variants().iter().any(|variant| variant.name() == name) {
        return Ok(name);
    }
    let names = || flag.variants().iter().map(|variant| variant.name());
    let all: Vec<String> = names().take(20).map(|name| format!("`{name}`")).collect();
    let hint = did_you_mean(name, names()).map_or(String::new(), |hint| format!("; {hint}"));
    Err(Denied(format!("flag `{}` has no variant `{name}`, only {}{hint}", flag.key(), all.join(", "))))
}
