//! What a process has used: `/proc/PID/stat` and `/proc/PID/status` (proc(5)).

use std::fs;

use crate::error::Problem;

/// Linux counts processor time in hundredths of a second for user space, whatever the kernel's own tick.
const MILLISECONDS_PER_TICK: u64 = 10;

/// Usage at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// User and system time of all threads in milliseconds.
    pub(super) cpu_ms: u64,
    /// Resident memory in KiB.
    pub(super) rss_kib: u64,
    /// The most that was ever resident, in KiB.
    pub(super) peak_kib: u64,
}

impl Usage {
    pub(super) fn of(pid: u32) -> Result<Self, Problem> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).map_err(|e| Problem::State(format!("{path}: {e}")))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        Ok(Self {
            cpu_ms: cpu_ms(&stat)?,
            rss_kib: kib(&status, "VmRSS:")?,
            peak_kib: kib(&status, "VmHWM:")?,
        })
    }
}

/// Fields 14 and 15, counted after the program's name, which may contain spaces.
fn cpu_ms(stat: &str) -> Result<u64, Problem> {
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let tick = |index: usize| fields.get(index).and_then(|f| f.parse::<u64>().ok());
    match (tick(11), tick(12)) {
        (Some(user), Some(system)) => Ok((user + system) * MILLISECONDS_PER_TICK),
        _ => Err(Problem::State("/proc/PID/stat has no processor times".into())),
    }
}

fn kib(status: &str, key: &str) -> Result<u64, Problem> {
    let line = status.lines().find_map(|l| l.strip_prefix(key));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| Problem::State(format!("/proc/PID/status has no {key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spaces_do_not_shift_the_fields() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 100 0 0 0 25 5 0 0 20 0 1 0 9 1 1";
        assert_eq!(cpu_ms(stat).unwrap(), 300);
        assert!(Usage::of(std::process::id()).unwrap().rss_kib > 0);
    }
}
