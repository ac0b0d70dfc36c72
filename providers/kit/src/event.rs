//! Events and states of a provider (OpenFeature specification 5 and 1.7).

use std::fmt;
use std::sync::Arc;

use open_feature::FlagMetadata;
use open_feature::provider::ProviderStatus;

/// Where a provider stands (specification 1.7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Not connected yet, or shut down: evaluations are errors.
    #[default]
    NotReady,
    /// Answers are current.
    Ready,
    /// Answers may be out of date.
    Stale,
    /// The backend cannot be reached or read; it is tried again. What is cached still answers.
    Error,
    /// The backend refused for good: nothing is tried again, and evaluations are errors.
    Fatal,
}

impl State {
    /// The word of the specification.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotReady => "NOT_READY",
            Self::Ready => "READY",
            Self::Stale => "STALE",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    #[inline]
    pub(crate) fn from_u8(code: u8) -> Self {
        match code {
            code if code == Self::Ready as u8 => Self::Ready,
            code if code == Self::Stale as u8 => Self::Stale,
            code if code == Self::Error as u8 => Self::Error,
            code if code == Self::Fatal as u8 => Self::Fatal,
            _ => Self::NotReady,
        }
    }

    pub(crate) fn event(self) -> Option<EventKind> {
        match self {
            Self::NotReady => None,
            Self::Ready => Some(EventKind::Ready),
            Self::Stale => Some(EventKind::Stale),
            Self::Error | Self::Fatal => Some(EventKind::Error),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The SDK has no fatal state; an error is the nearest.
impl From<State> for ProviderStatus {
    fn from(state: State) -> Self {
        match state {
            State::NotReady => Self::NotReady,
            State::Ready => Self::Ready,
            State::Stale => Self::STALE,
            State::Error | State::Fatal => Self::Error,
        }
    }
}

/// What happened (specification, `types` section, provider events).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// `PROVIDER_READY`.
    Ready,
    /// `PROVIDER_STALE`.
    Stale,
    /// `PROVIDER_ERROR`.
    Error,
    /// `PROVIDER_CONFIGURATION_CHANGED`.
    ConfigurationChanged,
}

impl EventKind {
    /// The word of the specification.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "PROVIDER_READY",
            Self::Stale => "PROVIDER_STALE",
            Self::Error => "PROVIDER_ERROR",
            Self::ConfigurationChanged => "PROVIDER_CONFIGURATION_CHANGED",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One event, cheap to clone (specification 5.2.4, event details).
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The provider's name.
    pub provider: Arc<str>,
    /// The state that follows.
    pub state: State,
    /// Of a configuration change: the keys of the flags that changed. `None` means that it is not known which.
    pub flags_changed: Option<Arc<[String]>>,
    /// A sentence for people.
    pub message: Option<Arc<str>>,
    /// Whatever else the backend says, such as a revision.
    pub metadata: Option<Arc<FlagMetadata>>,
}

impl Event {
    pub(crate) fn of(kind: EventKind, provider: &Arc<str>, state: State) -> Self {
        let provider = Arc::clone(provider);
        Self { kind, provider, state, flags_changed: None, message: None, metadata: None }
    }
}
