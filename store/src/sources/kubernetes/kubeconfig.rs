//! The files that `kubectl` reads: which cluster, and as whom.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde::Deserialize;

use super::cluster::{Cluster, Secret, Token};

/// The largest file that is read.
const LARGEST: u64 = 4 << 20;

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct File {
    current_context: String,
    contexts: Vec<Named<Context>>,
    clusters: Vec<Named<Server>>,
    users: Vec<Named<User>>,
}

/// An entry of one of the lists, each of which calls its content by another name.
#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "context", alias = "cluster", alias = "user")]
    content: T,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Server {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    insecure_skip_tls_verify: bool,
    tls_server_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct User {
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    username: Option<String>,
    password: Option<String>,
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    exec: Option<serde::de::IgnoredAny>,
    auth_provider: Option<serde::de::IgnoredAny>,
}

/// The cluster of the current context. Of several files, the first that names a thing counts, as for `kubectl`.
///
/// # Errors
/// No file can be read, or the context asks for something that is missing or not supported.
pub(super) fn read(paths: &[PathBuf]) -> Result<Cluster, String> {
    let mut files = Vec::new();
    for path in paths.iter().filter(|path| !path.as_os_str().is_empty()) {
        if let Some(file) = file(path)? {
            files.push((path.parent().unwrap_or(Path::new("")), file));
        }
    }
    if files.is_empty() {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(format!("kubeconfig {}: no such file", paths.join(", ")));
    }
    let current = files.iter().map(|(_, file)| file.current_context.as_str()).find(|name| !name.is_empty());
    let current =
        current.ok_or("kubeconfig: no current-context; set one with `kubectl config use-context`")?;
    let missing = |what: &str, name: &str| format!("kubeconfig: there is no {what} named {name:?}");
    let context = files.iter().find_map(|(_, file)| named(&file.contexts, current));
    let context = context.ok_or_else(|| missing("context", current))?;
    let server =
        files.iter().find_map(|(folder, file)| Some((*folder, named(&file.clusters, &context.cluster)?)));
    let server = server.ok_or_else(|| missing("cluster", &context.cluster))?;
    let nobody = (Path::new(""), &User::default());
    let user = match context.user.as_str() {
        "" => nobody,
        name => {
            let user = files.iter().find_map(|(folder, file)| Some((*folder, named(&file.users, name)?)));
            user.ok_or_else(|| missing("user", name))?
        }
    };
    cluster(server, user)
}

fn file(path: &Path) -> Result<Option<File>, String> {
    let wrong = |what: String| format!("kubeconfig {}: {what}", path.display());
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
        Ok(about) if about.len() > LARGEST => return Err(wrong(format!("larger than {LARGEST} bytes"))),
        Ok(_) => {}
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    // The reason would quote the file, which has secrets.
    serde_saphyr::from_str(&text).map(Some).map_err(|_| wrong("not the YAML of a kubeconfig".to_owned()))
}

fn named<'a, T>(entries: &'a [Named<T>], name: &str) -> Option<&'a T> {
    entries.iter().find(|entry| entry.name == name).map(|entry| &entry.content)
}

fn cluster((folder, server): (&Path, &Server), (home, user): (&Path, &User)) -> Result<Cluster, String> {
    for (asked, what) in [
        (server.insecure_skip_tls_verify, "insecure-skip-tls-verify; name a certificate-authority"),
        (server.tls_server_name.is_some(), "tls-server-name; use a server URL with the certificate's name"),
        (user.exec.is_some(), "exec; use a service account's token (`kubectl create token`)"),
        (
            user.auth_provider.is_some(),
            "auth-provider; use a service account's token (`kubectl create token`)",
        ),
    ] {
        if asked {
            return Err(format!("kubeconfig: not supported: {what}"));
        }
    }
    let given = |data: &Option<String>, path: &Option<PathBuf>, folder: &Path, what: &str| match (data, path)
    {
        (Some(data), _) => {
            let bytes = STANDARD.decode(data.trim());
            bytes.map(Some).map_err(|_| format!("kubeconfig: {what}-data is not base64"))
        }
        (None, Some(path)) => {
            let path = folder.join(path);
            fs::read(&path).map(Some).map_err(|error| format!("{what} {}: {error}", path.display()))
        }
        (None, None) => Ok(None),
    };
    let authority = &server.certificate_authority_data;
    let authority = given(authority, &server.certificate_authority, folder, "certificate-authority")?;
    let certificate =
        given(&user.client_certificate_data, &user.client_certificate, home, "client-certificate")?;
    let key = given(&user.client_key_data, &user.client_key, home, "client-key")?;
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, Secret(key))),
        (None, None) => None,
        _ => return Err("kubeconfig: client-certificate and client-key need each other".to_owned()),
    };
    let token = match (&user.token_file, &user.token, &user.username) {
        (Some(path), _, _) => Token::File(home.join(path)),
        (None, Some(token), _) => Token::Fixed(Secret(format!("Bearer {token}").into_bytes())),
        (None, None, Some(name)) => {
            let pair = format!("{name}:{}", user.password.as_deref().unwrap_or_default());
            Token::Fixed(Secret(format!("Basic {}", STANDARD.encode(pair)).into_bytes()))
        }
        (None, None, None) => Token::None,
    };
    let server = Url::parse(&server.server).map_err(|error| format!("kubeconfig: server: {error}"))?;
    Ok(Cluster { server, authority, identity, token })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    const KIND: &str = "apiVersion: v1\nkind: Config\ncurrent-context: kind-kind\npreferences: {}\n\
        contexts:\n- context: {cluster: c, user: u, namespace: x}\n  name: kind-kind\n\
        clusters:\n- cluster:\n    certificate-authority-data: aGVsbG8=\n    server: https://127.0.0.1:6443/base\n  name: c\n";

    #[tokio::test]
    async fn the_current_context_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = written(folder.path(), "one", KIND);
        let users = "users:\n- name: u\n  user: {tokenFile: token, client-certificate-data: YQ==, client-key-data: Yg==}\n";
        let two = written(folder.path(), "two", users);
        written(folder.path(), "token", "t\n");
        let cluster = read(&[one.clone(), folder.path().join("none"), two]).expect("a cluster");
        assert_eq!(cluster.server.as_str(), "https://127.0.0.1:6443/base");
        assert_eq!(cluster.authority.as_deref(), Some(&b"hello"[..]));
        assert_eq!(
            cluster.identity.as_ref().map(|(certificate, key)| (&**certificate, &*key.0)),
            Some((&b"a"[..], &b"b"[..]))
        );
        assert_eq!(cluster.token.read(9).await, Ok(Some("Bearer t".to_owned())));
        let alone = read(&[one]).expect_err("no user");
        assert_eq!(alone, "kubeconfig: there is no user named \"u\"");
    }

    #[test]
    fn what_cannot_be_used_is_said_without_secrets() {
        let folder = tempfile::tempdir().expect("a folder");
        let with = |user: &str| {
            read(&[written(folder.path(), "config", &format!("{KIND}users:\n- name: u\n  user: {user}\n"))])
        };
        for (user, says) in [
            ("{exec: {command: aws}, token: hunter2}", "not supported: exec"),
            ("{client-key-data: aHVudGVyMg==}", "need each other"),
            ("{client-certificate-data: '%'}", "client-certificate-data is not base64"),
            ("{client-certificate: nowhere.pem}", "nowhere.pem"),
            ("[hunter2", "not the YAML of a kubeconfig"),
        ] {
            let error = with(user).expect_err(user);
            assert!(error.contains(says) && !error.contains("hunter2"), "{error}");
        }
        let cluster = with("{username: me, password: hunter2}").expect("a cluster");
        assert!(!format!("{cluster:?}").contains("hunter2"));
        assert!(read(&[folder.path().join("none")]).is_err_and(|error| error.contains("no such file")));
    }
}
