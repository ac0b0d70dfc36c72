//! What a port promises: protocols, limits, certificates, sockets and a clean end.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::convert::Infallible;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hoistd::listen::{Address, Certificate, Endpoint, Inbound, Limits};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const GRACE: Duration = Duration::from_millis(500);
const SHORT: Duration = Duration::from_millis(200);

/// Says what it was asked; waits a while when asked for `/slow`.
async fn echo(request: Request<Inbound>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (version, path) = (request.version(), request.uri().path().to_owned());
    let body = match request.into_body().collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(error) => error.to_string(),
    };
    if path == "/slow" {
        tokio::time::sleep(SHORT).await;
    }
    if path == "/never" {
        std::future::pending::<()>().await;
    }
    Ok(Response::new(Full::from(format!("{version:?} {path} {body}"))))
}

struct Served {
    port: u16,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<usize>,
}

fn endpoint(address: Address) -> Endpoint {
    let limits = Limits { head_time: SHORT, body_time: SHORT, ..Limits::default() };
    Endpoint { address, setting: "--port", tls: None, http2: true, limits }
}

async fn serve(endpoint: Endpoint) -> Served {
    let bound = endpoint.bind().await.unwrap();
    let port = bound.local_addr().map_or(0, |address| address.port());
    let (stop, stopped) = oneshot::channel();
    let stopped = async { stopped.await.unwrap_or_default() };
    let ended = tokio::spawn(bound.serve(tower::service_fn(echo), stopped, GRACE));
    Served { port, stop, ended }
}

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

/// Writes a request and reads to the end of the connection.
async fn speak(io: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &[u8]) -> String {
    io.write_all(text).await.unwrap();
    let mut answer = Vec::new();
    let _ = io.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn http2_get<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(io: I, path: &str) -> String {
    let (mut send, connection) = h2::client::handshake(io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get(format!("http://localhost{path}")).body(()).unwrap();
    let (answer, _) = send.send_request(request, true).unwrap();
    let text = whole(answer.await.unwrap().into_body()).await;
    connection.abort();
    text
}

async fn whole(mut body: h2::RecvStream) -> String {
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        text.extend_from_slice(&data.unwrap());
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn speaks_http1_on_both_families() {
    let served = serve(endpoint(Address::Port(0))).await;
    let text = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    for host in ["127.0.0.1", "::1"] {
        let Ok(mut stream) = TcpStream::connect((host, served.port)).await else { continue };
        let answer = speak(&mut stream, text.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("HTTP/1.1 /a hi"), "{answer}");
    }
}

#[tokio::test]
async fn speaks_http2_by_prior_knowledge_unless_told_not_to() {
    let served = serve(endpoint(Address::Port(0))).await;
    assert_eq!(http2_get(connect(served.port).await, "/a").await, "HTTP/2.0 /a ");
    let served = serve(Endpoint { http2: false, ..endpoint(Address::Port(0)) }).await;
    let answer = speak(&mut connect(served.port).await, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
}

/// docs/compatibility.md: keepalive is for clients to choose.
#[tokio::test]
async fn nobody_is_sent_away_for_pinging() {
    let served = serve(endpoint(Address::Port(0))).await;
    let (mut send, mut connection) = h2::client::handshake(connect(served.port).await).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let connection = tokio::spawn(connection);
    for _ in 0..50 {
        pings.ping(h2::Ping::opaque()).await.unwrap();
    }
    let request = Request::get("http://localhost/a").body(()).unwrap();
    let (answer, _) = send.send_request(request, true).unwrap();
    assert_eq!(whole(answer.await.unwrap().into_body()).await, "HTTP/2.0 /a ");
    connection.abort();
}

#[tokio::test]
async fn upgrades_to_http2_and_answers_the_first_request_there() {
    let served = serve(endpoint(Address::Port(0))).await;
    let mut stream = connect(served.port).await;
    let body = "x".repeat(20_000);
    let head = "POST /first HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 20000\r\n\r\n";
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101") && answer.contains("upgrade: h2c"), "{answer}");
    // A client's half: preface, SETTINGS and nothing else. The answer to the first request must come on stream 1.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut data = Vec::new();
    while data.len() < 20_000 {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload =
            vec![0; usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == 0 {
            assert_eq!(head[8], 1, "DATA on another stream");
            data.extend(payload);
        }
    }
    assert_eq!(String::from_utf8(data).unwrap(), format!("HTTP/2.0 /first {body}"));
}

#[tokio::test]
async fn refuses_a_large_head_in_words() {
    let limits = Limits { head_bytes: 10_000, ..Limits::default() };
    let served = serve(Endpoint { limits, ..endpoint(Address::Port(0)) }).await;
    let head =
        |size| format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: {}\r\n\r\n", "x".repeat(size));
    let answer = speak(&mut connect(served.port).await, head(12_000).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = speak(&mut connect(served.port).await, head(15_000).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431") && answer.contains("connection: close"), "{answer}");
    assert!(answer.ends_with("431 Request Header Fields Too Large"), "{answer}");
}

#[tokio::test]
async fn closes_connections_that_say_nothing() {
    let served = serve(endpoint(Address::Port(0))).await;
    let begin = Instant::now();
    for text in ["", "PRI *", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        speak(&mut connect(served.port).await, text.as_bytes()).await;
    }
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_stalled_body_fails_in_time() {
    let served = serve(endpoint(Address::Port(0))).await;
    let text = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhi";
    let answer = speak(&mut connect(served.port).await, text.as_bytes()).await;
    assert!(answer.ends_with("the request body did not arrive within 0 s"), "{answer}");
}

/// Tells when the last one lets go of it.
struct Held(Vec<u8>, Option<oneshot::Sender<()>>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.1.take().map(|told| told.send(()));
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    const LARGE: usize = 64 << 20;
    let (told, let_go) = oneshot::channel();
    let body = Bytes::from_owner(Held(vec![b'x'; LARGE], Some(told)));
    let taken = Arc::new(std::sync::Mutex::new(Some(body)));
    let service = tower::service_fn(move |_: Request<Inbound>| {
        let body = taken.lock().unwrap().take().unwrap_or_default();
        async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
    });
    let mut endpoint = endpoint(Address::Port(0));
    endpoint.limits.write_time = SHORT;
    let bound = endpoint.bind().await.unwrap();
    let port = bound.local_addr().unwrap().port();
    let serving = tokio::spawn(bound.serve(service, std::future::pending(), GRACE));
    let mut client = connect(port).await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), let_go).await.expect("let go in time").unwrap();
    let mut received = Vec::new();
    // Reset or closed, it is over either way.
    let _ = client.read_to_end(&mut received).await;
    assert!(received.len() < LARGE, "{} bytes", received.len());
    serving.abort();
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let limits = Limits { connections: 1, head_time: SHORT, ..Limits::default() };
    let served = serve(Endpoint { limits, ..endpoint(Address::Port(0)) }).await;
    let _first = connect(served.port).await;
    let begin = Instant::now();
    let text = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = speak(&mut connect(served.port).await, text.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200") && begin.elapsed() >= SHORT / 2, "{answer}");
}

#[tokio::test]
async fn stops_after_open_requests_and_cuts_what_hangs() {
    let served = serve(endpoint(Address::Port(0))).await;
    let mut idle = connect(served.port).await;
    let mut slow = connect(served.port).await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT / 4).await;
    served.stop.send(()).unwrap();
    assert!(speak(&mut slow, b"").await.ends_with("HTTP/1.1 /slow "));
    assert_eq!(speak(&mut idle, b"").await, "");
    assert_eq!(served.ended.await.unwrap(), 0);
    assert!(TcpStream::connect(("127.0.0.1", served.port)).await.is_err());

    let served = serve(endpoint(Address::Port(0))).await;
    let mut hanging = connect(served.port).await;
    hanging.write_all(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT / 4).await;
    served.stop.send(()).unwrap();
    assert_eq!(served.ended.await.unwrap(), 1);
}

#[tokio::test]
async fn http2_clients_are_told_to_go_away_and_get_their_answers() {
    let served = serve(endpoint(Address::Port(0))).await;
    let (mut send, connection) = h2::client::handshake(connect(served.port).await).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = |path| Request::get(format!("http://localhost{path}")).body(()).unwrap();
    let (slow, _) = send.send_request(request("/slow"), true).unwrap();
    tokio::time::sleep(SHORT / 4).await;
    served.stop.send(()).unwrap();
    assert_eq!(whole(slow.await.unwrap().into_body()).await, "HTTP/2.0 /slow ");
    assert_eq!(served.ended.await.unwrap(), 0);
    assert!(connection.await.unwrap().is_ok(), "the connection ends without an error");
    assert!(send.ready().await.is_err());
}

#[tokio::test]
async fn a_taken_address_is_named_with_its_setting() {
    let served = serve(endpoint(Address::Port(0))).await;
    let error = endpoint(Address::Port(served.port)).bind().await.err().unwrap().to_string();
    assert!(error.starts_with(&format!("cannot listen on port {} (--port): ", served.port)), "{error}");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flagd.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let served = serve(endpoint(Address::Unix(path.clone()))).await;
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let answer = speak(&mut stream, b"GET /u HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with("HTTP/1.1 /u "), "{answer}");
    let error = endpoint(Address::Unix(path.clone())).bind().await.err().unwrap().to_string();
    assert!(error.contains("another process listens on it"), "{error}");
    served.stop.send(()).unwrap();
    served.ended.await.unwrap();
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    assert!(endpoint(Address::Unix(path.clone())).bind().await.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

/// Writes a new self-signed pair and answers the certificate.
fn new_pair(certificate: &Path, key: &Path) -> CertificateDer<'static> {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(certificate, pair.cert.pem()).unwrap();
    std::fs::write(key, pair.signing_key.serialize_pem()).unwrap();
    pair.cert.der().clone()
}

/// What a client that trusts only `trusted` gets from `/a` over the protocol it offers.
async fn over_tls(port: u16, trusted: &CertificateDer<'static>, alpn: &[u8]) -> Option<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut settings = settings.unwrap().with_root_certificates(roots).with_no_client_auth();
    settings.alpn_protocols = vec![alpn.to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(settings));
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, connect(port).await).await.ok()?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
    if alpn == b"h2" {
        return Some(http2_get(stream, "/a").await);
    }
    let answer = speak(&mut stream, b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    answer.rsplit("\r\n").next().map(str::to_owned)
}

#[tokio::test]
async fn tls_follows_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let first = new_pair(&certificate, &key);
    let loaded = Certificate::load(&certificate, &key).unwrap();
    let fresh = tokio::spawn(Arc::clone(&loaded).keep_fresh());
    let served = serve(Endpoint { tls: Some(loaded), ..endpoint(Address::Port(0)) }).await;
    assert_eq!(over_tls(served.port, &first, b"h2").await.unwrap(), "HTTP/2.0 /a ");
    assert_eq!(over_tls(served.port, &first, b"http/1.1").await.unwrap(), "HTTP/1.1 /a ");

    std::fs::write(&certificate, "nonsense").unwrap();
    tokio::time::sleep(SHORT * 3).await;
    assert!(over_tls(served.port, &first, b"h2").await.is_some(), "a bad pair must not replace a good one");

    let second = new_pair(&certificate, &key);
    let begin = Instant::now();
    while over_tls(served.port, &second, b"h2").await.is_none() {
        assert!(begin.elapsed() < Duration::from_secs(10), "the new certificate is never served");
        tokio::time::sleep(SHORT).await;
    }
    fresh.abort();
}

/// OpenSSL made such certificates by default until 3.2, and takes them as a client.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_first_version_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let openssl = |words: &str, input: &str| {
        let mut command = Command::new("openssl");
        command.args(words.split(' ')).current_dir(folder.path()).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        child.stdin.take().unwrap().write_all(input.as_bytes()).ok()?;
        let output = child.wait_with_output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let made =
        openssl("req -new -newkey rsa:2048 -nodes -keyout tls.key -subj /CN=localhost -out request", "")
            .and_then(|_| openssl("x509 -req -in request -signkey tls.key -days 2 -out tls.crt", ""))
            .and_then(|_| openssl("x509 -in tls.crt -noout -text", ""));
    if !made.is_some_and(|text| text.contains("Version: 1 ")) {
        println!("skipped: no openssl that makes certificates of X.509 v1");
        return;
    }
    let loaded = Certificate::load(&folder.path().join("tls.crt"), &folder.path().join("tls.key")).unwrap();
    let served = serve(Endpoint { tls: Some(loaded), ..endpoint(Address::Port(0)) }).await;
    let ask =
        format!("s_client -quiet -verify_return_error -CAfile tls.crt -connect 127.0.0.1:{}", served.port);
    let answer = openssl(&ask, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    assert!(answer.ends_with("HTTP/1.1 /a "), "{answer}");
}

#[test]
fn a_bad_pair_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    new_pair(&path("a.crt"), &path("a.key"));
    new_pair(&path("b.crt"), &path("b.key"));
    let said = |certificate: &str, key: &str| {
        Certificate::load(&path(certificate), &path(key)).unwrap_err().to_string()
    };
    assert!(said("missing.crt", "a.key").contains("missing.crt"));
    assert!(said("a.key", "a.key").contains("a.key holds no certificate"));
    assert!(said("a.crt", "a.crt").contains("a.crt holds no unencrypted private key"));
    let mixed = said("a.crt", "b.key");
    assert!(mixed.contains("a.crt") && mixed.contains("b.key"), "{mixed}");
    std::fs::write(path("no.crt"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(said("no.crt", "a.key").contains("no.crt"));
}
