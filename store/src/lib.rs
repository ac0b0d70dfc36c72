//! The store: from an origin's bytes to the flag snapshot that everybody reads.
//!
//! ```text
//! Origin --registry--> Source::follow --bytes--> Feed::deliver            one supervised task per origin
//!                                                  |
//!            document: JSON or YAML -> JSON text   |   off the request threads, one document of a source at a time
//!            reader:   JSON text   -> Layer        |   a bad document replaces nothing, a bad flag keeps its last good self
//!            merge:    layers by priority -> Snapshot
//!            change:   equal? then silence         v
//!                                  one atomic swap, then `Store::subscribe` wakes everybody
//! ```
//!
//! An accepted document is also kept on disk (`last_good`), off to the side, for a start without its origin. What happens
//! by the passing of time, such as flags growing stale, is in `tend`; what an operator may do is in `operate`: go back to an
//! earlier document (`rollback`), lay a variant over a flag for a while (`overrides`).
//!
//! Readers never wait: [`Store::read`] takes no lock. What went wrong, and since when, is in [`Store::sources`].
//!
//! What is not here: protocols and clients, environment variables, the wall clock (it is handed in), and every vendor
//! (their sources are [`SourceKind`]s handed in by the daemon).

mod change;
mod claim;
mod compile;
mod document;
mod guard;
mod health;
mod intake;
mod keep;
mod last_good;
mod merge;
mod operate;
mod origin;
mod overrides;
mod pace;
mod publish;
mod reader;
mod registry;
mod relay;
mod rollback;
mod schedule;
mod seal;
mod source;
mod sources;
mod stamp;
mod status;
mod store;
mod supervise;
mod tend;

pub use change::{ChangeKind, diff};
pub use claim::{Claim, ClaimError};
pub use document::{Documents, Format, Part, json_text, parts, place_problems};
pub use operate::Moved;
pub use origin::{Origin, OriginError, says_where};
pub use overrides::{Denied, Done, Override, Wanted, overrides_in};
pub use reader::{Dialect, FlagDocument, Reader, Reading, read_once};
pub use registry::{BUILT_IN, find};
pub use relay::{RawDocument, Relay, Relayed};
pub use schedule::Schedule;
pub use source::{
    Asked, Authorship, Delivery, Feed, Fetch, Fetched, Poll, ReadBy, Retry, Source, SourceError, SourceKind,
    Verdict,
};
pub use sources::file::File;
pub use sources::grpc::connect::Dial;
pub use sources::grpc::target::Target;
pub use sources::http::{Http, http_date};
pub use sources::memory::{Memory, MemoryHandle};
pub use stamp::rfc3339;
pub use status::{Copied, Kept, Notices, RolledBack, Seen, Served, SourceStatus, State};
pub use store::{Followed, Readiness, Settings, StaleAnswers, Store};
