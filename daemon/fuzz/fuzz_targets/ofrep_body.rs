//! Any bytes as the body of an OFREP request.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    hoistd::services::ofrep::is_readable(body);
});
