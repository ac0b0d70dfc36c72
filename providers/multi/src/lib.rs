//! Several providers as one.
//!
//! | built by | asks | answers with |
//! |---|---|---|
//! | [`Multi::first_match`] | in turn | the first that has the flag; an error ends the search |
//! | [`Multi::fallback`] | in turn | the first that has an answer, whatever kept the others from it |
//! | [`Multi::compare`] | all at once | the first's answer; disagreements are counted and told |
//! | [`Multi::shadow`] | the first | its answer; the others are asked behind its back, and compared |
//!
//! ```text
//!  Provider<..>.erase() --+
//!  Provider::foreign(..) -+--> Member --+
//!                                       +--> Multi --provider()--> Provider<Multi>  for the SDK
//!  state and events of the members -----+       |
//!                                               +--> Report: per flag, how often was compared and how often differed
//! ```
//!
//! A service that moves from a file of flags to a server asks the server, then the file, then has its own default:
//!
//! ```
//! use hoist_provider_multi::{Member, Multi};
//! use in_memory::{Flag, InMemory};
//! use open_feature::OpenFeature;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = InMemory::new().with("new", Flag::failing(kit::error::general("connection refused")));
//! let file = InMemory::new().with("new", true).with("old", 7);
//! let multi = Multi::fallback([Member::new("server", server.provider()), Member::new("file", file.provider())])?;
//!
//! let mut api = OpenFeature::default();
//! api.set_provider(multi).await;
//! let client = api.create_client();
//! assert!(client.get_bool_value("new", None, None).await.unwrap_or(false));
//! assert_eq!(client.get_int_value("old", None, None).await.unwrap_or(1), 7);
//! assert_eq!(client.get_int_value("gone", None, None).await.unwrap_or(1), 1);
//! # Ok(())
//! # }
//! ```

mod compare;
mod follow;
mod member;
mod multi;
mod report;
mod search;
mod shadow;

pub use member::Member;
pub use multi::{Multi, MultiError};
pub use report::{Difference, FlagReport, Report};
pub use shadow::ShadowOptions;
