//! The engine and our providers in this process, beside the official crates in one of their own.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use engine::{Bump, Context, Definition, Selector, Snapshot, Value, compile};
use kit::Evaluate;
use open_feature::{Client, EvaluationContext, OpenFeature};

use super::Flags;
use crate::args::Args;
use crate::load::Exchange;
use crate::probe::{Cost, measure};
use crate::report::{Report, Table};
use crate::server::{Kind, Server, beside};
use crate::workload::single;
use crate::{Failure, five, sdk};

/// Flags of the document, beside which the five are looked up.
const FLAGS: usize = 1_000;
const READY: Duration = Duration::from_secs(10);

pub(super) async fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let flags = Flags::new(FLAGS)?;
    let mut server = Server::spawn(&Kind::hoistd(args.daemon.as_deref())?, &flags.path())?;
    let exchange: Exchange = single("R2")?;
    server.answers(&exchange).await?;
    let ours = Ours::open(&flags, &server).await?;
    let official = beside("official").or_else(|_| official_in_its_own_target());
    let mut tables: Vec<Table> = five::rules()
        .iter()
        .map(|(rule, _)| Table::new(format!("{rule}, one call in the caller's thread")))
        .collect();
    for _ in 0..args.rounds {
        for (table, (rule, _)) in tables.iter_mut().zip(five::rules()) {
            ours.round(rule, table).await?;
        }
        if let Ok(program) = &official {
            let flags = flags.path();
            let ports = [server.ports.evaluation, server.ports.ofrep].map(|port| port.to_string());
            let output = Command::new(program).arg(flags).args(ports).output()?;
            if !output.status.success() {
                return Err(format!("official: {}", String::from_utf8_lossy(&output.stderr)).into());
            }
            read_official(&output.stdout, &mut tables)?;
        }
    }
    for mut table in tables {
        for subject in [HANDLE, CLIENT] {
            table.compare_cost_with(subject, "official flagd file, client");
        }
        table.compare_cost_with(RPC, "official flagd rpc, client");
        table.compare_cost_with(OFREP, "official ofrep, client");
        if let Err(why) = &official {
            table.note(format!("the official crates are not measured: {why}"));
        }
        report.take(table);
    }
    Ok(())
}

const ENGINE: &str = "engine, context borrowed";
const HANDLE: &str = "hoist flagd file, synchronous handle";
const CLIENT: &str = "hoist flagd file, client";
const RPC: &str = "hoist flagd rpc, client";
const OFREP: &str = "hoist ofrep, client";

/// The package of the official crates, built where it lies.
fn official_in_its_own_target() -> Result<std::path::PathBuf, Failure> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("official/target/release/official");
    if path.exists() {
        return Ok(path);
    }
    Err("run `cargo build --release` in benches/official; it takes protoc".into())
}

/// What the official package prints: a line `rule subject TAB nanoseconds TAB allocations` for each of its calls.
fn read_official(stdout: &[u8], tables: &mut [Table]) -> Result<(), Failure> {
    for line in std::str::from_utf8(stdout)?.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [rule, subject, nanoseconds, allocations] = fields[..] else {
            return Err(format!("official: `{line}` is no line of four fields").into());
        };
        let at = five::rules().iter().position(|(known, _)| *known == rule);
        let table =
            at.and_then(|at| tables.get_mut(at)).ok_or_else(|| format!("official: no rule {rule}"))?;
        table
            .add_cost(subject, Cost { nanoseconds: nanoseconds.parse()?, allocations: allocations.parse()? });
    }
    Ok(())
}

/// Everything of ours, ready to be asked.
struct Ours {
    snapshot: Snapshot,
    handle: kit::Handle<flagd::InProcess>,
    file: Client,
    rpc: Client,
    ofrep: Client,
    context: EvaluationContext,
    // The SDK lets go of providers with it, and they of their streams.
    _sdk: OpenFeature,
}

impl Ours {
    async fn open(flags: &Flags, server: &Server) -> Result<Self, Failure> {
        let definition = std::fs::read_to_string(flags.path())?;
        let definition = Definition::parse(&definition).map_err(|error| format!("{error:?}"))?;
        let compiled = compile(&definition, &Arc::from("bench"), &engine::Options::default(), None);
        let local = flagd::in_process(flagd::Options {
            resolver: flagd::Mode::File,
            offline_flag_source_path: Some(flags.path()),
            ..flagd::Options::default()
        })?;
        let rpc = flagd::provider(flagd::Options {
            host: "127.0.0.1".to_owned(),
            port: Some(server.ports.evaluation),
            // A kept answer would be measured in place of the call.
            cache: flagd::Cache::Disabled,
            ..flagd::Options::default()
        })?;
        let ofrep = ofrep::provider(ofrep::Options {
            base_url: format!("http://127.0.0.1:{}", server.ports.ofrep),
            ..ofrep::Options::default()
        })?;
        let (handle, rpc_handle, ofrep_handle) = (local.handle(), rpc.handle(), ofrep.handle());
        let mut sdk = OpenFeature::default();
        sdk.set_named_provider("file", local).await;
        sdk.set_named_provider("rpc", rpc).await;
        sdk.set_named_provider("ofrep", ofrep).await;
        handle.ready(READY).await?;
        rpc_handle.ready(READY).await?;
        ofrep_handle.ready(READY).await?;
        Ok(Self {
            snapshot: Snapshot::fold([&compiled.layer], 1),
            handle,
            file: sdk.create_named_client("file"),
            rpc: sdk.create_named_client("rpc"),
            ofrep: sdk.create_named_client("ofrep"),
            context: sdk::context(&five::context()),
            _sdk: sdk,
        })
    }

    async fn round(&self, rule: &str, table: &mut Table) -> Result<(), Failure> {
        let right = self.engine(rule, table).await?;
        let handle = || self.handle.get::<bool>(rule, &self.context);
        check(HANDLE, rule, handle().ok(), right)?;
        let cost = measure(async || drop(std::hint::black_box(handle()))).await;
        table.add_cost(HANDLE, cost);
        for (subject, client) in [(CLIENT, &self.file), (RPC, &self.rpc), (OFREP, &self.ofrep)] {
            let ask = || client.get_bool_value(rule, Some(&self.context), None);
            check(subject, rule, ask().await.ok(), right)?;
            let cost = measure(async || drop(std::hint::black_box(ask().await))).await;
            table.add_cost(subject, cost);
        }
        Ok(())
    }

    /// Measures the engine, and says what is right.
    async fn engine(&self, rule: &str, table: &mut Table) -> Result<bool, Failure> {
        let (json, held) = (five::context(), Bump::new());
        let Value::Map(fields) = Value::from_json(&json, &held) else {
            return Err("a context is an object".into());
        };
        let context = Context::new(fields);
        let mut arena = Bump::new();
        let mut ask = || {
            let flag = self.snapshot.find(&Selector::Any, rule)?;
            let variant = flag
                .resolve(&context, 1, &arena, &mut ())
                .ok()?
                .variant
                .map(|variant| variant.name() == "on" || variant.name() == "red");
            arena.reset();
            variant
        };
        let right = ask().ok_or_else(|| format!("engine: no answer for {rule}"))?;
        let cost = measure(async || {
            std::hint::black_box(ask());
        })
        .await;
        table.add_cost(ENGINE, cost);
        Ok(right)
    }
}

fn check(subject: &str, rule: &str, seen: Option<bool>, right: bool) -> Result<(), Failure> {
    if seen == Some(right) {
        return Ok(());
    }
    Err(format!("{subject}: {rule} is {seen:?}, not {right}").into())
}
