//! Our flagd provider beside a daemon that changes and dies: how soon a change is seen, and what a loss looks like.
//!
//! `HOIST_FLIPS` sets how often the kill switch is flipped (40 unless told), `HOIST_RESTARTS` how often the daemon dies (4).
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flagd::{InProcess, Mode, Options, Rpc};
use kit::{EventKind, Handle, Provider, Resolver, State};
use open_feature::{EvaluationContext, OpenFeature};
use tests::world::{Daemon, DaemonOptions, Ports};

/// How long a change may take before the test gives up.
const ARRIVAL: Duration = Duration::from_secs(10);
/// The deadline of an evaluation.
const DEADLINE: Duration = Duration::from_millis(500);
/// What a busy machine may add to it.
const SLACK: Duration = Duration::from_secs(2);

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn write(path: &Path, on: bool) {
    let variant = if on { "on" } else { "off" };
    let text = format!(
        r#"{{"flags": {{"kill-switch": {{"state": "ENABLED", "variants": {{"on": true, "off": false}},
            "defaultVariant": "{variant}"}}}}}}"#
    );
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).expect("a file can be written");
    std::fs::rename(&beside, path).expect("a file can be replaced");
}

fn daemon(folder: &Path) -> Daemon {
    let path = folder.join("flags.json");
    write(&path, true);
    DaemonOptions::new(["--uri".into(), format!("file:{}", path.display())]).start()
}

fn options(resolver: Mode, ports: Ports) -> Options {
    Options {
        resolver,
        host: "127.0.0.1".to_owned(),
        port: Some(if resolver == Mode::Rpc { ports.evaluation } else { ports.sync }),
        deadline: DEADLINE,
        retry_backoff: Duration::from_millis(50),
        retry_backoff_max: Duration::from_millis(200),
        retry_grace_period: Duration::from_millis(1500),
        ..Options::default()
    }
}

/// Both ways to the same flags, with what an application keeps of them.
struct Both {
    rpc: Handle<Rpc>,
    local: Handle<InProcess>,
    /// Hold the providers.
    _apis: [OpenFeature; 2],
    clients: Arc<[open_feature::Client; 2]>,
}

impl Both {
    async fn open(ports: Ports) -> Self {
        let rpc = Provider::new(Rpc::open(&options(Mode::Rpc, ports)).expect("good options"));
        let local = Provider::new(InProcess::open(&options(Mode::InProcess, ports)).expect("good options"));
        let (rpc_handle, local_handle) = (rpc.handle(), local.handle());
        let mut apis = [OpenFeature::default(), OpenFeature::default()];
        apis[0].set_provider(rpc).await;
        apis[1].set_provider(local).await;
        rpc_handle.ready(ARRIVAL).await.expect("ready");
        local_handle.ready(ARRIVAL).await.expect("ready");
        let clients = Arc::new([apis[0].create_client(), apis[1].create_client()]);
        Self { rpc: rpc_handle, local: local_handle, _apis: apis, clients }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_switch_is_soon_seen() {
    let flips = number("HOIST_FLIPS", 40);
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = daemon(folder.path());
    let both = Both::open(daemon.ports()).await;
    let mut on = true;
    let mut times = [Vec::new(), Vec::new()];
    for flip in 0..flips {
        on = !on;
        write(&folder.path().join("flags.json"), on);
        let written = Instant::now();
        let mut seen = [None, None];
        while seen.iter().any(Option::is_none) {
            for (client, seen) in both.clients.iter().zip(&mut seen) {
                let value = client.get_bool_value("kill-switch", None, None).await.expect("an answer");
                if value == on {
                    seen.get_or_insert_with(|| written.elapsed());
                }
            }
            assert!(written.elapsed() < ARRIVAL, "flip {flip} was not seen: {seen:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for (times, seen) in times.iter_mut().zip(seen) {
            times.extend(seen);
        }
        // The daemon takes 20 versions a second; what is measured is one flip, not a queue of them.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    for (name, times) in ["rpc", "in-process"].into_iter().zip(&mut times) {
        times.sort_unstable();
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        println!("{name}: {flips} flips, p50 {:.1?}, p99 {:.1?}, max {:.1?}", at(0.5), at(0.99), at(1.0));
    }
}

/// Notes the states that a provider goes through.
fn noted<R: Resolver>(handle: &Handle<R>) -> Arc<Mutex<Vec<State>>> {
    let states = Arc::new(Mutex::new(Vec::new()));
    for kind in [EventKind::Ready, EventKind::Stale, EventKind::Error] {
        let states = Arc::clone(&states);
        handle.on(kind, move |event| states.lock().expect("no panic holds it").push(event.state));
    }
    states
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_dies_again_and_again() {
    let restarts = number("HOIST_RESTARTS", 4);
    let folder = tempfile::tempdir().expect("a folder");
    let mut daemon = daemon(folder.path());
    let both = Both::open(daemon.ports()).await;
    let stories = [noted(&both.rpc), noted(&both.local)];
    let (over, asked, errors) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for task in 0..6 {
        let (over, asked, errors) = (Arc::clone(&over), Arc::clone(&asked), Arc::clone(&errors));
        let clients = Arc::clone(&both.clients);
        tasks.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let started = Instant::now();
                // A context of its own and a flag that does not exist: not everything may come from the cache.
                let (key, mine) = if task < 4 { ("kill-switch", task % 2) } else { ("missing", 0) };
                let context = EvaluationContext::default().with_targeting_key("me");
                let answer = clients[mine].get_bool_value(key, Some(&context), None).await;
                assert!(started.elapsed() < DEADLINE + SLACK, "an evaluation took {:?}", started.elapsed());
                match answer {
                    Ok(value) => assert!(value, "the switch was on all the time"),
                    Err(error) => {
                        assert!(mine == 0, "in process flags always answer: {error:?}");
                        errors.fetch_add(1, Ordering::Relaxed);
                    }
                }
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }));
    }
    for restart in 0..restarts {
        daemon.kill();
        // Now and then longer than the grace period.
        let away = if restart % 4 == 0 { 2000 } else { 100 };
        tokio::time::sleep(Duration::from_millis(away)).await;
        daemon = tokio::task::spawn_blocking(move || daemon.restart().map(|()| daemon))
            .await
            .expect("no panic")
            .expect("it starts again");
        wait_ready(&both.rpc).await;
        wait_ready(&both.local).await;
    }
    over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("no evaluation panics");
    }
    for (name, story) in ["rpc", "in-process"].into_iter().zip(stories) {
        let story = story.lock().expect("no panic holds it").clone();
        check(name, &story, restarts);
    }
    println!(
        "{restarts} restarts: {} evaluations, {} errors",
        asked.load(Ordering::Relaxed),
        errors.load(Ordering::Relaxed)
    );
}

async fn wait_ready<R: Resolver>(handle: &Handle<R>) {
    let started = Instant::now();
    while handle.state() != State::Ready {
        assert!(started.elapsed() < ARRIVAL, "still {} after {ARRIVAL:?}", handle.state());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// READY, then STALE, then READY again or first ERROR (contract 11.2); nothing else, and as often as the daemon died.
fn check(name: &str, story: &[State], restarts: usize) {
    assert_eq!(story.first(), Some(&State::Ready), "{name}: {story:?}");
    assert_eq!(story.last(), Some(&State::Ready), "{name}: {story:?}");
    for pair in story.windows(2) {
        let fine = matches!(
            pair,
            [State::Ready, State::Stale]
                | [State::Stale, State::Ready | State::Error]
                | [State::Error, State::Ready]
        );
        assert!(fine, "{name}: {pair:?} in {story:?}");
    }
    let times = |state: State| story.iter().filter(|seen| **seen == state).count();
    assert!(times(State::Stale) >= restarts, "{name}: {story:?}");
    assert!(times(State::Error) >= restarts.div_ceil(4), "{name}: {story:?}");
    println!(
        "{name}: STALE {}, ERROR {}, READY {}",
        times(State::Stale),
        times(State::Error),
        times(State::Ready)
    );
}
