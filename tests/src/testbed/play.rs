//! The steps of the scenarios.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::client::Client;
use super::driver::{Driver, Event};
use super::gherkin::{Case, Step};
use super::launch::{Setup, Testbed};
use super::value::{same, typed};
use crate::world::{Forbidding, free_ports};

/// How long an expected event may take: the slowest client waits 12 s before it opens a lost stream again.
const EVENT: Duration = Duration::from_secs(25);

/// What the scenarios of one client share: its driver, and daemons and providers that no scenario disturbs.
pub(super) struct Stage<'a> {
    client: &'a Client,
    driver: Driver,
    root: &'a Path,
    undisturbed: Mutex<Undisturbed>,
    opened: AtomicUsize,
}

#[derive(Default)]
struct Undisturbed {
    testbeds: HashMap<Setup, Testbed>,
    providers: HashMap<(Setup, String), String>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(client: &'a Client, driver: Driver, root: &'a Path) -> Self {
        Self { client, driver, root, undisturbed: Mutex::default(), opened: AtomicUsize::new(0) }
    }

    /// Whether the client takes the case and can pass it.
    pub(super) fn plays(&self, case: &Case) -> bool {
        self.client.takes(case) && self.client.defect(case).is_none()
    }

    /// Plays one case; the error says which step failed and what the client had answered.
    pub(super) fn play(&self, case: &Case) -> Result<(), String> {
        let mut scene = Scene { disturbs: disturbs(case), ..Scene::default() };
        let outcome = case.steps.iter().try_for_each(|step| {
            scene.step(self, step).map_err(|why| format!("{}: {why}; {}", step.text, scene.seen()))
        });
        if let (Some(provider), true) = (&scene.provider, scene.alone || scene.testbed.is_some()) {
            self.driver.ask(&json!({"op": "close", "provider": provider}))?;
        }
        outcome
    }

    /// Opens a provider against a daemon of this setup, or takes the one that is open with the same options.
    fn provider(&self, setup: Setup, options: &Map<String, Value>) -> Result<String, String> {
        let wanted = (setup, Value::Object(options.clone()).to_string());
        let mut undisturbed = self.undisturbed.lock().map_err(|_| "launching a daemon failed before")?;
        if let Some(open) = undisturbed.providers.get(&wanted) {
            return Ok(open.clone());
        }
        let testbed = undisturbed.testbeds.entry(setup).or_insert_with(|| Testbed::launch(self.root, setup));
        let name = self.open_at(testbed, setup, options)?;
        undisturbed.providers.insert(wanted, name.clone());
        Ok(name)
    }

    fn open_at(
        &self,
        testbed: &Testbed,
        setup: Setup,
        options: &Map<String, Value>,
    ) -> Result<String, String> {
        let port = (self.client.port)(testbed.ports());
        let mut options = options.clone();
        if let Some(Value::String(target)) = options.get_mut("targetUri") {
            *target = target.replace("<port>", &port.to_string());
        }
        options.extend(testbed.options(setup, self.client.kind));
        self.open(port, &options)
    }

    fn open(&self, port: u16, options: &Map<String, Value>) -> Result<String, String> {
        let name = format!("p{}", self.opened.fetch_add(1, Ordering::Relaxed));
        let kind = self.client.kind;
        self.driver
            .ask(&json!({"op": "open", "provider": name, "kind": kind, "port": port, "options": options}))?;
        Ok(name)
    }
}

/// Whether a case changes the daemon under everybody who uses it, and so needs one of its own. Such cases mostly wait.
pub(super) fn disturbs(case: &Case) -> bool {
    case.steps.iter().any(|step| disturbing(&step.text))
}

fn disturbing(text: &str) -> bool {
    text.starts_with("the connection is lost") || text == "the flag was modified"
}

/// What one scenario has set up and seen so far.
#[derive(Default)]
struct Scene {
    disturbs: bool,
    options: Map<String, Value>,
    testbed: Option<Testbed>,
    provider: Option<String>,
    flag: Option<Flag>,
    context: Map<String, Value>,
    details: Option<Value>,
    event: Option<Event>,
    /// The provider has no daemon.
    alone: bool,
    forbidding: Option<Forbidding>,
}

struct Flag {
    kind: String,
    key: String,
    default: Value,
}

impl Scene {
    fn step(&mut self, stage: &Stage<'_>, step: &Step) -> Result<(), String> {
        let (shape, words) = split(&step.text);
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        match shape.as_str() {
            "an option _ of type _ with value _" => self.option(word(0), word(2)),
            "a stable flagd provider" | "a metadata flagd provider" => self.open(stage, Setup::Stable),
            "a syncpayload flagd provider" => self.open(stage, Setup::SyncPayload),
            "a ssl flagd provider" => self.open(stage, Setup::Ssl),
            "a socket flagd provider" => self.open(stage, Setup::Socket),
            "a unavailable flagd provider" => self.open_nowhere(stage, free_ports::<1>()[0]),
            "a forbidden flagd provider" => {
                let server = self.forbidding.insert(Forbidding::start());
                let port = server.port();
                self.open_nowhere(stage, port)
            }
            "the client should be in fatal state" => {
                let state = stage.driver.ask(&json!({"op": "state", "provider": self.provider()?}))?;
                expect(state["state"] == "FATAL")
            }
            "a context containing a key _, with type _ and with value _" => {
                self.add_context(word(0), typed(word(1), word(2))?)
            }
            "a context containing a targeting key with value _" => {
                self.add_context("targetingKey", Value::from(word(0)))
            }
            "a context containing a nested property with outer key _ and inner key _, with value _" => {
                self.add_context(word(0), json!({word(1): word(2)}))
            }
            "the flag was evaluated with details" => self.evaluate(stage),
            "the flag was modified" => self.modify_flag(),
            "the resolved details value should be _" => self.expect_value(word(0)),
            "the reason should be _" => self.expect_text("reason", word(0)),
            "the variant should be _" => self.expect_text("variant", word(0)),
            "the error-code should be _" => self.expect_text("errorCode", word(0)),
            "the resolved metadata should contain" => self.expect_metadata(&step.table),
            "the resolved metadata is empty" => self.expect_no_metadata(),
            "the flag should be part of the event payload" => self.expect_changed(),
            other => self.looser_step(stage, other, &words),
        }
    }

    /// Steps whose variable word is not in quotes.
    fn looser_step(&mut self, stage: &Stage<'_>, shape: &str, words: &[&str]) -> Result<(), String> {
        if let Some(kind) = middle(shape, "a ", "-flag with key _ and a default value _") {
            let [key, default] = words else { return Err("two quoted words expected".to_owned()) };
            let default = typed(kind, default)?;
            self.flag = Some(Flag { kind: kind.to_owned(), key: (*key).to_owned(), default });
            return Ok(());
        }
        if let Some(kind) = middle(shape, "a ", " event handler") {
            // Readiness that was reached before the handler came is reported to it; other events are not.
            if kind != "ready" {
                stage.driver.forget_events(self.provider()?, Some(kind));
            }
            return Ok(());
        }
        if let Some(seconds) = middle(shape, "the connection is lost for ", "s") {
            let seconds = seconds.parse().map_err(|_| "seconds expected")?;
            stage.driver.forget_events(self.provider()?, None);
            let testbed = self.testbed.as_ref().ok_or("no daemon of its own")?;
            match stage.client.kind {
                "file" => testbed.lose_file(Duration::from_secs(seconds)),
                _ => testbed.lose_connection(Duration::from_secs(seconds)),
            }
            return Ok(());
        }
        let within = shape.strip_suffix("ms").and_then(|shape| shape.rsplit_once(" within "));
        let (shape, patience) = match within {
            Some((shape, millis)) => {
                let millis = millis.parse().map_err(|_| "milliseconds expected")?;
                (shape, Duration::from_millis(millis))
            }
            None => (shape, EVENT),
        };
        let fired = middle(shape, "a ", " event was fired");
        let Some(kind) = fired.or_else(|| middle(shape, "the ", " event handler should have been executed"))
        else {
            return Err("an unknown step".to_owned());
        };
        let event = stage.driver.take_event(self.provider()?, kind, patience);
        self.event = Some(event.ok_or_else(|| format!("no {kind} event within {patience:?}"))?);
        match &self.testbed {
            Some(testbed) if kind == "ready" => testbed.wait_back(),
            _ => Ok(()),
        }
    }

    fn option(&mut self, name: &str, value: &str) -> Result<(), String> {
        self.options.insert(name.to_owned(), Value::from(value));
        Ok(())
    }

    fn add_context(&mut self, key: &str, value: Value) -> Result<(), String> {
        self.context.insert(key.to_owned(), value);
        Ok(())
    }

    fn open(&mut self, stage: &Stage<'_>, setup: Setup) -> Result<(), String> {
        let name = if self.disturbs {
            let testbed = self.testbed.insert(Testbed::launch(stage.root, setup));
            stage.open_at(testbed, setup, &self.options)?
        } else {
            stage.provider(setup, &self.options)?
        };
        self.provider = Some(name);
        Ok(())
    }

    /// Opens a provider whose daemon is not there, or is no daemon. It need not become ready.
    fn open_nowhere(&mut self, stage: &Stage<'_>, port: u16) -> Result<(), String> {
        let mut options = self.options.clone();
        options.insert("await".to_owned(), Value::Bool(false));
        let gone = std::env::temp_dir().join("no-such-folder");
        options.insert("folder".to_owned(), Value::from(gone.to_string_lossy()));
        self.provider = Some(stage.open(port, &options)?);
        self.alone = true;
        Ok(())
    }

    fn modify_flag(&self) -> Result<(), String> {
        self.testbed.as_ref().ok_or("no daemon of its own")?.modify_flag();
        Ok(())
    }

    fn evaluate(&mut self, stage: &Stage<'_>) -> Result<(), String> {
        let flag = self.flag.as_ref().ok_or("no flag was named")?;
        let details = stage.driver.ask(&json!({
            "op": "evaluate", "provider": self.provider()?, "context": self.context,
            "type": flag.kind, "key": flag.key, "default": flag.default,
        }))?;
        self.details = Some(details);
        Ok(())
    }

    fn expect_value(&self, text: &str) -> Result<(), String> {
        let flag = self.flag.as_ref().ok_or("no flag was named")?;
        expect(same(&typed(&flag.kind, text)?, &self.details()?["value"]))
    }

    /// An empty text is expected where the client has nothing to say.
    fn expect_text(&self, name: &str, text: &str) -> Result<(), String> {
        expect(self.details()?[name].as_str().unwrap_or_default() == text)
    }

    fn expect_metadata(&self, table: &[Vec<String>]) -> Result<(), String> {
        let metadata = &self.details()?["metadata"];
        for row in table.iter().skip(1) {
            let [key, kind, value] = row.as_slice() else { return Err("three columns expected".to_owned()) };
            expect(same(&typed(kind, value)?, &metadata[key]))
                .map_err(|_| format!("metadata {key} is not {value}"))?;
        }
        Ok(())
    }

    fn expect_no_metadata(&self) -> Result<(), String> {
        let metadata = &self.details()?["metadata"];
        expect(metadata.is_null() || metadata.as_object().is_some_and(Map::is_empty))
    }

    fn expect_changed(&self) -> Result<(), String> {
        let flag = self.flag.as_ref().ok_or("no flag was named")?;
        let event = self.event.as_ref().ok_or("no event was taken")?;
        expect(event.flags.contains(&flag.key)).map_err(|_| format!("changed were {:?}", event.flags))
    }

    fn provider(&self) -> Result<&str, String> {
        self.provider.as_deref().ok_or_else(|| "no provider is open".to_owned())
    }

    fn details(&self) -> Result<&Value, String> {
        self.details.as_ref().ok_or_else(|| "nothing was evaluated".to_owned())
    }

    /// What was asked and answered, for a failure's report.
    fn seen(&self) -> String {
        let flag = self.flag.as_ref().map(|flag| format!("{} {} or {}", flag.kind, flag.key, flag.default));
        let answer = self.details.as_ref().map(Value::to_string);
        let options = Value::Object(self.options.clone());
        format!(
            "asked {} with {} options {options}, answered {}",
            flag.unwrap_or_default(),
            Value::Object(self.context.clone()),
            answer.unwrap_or_else(|| "nothing".to_owned())
        )
    }
}

fn expect(holds: bool) -> Result<(), String> {
    if holds { Ok(()) } else { Err("is not so".to_owned()) }
}

/// Replaces each quoted part by `_` and returns those parts in order. A quote within one stays: a part ends only at a
/// quote with a space, a comma or nothing behind it.
fn split(text: &str) -> (String, Vec<&str>) {
    let (mut shape, mut words, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, quoted)) = rest.split_once('"') {
        let ends = |at: usize| matches!(quoted.as_bytes().get(at + 1), None | Some(b' ' | b','));
        let end = if rest_is_last(quoted) {
            quoted.rfind('"')
        } else {
            quoted.match_indices('"').map(|(at, _)| at).find(|at| ends(*at))
        };
        let Some(end) = end else { break };
        shape.push_str(before);
        shape.push('_');
        words.push(&quoted[..end]);
        rest = &quoted[end + 1..];
    }
    shape.push_str(rest);
    (shape, words)
}

/// A part that is a JSON object contains quotes of its own; the testbed has such a part only at the end of a step.
fn rest_is_last(quoted: &str) -> bool {
    quoted.starts_with('{')
}

/// The text between a beginning and an end.
fn middle<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.strip_suffix(end)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn quoted_parts_are_taken_out() {
        assert_eq!(split(r#"a "x y" and """#), ("a _ and _".to_owned(), vec!["x y", ""]));
        let object = r#"with value "{"a": "b", "c": 1}""#;
        assert_eq!(split(object), ("with value _".to_owned(), vec![r#"{"a": "b", "c": 1}"#]));
        assert_eq!(split("plain"), ("plain".to_owned(), vec![]));
    }
}
