//! Compiles and runs arbitrary rules: `cargo +nightly fuzz run rule` in this folder's parent.
#![no_main]

#[path = "../drive.rs"]
mod drive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drive::rule(data));
