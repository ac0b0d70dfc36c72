//! The way to a collector.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use store::{Dial, Target};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::Channel;

use crate::config::Otel;

/// A collector, reached again with files read anew from time to time.
#[derive(Clone, Debug)]
pub struct Collector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    otel: Otel,
    at: String,
    open: Mutex<Option<(Channel, Instant)>>,
}

impl Collector {
    /// The collector at `at`: `host:port` or a URL. TLS is spoken to `https://` URLs and wherever a TLS file is
    /// configured, as flagd does.
    ///
    /// # Errors
    /// The target, or a TLS file, cannot be used.
    pub fn new(at: &str, otel: &Otel) -> Result<Self, String> {
        let shared = Shared { otel: otel.clone(), at: at.to_owned(), open: Mutex::new(None) };
        shared.dial()?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A channel, the one of before unless the files are due to be read again. Call it within the runtime.
    ///
    /// # Errors
    /// A TLS file can no longer be used and there is no channel of before.
    pub fn channel(&self) -> Result<Channel, String> {
        let interval = self.shared.otel.reload_interval.max(Duration::from_secs(1));
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        match &*open {
            Some((channel, since)) if since.elapsed() < interval => return Ok(channel.clone()),
            _ => {}
        }
        let fresh = self.shared.dial().and_then(|dial| dial.channel());
        match (fresh, &mut *open) {
            (Ok(channel), open) => {
                *open = Some((channel.clone(), Instant::now()));
                Ok(channel)
            }
            (Err(error), Some((channel, since))) => {
                tracing::warn!(%error, "the collector's TLS files are refused, the connection of before stays");
                *since = Instant::now();
                Ok(channel.clone())
            }
            (Err(error), None) => Err(error),
        }
    }
}

impl Collector {
    /// A request with the headers that the operator wants the collector to see.
    ///
    /// # Errors
    /// A header's name or value is none that HTTP knows.
    pub fn request<T>(&self, message: T) -> Result<Request<T>, String> {
        let mut request = Request::new(message);
        for (name, value) in &self.shared.otel.headers {
            let key =
                name.parse::<MetadataKey<Ascii>>().map_err(|_| format!("{name:?} is no header's name"))?;
            let value = value.expose().parse::<MetadataValue<Ascii>>();
            request
                .metadata_mut()
                .insert(key, value.map_err(|_| format!("the value of header {name} is none"))?);
        }
        Ok(request)
    }
}

impl Shared {
    fn dial(&self) -> Result<Dial, String> {
        let (is_https, rest) = match self.at.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => (false, &*self.at),
        };
        let target = Target::parse(rest.trim_end_matches('/'))?;
        let Otel { client, ca_path, .. } = &self.otel;
        let dial = Dial::new(target).keep_alive(None);
        if !is_https && client.is_none() && ca_path.is_none() {
            return Ok(dial);
        }
        let own = client.as_ref().map(|pair| (&*pair.cert, &*pair.key));
        dial.tls_as(ca_path.as_deref().map(Path::new), own)
    }
}
