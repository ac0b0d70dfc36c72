//! Parses and compiles arbitrary documents: `cargo +nightly fuzz run document` in this folder's parent.
#![no_main]

#[path = "../drive.rs"]
mod drive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drive::document(data));
