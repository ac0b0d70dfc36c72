//! One request for each evaluation: what is sent, and what becomes of every answer.

#![allow(clippy::expect_used, clippy::panic)]

mod server;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hoist_provider_ofrep::{OfrepResolver, Options, OptionsError, provider};
use kit::{Handle, State, Type};
use open_feature::{
    EvaluationContext, EvaluationError, EvaluationErrorCode, EvaluationReason, OpenFeature, Value,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use server::{Server, json, text, with};

fn options(server: &Server) -> Options {
    Options { base_url: server.url.clone(), ..Options::default() }
}

/// A provider's handle, with the provider that it needs.
fn start(options: Options) -> (kit::Provider<OfrepResolver>, Handle<OfrepResolver>) {
    let provider = provider(options).expect("options");
    let handle = provider.handle();
    (provider, handle)
}

async fn resolve(handle: &Handle<OfrepResolver>, key: &str) -> Result<kit::Answer, EvaluationError> {
    handle.resolve(key, Type::Bool, &EvaluationContext::default()).await
}

async fn failure(server: &Server) -> (EvaluationErrorCode, String, State) {
    let (provider, handle) = start(options(server));
    let error = resolve(&handle, "k").await.expect_err("a failure");
    let state = handle.state();
    drop(provider);
    (error.code, error.message.expect("a message"), state)
}

fn general() -> EvaluationErrorCode {
    EvaluationErrorCode::General("GENERAL".to_owned())
}

#[tokio::test]
async fn a_question_is_sent_as_ofrep_says() {
    let server = Server::start(|_| async {
        json(200, &json!({"key": "a/b ü", "value": true, "reason": "TARGETING_MATCH", "variant": "on", "metadata": {"x": 1}}))
    })
    .await;
    let options = Options {
        base_url: format!("{}/api//", server.url),
        headers: vec![("X-Flipt-Namespace".to_owned(), "n1".to_owned())],
        bearer_token: Some("t0ken".to_owned()),
        context: EvaluationContext::default()
            .with_custom_field("region", "eu")
            .with_custom_field("plan", "none"),
        ..Options::default()
    };
    let mut api = OpenFeature::default();
    api.set_provider(provider(options).expect("options")).await;
    let context = EvaluationContext::default().with_targeting_key("u").with_custom_field("plan", "pro");
    let details =
        api.create_client().get_bool_details("a/b ü", Some(&context), None).await.expect("an answer");
    assert!(details.value);
    assert_eq!(details.reason, Some(EvaluationReason::TargetingMatch));
    assert_eq!(details.variant.as_deref(), Some("on"));
    assert_eq!(details.flag_metadata.values.len(), 1);

    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].uri.path(), "/api/ofrep/v1/evaluate/flags/a%2Fb%20%C3%BC");
    assert_eq!(asked[0].body, json!({"context": {"targetingKey": "u", "plan": "pro", "region": "eu"}}));
    assert_eq!(asked[0].header("authorization"), Some("Bearer t0ken"));
    assert_eq!(asked[0].header("x-flipt-namespace"), Some("n1"));
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn an_empty_context_is_still_a_context() {
    // GO Feature Flag refuses a body without one.
    let server = Server::start(|_| async { json(200, &json!({"value": true})) }).await;
    let (_provider, handle) = start(options(&server));
    resolve(&handle, "k").await.expect("an answer");
    assert_eq!(server.asked()[0].body, json!({"context": {}}));
}

#[tokio::test]
async fn attributes_are_text_where_the_server_takes_nothing_else() {
    let server = Server::start(|_| async { json(200, &json!({"value": true})) }).await;
    let (_provider, handle) = start(Options { text_attributes: true, ..options(&server) });
    let context = EvaluationContext::default()
        .with_targeting_key("u")
        .with_custom_field("n", 3)
        .with_custom_field("b", true)
        .with_custom_field("l", Arc::new(Value::Array(vec![Value::Int(1)])));
    handle.resolve("k", Type::Bool, &context).await.expect("an answer");
    let expected = json!({"context": {"targetingKey": "u", "n": "3", "b": "true", "l": "[1]"}});
    assert_eq!(server.asked()[0].body, expected);
}

#[tokio::test]
async fn a_missing_targeting_key_is_refused_before_it_is_sent() {
    let server = Server::start(|_| async { json(200, &json!({"value": true})) }).await;
    let (_provider, handle) = start(Options { require_targeting_key: true, ..options(&server) });
    let error = resolve(&handle, "k").await.expect_err("no key");
    assert_eq!(error.code, EvaluationErrorCode::TargetingKeyMissing);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn refusals_have_their_code_and_leave_the_provider_ready() {
    for (status, code, expected) in [
        (404, "FLAG_NOT_FOUND", EvaluationErrorCode::FlagNotFound),
        (400, "PARSE_ERROR", EvaluationErrorCode::ParseError),
        (400, "TARGETING_KEY_MISSING", EvaluationErrorCode::TargetingKeyMissing),
        (400, "INVALID_CONTEXT", EvaluationErrorCode::InvalidContext),
        (400, "FLAG_CONFIG", EvaluationErrorCode::ParseError),
        (500, "GENERAL", general()),
        (400, "OWN", EvaluationErrorCode::General("OWN".to_owned())),
    ] {
        let body = json!({"key": "k", "errorCode": code, "errorDetails": "because"});
        let server = Server::start(move |_| std::future::ready(json(status, &body))).await;
        assert_eq!(failure(&server).await, (expected, "because".to_owned(), State::Ready), "{code}");
    }
}

#[tokio::test]
async fn faults_say_what_to_do_and_are_told() {
    let cases: [(u16, &str, &str, &str); 6] = [
        (401, "text/plain", "no", "the server answered 401: check bearer_token and headers"),
        (403, "application/json", "{}", "the server answered 403: check bearer_token and headers"),
        (
            404,
            "text/html",
            "<h1>no</h1>",
            "the address answers 404, not as OFREP: <h1>no</h1>: check base_url",
        ),
        (500, "text/plain", "", "the server answered 500 Internal Server Error"),
        (200, "application/json", "[]x", "the server's answer cannot be read"),
        (301, "text/plain", "", "a redirect elsewhere: check base_url"),
    ];
    for (status, kind, body, message) in cases {
        let server = Server::start(move |_| std::future::ready(text(status, kind, body))).await;
        let (code, said, state) = failure(&server).await;
        assert_eq!((code, state), (general(), State::Error), "{status}");
        assert!(said.contains(message), "{said}");
    }
}

#[tokio::test]
async fn broken_connections_are_errors_and_not_hangs() {
    let truncated = Server::raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"value\":tr").await;
    let garbage = Server::raw(b"SSH-2.0-OpenSSH_9\r\n").await;
    for server in [&truncated, &garbage] {
        let (code, said, state) = failure(server).await;
        assert_eq!((code, state), (general(), State::Error), "{said}");
        assert!(!said.contains("127.0.0.1"), "{said}");
    }

    let slow = Server::start(|_| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        json(200, &json!({"value": true}))
    })
    .await;
    let (_provider, handle) = start(Options { timeout: Duration::from_millis(100), ..options(&slow) });
    let began = Instant::now();
    let error = resolve(&handle, "k").await.expect_err("too slow");
    assert!(began.elapsed() < Duration::from_secs(5), "{error:?}");

    let large = Server::start(|_| async { json(200, &json!({"value": "x".repeat(5000)})) }).await;
    let (_provider, handle) = start(Options { max_response_bytes: 4096, ..options(&large) });
    let said = resolve(&handle, "k").await.expect_err("too large").message.expect("a message");
    assert!(said.contains("max_response_bytes"), "{said}");
}

#[tokio::test]
async fn a_wait_concerns_one_provider_and_ends() {
    let server = Server::start(|asked| async move {
        match asked.number {
            0 => with(text(429, "text/plain", ""), "retry-after", "1"),
            _ => json(200, &json!({"value": true})),
        }
    })
    .await;
    let (_provider, handle) = start(options(&server));
    let (_other_provider, other) = start(options(&server));
    let began = Instant::now();
    resolve(&handle, "k").await.expect_err("429");
    assert_eq!(handle.state(), State::Stale);
    let said = resolve(&handle, "k").await.expect_err("still closed").message.expect("a message");
    assert_eq!(said, "the server asked to wait, 1 s more");
    assert_eq!(server.asked().len(), 1, "nothing was sent while closed");
    resolve(&other, "k").await.expect("the other provider is not concerned");
    while resolve(&handle, "k").await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(handle.state(), State::Ready);
}

#[tokio::test]
async fn a_server_that_comes_back_is_ready_again() {
    let server = Server::start(|asked| async move {
        if asked.number == 0 { text(503, "text/plain", "") } else { json(200, &json!({"value": true})) }
    })
    .await;
    let (_provider, handle) = start(options(&server));
    resolve(&handle, "k").await.expect_err("503");
    assert_eq!(handle.state(), State::Error);
    resolve(&handle, "k").await.expect("an answer");
    assert_eq!(handle.state(), State::Ready);
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_named() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key"),
        )
        .expect("a pair");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let server = Server::start_tls(acceptor, |_| async { json(200, &json!({"value": true})) }).await;

    let (_provider, stranger) = start(options(&server));
    let said = resolve(&stranger, "k").await.expect_err("not trusted").message.expect("a message");
    assert!(said.contains("certificate"), "{said}");

    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(pem.as_bytes()).expect("written");
    let (_provider, friend) = start(Options { cert_path: Some(file.path().to_owned()), ..options(&server) });
    resolve(&friend, "k").await.expect("an answer over TLS");
}

#[tokio::test]
async fn options_that_can_never_work_are_refused() {
    let with = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        provider(options).expect_err("refused")
    };
    let base = with(|options| "localhost:8016".clone_into(&mut options.base_url));
    assert!(matches!(base, OptionsError::BaseUrl(_)), "{base}");
    assert!(matches!(with(|options| options.base_url = "flags".to_owned()), OptionsError::BaseUrl(_)));
    let header = with(|options| options.headers = vec![("x".to_owned(), "secret\n".to_owned())]);
    assert!(matches!(header, OptionsError::Header(..)) && !header.to_string().contains("secret"), "{header}");
    assert_eq!(with(|options| options.bearer_token = Some("a\n".to_owned())), OptionsError::Token);
    assert!(matches!(with(|options| options.timeout = Duration::ZERO), OptionsError::Timeout(_)));
    let missing = with(|options| options.cert_path = Some("no/such.pem".into()));
    assert!(matches!(missing, OptionsError::Client(_)), "{missing}");
}
