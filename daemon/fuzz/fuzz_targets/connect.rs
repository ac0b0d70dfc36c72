//! Any bytes as the body of an evaluation request; the first one chooses protocol and compression.

#![no_main]

use bytes::Bytes;

const PATH: &str = "/flagd.evaluation.v1.Service/ResolveAll";
const TYPES: [&str; 6] = [
    "application/json",
    "application/proto",
    "application/connect+json",
    "application/grpc",
    "application/grpc-web",
    "application/grpc-web+json",
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    let (kind, is_packed) = (usize::from(choice >> 1) % TYPES.len(), choice & 1 == 1);
    let path = if kind == 2 { "/flagd.evaluation.v1.Service/EventStream" } else { PATH };
    let _ = hoistd::services::connect::decode_request(path, TYPES[kind], is_packed, Bytes::copy_from_slice(body));
});
