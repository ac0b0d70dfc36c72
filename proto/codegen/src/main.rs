//! `cargo run -p hoist-proto-codegen` rewrites `proto/src/generated`.

use std::io;

fn main() -> io::Result<()> {
    let folder = hoist_proto_codegen::proto_folder();
    hoist_proto_codegen::generate(&folder.join("proto"), &folder.join("src/generated"))
}
