//! A look at a repository, wherever it is: which commit, and unless that is known, its files.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gix::{ObjectId, Repository};
use gix_transport::Protocol;
use gix_transport::client::blocking_io::http::connect_http;
use percent_encoding::percent_decode_str;
use reqwest::Client;
use reqwest::header::HeaderValue;

use super::address::{Address, Reference, Way};
use super::cache::{self, Cache};
use super::errand::Errand;
use super::http::{Credentials, Failure, Web};
use super::ssh::Ssh;
use super::trouble::Trouble;
use super::version;
use super::{Looked, Options, remote};
use crate::sources::http::client;

/// Whom a server sees that is shown a token alone. GitHub asks for this name in places; most servers for any.
const NOBODY: &str = "x-access-token";
/// Bytes of a token's file.
const LONGEST_TOKEN: u64 = 64 << 10;
/// How much more than a document may come over the wire: what else is in the repository comes too.
const ROOM: u64 = 8;

/// All that is needed to look.
pub(super) struct Visit {
    address: Address,
    reach: Reach,
}

enum Reach {
    /// In place.
    Here(PathBuf),
    Web {
        client: Client,
        login: Login,
        cache: Mutex<Cache>,
    },
    Ssh {
        ssh: Ssh,
        cache: Mutex<Cache>,
    },
}

/// How to introduce oneself.
enum Login {
    Nobody,
    Header(HeaderValue),
    User(String, Token),
}

enum Token {
    Text(String),
    /// Read each time, so that it may be replaced.
    File(PathBuf),
}

impl Visit {
    /// Prepares. No I/O happens yet but for the authority's certificate.
    ///
    /// # Errors
    /// An option does not fit the address, or another option; nothing secret is said.
    pub(super) fn new(address: Address, options: Options) -> Result<Self, String> {
        let cache = || Mutex::new(Cache::new(options.cache_dir.clone(), &address));
        let reach = match address.way {
            Way::File => {
                let path = percent_decode_str(address.url.path()).decode_utf8();
                Reach::Here(path.map_err(|_| "the path is not UTF-8")?.into_owned().into())
            }
            Way::Ssh => {
                let (identity, known_hosts) =
                    (options.identity_path.clone(), options.known_hosts_path.clone());
                if address.password.is_some() || options.token.is_some() || options.token_path.is_some() {
                    return Err("git+ssh takes keys, not passwords: see identityPath".to_owned());
                }
                Reach::Ssh { ssh: Ssh { program: "ssh".into(), identity, known_hosts }, cache: cache() }
            }
            Way::Http => {
                let login = login(&address, &options)?;
                let known = !matches!(login, Login::Nobody);
                if known && address.is_exposed() {
                    return Err("credentials would be readable on the way; use git+https".to_owned());
                }
                let client = client::build(options.cert_path.as_deref(), known)?;
                Reach::Web { client, login, cache: cache() }
            }
        };
        Ok(Self { address, reach })
    }

    /// Looks; `None` if the commit still is `seen`. What is stored is fetched anew if it is broken.
    pub(super) fn look(&self, seen: Option<ObjectId>, most: usize, errand: &Errand) -> Looked {
        let (Reach::Web { cache, .. } | Reach::Ssh { cache, .. }) = &self.reach else {
            return self.once(None, seen, most, errand).map_err(Trouble::for_good);
        };
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        match self.once(Some(&mut cache), seen, most, errand) {
            Err(Trouble::Local(what)) if !errand.is_over() => {
                tracing::warn!(repository = %self.address.url, "fetched anew: {what}");
                cache.discard().map_err(|error| unusable_cache(&error))?;
                self.once(Some(&mut cache), seen, most, errand).map_err(Trouble::for_good)
            }
            looked => looked,
        }
    }

    fn once(
        &self,
        cache: Option<&mut Cache>,
        seen: Option<ObjectId>,
        most: usize,
        errand: &Errand,
    ) -> Looked {
        let (repository, tip) = match (&self.reach, cache) {
            (Reach::Here(path), _) => {
                let repository = cache::open(path, gix::sec::Trust::Reduced)
                    .map_err(|error| Trouble::unreachable(error.to_string()))?;
                let tip = remote::look_up(&repository, &self.address.reference)?;
                (repository, tip)
            }
            (_, Some(cache)) => {
                let repository = opened(cache).map_err(|error| unusable_cache(&error))?;
                let tip = self.tip(&repository, most, errand)?;
                (repository, tip)
            }
            (_, None) => return Err(Trouble::unreachable("there is no cache")),
        };
        let commit = version::commit(&repository, tip)?;
        if seen == Some(commit.id) {
            return Ok(None);
        }
        version::read(&repository, &commit, &self.address, most).map(Some)
    }

    /// The commit the reference leads to, fetched if it was not known.
    fn tip(&self, repository: &Repository, most: usize, errand: &Errand) -> Result<ObjectId, Trouble> {
        let reference = &self.address.reference;
        if let Reference::Commit(id) = reference
            && repository.has_object(id)
        {
            return Ok(*id);
        }
        let url = self.address.url.as_str();
        let room = (most as u64).saturating_mul(ROOM);
        let (fetched, better) = match &self.reach {
            Reach::Here(_) => return remote::look_up(repository, reference),
            Reach::Web { client, login, .. } => {
                let failure = Failure::default();
                let web = Web::new(
                    client.clone(),
                    errand.clone(),
                    login.credentials()?,
                    room,
                    Arc::clone(&failure),
                );
                let parsed = gix::url::parse(url)?;
                let transport = connect_http(web, parsed, Protocol::V2, false);
                let fetched = remote::fetch(repository, transport, url, reference, errand);
                (fetched, failure.lock().unwrap_or_else(PoisonError::into_inner).take())
            }
            Reach::Ssh { ssh, .. } => {
                let connected = ssh.connect(&self.address, errand, room);
                let (transport, running) =
                    connected.map_err(|error| Trouble::unreachable(error.to_string()))?;
                let fetched = remote::fetch(repository, transport, url, reference, errand);
                let words = running.last_words();
                (fetched, Some(Trouble::unreachable(words.clone())).filter(|_| !words.is_empty()))
            }
        };
        fetched.map_err(|trouble| match better {
            _ if errand.is_over() => Trouble::unreachable(errand.why().to_string()),
            Some(better) => better,
            None => trouble,
        })
    }
}

fn opened(cache: &mut Cache) -> io::Result<Repository> {
    if cache.is_full()? {
        cache.discard()?;
    }
    match cache.open() {
        Ok(repository) => Ok(repository),
        Err(_) => {
            cache.discard()?;
            cache.open()
        }
    }
}

fn unusable_cache(error: &io::Error) -> Trouble {
    Trouble::unreachable(format!("cannot keep what is fetched: {error}; see --cache-dir"))
}

fn login(address: &Address, options: &Options) -> Result<Login, String> {
    if let Some(header) = &options.auth_header {
        let header = HeaderValue::from_str(header).map_err(|_| "authHeader is no header value")?;
        return Ok(Login::Header(header));
    }
    let text = options.token.clone().or_else(|| address.password.clone()).map(Token::Text);
    let token = match (text, options.token_path.clone()) {
        (Some(_), Some(_)) => {
            return Err("there is a token and a tokenPath; one of them is enough".to_owned());
        }
        (text, path) => text.or(path.map(Token::File)),
    };
    let user = options.username.clone().or_else(|| address.user.clone());
    Ok(match (user, token) {
        (user, Some(token)) => Login::User(user.unwrap_or_else(|| NOBODY.to_owned()), token),
        // Some servers take the token as the user.
        (Some(user), None) => Login::User(user, Token::Text(String::new())),
        (None, None) => Login::Nobody,
    })
}

impl Login {
    fn credentials(&self) -> Result<Credentials, Trouble> {
        Ok(match self {
            Self::Nobody => Credentials::None,
            Self::Header(header) => Credentials::Header(header.clone()),
            Self::User(user, Token::Text(token)) => Credentials::Basic(user.clone(), token.clone()),
            Self::User(user, Token::File(path)) => {
                let failed =
                    |error: io::Error| Trouble::unreachable(format!("tokenPath {}: {error}", path.display()));
                let mut token = String::new();
                let file = File::open(path).map_err(failed)?;
                file.take(LONGEST_TOKEN).read_to_string(&mut token).map_err(failed)?;
                Credentials::Basic(user.clone(), token.trim().to_owned())
            }
        })
    }
}

impl Trouble {
    /// The same where nothing can be fetched anew.
    fn for_good(self) -> Self {
        match self {
            Self::Local(what) => Self::unreachable(what),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;
    use crate::sources::git::repository::{Repository, git_is_missing};

    /// Takes the place of `ssh`: it knows one host, which is here.
    const SSH: &str = "#!/bin/sh
while [ \"$1\" != -- ]; do shift; done
case \"$2\" in
git@host) exec sh -c \"$3\" ;;
git@slow) exec sleep 60 ;;
*) echo 'Host key verification failed.' >&2; exit 255 ;;
esac
";

    fn visit(repository: &Repository, host: &str) -> Visit {
        let program = repository.folder().join("ssh");
        if !program.exists() {
            fs::write(&program, SSH).expect("written");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
        }
        let path = repository.bare().display().to_string();
        let address =
            Address::parse(&format!("git+ssh://git@{host}{path}?path=flags.json")).expect("an address");
        let cache = Mutex::new(Cache::new(None, &address));
        let ssh = Ssh { program, identity: None, known_hosts: None };
        Visit { address, reach: Reach::Ssh { ssh, cache } }
    }

    async fn look(visit: &Arc<Visit>, seen: Option<ObjectId>, time: Duration) -> Looked {
        let (errand, leash) = Errand::new(time);
        let visit = Arc::clone(visit);
        let looked = tokio::task::spawn_blocking(move || visit.look(seen, 1 << 20, &errand)).await;
        drop(leash);
        looked.expect("no panic")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_repository_is_read_over_ssh() {
        if git_is_missing() {
            return;
        }
        let (repository, time) = (Repository::new(), Duration::from_secs(20));
        let first = repository.put("flags.json", "{}");
        let visit = Arc::new(visit(&repository, "host"));
        let version = look(&visit, None, time).await.expect("looked").expect("a version");
        assert_eq!((version.commit.to_string(), &*version.bytes), (first, &b"{}"[..]));
        assert!(look(&visit, Some(version.commit), time).await.expect("looked").is_none());
        let second = repository.put("flags.json", "{ }");
        let version = look(&visit, Some(version.commit), time).await.expect("looked").expect("a version");
        assert_eq!((version.commit.to_string(), &*version.bytes), (second, &b"{ }"[..]));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_ssh_says_is_said_and_its_time_is_bounded() {
        if git_is_missing() {
            return;
        }
        let repository = Repository::new();
        let other = Arc::new(visit(&repository, "other"));
        match look(&other, None, Duration::from_secs(20)).await {
            Err(Trouble::Unreachable(what, _)) => assert_eq!(what, "Host key verification failed."),
            looked => panic!("{looked:?}"),
        }
        let slow = Arc::new(visit(&repository, "slow"));
        match look(&slow, None, Duration::from_millis(300)).await {
            Err(Trouble::Unreachable(what, _)) => assert!(what.contains("no answer within 300ms"), "{what}"),
            looked => panic!("{looked:?}"),
        }
    }
}
