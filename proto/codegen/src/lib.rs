//! Turns hoist's `.proto` files into the checked-in code of `hoist-proto`, with no `protoc` on the machine.
//!
//! ```text
//! proto/proto/**/*.proto -> protox -> descriptors -> retype() -> tonic + prost -> <package>.rs
//!                                                            -> pbjson       -> <package>.serde.rs
//! ```
//!
//! Two fields are retyped on the way. `bytes`, `string` and an embedded message share one wire type, so nothing changes for the
//! other end of the connection:
//! - a request's `context` becomes `bytes`: the daemon reads it where it lies in the request's buffer;
//! - a sync answer's `flag_configuration` becomes `bytes`: one encoded document is shared by every stream.

use std::io;
use std::path::{Path, PathBuf};

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{FieldDescriptorProto, FileDescriptorSet};

/// The files to compile, relative to the include folder.
const FILES: [&str; 5] = [
    "flagd/evaluation/v1/evaluation.proto",
    "flagd/evaluation/v2/evaluation.proto",
    "flagd/sync/v1/sync.proto",
    "schema/v1/schema.proto",
    "sync/v1/sync.proto",
];

/// The packages that are also spoken as JSON (over the Connect protocol).
const JSON_PACKAGES: [&str; 3] = [".flagd.evaluation.v1", ".flagd.evaluation.v2", ".schema.v1"];

/// The folder of `hoist-proto`, found from where this package lies.
pub fn proto_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compiles every `.proto` file below `include` and writes the Rust code into `out`, which must exist.
///
/// # Errors
/// A `.proto` file that does not compile (with its position), or a folder that cannot be written.
pub fn generate(include: &Path, out: &Path) -> io::Result<()> {
    let mut descriptors = protox::compile(FILES, [include]).map_err(io::Error::other)?;
    retype(&mut descriptors);
    write_json(&descriptors, out)?;
    tonic_prost_build::configure()
        .extern_path(".google.protobuf", "::pbjson_types")
        .compile_well_known_types(true)
        .bytes(".")
        .btree_map(".")
        .build_transport(false)
        .out_dir(out)
        .compile_fds(descriptors)
}

/// Declares `context` of requests and `flag_configuration` of answers as `bytes`; see the top of this file.
fn retype(descriptors: &mut FileDescriptorSet) {
    for message in descriptors.file.iter_mut().flat_map(|file| &mut file.message_type) {
        let is_request = message.name().ends_with("Request");
        for field in &mut message.field {
            let wanted = match field.name() {
                "context" => is_request,
                "flag_configuration" => !is_request,
                _ => false,
            };
            if wanted {
                declare_bytes(field);
            }
        }
    }
}

fn declare_bytes(field: &mut FieldDescriptorProto) {
    field.set_type(Type::Bytes);
    field.type_name = None;
}

/// Writes serde code for the answers. Requests in JSON are read by the daemon itself, straight into wire form.
fn write_json(descriptors: &FileDescriptorSet, out: &Path) -> io::Result<()> {
    let mut builder = pbjson_build::Builder::new();
    builder
        .register_descriptors(&descriptors.encode_to_vec())?
        .extern_path(".google.protobuf", "::pbjson_types")
        .ignore_unknown_fields()
        .btree_map(["."])
        .emit_fields()
        .exclude(requests(descriptors));
    for (package, code) in builder.generate(&JSON_PACKAGES, |_| Ok(Vec::new()))? {
        let code = String::from_utf8(code).map_err(io::Error::other)?;
        let text = write_null(code, &messages_without_presence(descriptors, &package.to_string()));
        let tree = syn::parse_file(&text).map_err(io::Error::other)?;
        std::fs::write(out.join(format!("{package}.serde.rs")), prettyplease::unparse(&tree))?;
    }
    Ok(())
}

/// The fields of a package that hold one message and are not `optional`. Protobuf's JSON form writes them as `null` when unset.
fn messages_without_presence<'a>(descriptors: &'a FileDescriptorSet, package: &str) -> Vec<&'a str> {
    let files = descriptors.file.iter().filter(|file| file.package() == package);
    let fields = files.flat_map(|file| &file.message_type).flat_map(|message| &message.field);
    let single = |field: &&FieldDescriptorProto| {
        field.r#type() == Type::Message && field.label() != Label::Repeated && field.oneof_index.is_none()
    };
    fields.filter(single).map(FieldDescriptorProto::name).collect()
}

/// pbjson leaves unset messages out even when asked to emit every field: writes the named ones without looking.
fn write_null(mut code: String, fields: &[&str]) -> String {
    for field in fields {
        let write = format!("struct_ser.serialize_field(\"{field}\", ");
        let seldom = format!("if let Some(v) = self.{field}.as_ref() {{\n            {write}v)?;");
        code = code.replace(&seldom, &format!("{{\n            {write}&self.{field})?;"));
    }
    code
}

/// The full names of all request messages, with the leading dot.
fn requests(descriptors: &FileDescriptorSet) -> Vec<String> {
    let named = |file: &prost_types::FileDescriptorProto| {
        let package = file.package().to_owned();
        let names = file.message_type.iter().map(|message| message.name().to_owned());
        names.filter(|name| name.ends_with("Request")).map(move |name| format!(".{package}.{name}")).collect()
    };
    descriptors.file.iter().flat_map(named as fn(&_) -> Vec<String>).collect()
}
