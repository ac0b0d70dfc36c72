//! Every backend of the suites, one file each, and one line here.

mod env_var;
mod file;
mod flagd;
mod flagsmith;
mod flipt;
mod in_memory;
mod multi;
mod ofrep;
mod unleash;

use crate::backend::Backend;

/// All that the provider suite asks.
pub const PROVIDERS: &[Backend] = &[
    env_var::ENV_VAR,
    file::FILE,
    flagd::FILE,
    flagd::IN_PROCESS,
    flagd::RPC,
    flagsmith::IN_PROCESS,
    flagsmith::REMOTE,
    flipt::IN_PROCESS,
    flipt::PER_REQUEST,
    in_memory::IN_MEMORY,
    multi::FIRST_MATCH,
    multi::FALLBACK,
    multi::COMPARE,
    multi::SHADOW,
    ofrep::PER_REQUEST,
    ofrep::BULK,
    unleash::UNLEASH,
];
