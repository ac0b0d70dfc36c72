//! The daemon as a library: what `hoistd` is made of.

pub mod args;
pub mod ask;
pub mod assemble;
pub mod cli;
pub mod config;
mod dialects;
pub mod light;
pub mod listen;
pub mod log;
pub mod serve;
pub mod services;
mod shelf;
pub mod sources;
pub mod telemetry;
