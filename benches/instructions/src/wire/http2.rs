//! A client of HTTP/2 (RFC 9113) that sends frames made before and passes over most of what it gets.

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::is_right;
use crate::Failure;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame's length, kind, flags and stream.
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const AWAY: u8 = 7;
const WINDOW: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Sends `message` to the gRPC method at `path` so many `times`, each on a stream of its own after the last one's end.
pub(super) async fn ask(stream: UnixStream, path: &str, message: &[u8], times: u64) -> Result<(), Failure> {
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len())?);
    body.put_slice(message);
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", path),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "grpc-rust"),
    ];
    let mut client = Client { stream, read: BytesMut::new() };
    client.greet().await?;
    for at in 0..u32::try_from(times)? {
        let block = if at == 0 { spelled(&fields) } else { indexed(&fields) };
        let stream = 2 * at + 1;
        let request = [framed(HEADERS, END_HEADERS, stream, &block), framed(DATA, END_STREAM, stream, &body)];
        client.stream.write_all(&request.concat()).await?;
        client.answer(stream).await?;
    }
    Ok(())
}

struct Client {
    stream: UnixStream,
    read: BytesMut,
}

impl Client {
    /// Begins the connection and opens its window as far as it goes, so that it need not be opened again.
    async fn greet(&mut self) -> Result<(), Failure> {
        let window = (0x7fff_ffff_u32 - 0xffff).to_be_bytes();
        let greeting = [PREFACE, &framed(SETTINGS, 0, 0, &[]), &framed(WINDOW, 0, 0, &window)];
        Ok(self.stream.write_all(&greeting.concat()).await?)
    }

    /// Reads until `stream` ends, which must have carried a right answer.
    async fn answer(&mut self, stream: u32) -> Result<(), Failure> {
        let mut right = false;
        loop {
            let frame = self.frame().await?;
            match frame.kind {
                DATA => right |= is_right(&frame.payload),
                SETTINGS if frame.flags & ACK == 0 => {
                    self.stream.write_all(&framed(SETTINGS, ACK, 0, &[])).await?
                }
                RESET | AWAY => return Err("the daemon refuses to answer".into()),
                _ => {}
            }
            if frame.stream == stream && matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0
            {
                return right.then_some(()).ok_or_else(|| "a wrong answer".into());
            }
        }
    }

    async fn frame(&mut self) -> Result<Frame, Failure> {
        loop {
            if let Some(frame) = Frame::split(&mut self.read) {
                return Ok(frame);
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err("the daemon hung up".into());
            }
        }
    }
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: BytesMut,
}

impl Frame {
    /// Takes a frame off `read`, once it is there as a whole.
    fn split(read: &mut BytesMut) -> Option<Self> {
        let [high, middle, low, kind, flags, stream @ ..] = *read.first_chunk::<HEAD>()?;
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        if read.len() < HEAD + length {
            return None;
        }
        read.advance(HEAD);
        Some(Self { kind, flags, stream: u32::from_be_bytes(stream), payload: read.split_to(length) })
    }
}

fn framed(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    let mut frame = Vec::with_capacity(HEAD + payload.len());
    frame.extend(length);
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Fields in full (RFC 7541, 6.2.1); the receiver remembers them.
fn spelled(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x40);
        for text in [name, value] {
            // Below 127 bytes a length is one byte.
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The same fields once they are remembered (RFC 7541, 6.1): the last one stands first behind the 61 that everybody knows.
fn indexed(fields: &[(&str, &str)]) -> Vec<u8> {
    let first = 0x80 | 62;
    (first..).take(fields.len()).collect::<Vec<u8>>().into_iter().rev().collect()
}
