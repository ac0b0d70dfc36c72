//! The HTTP client against servers that misbehave.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use hoist_provider_kit::http::reqwest::{Method, StatusCode, Url};
use hoist_provider_kit::http::{Client, HttpError, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that sends `answers` one after the other, each on a connection of its own, and then nothing any more.
async fn server(answers: Vec<String>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/flags?key=secret", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        let _held = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    url.parse().unwrap()
}

fn settings() -> Settings {
    Settings { timeout: Duration::from_millis(300), body_limit: 100, ..Settings::default() }
}

async fn get(client: &Client, url: &Url) -> Result<String, HttpError> {
    let answer = client.send(client.request(Method::GET, url.clone())).await?;
    Ok(format!("{} {}", answer.status.as_u16(), String::from_utf8_lossy(&answer.body)))
}

#[tokio::test]
async fn bodies_and_waits_are_bounded() {
    let large = "x".repeat(101);
    let url = server(vec![
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 101\r\nconnection: close\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{large}"),
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\nconnection: close\r\n\r\nshort".to_owned(),
        String::new(),
    ])
    .await;
    let client = Client::new(settings()).unwrap();
    assert_eq!(get(&client, &url).await.unwrap(), "200 hi");
    assert_eq!(get(&client, &url).await, Err(HttpError::TooLarge { limit: 100 }), "as it announces");
    assert_eq!(get(&client, &url).await, Err(HttpError::TooLarge { limit: 100 }), "as it comes");
    for what in ["cut short", "closed without an answer"] {
        let broken = get(&client, &url).await.unwrap_err();
        assert!(matches!(broken, HttpError::Broken(_)), "{what}: {broken}");
        assert!(!broken.to_string().contains("secret"), "{broken}");
    }
    assert_eq!(get(&client, &url).await, Err(HttpError::Timeout));
    let stream = client.stream(client.request(Method::GET, url)).await;
    assert_eq!(stream.map(|_| ()), Err(HttpError::Timeout));
}

#[tokio::test]
async fn one_servers_wish_for_rest_silences_its_client_alone() {
    let busy =
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 30\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let fine = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
    let (one, other) = (server(vec![busy.to_owned()]).await, server(vec![fine.to_owned()]).await);
    let client = Client::new(settings()).unwrap();
    let answer = client.send(client.request(Method::GET, one.clone())).await.unwrap();
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let rest = client.rest().unwrap();
    assert!(rest > Duration::from_secs(25) && rest <= Duration::from_secs(30), "{rest:?}");
    assert!(matches!(get(&client, &one).await, Err(HttpError::Resting(_))));
    assert_eq!(get(&Client::new(settings()).unwrap(), &other).await.unwrap(), "200 hi");
}

#[tokio::test]
async fn a_redirect_stays_on_its_origin() {
    let other = server(vec!["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()]).await;
    let moved =
        format!("HTTP/1.1 302 Found\r\nlocation: {other}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let url = server(vec![moved]).await;
    let client = Client::new(settings().header("authorization", "Bearer secret").unwrap()).unwrap();
    assert_eq!(get(&client, &url).await.unwrap(), "302 ");
}

#[test]
fn secrets_stay_out_of_what_is_printed() {
    let settings = Settings::default().header("authorization", "Bearer secret").unwrap();
    assert!(!format!("{settings:?}").contains("secret"));
    assert!(!format!("{:?}", Client::new(settings).unwrap()).contains("secret"));
    let refused = Settings::default().header("x", "secret\n").unwrap_err();
    assert_eq!(refused.to_string(), "the value of header x is no header value");
}
