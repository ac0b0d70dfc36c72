//! Git's protocol over HTTP, by the client that other sources use too: its TLS, its redirects, its limits.

use std::any::Any;
use std::io::{self, BufRead, Cursor, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use gix_transport::client::blocking_io::http::{GetResponse, Http, PostBodyDataKind, PostResponse};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode};

use super::errand::Errand;
use super::trouble::Trouble;
use crate::source::Retry;
use crate::sources::http::{client, retry_after};

/// The most bytes of a request: what we want and have, a line each.
const LONGEST_REQUEST: usize = 1 << 20;

/// What went wrong in the words of HTTP, for whoever sees only that something did.
pub(super) type Failure = Arc<Mutex<Option<Trouble>>>;

/// What goes along with every request.
pub(super) enum Credentials {
    /// Nothing.
    None,
    /// A whole `Authorization` header.
    Header(HeaderValue),
    /// User and password.
    Basic(String, String),
}

/// An HTTP client for one errand.
pub(super) struct Web {
    client: Client,
    errand: Errand,
    credentials: Credentials,
    /// Bytes that may still come.
    room: Arc<Mutex<u64>>,
    failure: Failure,
    redirected: Option<String>,
}

/// One request on its way: what is to be sent, then what came.
struct Exchange {
    errand: Errand,
    room: Arc<Mutex<u64>>,
    failure: Failure,
    request: Option<RequestBuilder>,
    outgoing: Vec<u8>,
    response: Option<Response>,
}

/// A part of an exchange as git's protocol looks at it.
#[derive(Clone)]
pub(super) struct Side(Arc<Mutex<Exchange>>);

/// The headers of an answer, line by line, once it came.
pub(super) struct Headers {
    exchange: Side,
    text: Option<Cursor<Vec<u8>>>,
}

/// The body of an answer.
pub(super) struct Body {
    exchange: Side,
    piece: Bytes,
}

impl Web {
    /// A client that takes in at most `room` bytes, and writes what goes wrong to `failure`.
    pub(super) fn new(
        client: Client,
        errand: Errand,
        credentials: Credentials,
        room: u64,
        failure: Failure,
    ) -> Self {
        Self { client, errand, credentials, room: Arc::new(Mutex::new(room)), failure, redirected: None }
    }

    fn exchange(&self, request: RequestBuilder, headers: HeaderMap) -> Side {
        let request = request.headers(headers);
        let request = match &self.credentials {
            Credentials::None => request,
            Credentials::Header(header) => request.header(AUTHORIZATION, header.clone()),
            Credentials::Basic(user, password) => request.basic_auth(user, Some(password)),
        };
        Side(Arc::new(Mutex::new(Exchange {
            errand: self.errand.clone(),
            room: Arc::clone(&self.room),
            failure: Arc::clone(&self.failure),
            request: Some(request),
            outgoing: Vec::new(),
            response: None,
        })))
    }
}

impl Http for Web {
    type Headers = Headers;
    type ResponseBody = Body;
    type PostBody = Side;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Headers, Body>> {
        let exchange = self.exchange(self.client.get(url), lines(headers));
        let landed = exchange.locked().answer().map(|answer| answer.url().to_string());
        let landed = landed.map_err(gix::Error::from_error)?;
        // Git goes on where its first request was redirected to.
        let tail = url.strip_prefix(base_url).unwrap_or_default();
        self.redirected = Some(landed.strip_suffix(tail).unwrap_or(base_url).to_owned());
        Ok(GetResponse { headers: exchange.headers(), body: exchange.body() })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Headers, Body, Side>> {
        let exchange = self.exchange(self.client.post(url), lines(headers));
        Ok(PostResponse { headers: exchange.headers(), body: exchange.body(), post_body: exchange })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.clone()
    }
}

impl Side {
    fn locked(&self) -> MutexGuard<'_, Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn headers(&self) -> Headers {
        Headers { exchange: self.clone(), text: None }
    }

    fn body(&self) -> Body {
        Body { exchange: self.clone(), piece: Bytes::new() }
    }
}

impl Exchange {
    /// The answer; the request is sent if it was not.
    fn answer(&mut self) -> io::Result<&mut Response> {
        if let Some(request) = self.request.take() {
            let body = std::mem::take(&mut self.outgoing);
            let request = if body.is_empty() { request } else { request.body(body) };
            let sent = self.errand.wait(request.send());
            let answer = sent.and_then(|sent| sent.map_err(|error| io::Error::other(client::said(error))));
            let answer = answer.map_err(|error| self.failed(Trouble::unreachable(error.to_string())))?;
            let (status, url) = (answer.status(), answer.url());
            if !status.is_success() {
                let trouble = refused(status, url.host_str().unwrap_or_default(), answer.headers());
                return Err(self.failed(trouble));
            }
            self.response = Some(answer);
        }
        self.response.as_mut().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The next piece of the body; an empty one at its end.
    fn next(&mut self) -> io::Result<Bytes> {
        let errand = self.errand.clone();
        loop {
            let answer = self.answer()?;
            let piece = errand.wait(answer.chunk());
            let piece = piece.and_then(|piece| piece.map_err(|error| io::Error::other(client::said(error))));
            let piece = piece.map_err(|error| self.failed(Trouble::unreachable(error.to_string())))?;
            let Some(piece) = piece else { return Ok(Bytes::new()) };
            let fits = {
                let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
                *room = room.saturating_sub(piece.len() as u64);
                *room > 0
            };
            if !fits {
                let what =
                    "the repository sends more than 8 times what a document may have (--max-document-bytes)";
                return Err(self.failed(Trouble::unreachable(what)));
            }
            if !piece.is_empty() {
                return Ok(piece);
            }
        }
    }

    /// Writes down what went wrong, in better words than will arrive.
    fn failed(&self, trouble: Trouble) -> io::Error {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
        io::Error::other("the request failed")
    }
}

/// What an answer means that brings nothing.
fn refused(status: StatusCode, host: &str, headers: &HeaderMap) -> Trouble {
    let hint = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; check username and token of this source",
        StatusCode::NOT_FOUND => "; check the URL, and whether the token may read this repository",
        _ => "",
    };
    let retry = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => retry_after(headers),
        _ => Retry::Backoff,
    };
    Trouble::Unreachable(format!("{host} answered {status}{hint}"), retry)
}

/// Header lines as a map.
fn lines(headers: impl IntoIterator<Item = impl AsRef<str>>) -> HeaderMap {
    let read = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value.trim()).ok()?))
    };
    headers.into_iter().filter_map(|line| read(line.as_ref())).collect()
}

impl Write for Side {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut exchange = self.locked();
        if exchange.outgoing.len() + bytes.len() > LONGEST_REQUEST {
            return Err(io::Error::other("the request is too long"));
        }
        exchange.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Headers {
    fn text(&mut self) -> io::Result<&mut Cursor<Vec<u8>>> {
        if self.text.is_none() {
            let mut exchange = self.exchange.locked();
            let kind = exchange.answer()?.headers().get(CONTENT_TYPE).cloned();
            let kind = kind.map(|kind| kind.as_bytes().to_vec()).unwrap_or_default();
            self.text = Some(Cursor::new([b"content-type: ", &kind[..], b"\n"].concat()));
        }
        self.text.as_mut().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.text()?.read(buffer)
    }
}

impl BufRead for Headers {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.text()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(text) = &mut self.text {
            text.consume(amount);
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let amount = piece.len().min(buffer.len());
        buffer[..amount].copy_from_slice(&piece[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece.is_empty() {
            self.piece = self.exchange.locked().next()?;
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, amount: usize) {
        self.piece.advance(amount.min(self.piece.len()));
    }
}
