//! hoistd
