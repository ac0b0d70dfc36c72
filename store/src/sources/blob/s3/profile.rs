//! The files that the AWS tools share: `~/.aws/credentials` and `~/.aws/config`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::super::Variables;

/// What a profile says that is used here.
#[derive(Default)]
pub(super) struct Profile {
    pub(super) keys: Option<(String, String)>,
    pub(super) token: Option<String>,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
}

impl Profile {
    /// The profile of that name, or else the default one, which may be missing.
    ///
    /// # Errors
    /// A file cannot be read, or the named profile is in neither.
    pub(super) fn read(name: Option<&str>, variables: &Variables) -> Result<Self, String> {
        let home = variables.get("HOME").map(|home| Path::new(home).join(".aws"));
        let file = |variable: &str, usual: &str| {
            let chosen = variables.get(variable).map(PathBuf::from);
            chosen.or_else(|| Some(home.as_ref()?.join(usual)))
        };
        let wanted = name.unwrap_or("default");
        let credentials = section(file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), &[wanted])?;
        let long = format!("profile {wanted}");
        let config = section(file("AWS_CONFIG_FILE", "config"), &[&long, wanted])?;
        if let (Some(name), None, None) = (name, &credentials, &config) {
            return Err(format!("there is no profile {name} in the AWS credentials and config files"));
        }
        let find = |key: &str| {
            let all = credentials.iter().flatten().chain(config.iter().flatten());
            all.clone().find(|(found, _)| found == key).map(|(_, value)| value.clone())
        };
        Ok(Self {
            keys: find("aws_access_key_id").zip(find("aws_secret_access_key")),
            token: find("aws_session_token"),
            region: find("region"),
            endpoint: find("endpoint_url"),
        })
    }
}

type Section = Vec<(String, String)>;

/// The lines of the first section with one of the names.
fn section(path: Option<PathBuf>, names: &[&str]) -> Result<Option<Section>, String> {
    let Some(path) = path else { return Ok(None) };
    match fs::read_to_string(&path) {
        Ok(text) => Ok(names.iter().find_map(|name| lines(&text, name))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn lines(text: &str, name: &str) -> Option<Section> {
    let header = |line: &str| Some(line.trim().strip_prefix('[')?.split(']').next()?.trim().to_owned());
    let mut rest = text.lines().skip_while(|line| header(line).is_none_or(|found| found != name));
    rest.next()?;
    let inside = rest.take_while(|line| header(line).is_none());
    // Indented lines belong to the nested settings of one service.
    let settings = inside.filter(|line| !line.starts_with([' ', '\t', '#', ';']));
    let pairs = settings.filter_map(|line| line.split_once('='));
    Some(pairs.map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_from_both_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
        fs::create_dir(path(".aws")).expect("a folder");
        let credentials = "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n[other]\n\
                           aws_access_key_id=C\naws_secret_access_key = D=\naws_session_token=E\n";
        fs::write(path(".aws/credentials"), credentials).expect("a file");
        let config =
            "[default]\nregion=r1\n[profile other]\nregion = r2\ns3 =\n  endpoint_url = x\n[profile bare]\n";
        fs::write(path(".aws/config"), config).expect("a file");
        let home = path("");
        let variables = Variables::from(&[("HOME", home.as_str())][..]);
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        let default = Profile::read(None, &variables).expect("a profile");
        assert_eq!((default.keys, default.region.as_deref()), (pair("A", "B"), Some("r1")));
        let other = Profile::read(Some("other"), &variables).expect("a profile");
        assert_eq!((other.keys, other.token.as_deref()), (pair("C", "D="), Some("E")));
        assert_eq!((other.region.as_deref(), other.endpoint), (Some("r2"), None));
        assert_eq!(Profile::read(Some("bare"), &variables).expect("a profile").keys, None);
        assert!(
            Profile::read(Some("none"), &variables).err().is_some_and(|error| error.contains("profile none"))
        );
        assert!(Profile::read(None, &Variables::default()).is_ok(), "nothing is there, nothing is wrong");
    }
}
