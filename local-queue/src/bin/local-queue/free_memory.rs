//! How much memory this process could take, as the system tells.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Free bytes of the machine, or of the control group (a container's limit, for one) if that has less. `None` where the
/// system does not tell.
pub(crate) fn free_bytes() -> Option<u64> {
    free_below(Path::new("/"))
}

/// As [`free_bytes`], with `/proc` and `/sys` below `root`.
fn free_below(root: &Path) -> Option<u64> {
    let machine = meminfo(root, "MemAvailable:");
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let group = groups.lines().filter_map(|line| free_in_group(root, line)).min();
    [machine, group].into_iter().flatten().min()
}

fn meminfo(root: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?;
    kib.checked_mul(1024)
}

/// What is free in a group and all that it is in. A line is `0::/path` (version 2) or `4:memory:/path` (version 1).
fn free_in_group(root: &Path, line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let (mount, limit, used) = if controllers.is_empty() {
        ("sys/fs/cgroup", "memory.max", "memory.current")
    } else if controllers.split(',').any(|controller| controller == "memory") {
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
    } else {
        return None;
    };
    let mount = root.join(mount);
    let group = mount.join(path.trim_start_matches('/'));
    // In a container the path may be that of the host, and the mount itself the group.
    let folders = group.ancestors().take_while(|folder| folder.starts_with(&mount)).map(PathBuf::from);
    let free = |folder: PathBuf| {
        let number = |name| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        // "max" is no number, and so no limit.
        let (limit, used) = (number(limit)?, number(used)?);
        Some(limit.saturating_sub(used.saturating_sub(reclaimable(&folder))))
    };
    folders.filter_map(free).min()
}

/// Bytes of files that the system holds in memory as long as nobody needs it.
fn reclaimable(folder: &Path) -> u64 {
    let text = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let value = |name| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    value("inactive_file ").unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        free_below(root.path())
    }

    #[test]
    fn the_least_of_machine_and_groups_counts() {
        let machine = ("proc/meminfo", "MemTotal:       16000 kB\nMemAvailable:    8000 kB\n");
        assert_eq!(free(&[]), None);
        assert_eq!(free(&[machine]), Some(8_000 * 1024));
        let unlimited = [
            machine,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "1000\n"),
        ];
        assert_eq!(free(&unlimited), Some(8_000 * 1024));
        let outer = [
            machine,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "1000\n"),
            ("sys/fs/cgroup/a/memory.max", "1000000\n"),
            ("sys/fs/cgroup/a/memory.current", "300000\n"),
            ("sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 100000\n"),
        ];
        assert_eq!(free(&outer), Some(800_000));
        let container_of_version_1 = [
            machine,
            ("proc/self/cgroup", "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "2500000\n"),
        ];
        assert_eq!(free(&container_of_version_1), Some(0));
    }
}
