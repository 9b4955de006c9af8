//! Whose the daemon is: the home folder of its user.
//!
//! `/etc/passwd` is read here and not by the C library: a static one would load shared libraries for that (NSS), and an
//! image that has the binary alone has none.

mod accounts;
mod identity;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub(crate) use accounts::{Accounts, Names};
pub use identity::Identity;

/// The users of a Unix system.
const PASSWD: &str = "/etc/passwd";

/// The home folder: the value of `HOME`, or what `/etc/passwd` says of the user whom the daemon runs as. `None`: neither knows.
pub(crate) fn home(variable: Option<OsString>) -> Option<PathBuf> {
    home_by(variable, Path::new(PASSWD), rustix::process::getuid().as_raw())
}

fn home_by(variable: Option<OsString>, passwd: &Path, uid: u32) -> Option<PathBuf> {
    match variable {
        Some(home) if !home.is_empty() => Some(home.into()),
        _ => home_of(&fs::read(passwd).ok()?, uid),
    }
}

/// The home folder in the first line of `uid` that has one: `name:password:uid:gid:comment:home:shell`, each line a user (`passwd(5)`).
fn home_of(passwd: &[u8], uid: u32) -> Option<PathBuf> {
    passwd.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let id = std::str::from_utf8(fields.nth(2)?).ok()?;
        // A number with a sign or blanks is none.
        let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        let home = fields.nth(2).filter(|home| home.starts_with(b"/"))?;
        (is_number && id.parse() == Ok(uid)).then(|| PathBuf::from(OsStr::from_bytes(home)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
        # a comment\n\
        +::::::\n\
        short:x:1000\n\
        nohome:x:1001:1001:::/bin/sh\n\
        user:x:1000:1000:A User,,,:/home/\xffuser:/bin/bash\n\
        again:x:1000:1000::/home/again:/bin/bash\n\
        bare:x:1002:1002::/home/bare";

    #[test]
    fn the_users_own_line_says_where_home_is() {
        #[track_caller]
        fn check(uid: u32, expect: Option<&[u8]>) {
            assert_eq!(home_of(USERS, uid), expect.map(|home| PathBuf::from(OsStr::from_bytes(home))));
        }
        check(0, Some(b"/root"));
        check(1000, Some(b"/home/\xffuser"));
        check(1002, Some(b"/home/bare"));
        for nobody in [1, 100, 1001, 10001] {
            check(nobody, None);
        }
        assert_eq!(home_of(b"", 0), None);
        assert_eq!(home_of(b"a:x:+1:1::/a:\nb:x: 1:1::/b:\nc:x:-1:1::/c:", 1), None);
    }

    #[test]
    fn the_variable_counts_before_the_file_unless_it_is_empty() {
        let file = std::env::temp_dir().join(format!("boxd-passwd-{}", fastrand::u64(..)));
        fs::write(&file, USERS).unwrap();
        let home = |variable: Option<&str>| home_by(variable.map(Into::into), &file, 0);
        assert_eq!(home(Some("/elsewhere")), Some("/elsewhere".into()));
        assert_eq!((home(Some("")), home(None)), (Some("/root".into()), Some("/root".into())));
        fs::remove_file(&file).unwrap();
        assert_eq!(home(None), None);
    }
}
