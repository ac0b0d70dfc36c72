//! What happens when sources fail.

use std::path::PathBuf;
use std::time::Duration;

use store::{Readiness, StaleAnswers};

use super::ConfigError;
use super::given::{Places, duration};

/// The most documents of a source that may be kept.
const MOST_GENERATIONS: i64 = 1_000;

/// What happens when sources fail.
#[derive(Debug, Clone)]
pub struct Resilience {
    /// Where accepted documents are kept; none for nowhere.
    pub state_dir: Option<PathBuf>,
    /// How many documents of each source are kept there.
    pub generations: usize,
    /// Whether a start waits for a source of which there is nothing to serve.
    pub wait_for_sources: bool,
    /// When the daemon counts as ready.
    pub readiness: Readiness,
    /// How long a source may be in trouble before its flags count as stale.
    pub stale_after: Duration,
    /// How answers say that they are stale.
    pub stale_answers: StaleAnswers,
    /// How long a document is held back that removes most flags; none for not at all.
    pub shrink_hold: Option<Duration>,
}

impl Resilience {
    pub(super) fn read(places: &Places<'_>) -> Result<Self, ConfigError> {
        let answers = [
            ("off", StaleAnswers::Plain),
            ("metadata", StaleAnswers::Metadata),
            ("reason", StaleAnswers::Reason),
        ];
        let shrink_hold = places.get("shrink-hold").duration()?;
        let allow_shrink = places.get("allow-shrink").switch()?;
        Ok(Self {
            state_dir: places.get("state-dir").path()?,
            generations: generations(places)?,
            wait_for_sources: places.get("on-missing-source").choice(&[("exit", false), ("wait", true)])?,
            readiness: readiness(places)?,
            stale_after: places.get("stale-after").duration()?,
            stale_answers: places.get("stale-answers").choice(&answers)?,
            shrink_hold: Some(shrink_hold).filter(|_| !allow_shrink),
        })
    }
}

fn generations(places: &Places<'_>) -> Result<usize, ConfigError> {
    let given = places.get("generations");
    let number = Some(given.integer()?).filter(|number| (1..=MOST_GENERATIONS).contains(number));
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| given.wrong(format!("must be from 1 to {MOST_GENERATIONS}")))
}

fn readiness(places: &Places<'_>) -> Result<Readiness, ConfigError> {
    let given = places.get("readiness");
    let text = given.text()?;
    match text.as_str() {
        "fresh" => return Ok(Readiness::Fresh),
        "stale-ok" => return Ok(Readiness::StaleOk),
        _ => {}
    }
    let age = text.strip_prefix("max-age=").and_then(duration);
    age.map(Readiness::MaxAge)
        .ok_or_else(|| given.wrong("must be fresh, stale-ok, or max-age and a duration, such as max-age=10m"))
}
