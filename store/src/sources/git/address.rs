//! Where in which repository: `git+https://host/repo.git?ref=main&path=flags/`.

use gix::ObjectId;
use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::files::{FlagSets, Paths};

/// How a repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `git+https`, and `git+http` without credentials or on this machine.
    Http,
    /// `git+ssh`, by the system's `ssh`.
    Ssh,
    /// `git+file`: a repository on this machine, read in place.
    File,
}

/// Which commit of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// What the repository itself points to, usually its main branch.
    Head,
    /// A branch, or else a tag, by its short name.
    Named(String),
    /// A reference by its whole name, such as `refs/heads/main`.
    Whole(String),
    /// A commit, which never changes.
    Commit(ObjectId),
}

/// A parsed address. Nothing of it is secret but `user` and `password`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) way: Way,
    /// The repository, without user, password, query and `git+`.
    pub(super) url: Url,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) reference: Reference,
    pub(super) paths: Paths,
    pub(super) flag_sets: FlagSets,
}

const EXAMPLE: &str = "git+https://host/repository.git?ref=main&path=flags/";

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence for a person that does not repeat the address.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("git+").ok_or_else(|| format!("a git source is written {EXAMPLE}"))?;
        let mut url = Url::parse(rest).map_err(|error| format!("not a URL, such as {EXAMPLE}: {error}"))?;
        let way = match url.scheme() {
            "https" | "http" => Way::Http,
            "ssh" => Way::Ssh,
            "file" => Way::File,
            _ => return Err("git sources are git+https, git+http, git+ssh and git+file".to_owned()),
        };
        let (user, password) = credentials(&url)?;
        // A URL that can have a path can have no user and no password too, except for a file, which has none.
        let _ = (url.set_username(""), url.set_password(None));
        let query = url.query().unwrap_or_default().to_owned();
        url.set_query(None);
        url.set_fragment(None);
        let mut address = Self {
            way,
            user,
            password,
            reference: Reference::Head,
            paths: Paths::parse("").unwrap_or_default(),
            flag_sets: FlagSets::Own,
            url,
        };
        address.read(&query)?;
        address.check()?;
        Ok(address)
    }

    fn read(&mut self, query: &str) -> Result<(), String> {
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            match name {
                "ref" => self.reference = Reference::parse(&value)?,
                "path" => self.paths = Paths::parse(&value)?,
                "flagSet" => self.flag_sets = FlagSets::parse(&value)?,
                _ => {
                    return Err(format!(
                        "unknown parameter in {:?}; there are ref, path and flagSet",
                        pair_name(name)
                    ));
                }
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if self.paths.is_empty() {
            return Err(format!("say where in the repository the flags are: path=..., as in {EXAMPLE}"));
        }
        // What begins with a dash could be taken for an option by a program that is handed it.
        let host = self.url.host_str().unwrap_or_default();
        let dashed = |text: &str| text.starts_with('-');
        if dashed(host) || self.user.as_deref().is_some_and(dashed) || dashed(self.url.path()) {
            return Err("host, user and path cannot begin with a dash".to_owned());
        }
        match self.way {
            Way::Http | Way::Ssh if host.is_empty() => Err("the URL has no host".to_owned()),
            Way::File if !host.is_empty() => {
                Err("git+file takes an absolute path: git+file:///srv/flags.git?path=flags/".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whether what is sent there can be read on the way: plain HTTP that leaves this machine.
    pub(super) fn is_exposed(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let local = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        self.url.scheme() == "http" && !local
    }
}

impl Reference {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text == "HEAD" {
            return Ok(Self::Head);
        }
        if let Ok(id) = ObjectId::from_hex(text.as_bytes()) {
            return Ok(Self::Commit(id));
        }
        let named = !text.starts_with("refs/");
        let whole = if named { format!("refs/heads/{text}") } else { text.to_owned() };
        // A pattern would be a name of many, and a colon of two.
        if gix::validate::reference::name(whole.as_str().into()).is_err() || whole.contains(['*', ':']) {
            return Err("ref is no name of a branch or tag, and no commit of 40 digits".to_owned());
        }
        Ok(if named { Self::Named(text.to_owned()) } else { Self::Whole(whole) })
    }

    /// How people call it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Head => "HEAD".to_owned(),
            Self::Named(name) | Self::Whole(name) => name.clone(),
            Self::Commit(id) => id.to_string(),
        }
    }
}

fn credentials(url: &Url) -> Result<(Option<String>, Option<String>), String> {
    let user = Some(url.username()).filter(|user| !user.is_empty()).map(decoded).transpose()?;
    Ok((user, url.password().map(decoded).transpose()?))
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| "a part of the URL is not UTF-8".to_owned())
}

/// A parameter's name, short enough to be no secret by mistake.
fn pair_name(name: &str) -> String {
    name.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Address::parse(text).err().unwrap_or_else(|| panic!("{text} is taken"))
    }

    #[test]
    fn an_address_is_taken_apart() {
        let address = Address::parse(
            "git+https://me:pass%20word@host:8443/org/repo.git?ref=feature/x+1&path=a%20b/*.json",
        )
        .expect("an address");
        assert_eq!(address.url.as_str(), "https://host:8443/org/repo.git");
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("me"), Some("pass word")));
        assert_eq!(address.reference, Reference::Named("feature/x+1".to_owned()));
        assert_eq!(address.way, Way::Http);
        let ssh = Address::parse("git+ssh://git@host:2222/org/repo.git?path=flags.json").expect("an address");
        assert_eq!(
            (ssh.way, ssh.user.as_deref(), ssh.url.as_str()),
            (Way::Ssh, Some("git"), "ssh://host:2222/org/repo.git")
        );
        let file =
            Address::parse("git+file:///srv/x.git?path=flags.json&ref=refs/tags/v1").expect("an address");
        assert_eq!((file.way, file.url.path()), (Way::File, "/srv/x.git"));
        assert_eq!(file.reference, Reference::Whole("refs/tags/v1".to_owned()));
        let commit = "0123456789012345678901234567890123456789";
        let pinned =
            Address::parse(&format!("git+https://h/r?path=f.json&ref={commit}")).expect("an address");
        assert_eq!(pinned.reference.shown(), commit);
        let head = Address::parse("git+https://h/r?path=f.json&ref=HEAD").expect("an address");
        assert_eq!(head.reference, Reference::Head);
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        for (text, reason) in [
            ("https://h/r?path=f", "git+https://host"),
            ("git+ftp://h/r?path=f", "git+https, git+http, git+ssh and git+file"),
            ("git+https://h/r", "path="),
            ("git+https://h/r?path=../f", "`..`"),
            ("git+https://h/r?path=f&branch=main", "ref, path and flagSet"),
            ("git+https://h/r?path=f&flagSet=each", "file or directory"),
            ("git+https://h/r?path=f&ref=a..b", "ref is no name"),
            ("git+https://h/r?path=f&ref=refs/heads/*", "ref is no name"),
            ("git+https://h/r?path=f&ref=a:b", "ref is no name"),
            ("git+ssh:///r?path=f", "no host"),
            ("git+ssh://-oProxyCommand=x/r?path=f", "dash"),
            ("git+ssh://-x@h/r?path=f", "dash"),
            ("git+file://h/r?path=f", "absolute path"),
            ("git+https://h/r?path=%ff", "UTF-8"),
        ] {
            let said = error(text);
            assert!(said.contains(reason), "{text}: {said}");
        }
    }

    #[test]
    fn plain_http_is_exposed_unless_it_stays_here() {
        for (host, exposed) in [
            ("http://h", true),
            ("https://h", false),
            ("http://localhost:1", false),
            ("http://127.0.0.9", false),
            ("http://[::1]:2", false),
        ] {
            let address = Address::parse(&format!("git+{host}/r?path=f")).expect("an address");
            assert_eq!(address.is_exposed(), exposed, "{host}");
        }
    }
}
