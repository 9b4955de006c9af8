//! `Identity`: the user that commands and file operations are of, when that is not the daemon's own (`--user`).
//!
//! Written like Docker's `USER`: a name or a number, and perhaps a colon and a group, by name or number. Without a group it is the
//! user's own, with all others that `/etc/group` puts the user into; a number that nobody has is its own group.

use std::fs;
use std::path::PathBuf;

use crate::sys::credentials::Ids;

/// Where somebody without a home is at home.
const NO_HOME: &str = "/";

/// Who has this number may do everything: nobody who is to be confined.
const ROOT: u32 = 0;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What the kernel knows.
    pub(crate) ids: Ids,
    /// The name, or the number of one who has none.
    pub(crate) name: String,
    /// The home folder.
    pub(crate) home: PathBuf,
}

impl Identity {
    /// Finds the user of a specification, and makes sure that the daemon may become that user.
    ///
    /// # Errors
    /// A sentence: nobody is called so, it is root, or the daemon may not.
    pub(crate) fn find(spec: &str) -> Result<Self, String> {
        let read = |path| fs::read(path).unwrap_or_default();
        let identity = Self::parse(spec, &read("/etc/passwd"), &read("/etc/group"))?;
        let own = rustix::process::geteuid();
        if !own.is_root() && own.as_raw() != identity.ids.uid {
            return Err(format!("--user {spec}: only root can act as another user"));
        }
        Ok(identity)
    }

    fn parse(spec: &str, passwd: &[u8], group: &[u8]) -> Result<Self, String> {
        let (user, wanted_group) = match spec.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (spec, None),
        };
        let known = lines(passwd).find(|fields| fields[0] == user || fields[2] == user);
        let (uid, name) = match &known {
            Some(fields) => (number(fields[2]), fields[0].to_owned()),
            None => (number(user), user.to_owned()),
        };
        let uid = uid.ok_or_else(|| format!("--user {spec}: there is no user `{user}`"))?;
        if uid == ROOT {
            return Err(format!("--user {spec}: root is no user to be confined to"));
        }
        let own_gid = known.as_ref().and_then(|fields| number(fields.get(3)?)).unwrap_or(uid);
        let gid = match wanted_group {
            None => own_gid,
            Some(wanted) => lines(group)
                .find(|fields| fields[0] == wanted)
                .and_then(|fields| number(fields[2]))
                .or_else(|| number(wanted))
                .ok_or_else(|| format!("--user {spec}: there is no group `{wanted}`"))?,
        };
        let mut groups = vec![gid];
        if wanted_group.is_none() {
            let is_member =
                |fields: &&Vec<&str>| fields.get(3).is_some_and(|names| names.split(',').any(|n| n == name));
            groups.extend(
                lines(group)
                    .collect::<Vec<_>>()
                    .iter()
                    .filter(is_member)
                    .filter_map(|fields| number(fields[2])),
            );
            groups.sort_unstable();
            groups.dedup();
        }
        let home = known.as_ref().and_then(|fields| fields.get(5)).filter(|home| home.starts_with('/'));
        Ok(Self { ids: Ids { uid, gid, groups }, name, home: home.copied().unwrap_or(NO_HOME).into() })
    }
}

/// The lines that have a name, a password and a number.
fn lines(text: &[u8]) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines
        .map(|line| line.split(':').collect::<Vec<_>>())
        .filter(|fields| fields.len() >= 3 && !fields[0].is_empty())
}

/// A number without sign or blanks. The last one means "nobody" to system calls.
fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/sh\nuser:x:1000:100:U:/home/user:/bin/sh\nbare:x:1001:1001";
    const GROUP: &[u8] = b"root:x:0:\nusers:x:100:\nweb:x:33:user\ndocker:x:999:web,user\nwheel:x:10:root";

    #[test]
    fn users_as_docker_writes_them() {
        #[track_caller]
        fn check(spec: &str, expect: Result<(u32, u32, &[u32], &str, &str), &str>) {
            match (Identity::parse(spec, PASSWD, GROUP), expect) {
                (Ok(found), Ok((uid, gid, groups, name, home))) => {
                    let Identity { ids, name: found_name, home: found_home } = found;
                    assert_eq!((ids.uid, ids.gid, &ids.groups[..]), (uid, gid, groups), "{spec}");
                    assert_eq!((found_name.as_str(), found_home.to_str()), (name, Some(home)), "{spec}");
                }
                (Err(found), Err(text)) => assert!(found.contains(text), "{spec}: {found}"),
                (found, expect) => panic!("{spec}: {found:?}, not {expect:?}"),
            }
        }
        check("user", Ok((1000, 100, &[33, 100, 999], "user", "/home/user")));
        check("1000", Ok((1000, 100, &[33, 100, 999], "user", "/home/user")));
        check("user:web", Ok((1000, 33, &[33], "user", "/home/user")));
        check("1000:7", Ok((1000, 7, &[7], "user", "/home/user")));
        check("user:", Ok((1000, 100, &[33, 100, 999], "user", "/home/user")));
        check("4711", Ok((4711, 4711, &[4711], "4711", "/")));
        check("4711:docker", Ok((4711, 999, &[999], "4711", "/")));
        check("bare", Ok((1001, 1001, &[1001], "bare", "/")));
        check("nobody", Err("there is no user `nobody`"));
        check("user:nobody", Err("there is no group `nobody`"));
        check("root", Err("root is no user"));
        check("0", Err("root is no user"));
        check("00", Err("root is no user"));
        check("", Err("there is no user"));
        check("-1", Err("there is no user"));
        check("4294967295", Err("there is no user"));
    }
}
