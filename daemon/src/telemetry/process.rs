//! What the operating system knows about this process: the usual `process_*` series, read from `/proc`.

use std::fs;

use super::exposition::{Exposition, Kind};

/// Linux reports CPU times to user space in ticks of this many per second on every architecture (`USER_HZ`).
const TICKS: f64 = 100.0;

/// Figures of this process. A field is `None` where the system does not tell.
#[derive(Debug, Default, PartialEq)]
struct Figures {
    cpu_seconds: Option<f64>,
    started_seconds: Option<f64>,
    resident_bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    threads: Option<u64>,
}

/// Writes the families that the system has figures for.
pub(super) fn render(out: &mut Exposition) {
    let boot = fs::read_to_string("/proc/stat").ok().and_then(|stat| boot_time(&stat));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let figures = match fs::read_to_string("/proc/self/stat") {
        Ok(stat) => read(&stat, &status, boot),
        Err(_) => Figures::default(),
    };
    let mut one = |name, kind, help, value: Option<f64>| {
        if let Some(value) = value {
            out.family(name, kind, help).sample(&[], value);
        }
    };
    let help = "Total user and system CPU time spent in seconds.";
    one("process_cpu_seconds_total", Kind::Counter, help, figures.cpu_seconds);
    let help = "Start time of the process since unix epoch in seconds.";
    one("process_start_time_seconds", Kind::Gauge, help, figures.started_seconds);
    let help = "Resident memory size in bytes.";
    one("process_resident_memory_bytes", Kind::Gauge, help, figures.resident_bytes.map(|n| n as f64));
    let help = "Virtual memory size in bytes.";
    one("process_virtual_memory_bytes", Kind::Gauge, help, figures.virtual_bytes.map(|n| n as f64));
    let help = "Number of OS threads in the process.";
    one("process_threads", Kind::Gauge, help, figures.threads.map(|n| n as f64));
    let open = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as f64);
    one("process_open_fds", Kind::Gauge, "Number of open file descriptors.", open);
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let help = "Maximum number of open file descriptors.";
    one("process_max_fds", Kind::Gauge, help, open_files_limit(&limits));
}

/// Reads `/proc/self/stat` and `/proc/self/status`, as proc(5) lays them out.
fn read(stat: &str, status: &str, boot: Option<f64>) -> Figures {
    // The second field is the command in parentheses and may hold anything; the state follows it as field 3.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Figures {
        cpu_seconds: field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS),
        started_seconds: field(22).zip(boot).map(|(ticks, boot)| boot + ticks / TICKS),
        resident_bytes: kilobytes(status, "VmRSS:"),
        virtual_bytes: kilobytes(status, "VmSize:"),
        threads: line(status, "Threads:").and_then(|text| text.parse().ok()),
    }
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let text = line(status, name)?;
    text.strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

fn line<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn boot_time(stat: &str) -> Option<f64> {
    line(stat, "btime ")?.parse().ok()
}

/// The soft limit, which is the first number of the line.
fn open_files_limit(limits: &str) -> Option<f64> {
    line(limits, "Max open files")?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_may_look_like_fields() {
        let stat = "7 (a) 1 (b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 3 0 1200 9 9";
        let status = "Name:\tx\nVmSize:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t3\n";
        let figures = read(stat, status, Some(1_000_000.0));
        assert_eq!(
            figures,
            Figures {
                cpu_seconds: Some(3.0),
                started_seconds: Some(1_000_012.0),
                resident_bytes: Some(1_048_576),
                virtual_bytes: Some(2_097_152),
                threads: Some(3),
            }
        );
    }

    #[test]
    fn what_is_not_told_is_left_out() {
        assert_eq!(read("", "", None), Figures::default());
        assert_eq!(boot_time("cpu 1\nbtime 42\n"), Some(42.0));
        assert_eq!(open_files_limit("Max open files  1024  4096  files"), Some(1024.0));
        assert_eq!(open_files_limit("Max open files  unlimited  unlimited  files"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_figures() {
        let mut out = Exposition::default();
        render(&mut out);
        let text = out.finish();
        for name in ["process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds "] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name} missing in\n{text}");
        }
    }
}
