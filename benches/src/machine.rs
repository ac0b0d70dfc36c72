//! What the system tells about itself and about processes: `/proc`, and which core runs what.

use std::fs;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::{Value, json};

use crate::Failure;

/// The unit of times in `/proc/PID/stat`; fixed for user space on Linux.
const TICK: Duration = Duration::from_millis(10);

/// CPU time that the process `pid` used so far, of user and kernel, all threads.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration, Failure> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}; did the server end?"))?;
    // The name of the program, in parentheses, may hold blanks; utime and stime are the 12th and 13th fields after it.
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: Vec<u32> =
        after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    match ticks[..] {
        [user, system] => Ok(TICK * (user + system)),
        _ => Err(format!("{path}: no times in it").into()),
    }
}

/// A line of `/proc/PID/status` such as `VmRSS` or `VmHWM`, in megabytes.
pub(crate) fn memory(pid: u32, line: &str) -> Result<f64, Failure> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}; did the server end?"))?;
    let kilobytes = text
        .lines()
        .find_map(|found| {
            found.strip_prefix(line)?.strip_prefix(':')?.split_whitespace().next()?.parse::<f64>().ok()
        })
        .ok_or_else(|| format!("{path}: no {line} in it"))?;
    Ok(kilobytes / 1024.0)
}

/// The load averages of now.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// Processor, cores, memory and kernel.
pub(crate) fn fingerprint() -> Value {
    let line = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().find(|line| line.starts_with(name));
        found
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "processor": line("/proc/cpuinfo", "model name"),
        "cores": line("/proc/cpuinfo", "siblings"),
        "memory": line("/proc/meminfo", "MemTotal"),
        "kernel": kernel.trim(),
        "build": if cfg!(debug_assertions) { "debug: figures mean nothing" } else { "release" },
    })
}

/// Whether there is a second core for the load.
fn has_two_cores() -> bool {
    // Not what is available to this process, which has pinned itself.
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.matches("processor\t").count() > 1)
}

static SERVERS: AtomicU16 = AtomicU16::new(1);

/// Lets servers that are started from now on use as many `cores`, the first ones.
pub(crate) fn let_servers_use(cores: u16) {
    SERVERS.store(cores, Ordering::Relaxed);
}

/// The cores that servers use, as `taskset` writes them; `None` where there is only one in all.
pub(crate) fn cores_of_servers() -> Option<String> {
    let last = SERVERS.load(Ordering::Relaxed).saturating_sub(1);
    has_two_cores().then(|| format!("0-{last}"))
}

/// Leaves the first core to servers, where there is another one.
pub(crate) fn pin_to_last_core() -> Result<(), Failure> {
    let cores = available_parallelism()?.get();
    if cores < 2 {
        return Ok(());
    }
    let allowed = sched_getaffinity(None)?;
    let Some(last) = (0..CpuSet::MAX_CPU).rev().find(|core| allowed.is_set(*core)) else { return Ok(()) };
    let mut set = CpuSet::new();
    set.set(last);
    sched_setaffinity(None, &set)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{cpu_time, memory};

    #[test]
    fn a_process_is_seen() {
        let own = std::process::id();
        assert!(memory(own, "VmRSS").unwrap() > 0.5);
        let before = cpu_time(own).unwrap();
        while cpu_time(own).unwrap() == before {}
        assert!(cpu_time(u32::MAX).is_err());
    }
}
