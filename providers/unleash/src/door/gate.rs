//! Tokens: checked with the server, and remembered so that many clients cost it little.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use store::{Origin, OriginError};
use tokio::time::Instant;

use crate::client::{Api, Failed};
use crate::options::SourceOptions;

/// How long a token is good before the server is asked again.
const GOOD: Duration = Duration::from_secs(300);
/// How long a token stays refused.
const BAD: Duration = Duration::from_secs(60);
/// The most tokens that are remembered, and the longest one that is looked at.
const MOST: usize = 10_000;
const LONGEST: usize = 1_000;
/// How many tokens may be checked at a time.
const CHECKS: usize = 8;

/// What the server said of tokens, and until when that counts.
type Known = HashMap<Box<str>, (Option<Token>, Instant)>;

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/api/client`.
    Backend,
    /// `/api/frontend`.
    Frontend,
}

/// A token that the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it may be used for.
    pub kind: Kind,
    /// Whose flags it shows; `*` for all projects.
    pub projects: Vec<String>,
    /// Its environment.
    pub environment: String,
}

/// Why somebody does not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There is no token, or the server does not know it.
    Unknown,
    /// It is for another API.
    WrongKind,
    /// It is for another environment than this door shows.
    WrongEnvironment,
    /// The server cannot be asked now.
    Later,
}

impl Token {
    /// Whether flags of `project` show.
    pub fn sees(&self, project: &str) -> bool {
        self.sees_all() || self.projects.iter().any(|mine| mine == project)
    }

    /// Whether flags of every project show.
    pub fn sees_all(&self) -> bool {
        self.projects.iter().any(|project| project == "*")
    }
}

/// Lets in who has a token of the server behind one source.
pub struct Gate {
    api: Api,
    /// The environment of the source's own token.
    environment: Option<String>,
    known: Mutex<Known>,
    checks: tokio::sync::Semaphore,
}

/// No tokens.
impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("environment", &self.environment).finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate that asks the server of a source.
    ///
    /// # Errors
    /// An option of the source cannot be used.
    pub fn of(origin: &Origin) -> Result<Self, OriginError> {
        let options: SourceOptions = origin.options()?;
        Ok(Self::new(Api::open(origin, &options)?.0))
    }

    /// A gate that asks the server behind `api`.
    pub fn new(api: Api) -> Self {
        let environment = api.token().and_then(environment).map(str::to_owned);
        let checks = tokio::sync::Semaphore::new(CHECKS);
        Self { api, environment, known: Mutex::default(), checks }
    }

    /// The server's API.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Lets in who has `token`, if it is of this kind.
    ///
    /// # Errors
    /// Why not.
    pub async fn admit(&self, token: &str, kind: Kind) -> Result<Token, Denied> {
        if token.is_empty() || token.len() > LONGEST {
            return Err(Denied::Unknown);
        }
        let remembered = self.locked().get(token).cloned();
        let found = match remembered {
            Some((found, until)) if Instant::now() < until => found,
            older => match self.check(token).await {
                Ok(found) => self.remember(token, found),
                // A server that is down locks nobody out who was in, nor the token that the source itself has.
                Err(()) => match older {
                    Some((Some(token), _)) => Some(token),
                    _ if self.api.token() == Some(token) => Some(named(token, Kind::Backend)),
                    _ => return Err(Denied::Later),
                },
            },
        };
        let found = found.ok_or(Denied::Unknown)?;
        if found.kind != kind {
            return Err(Denied::WrongKind);
        }
        match &self.environment {
            Some(mine) if *mine != found.environment => Err(Denied::WrongEnvironment),
            _ => Ok(found),
        }
    }

    fn remember(&self, token: &str, found: Option<Token>) -> Option<Token> {
        let lasts = if found.is_some() { GOOD } else { BAD };
        let mut known = self.locked();
        if known.len() >= MOST {
            let now = Instant::now();
            known.retain(|_, (_, until)| now < *until);
        }
        if known.len() < MOST {
            known.insert(token.into(), (found.clone(), Instant::now() + lasts));
        }
        found
    }

    /// Asks the server; an error means that it did not say.
    async fn check(&self, token: &str) -> Result<Option<Token>, ()> {
        let _permit = self.checks.acquire().await.map_err(drop)?;
        match self.api.post_beside("/edge/validate", &json!({ "tokens": [token] })).await {
            Ok(answer) => Ok(listed(&answer, token)),
            // Servers that do not have this say by other answers what a token is good for.
            Err(Failed::Status(status))
                if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS =>
            {
                self.try_out(token).await
            }
            Err(_) => Err(()),
        }
    }

    async fn try_out(&self, token: &str) -> Result<Option<Token>, ()> {
        // A name that no flag has: the answer stays small.
        let features = "/client/features?namePrefix=hoist-asks-for-nothing";
        for (path, kind) in [(features, Kind::Backend), ("/frontend", Kind::Frontend)] {
            match self.api.get_as(path, token).await {
                Ok(_) => return Ok(Some(named(token, kind))),
                Err(Failed::Status(StatusCode::UNAUTHORIZED)) => return Ok(None),
                Err(Failed::Status(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)) => {}
                Err(_) => return Err(()),
            }
        }
        Ok(None)
    }

    fn locked(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the server says of `token` in its list of those that are good.
fn listed(answer: &Value, token: &str) -> Option<Token> {
    let all = answer["tokens"].as_array()?;
    let found = all.iter().find(|one| one["token"].as_str() == Some(token))?;
    let kind = match found["type"].as_str()? {
        "client" | "backend" => Kind::Backend,
        "frontend" => Kind::Frontend,
        _ => return None,
    };
    let projects = found["projects"]
        .as_array()
        .map(|all| all.iter().filter_map(|project| project.as_str().map(str::to_owned)).collect::<Vec<_>>());
    let own = named(token, kind);
    let environment = found["environment"].as_str().map(str::to_owned);
    Some(Token {
        projects: projects.filter(|all| !all.is_empty()).unwrap_or(own.projects),
        environment: environment.unwrap_or(own.environment),
        ..own
    })
}

/// A token by its own text, `project:environment.secret`; `[]` stands for several projects, of which only the server knows.
fn named(token: &str, kind: Kind) -> Token {
    let project = token.split_once(':').map_or("*", |(project, _)| project);
    let project = if project == "[]" { "*" } else { project };
    let environment = environment(token).unwrap_or("default").to_owned();
    Token { kind, projects: vec![project.to_owned()], environment }
}

fn environment(token: &str) -> Option<&str> {
    let (_, rest) = token.split_once(':')?;
    rest.split_once('.').map(|(environment, _)| environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_say_what_they_are_for() {
        let token = named("shop:development.s3cret", Kind::Backend);
        assert!(token.sees("shop") && !token.sees("other") && token.environment == "development");
        assert!(named("*:production.s3cret", Kind::Frontend).sees("other"));
        assert!(named("an-old-secret", Kind::Backend).sees_all());
    }

    #[test]
    fn the_servers_word_counts() {
        let answer = json!({"tokens": [
            {"token": "[]:dev.x", "type": "frontend", "projects": ["a", "b"]},
            {"token": "*:*.admin", "type": "admin", "projects": ["*"]},
        ]});
        let token = listed(&answer, "[]:dev.x").expect("a token");
        assert_eq!(
            (token.kind, token.projects.len(), token.environment.as_str()),
            (Kind::Frontend, 2, "dev")
        );
        assert_eq!(listed(&answer, "*:*.admin"), None);
        assert_eq!(listed(&answer, "unknown"), None);
    }
}
