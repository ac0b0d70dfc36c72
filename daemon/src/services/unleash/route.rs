//! Paths of Unleash's API.

use unleash::door::Kind;

/// What a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Health,
    Features,
    Frontend,
    Register(Kind),
    Metrics(Kind),
}

impl Route {
    /// Which tokens it takes.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Features | Self::Health => Kind::Backend,
            Self::Frontend => Kind::Frontend,
            Self::Register(kind) | Self::Metrics(kind) => kind,
        }
    }
}

/// Every path. Old SDKs call the frontend API `proxy`.
const PATHS: [(&str, Route); 10] = [
    ("/health", Route::Health),
    ("/api/client/features", Route::Features),
    ("/api/client/register", Route::Register(Kind::Backend)),
    ("/api/client/metrics", Route::Metrics(Kind::Backend)),
    ("/api/frontend", Route::Frontend),
    ("/api/frontend/client/register", Route::Register(Kind::Frontend)),
    ("/api/frontend/client/metrics", Route::Metrics(Kind::Frontend)),
    ("/api/proxy", Route::Frontend),
    ("/api/proxy/client/register", Route::Register(Kind::Frontend)),
    ("/api/proxy/client/metrics", Route::Metrics(Kind::Frontend)),
];

pub(super) fn route(path: &str) -> Option<Route> {
    let path = path.strip_suffix('/').unwrap_or(path);
    PATHS.iter().find(|(known, _)| *known == path).map(|(_, route)| *route)
}

/// The label under which requests for `path` are counted.
pub fn label(path: &str) -> &'static str {
    let path = path.strip_suffix('/').unwrap_or(path);
    PATHS.iter().find(|(known, _)| *known == path).map_or("other", |(known, _)| known)
}
