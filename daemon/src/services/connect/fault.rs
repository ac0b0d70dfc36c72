//! An error, in each protocol's words.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use tonic::body::Body;
use tonic::{Code, Status};

use super::dialect::{Dialect, Protocol};
use super::method::Kind;
use super::write;

const GZIP: HeaderValue = HeaderValue::from_static("gzip");

#[derive(Serialize)]
struct Fault<'a> {
    code: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

#[derive(Serialize)]
struct End<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault<'a>>,
}

fn fault(status: &Status) -> Fault<'_> {
    Fault { code: name(status.code()), message: status.message() }
}

/// The last message of a Connect stream: `{}`, or the error it ends with.
pub(super) fn end_of_stream(status: &Status) -> Vec<u8> {
    let error = (status.code() != Code::Ok).then(|| fault(status));
    // Two strings always serialise.
    serde_json::to_vec(&End { error }).unwrap_or_default()
}

/// The whole answer to a call that failed.
pub(super) fn answer(status: Status, dialect: &Dialect) -> Response<Body> {
    let mut answer = match dialect.protocol {
        Protocol::ConnectUnary => {
            let text = serde_json::to_vec(&fault(&status)).unwrap_or_default();
            let mut answer = with_body(text);
            *answer.status_mut() = http_status(status.code());
            answer
        }
        Protocol::ConnectStream => with_body(write::frame(write::END_OF_STREAM, &end_of_stream(&status))),
        Protocol::Grpc | Protocol::GrpcWeb => status.into_http::<Body>(),
    };
    let content_type = match dialect.protocol {
        Protocol::ConnectUnary => "application/json",
        _ => dialect.content_type,
    };
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(dialect.protocol.encoding_headers().1, GZIP);
    answer
}

/// No such method: gRPC clients read UNIMPLEMENTED from the status.
pub(super) fn not_found() -> Response<Body> {
    let mut answer = with_body("404 page not found\n".into());
    *answer.status_mut() = StatusCode::NOT_FOUND;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Anything but POST. Connect's GET is for methods declared free of side effects, and none is.
pub(super) fn method_not_allowed() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    answer
}

/// A content type we do not speak.
pub(super) fn unsupported_media_type(kind: Kind) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    if let Ok(accepted) = HeaderValue::from_str(&Dialect::accepted(kind)) {
        answer.headers_mut().insert("accept-post", accepted);
    }
    answer
}

fn with_body(text: Vec<u8>) -> Response<Body> {
    Response::new(Body::new(Full::new(Bytes::from(text))))
}

/// Connect's name of a code.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "canceled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// The HTTP status of a failed unary call.
fn http_status(code: Code) -> StatusCode {
    let status = match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
