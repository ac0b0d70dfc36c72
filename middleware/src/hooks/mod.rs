//! Hooks for the OpenFeature SDK: what runs before and after every evaluation.

mod request;

pub use request::RequestContextHook;
