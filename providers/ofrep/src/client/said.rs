//! What a server says beside its answers: what is wrong, what changed.

use http::StatusCode;

use crate::fault::Fault;
use crate::model::{Evaluation, Notice};

/// How much of a body that is no OFREP is repeated in a message.
const QUOTED: usize = 80;

/// What an answer other than 200 means.
pub(super) fn refusal(status: StatusCode, evaluation: Option<Evaluation>, body: &[u8]) -> Fault {
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Fault::Unauthorized(status.as_u16());
    }
    match evaluation {
        Some(evaluation) if evaluation.error_code.is_some() => Fault::Refused(Box::new(evaluation)),
        // No body at all is how some servers say that there is no such flag.
        _ if status == StatusCode::NOT_FOUND && body.is_empty() => {
            let error_code = Some("FLAG_NOT_FOUND".to_owned());
            Fault::Refused(Box::new(Evaluation { error_code, ..Evaluation::default() }))
        }
        _ if status == StatusCode::NOT_FOUND => {
            Fault::NoServer(format!("the address answers 404, not as OFREP{}", quote(body)))
        }
        Some(Evaluation { error_details: Some(details), .. }) => {
            Fault::Broken(format!("the server answered {status}: {details}"))
        }
        _ if status.is_redirection() => {
            Fault::NoServer(format!("the server answered {status}, a redirect elsewhere"))
        }
        _ => Fault::Broken(format!("the server answered {status}{}", quote(body))),
    }
}

fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.get(..text.floor_char_boundary(QUOTED)).unwrap_or_default();
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// What a notice adds to the question for all flags (OFREP 0.3.0, `flagConfigEtag` and `flagConfigLastModified`).
pub(super) fn query(notice: &Notice) -> Vec<(&'static str, String)> {
    let modified = notice.last_modified.as_ref().map(|modified| match modified {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    let etag = notice.etag.clone().map(|etag| ("flagConfigEtag", etag));
    etag.into_iter().chain(modified.map(|modified| ("flagConfigLastModified", modified))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_a_wrong_address() {
        let json = |text: &str| serde_json::from_str(text).ok();
        let not_found = r#"{"key":"k","errorCode":"FLAG_NOT_FOUND"}"#;
        for (status, body, expected) in [
            (404, not_found, "the server refused: FLAG_NOT_FOUND"),
            (404, "", "the server refused: FLAG_NOT_FOUND"),
            (
                404,
                "404 page not found\n",
                "the address answers 404, not as OFREP: 404 page not found: check base_url",
            ),
            (401, "{}", "the server answered 401: check bearer_token and headers"),
            (413, r#"{"errorDetails":"too large"}"#, "the server answered 413 Payload Too Large: too large"),
            (502, "<html> bad\n gateway", "the server answered 502 Bad Gateway: <html> bad gateway"),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(refusal(status, json(body), body.as_bytes()).to_string(), expected);
        }
    }
}
