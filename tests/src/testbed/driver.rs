//! Talks to a driver: a small program around one stock provider, one JSON object a line on its input and output.
//!
//! Requests, each answered by one line before the next is sent:
//! - `{"op":"open","provider":"p1","kind":"rpc","port":8013,"options":{...}}` -> `{}`
//! - `{"op":"evaluate","provider":"p1","type":"Boolean","key":"k","default":true,"context":{...}}`
//!   -> `{"value":..,"variant":..,"reason":..,"errorCode":..,"metadata":{..}}`
//! - `{"op":"close","provider":"p1"}` -> `{}`
//!
//! An answer may be `{"error":"text"}` instead. Events come at any time:
//! `{"event":"ready"|"stale"|"error"|"change","provider":"p1","flags":["k"]}`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
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

type Events = Arc<(Mutex<Vec<Event>>, Condvar)>;

/// A running driver. Killed when dropped.
#[derive(Debug)]
pub struct Driver {
    child: Child,
    line: Mutex<(ChildStdin, Receiver<Value>)>,
    events: Events,
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
        let events = Events::default();
        let (sender, answers) = mpsc::channel();
        let heard = Arc::clone(&events);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                match serde_json::from_str::<Value>(&line) {
                    Ok(value) if value.get("event").is_some() => hear(&heard, &value),
                    Ok(value) => drop(sender.send(value)),
                    Err(_) => println!("driver: {line}"),
                }
            }
        });
        Self { child, line: Mutex::new((input, answers)), events }
    }

    /// Sends one request and waits for its answer; others wait meanwhile.
    ///
    /// # Errors
    /// The text of an `error` answer, or why none came.
    pub fn ask(&self, request: &Value) -> Result<Value, String> {
        let mut line = self.line.lock().expect("no panic holds the line");
        let (input, answers) = &mut *line;
        writeln!(input, "{request}").map_err(|e| format!("the driver is gone: {e}"))?;
        let answer = answers.recv_timeout(PATIENCE).map_err(|e| format!("no answer to {request}: {e}"))?;
        match answer.get("error") {
            Some(error) => Err(error.as_str().map_or_else(|| error.to_string(), str::to_owned)),
            None => Ok(answer),
        }
    }

    /// Takes the first event of a kind out of those heard from a provider, waiting for one if there is none.
    pub fn take_event(&self, provider: &str, kind: &str, patience: Duration) -> Option<Event> {
        let (events, news) = &*self.events;
        let deadline = Instant::now() + patience;
        let mut heard = events.lock().expect("no panic holds the events");
        loop {
            if let Some(at) = heard.iter().position(|e| e.kind == kind && e.provider == provider) {
                return Some(heard.remove(at));
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            heard = news.wait_timeout(heard, left).expect("no panic holds the events").0;
        }
    }

    /// Forgets the events of a provider, all or those of one kind.
    pub fn forget_events(&self, provider: &str, kind: Option<&str>) {
        let mut heard = self.events.0.lock().expect("no panic holds the events");
        heard.retain(|event| event.provider != provider || kind.is_some_and(|kind| kind != event.kind));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hear(events: &Events, value: &Value) {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let flags = value["flags"].as_array().into_iter().flatten();
    let flags = flags.filter_map(|flag| flag.as_str().map(str::to_owned)).collect();
    let event = Event { kind: text("event"), provider: text("provider"), flags };
    events.0.lock().expect("no panic holds the events").push(event);
    events.1.notify_all();
}
