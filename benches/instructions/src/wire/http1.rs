//! A client of HTTP/1.1 that knows how long its answers are.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::is_right;
use crate::Failure;

/// Posts `body` so many `times`, one after the other.
pub(super) async fn ask(mut stream: UnixStream, path: &str, body: &str, times: u64) -> Result<(), Failure> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    let request = head + body;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = first(&mut stream).await?;
    for _ in 1..times {
        stream.write_all(request.as_bytes()).await?;
        stream.read_exact(&mut answer).await?;
        if !answer.ends_with(b"}") {
            return Err("an answer of another length than the first".into());
        }
    }
    Ok(())
}

/// The first answer, checked.
async fn first(stream: &mut UnixStream) -> Result<Vec<u8>, Failure> {
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err("the daemon hung up".into());
        }
        let text = std::str::from_utf8(&answer)?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?;
        if body.len() == length.parse::<usize>()? {
            let right = head.starts_with("HTTP/1.1 200 ") && is_right(&answer);
            return right.then_some(answer).ok_or_else(|| "a wrong answer".into());
        }
    }
}
