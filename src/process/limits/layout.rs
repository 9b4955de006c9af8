//! `Layout`: where the control groups of this process are, read from `/proc/self/cgroup` and `/proc/self/mountinfo`.
//!
//! Three worlds: version 2 alone (one hierarchy), version 1 alone (one a controller), and hybrid, where each controller
//! belongs to one of them. Pure: texts in, paths out (`cgroups(7)`, `proc_pid_mountinfo(5)`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// The folders of the groups that this process is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// In the hierarchy of version 2.
    pub(crate) unified: Option<PathBuf>,
    /// In the hierarchies of version 1, by controller.
    pub(crate) v1: BTreeMap<String, PathBuf>,
}

impl Layout {
    /// Reads the two texts. What is not mounted is not there.
    pub(crate) fn parse(own_groups: &str, mounts: &str) -> Self {
        let mut layout = Self::default();
        let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
        for line in own_groups.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if controllers.is_empty() {
                let mount = mounts.iter().rev().find(|mount| mount.is_unified);
                layout.unified = mount.and_then(|mount| mount.folder(path));
                continue;
            }
            for controller in controllers.split(',') {
                let mount = mounts.iter().rev().find(|mount| mount.has(controller));
                if let Some(folder) = mount.and_then(|mount| mount.folder(path)) {
                    layout.v1.insert(controller.to_owned(), folder);
                }
            }
        }
        layout
    }
}

/// A mounted hierarchy.
struct Mount {
    /// The group that is mounted.
    root: PathBuf,
    point: PathBuf,
    is_unified: bool,
    /// The options of the hierarchy: its controllers are among them.
    options: Vec<String>,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let kind = after.next()?;
        if !matches!(kind, "cgroup" | "cgroup2") {
            return None;
        }
        let mut before = before.split(' ').skip(3);
        Some(Self {
            root: unescape(before.next()?),
            point: unescape(before.next()?),
            is_unified: kind == "cgroup2",
            options: after.nth(1)?.split(',').map(str::to_owned).collect(),
        })
    }

    fn has(&self, controller: &str) -> bool {
        !self.is_unified && self.options.iter().any(|option| option == controller)
    }

    /// The folder of a group. One outside of what is mounted cannot be reached.
    fn folder(&self, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(&self.root).ok()?;
        let is_plain = below.components().all(|part| matches!(part, Component::Normal(_)));
        is_plain.then(|| self.point.join(below)).map(|path| path.components().collect())
    }
}

/// Blanks and backslashes stand as `\040` and the like.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if first == b'\\' => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(own: &str, mounts: &str, unified: Option<&str>, v1: &[(&str, &str)]) {
        let v1 = v1.iter().map(|(name, path)| ((*name).to_owned(), PathBuf::from(path))).collect();
        let expect = Layout { unified: unified.map(PathBuf::from), v1 };
        assert_eq!(Layout::parse(own, mounts), expect);
    }

    #[test]
    fn version_2_alone() {
        check(
            "0::/system.slice/boxd.service\n",
            "25 30 0:22 / /proc rw - proc proc rw\n\
             35 25 0:30 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n",
            Some("/sys/fs/cgroup/system.slice/boxd.service"),
            &[],
        );
    }

    #[test]
    fn version_2_in_a_container() {
        // With a namespace of its own the group is the root; without one the mount shows which group it is.
        let mount = |root: &str| format!("35 25 0:30 {root} /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n");
        check("0::/\n", &mount("/"), Some("/sys/fs/cgroup"), &[]);
        check("0::/docker/abc\n", &mount("/docker/abc"), Some("/sys/fs/cgroup"), &[]);
        check("0::/docker/abc/child\n", &mount("/docker/abc"), Some("/sys/fs/cgroup/child"), &[]);
        check("0::/docker/abcd\n", &mount("/docker/abc"), None, &[]);
        check("0::/../other\n", &mount("/"), None, &[]);
    }

    #[test]
    fn version_1_alone() {
        check(
            "11:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n2:pids:/\n1:name=systemd:/docker/abc\n",
            "40 39 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
             41 39 0:32 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             42 39 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
            None,
            &[
                ("memory", "/sys/fs/cgroup/memory"),
                ("cpu", "/sys/fs/cgroup/cpu,cpuacct"),
                ("cpuacct", "/sys/fs/cgroup/cpu,cpuacct"),
                ("pids", "/sys/fs/cgroup/pids"),
            ],
        );
    }

    #[test]
    fn hybrid() {
        check(
            "8:pids:/\n4:memory:/api/b6d4\n0::/\n",
            "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
             35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
             39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
            Some("/sys/fs/cgroup/unified"),
            &[("memory", "/sys/fs/cgroup/memory/api/b6d4"), ("pids", "/sys/fs/cgroup/pids")],
        );
    }

    #[test]
    fn nothing_and_nonsense() {
        check("", "", None, &[]);
        check("0::/\n", "35 25 0:30 / /a\\040b\\134 rw - cgroup2 none rw\n", Some("/a b\\"), &[]);
        check("garbage\n::\n0:\n", "garbage\n - cgroup2\n - cgroup x\n1 2 - cgroup x y\n", None, &[]);
    }
}
