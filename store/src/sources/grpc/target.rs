//! Where a gRPC target points to, in the forms that grpc-go and flagd know (contract 1.4).

use std::path::PathBuf;

/// Where a gRPC server is, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    place: Place,
    authority: String,
}

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(String),
    Unix(PathBuf),
}

impl Target {
    /// Reads `host:port`, `dns:host:port`, `dns://resolver/host:port`, `envoy://host:port/service`, `unix:path` or
    /// `unix:///path` (`uds:` means the same).
    ///
    /// # Errors
    /// The target has another form.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("envoy://") {
            return match rest.split_once('/') {
                Some((proxy, service)) if !service.is_empty() && !service.contains('/') => {
                    Ok(Self { place: tcp(proxy)?, authority: service.to_owned() })
                }
                _ => Err(format!("{text}: an envoy target is envoy://host:port/service")),
            };
        }
        if let Some(path) = text.strip_prefix("unix:").or_else(|| text.strip_prefix("uds:")) {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(format!("{text}: no path of a socket"));
            }
            return Ok(Self::unix(path));
        }
        let host = match text.strip_prefix("dns:") {
            Some(rest) => rest
                .strip_prefix("//")
                .map_or(rest, |rest| rest.split_once('/').map_or(rest, |(_, host)| host)),
            None if text.starts_with("xds:") => {
                return Err(format!("{text}: xds targets are not supported; name host:port"));
            }
            None => text,
        };
        Ok(Self { place: tcp(host)?, authority: host.to_owned() })
    }

    /// The socket at `path`.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::Unix(path.into()), authority: "localhost".to_owned() }
    }

    /// The same place under another name.
    #[must_use]
    pub fn called(self, authority: impl Into<String>) -> Self {
        Self { authority: authority.into(), ..self }
    }

    /// What the server is called in `:authority`, and in its certificate.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What to connect to.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The name that a certificate must carry.
    pub(super) fn server_name(&self) -> &str {
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

fn tcp(host: &str) -> Result<Place, String> {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(Place::Tcp(host.to_owned()))
        }
        _ => Err(format!("{host:?} is not host:port")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let tcp = |to: &str, authority: &str| {
            Ok(Target { place: Place::Tcp(to.to_owned()), authority: authority.to_owned() })
        };
        assert_eq!(Target::parse("localhost:8015"), tcp("localhost:8015", "localhost:8015"));
        assert_eq!(Target::parse("dns:///flags:8015"), tcp("flags:8015", "flags:8015"));
        assert_eq!(Target::parse("dns:flags:8015"), tcp("flags:8015", "flags:8015"));
        assert_eq!(Target::parse("envoy://proxy:9211/flags.svc"), tcp("proxy:9211", "flags.svc"));
        let unix = Target { place: Place::Unix("/run/x.sock".into()), authority: "localhost".to_owned() };
        assert_eq!(Target::parse("unix:///run/x.sock"), Ok(unix.clone()));
        assert_eq!(Target::parse("uds:/run/x.sock"), Ok(unix));
        for bad in
            ["", "host", "host:", ":80", "host:99999", "envoy://h:1", "envoy://h:1/a/b", "unix:", "xds:///x"]
        {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_in_certificates() {
        for (target, name) in
            [("h:1", "h"), ("[::1]:1", "::1"), ("envoy://p:1/svc", "svc"), ("unix:/x", "localhost")]
        {
            assert_eq!(Target::parse(target).map(|t| t.server_name().to_owned()), Ok(name.to_owned()));
        }
    }
}
