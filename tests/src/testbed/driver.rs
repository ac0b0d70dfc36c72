//! Talks to a driver: a small program around one stock provider, one JSON object a line on its input and output.
//!
//! Requests; one at a time for a provider, several for the driver:
//! - `{"op":"open","provider":"p1","kind":"rpc","port":8013,"options":{...}}`
//! - `{"op":"evaluate","provider":"p1","type":"Boolean","key":"k","default":true,"context":{...}}`
//! - `{"op":"state","provider":"p1"}`, answered by `state`; only of drivers within this process
//! - `{"op":"close","provider":"p1"}`
//!
//! Each is answered by `{"provider":"p1"}`, with `value`, `variant`, `reason`, `errorCode` and `metadata` of an evaluation,
//! or with `error`, a text. Events come at any time:
//! `{"event":"ready"|"stale"|"error"|"change","provider":"p1","flags":["k"]}`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long one request may take, starting an interpreter included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Something that a provider said on its own.
#[derive(Debug, Clone)]
pub struct Event {
    /// `ready`, `stale`, `error` or `change`.
    pub kind: String,
    /// Which provider.
    pub provider: String,
    /// The keys of changed flags.
    pub flags: Vec<String>,
}

/// What the driver has said and nobody has taken yet.
#[derive(Debug, Default)]
struct Heard {
    events: Vec<Event>,
    answers: HashMap<String, Value>,
    over: bool,
}

#[derive(Debug, Default)]
struct Ear {
    heard: Mutex<Heard>,
    news: Condvar,
}

/// A running driver. Killed when dropped.
pub struct Driver {
    mouth: Mouth,
    ear: Arc<Ear>,
}

/// Where requests go.
enum Mouth {
    Process { child: Child, input: Mutex<ChildStdin> },
    Inside(Box<dyn Inside>),
}

/// A driver within this process: the same requests and answers without a program in between.
pub trait Inside: Send + Sync {
    /// Takes a request; the answer, and whatever comes later, goes to `says`. Must not wait.
    fn take(&self, request: &Value, says: Says);
}

/// How a driver within this process is heard.
#[derive(Clone)]
pub struct Says(Arc<Ear>);

impl Says {
    /// Says an answer or an event, as a line of a program would.
    pub fn say(&self, line: Value) {
        self.0.hear(line);
    }
}

impl Driver {
    /// Starts the program; its standard error stays visible for whoever runs the test.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", command.get_program().display()));
        let input = child.stdin.take().expect("standard input is piped");
        let output = child.stdout.take().expect("standard output is piped");
        let ear = Arc::<Ear>::default();
        let hearing = Arc::clone(&ear);
        std::thread::spawn(move || hearing.listen(BufReader::new(output)));
        Self { mouth: Mouth::Process { child, input: Mutex::new(input) }, ear }
    }

    /// Drives a provider of this process.
    #[must_use]
    pub fn inside(inside: impl Inside + 'static) -> Self {
        Self { mouth: Mouth::Inside(Box::new(inside)), ear: Arc::default() }
    }

    /// Sends one request, which names its provider, and waits for the answer.
    ///
    /// # Errors
    /// The text of an `error`, or why no answer came.
    pub fn ask(&self, request: &Value) -> Result<Value, String> {
        let provider = request["provider"].as_str().ok_or("a request names its provider")?;
        match &self.mouth {
            Mouth::Process { input, .. } => {
                let mut input = input.lock().expect("no panic holds the input");
                writeln!(input, "{request}").map_err(|e| format!("the driver is gone: {e}"))?;
            }
            Mouth::Inside(inside) => inside.take(request, Says(Arc::clone(&self.ear))),
        }
        let answer = self.ear.wait(PATIENCE, |heard| heard.answers.remove(provider));
        let answer = answer.ok_or_else(|| format!("no answer to {request}"))?;
        match answer.get("error") {
            Some(error) => Err(error.as_str().map_or_else(|| error.to_string(), str::to_owned)),
            None => Ok(answer),
        }
    }

    /// Takes the first event of a kind out of those heard from a provider, waiting for one if there is none.
    pub fn take_event(&self, provider: &str, kind: &str, patience: Duration) -> Option<Event> {
        self.ear.wait(patience, |heard| {
            let at = heard.events.iter().position(|e| e.kind == kind && e.provider == provider)?;
            Some(heard.events.remove(at))
        })
    }

    /// Forgets the events of a provider, all or those of one kind.
    pub fn forget_events(&self, provider: &str, kind: Option<&str>) {
        let mut heard = self.ear.heard.lock().expect("no panic holds what was heard");
        heard
            .events
            .retain(|event| event.provider != provider || kind.is_some_and(|kind| kind != event.kind));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Mouth::Process { child, .. } = &mut self.mouth {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ear {
    /// Sorts lines until the driver closes its output.
    fn listen(&self, output: impl BufRead) {
        for line in output.lines().map_while(Result::ok) {
            let Ok(value) = serde_json::from_str::<Value>(&line) else {
                println!("driver: {line}");
                continue;
            };
            self.hear(value);
        }
        self.heard.lock().expect("no panic holds what was heard").over = true;
        self.news.notify_all();
    }

    fn hear(&self, line: Value) {
        let mut heard = self.heard.lock().expect("no panic holds what was heard");
        match Event::of(&line) {
            Some(event) => heard.events.push(event),
            None => drop(heard.answers.insert(text(&line, "provider"), line)),
        }
        self.news.notify_all();
    }

    /// Waits until `take` finds something, at most for a while and while the driver runs.
    fn wait<T>(&self, patience: Duration, mut take: impl FnMut(&mut Heard) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut heard = self.heard.lock().expect("no panic holds what was heard");
        loop {
            let found = take(&mut heard);
            if found.is_some() || heard.over {
                return found;
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            heard = self.news.wait_timeout(heard, left).expect("no panic holds what was heard").0;
        }
    }
}

impl Event {
    /// The event that a line tells, if it tells one.
    fn of(line: &Value) -> Option<Self> {
        line.get("event")?;
        let flags = line["flags"].as_array().into_iter().flatten();
        let flags = flags.filter_map(|flag| flag.as_str().map(str::to_owned)).collect();
        Some(Self { kind: text(line, "event"), provider: text(line, "provider"), flags })
    }
}

fn text(line: &Value, name: &str) -> String {
    line[name].as_str().unwrap_or_default().to_owned()
}
