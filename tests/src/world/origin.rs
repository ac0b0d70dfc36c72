//! A flag document behind a URL of this machine, there or not as a test wants it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// An HTTP server with one document. Gone when dropped.
#[derive(Debug)]
pub struct HttpOrigin {
    address: SocketAddr,
    document: Arc<Mutex<Option<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HttpOrigin {
    /// Serves `document` on a free port.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start(document: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let document = Arc::new(Mutex::new(Some(document.to_owned())));
        let stop = Arc::new(AtomicBool::new(false));
        let (told, ended) = (Arc::clone(&document), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let document = told.lock().expect("no panic under it").clone();
                // A client that goes away is no concern of ours.
                let _ = stream.and_then(|stream| answer(stream, document.as_deref()));
            }
        });
        Self { address, document, stop, thread: Some(thread) }
    }

    /// The server's own address: what lies below it is the document, whatever the path.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the document is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/flags.json", self.address)
    }

    /// Serves another document; without one every answer is 503.
    ///
    /// # Panics
    /// When the serving thread did.
    pub fn set(&self, document: Option<&str>) {
        *self.document.lock().expect("no panic under it") = document.map(str::to_owned);
    }
}

impl Drop for HttpOrigin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread, so that it sees the end.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, document: Option<&str>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let (status, body) = document.map_or(("503 Service Unavailable", ""), |document| ("200 OK", document));
    let length = body.len();
    let head = "content-type: application/json\r\nconnection: close\r\n";
    write!(stream, "HTTP/1.1 {status}\r\n{head}content-length: {length}\r\n\r\n{body}")
}
