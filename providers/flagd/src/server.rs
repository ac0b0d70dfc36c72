//! The server: where it is, how it is reached, and what is said with every call.

use std::error::Error;
use std::time::Duration;

use store::{Dial, Target};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::options::{Options, OptionsError};

/// The header that selects among the server's flags (contract 3.11, 5.4).
const SELECTOR: &str = "flagd-selector";

/// A server that options mean.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) channel: Channel,
    /// What it is called in messages, and as the origin of flags.
    pub(crate) name: String,
    selector: Option<MetadataValue<Ascii>>,
    fatal: Vec<Code>,
}

impl Server {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// An option that cannot be used.
    pub(crate) fn new(options: &Options) -> Result<Self, OptionsError> {
        let (target, name) = target(options)?;
        let mut dial = Dial::new(target)
            .user_agent(concat!("hoist-provider-flagd/", env!("CARGO_PKG_VERSION")))
            .keep_alive(Some(options.keep_alive_time).filter(|time| !time.is_zero()));
        if options.tls {
            let wrong = |problem| OptionsError::new("certPath", problem);
            dial = dial.tls(options.cert_path.as_deref()).map_err(wrong)?;
        }
        let channel = dial.channel().map_err(|problem| OptionsError::new("host", problem))?;
        let selector = options.selector.as_deref().filter(|text| !text.is_empty()).map(str::parse);
        let wrong =
            |_| OptionsError::new("selector", "it cannot be sent as a header: it holds a control character");
        let selector = selector.transpose().map_err(wrong)?;
        Ok(Self { channel, name, selector, fatal: options.fatal_codes()? })
    }

    /// A request with what every call carries.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(selector) = &self.selector {
            request.metadata_mut().insert(SELECTOR, selector.clone());
        }
        request
    }

    /// Whether nothing is to be tried again after this.
    pub(crate) fn is_fatal(&self, code: Code) -> bool {
        self.fatal.contains(&code)
    }

    /// What went wrong, for people.
    pub(crate) fn says(&self, status: &Status) -> String {
        format!("{}: {}", self.name, describe(status))
    }
}

fn target(options: &Options) -> Result<(Target, String), OptionsError> {
    let (target, name) = match (&options.target_uri, &options.socket_path) {
        (Some(uri), _) => {
            (Target::parse(uri).map_err(|problem| OptionsError::new("targetUri", problem))?, uri.clone())
        }
        (None, Some(path)) => (Target::unix(path), format!("unix:{}", path.display())),
        (None, None) => {
            let (host, port) = (&options.host, options.port());
            if port == 0 {
                return Err(OptionsError::new(
                    "port",
                    "0 is no port; flagd's are 8013 and, in process, 8015",
                ));
            }
            // A bare IPv6 address would take the port for a part of it.
            let bare = host.contains(':') && !host.starts_with('[');
            let name = if bare { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
            (Target::parse(&name).map_err(|problem| OptionsError::new("host", problem))?, name)
        }
    };
    Ok(match &options.default_authority {
        Some(authority) => (target.called(authority), name),
        None => (target, name),
    })
}

/// How a stream came to its end.
#[derive(Debug)]
pub(crate) enum End {
    /// By its deadline: it is opened again, and nothing was lost.
    Due,
    /// Otherwise.
    Lost(String),
    /// By a code that the application calls fatal.
    Fatal(String),
}

impl End {
    pub(crate) fn of(server: &Server, status: &Status) -> Self {
        match status.code() {
            code if server.is_fatal(code) => Self::Fatal(server.says(status)),
            Code::DeadlineExceeded => Self::Due,
            _ => Self::Lost(server.says(status)),
        }
    }

    pub(crate) fn closed(server: &Server) -> Self {
        Self::Lost(format!("{}: the server ended the stream", server.name))
    }

    pub(crate) fn silent(server: &Server, time: Duration) -> Self {
        Self::Lost(format!("{}: nothing was heard for {time:?}", server.name))
    }
}

/// Ends when a stream is due, or never.
pub(crate) async fn due(deadline: Duration) {
    match deadline.is_zero() {
        true => std::future::pending().await,
        false => tokio::time::sleep(deadline).await,
    }
}

/// The status's message and what lies behind it: a bare "transport error" helps nobody.
pub(crate) fn describe(status: &Status) -> String {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    let mut cause = Error::source(status);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Mode;

    #[tokio::test]
    async fn names_of_servers() {
        let name = |options: Options| Server::new(&options).map(|server| server.name);
        assert_eq!(name(Options::default()), Ok("localhost:8013".to_owned()));
        let ipv6 = Options { host: "::1".to_owned(), resolver: Mode::InProcess, ..Options::default() };
        assert_eq!(name(ipv6), Ok("[::1]:8015".to_owned()));
        let socket = Options { socket_path: Some("/run/flagd.sock".into()), ..Options::default() };
        assert_eq!(name(socket), Ok("unix:/run/flagd.sock".to_owned()));
        let bad = Options { target_uri: Some("envoy://h:1".to_owned()), ..Options::default() };
        assert!(name(bad).expect_err("no service").to_string().contains("targetUri"));
        let bad = Options { selector: Some("source=a\n".to_owned()), ..Options::default() };
        assert_eq!(name(bad).map_err(|error| error.option), Err("selector"));
    }
}
