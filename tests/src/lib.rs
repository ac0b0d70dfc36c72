//! The suite that asks every backend, protocol and stock client the same questions.
//!
//! - [`load`]: constant load on every protocol, each answer checked.
//! - [`world`]: what a test stands in: free ports, folders, a daemon process, a small HTTP client.
//! - [`clients`]: stock OpenFeature clients in other languages, set up below the target folder.
//! - [`suites`]: questions that every backend is asked, as far as its [`capability`] goes; [`backends`] are what is asked.
//! - [`clouds`]: object stores of three clouds, set up below the target folder and started on loopback.
//! - [`testbed`]: the flagd-testbed scenarios, read where they lie and played through a client.
//!
//! Everything here serves tests: helpers panic with a clear message when the world is not as it must be.
#![allow(clippy::panic, clippy::expect_used, clippy::unwrap_used, clippy::print_stdout)]

// The server that stands in for Flipt is shared with its own package, which has the longer name.
extern crate flipt as hoist_provider_flipt;

pub mod backend;
pub mod backends;
pub mod capability;
pub mod clients;
pub mod clouds;
pub mod load;
pub mod suites;
pub mod testbed;
pub mod world;
