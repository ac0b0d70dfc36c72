//! What layers in front have verified, as they leave it in a request's extensions.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

/// The claims of a token that a layer in front has verified. Only that layer may write them.
#[derive(Clone, Default)]
pub struct Claims(Arc<Map<String, Value>>);

/// Claims that are no JSON object.
#[derive(Debug, thiserror::Error)]
#[error("claims: {0}; hand in what serialises to a JSON object")]
pub struct ClaimsError(String);

impl Claims {
    /// Claims from whatever type the verifier has for them.
    ///
    /// # Errors
    /// `claims` does not serialise to a JSON object.
    pub fn new(claims: &impl Serialize) -> Result<Self, ClaimsError> {
        match serde_json::to_value(claims) {
            Ok(Value::Object(claims)) => Ok(claims.into()),
            Ok(_) => Err(ClaimsError("not an object".to_owned())),
            Err(error) => Err(ClaimsError(error.to_string())),
        }
    }

    /// A claim by its name, or by the names on the way to it joined with dots. A name that itself holds dots goes first.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(path) {
            return Some(value);
        }
        let mut names = path.split('.');
        let first = self.0.get(names.next()?)?;
        names.try_fold(first, |value, name| value.as_object()?.get(name))
    }
}

impl From<Map<String, Value>> for Claims {
    fn from(claims: Map<String, Value>) -> Self {
        Self(Arc::new(claims))
    }
}

/// Names only: the values are about a person.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Who is at the other end of the connection, as the layer that checked its certificate names it: a SPIFFE ID, a subject.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerIdentity(pub Arc<str>);

impl fmt::Debug for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerIdentity(..)")
    }
}

/// The other end's address, for servers that leave it in no type which [`peer_address`](crate::peer_address) knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// The address of whoever opened the connection, from the server's own type for it.
pub(crate) fn peer(extensions: &http::Extensions) -> Option<IpAddr> {
    let address = extensions.get::<PeerAddress>().map(|peer| peer.0);
    #[cfg(feature = "axum")]
    let address =
        address.or_else(|| extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|peer| peer.0));
    #[cfg(feature = "tonic")]
    let address = address.or_else(|| {
        extensions.get::<tonic::transport::server::TcpConnectInfo>().and_then(|peer| peer.remote_addr())
    });
    #[cfg(feature = "connectrpc")]
    let address = address.or_else(|| extensions.get::<connectrpc::PeerAddr>().map(|peer| peer.0));
    address.map(|address| address.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_found_by_name_and_by_path() {
        let text =
            r#"{"sub":"u1","org":{"plan":"pro","a":{"b":3}},"https://a.test/roles":["x"],"org.plan2":1}"#;
        let claims: Value = serde_json::from_str(text).expect("JSON");
        let claims = Claims::new(&claims).expect("an object");
        for (path, found) in [
            ("sub", Some("\"u1\"")),
            ("org.plan", Some("\"pro\"")),
            ("org.a.b", Some("3")),
            ("https://a.test/roles", Some("[\"x\"]")),
            ("org.plan2", Some("1")),
            ("org.none", None),
            ("sub.x", None),
            ("", None),
        ] {
            assert_eq!(claims.get(path).map(ToString::to_string).as_deref(), found, "{path}");
        }
        assert!(!format!("{claims:?}").contains("u1"));
        assert!(Claims::new(&[1]).is_err());
    }
}
