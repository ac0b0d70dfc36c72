//! Options from variables, wherever those come from: texts, switches, times, and secrets that may lie in files.

use std::fs;
use std::str::FromStr;
use std::time::Duration;

/// The variables that options are read from. Space around a value does not count, and an empty one is as if absent.
#[derive(Debug)]
pub struct Variables<G>(G);

/// A variable that cannot be read as what it should be; says which. Never holds its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct VariableError(String);

impl VariableError {
    /// The variable `name` is not what it `must_be`.
    pub fn new(name: &str, must_be: &str) -> Self {
        Self(format!("{name} must be {must_be}"))
    }
}

impl<G: Fn(&str) -> Option<String>> Variables<G> {
    /// The variables that `get` knows.
    pub fn new(get: G) -> Self {
        Self(get)
    }

    /// The value of `name`.
    pub fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// It is neither.
    pub fn switch(&self, name: &str) -> Result<Option<bool>, VariableError> {
        self.read(name, "true or false", |_| true)
    }

    /// A time in seconds.
    ///
    /// # Errors
    /// It is no whole number, or 0.
    pub fn seconds(&self, name: &str) -> Result<Option<Duration>, VariableError> {
        let seconds = self.read(name, "a whole number of seconds, 1 or more", |seconds| *seconds > 0)?;
        Ok(seconds.map(Duration::from_secs))
    }

    /// A secret: the value of `name`, or what is in the file that the variable with `_FILE` behind it names.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn secret(&self, name: &str) -> Result<Option<String>, VariableError> {
        let by_file = format!("{name}_FILE");
        match (self.text(name), self.text(&by_file)) {
            (None, Some(path)) => match fs::read_to_string(&path) {
                Ok(text) => Ok(Some(text.trim().to_owned())),
                Err(error) => Err(VariableError(format!("{by_file}: {path}: {error}"))),
            },
            (secret, _) => Ok(secret),
        }
    }

    fn read<T: FromStr>(
        &self,
        name: &str,
        must_be: &str,
        is_good: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, VariableError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let value = text.parse().ok().filter(is_good);
        value.map(Some).ok_or_else(|| VariableError::new(name, must_be))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Variables<impl Fn(&str) -> Option<String>> {
        Variables::new(move |name| (name == "X").then(|| value.to_owned()))
    }

    #[test]
    fn what_is_empty_is_absent_and_space_does_not_count() {
        assert_eq!(of(" a b ").text("X").as_deref(), Some("a b"));
        assert_eq!((of("  ").text("X"), of("a").text("Y")), (None, None));
        assert_eq!(
            (of("").switch("X"), of("").seconds("X"), of("").secret("X")),
            (Ok(None), Ok(None), Ok(None))
        );
    }

    #[test]
    fn what_is_wrong_is_named_and_not_shown() {
        assert_eq!(of("true").switch("X"), Ok(Some(true)));
        assert_eq!(of("7").seconds("X"), Ok(Some(Duration::from_secs(7))));
        for wrong in ["0", "-1", "1.5", "hunter2"] {
            let error = of(wrong).seconds("X").expect_err(wrong).to_string();
            assert_eq!(error, "X must be a whole number of seconds, 1 or more");
        }
        assert_eq!(of("1").switch("X"), Err(VariableError::new("X", "true or false")));
    }

    #[test]
    fn a_secret_may_lie_in_a_file() {
        let path = std::env::temp_dir().join(format!("hoist-variables-{}", std::process::id()));
        fs::write(&path, "hunter2\n").expect("written");
        let named = |name: &str| (name == "X_FILE").then(|| path.display().to_string());
        assert_eq!(Variables::new(named).secret("X"), Ok(Some("hunter2".to_owned())));
        fs::remove_file(&path).expect("removed");
        let error = Variables::new(named).secret("X").expect_err("no file").to_string();
        assert!(error.starts_with(&format!("X_FILE: {}: ", path.display())), "{error}");
    }
}
