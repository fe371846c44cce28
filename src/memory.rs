//! What there is of memory, and the refusal of work that needs more. The system would give what it does not have, and
//! end the program, or another one, in the middle of the work.

use std::fmt;

/// What is there, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    whose: &'static str,
    total: u64,
    free: u64,
}

/// More is needed than there is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} would take at least {} of memory, but {there}", amount(*.needed))]
pub struct TooMuch {
    what: String,
    needed: u64,
    there: Memory,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has {}, of which {} are free", self.whose, amount(self.total), amount(self.free))
    }
}

/// Refuses what needs more bytes than there are. Where the system does not say how many there are, nothing is refused.
///
/// # Errors
/// Says what `what` would take, and what there is.
pub fn require(needed: u64, what: impl FnOnce() -> String) -> Result<(), TooMuch> {
    match now() {
        Some(there) if needed > there.free => Err(TooMuch { what: what(), needed, there }),
        _ => Ok(()),
    }
}

/// A product of numbers; what 64 bits do not hold is more than any machine has.
pub fn product(factors: &[usize]) -> u64 {
    factors.iter().fold(1, |product: u64, &factor| product.saturating_mul(factor as u64))
}

/// A sum of numbers, likewise.
pub fn sum(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |sum: u64, &part| sum.saturating_add(part))
}

/// `14.9 GiB`.
pub fn amount(bytes: u64) -> String {
    const GIB: f64 = (1u64 << 30) as f64;
    match bytes as f64 / GIB {
        gib if gib < 1.0 / 1024.0 => format!("{:.0} KiB", gib * 1024.0 * 1024.0),
        gib if gib < 1.0 => format!("{:.0} MiB", gib * 1024.0),
        gib if gib < 1024.0 => format!("{gib:.1} GiB"),
        gib => format!("{:.0} TiB", gib / 1024.0),
    }
}

/// The narrowest of what holds for this process.
fn now() -> Option<Memory> {
    let everywhere = [of_machine(), of_limit()].into_iter().flatten();
    everywhere.chain(of_groups()).min_by_key(|memory| memory.free)
}

/// The machine's own, with what it may swap out.
#[cfg(target_os = "linux")]
fn of_machine() -> Option<Memory> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let sum = |keys: [&str; 2]| Some(kibibytes(&text, keys[0])? + kibibytes(&text, keys[1]).unwrap_or(0));
    let (total, free) = (sum(["MemTotal:", "SwapTotal:"])?, sum(["MemAvailable:", "SwapFree:"])?);
    Some(Memory { whose: "this machine", total, free })
}

#[cfg(not(target_os = "linux"))]
fn of_machine() -> Option<Memory> {
    None
}

/// What `ulimit -v` leaves.
#[cfg(unix)]
fn of_limit() -> Option<Memory> {
    let total = rustix::process::getrlimit(rustix::process::Resource::As).current?;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let used = kibibytes(&status, "VmSize:").unwrap_or(0);
    Some(Memory { whose: "this process (see ulimit -v)", total, free: total.saturating_sub(used) })
}

#[cfg(not(unix))]
fn of_limit() -> Option<Memory> {
    None
}

/// The limits of the control groups that this process is in: containers and batch systems set them.
#[cfg(target_os = "linux")]
fn of_groups() -> Vec<Memory> {
    use std::path::Path;
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut found = Vec::new();
    for line in groups.lines() {
        let [_, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else { continue };
        let (root, names) = match controllers {
            "" => ("/sys/fs/cgroup", ["memory.max", "memory.current"]),
            "memory" => ("/sys/fs/cgroup/memory", ["memory.limit_in_bytes", "memory.usage_in_bytes"]),
            _ => continue,
        };
        let own = Path::new(root).join(path.trim_start_matches('/'));
        for group in own.ancestors().take_while(|group| group.starts_with(root)) {
            let read = |name: &str| std::fs::read_to_string(group.join(name)).ok();
            let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
            if let (Some(total), Some(used)) = (number(names[0]), number(names[1])) {
                let files = read("memory.stat").map_or(0, |text| reclaimable(&text));
                let free = total.saturating_sub(used.saturating_sub(files));
                found.push(Memory { whose: "this control group", total, free });
            }
        }
    }
    found
}

#[cfg(not(target_os = "linux"))]
fn of_groups() -> Vec<Memory> {
    Vec::new()
}

/// Bytes of files that a group holds in memory, and can let go of.
#[cfg(target_os = "linux")]
fn reclaimable(stat: &str) -> u64 {
    let rows = stat.lines().filter_map(|line| line.split_once(' '));
    let files = rows.filter(|(key, _)| matches!(*key, "inactive_file" | "active_file"));
    files.filter_map(|(_, bytes)| bytes.parse::<u64>().ok()).sum()
}

/// The number behind `key`, which counts kibibytes.
#[cfg(unix)]
fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_stands_beside_what_there_is() {
        let there = Memory { whose: "this machine", total: 24 << 30, free: 20 << 30 };
        let error = TooMuch { what: "a network".to_owned(), needed: 16_001_760_000, there };
        let text = "a network would take at least 14.9 GiB of memory, but this machine has 24.0 GiB, of which 20.0 GiB are free";
        assert_eq!(error.to_string(), text);
        assert_eq!([5 << 20, 3 << 40].map(amount), ["5 MiB", "3 TiB"]);
    }

    #[test]
    fn sums_and_products_do_not_wrap() {
        assert_eq!(product(&[3, 5, 7]), 105);
        assert_eq!(product(&[usize::MAX, 2, 0]), 0);
        assert_eq!(product(&[usize::MAX, 2]), u64::MAX);
        assert_eq!(sum(&[u64::MAX, 1]), u64::MAX);
        assert_eq!(sum(&[1, 2, 3]), 6);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_memory_and_not_all_there_could_be() {
        let machine = of_machine().expect("what the machine has");
        assert!(machine.free > 0 && machine.free <= machine.total, "{machine:?}");
        assert_eq!(require(1 << 10, || unreachable!("a kibibyte is there")), Ok(()));
        let error = require(1 << 60, || "all".to_owned()).expect_err("a billion gibibytes");
        assert!(
            error.to_string().starts_with("all would take at least 1048576 TiB of memory, but this "),
            "{error}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_system_writes_is_read() {
        let text = "MemTotal:       24614804 kB\nMemFree:  1 kB\nMemAvailable:   22000000 kB\n";
        assert_eq!(kibibytes(text, "MemAvailable:"), Some(22_000_000 * 1024));
        assert_eq!(kibibytes(text, "SwapFree:"), None);
        assert_eq!(reclaimable("anon 5\nfile 9\ninactive_file 3\nactive_file 4\n"), 7);
    }
}
