//! `Drive`: what a client wants mounted, checked in the known server's order and words, and the arguments of the program that
//! mounts it. Pure.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The bounds of names and paths, in bytes.
const NAME_BYTES_MAX: usize = 128;
const PATH_BYTES_MAX: usize = 512;

/// Ports of a filer, as its clients write them.
const FILER_PORTS: &str = "49200.49201";

/// As a client asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DriveRequest {
    pub(crate) name: String,
    pub(crate) mount_path: String,
    /// Empty means `/`.
    pub(crate) drive_path: String,
    pub(crate) is_read_only: bool,
    /// Whose files there are here, as numbers; empty means the platform's choice.
    pub(crate) uid_map: String,
    pub(crate) gid_map: String,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drive {
    pub(crate) name: String,
    /// Absolute, without needless slashes.
    pub(crate) mount_path: PathBuf,
    /// Of the drive's folders; absolute, without a slash at its end, `/` for all.
    pub(crate) folder: String,
    pub(crate) is_read_only: bool,
    /// Empty: not mapped.
    pub(crate) uid_map: String,
    pub(crate) gid_map: String,
}

impl Drive {
    /// Checks a request. `variable` knows the platform's settings, `own` the ids of the workload user.
    pub(super) fn check(
        asked: DriveRequest,
        variable: &dyn Fn(&str) -> Option<String>,
        own: Option<(u32, u32)>,
    ) -> Result<Self> {
        check_name(&asked.name)?;
        let mount_path = mount_path(&asked.mount_path).map_err(|why| Error::InvalidDrive { why })?;
        let folder = folder(&asked.drive_path)?;
        let map = |name: &str, asked: String, setting: &str, own: Option<u32>| {
            let given = Some(asked).filter(|map| !map.is_empty()).or_else(|| variable(setting));
            let map = given.or_else(|| own.map(|id| id.to_string())).unwrap_or_default();
            if map.is_empty() || (map.bytes().all(|b| b.is_ascii_digit()) && map.parse::<u32>().is_ok()) {
                return Ok(map);
            }
            Err(Error::MountFailed {
                why: format!("invalid {name}: invalid {name} {map:?}: must be a non-negative integer"),
            })
        };
        Ok(Self {
            name: asked.name,
            mount_path,
            folder,
            is_read_only: asked.is_read_only,
            uid_map: map("uidMap", asked.uid_map, "BLFS_UID_MAP", own.map(|(uid, _)| uid))?,
            gid_map: map("gidMap", asked.gid_map, "BLFS_GID_MAP", own.map(|(_, gid)| gid))?,
        })
    }

    /// The arguments of the program that mounts it, for the filer of a workspace.
    pub(super) fn arguments(
        &self,
        filer: &str,
        workspace: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<String> {
        let is_set = |name: &str| variable(name).is_some_and(|value| value == "true");
        let domain = if variable("BL_ENV").as_deref() == Some("dev") { "dev" } else { "ai" };
        let mut arguments = vec![
            "mount".to_owned(),
            format!("-filer={filer}:{FILER_PORTS}"),
            "-asyncDio=true".to_owned(),
            "-cacheSymlink=true".to_owned(),
            format!("-auth.tokenFile=/var/run/secrets/blaxel.{domain}/identity/token"),
            format!("-filer.path=/buckets/drv-{}-{workspace}{}", self.name, self.folder),
            format!("-dir={}", self.mount_path.display()),
            "-volumeServerAccess=filerProxy".to_owned(),
            "-dirAutoCreate=true".to_owned(),
            format!("-writebackCache={}", !is_set("BLFS_DISABLE_WRITEBACK_CACHE")),
            format!("-crossMountCacheCoherence={}", is_set("BLFS_CROSS_MOUNT_CACHE_COHERENCE")),
        ];
        let switches = [
            ("readDirectIO", is_set("BLFS_READ_DIRECT_IO")),
            ("evictPageCacheOnClose", is_set("BLFS_EVICT_PAGE_CACHE_ON_CLOSE")),
            ("readOnly", self.is_read_only),
        ];
        arguments.extend(switches.iter().filter(|(_, on)| *on).map(|(name, _)| format!("-{name}=true")));
        let maps = [("uid", &self.uid_map), ("gid", &self.gid_map)];
        arguments.extend(
            maps.iter().filter(|(_, id)| !id.is_empty()).map(|(kind, id)| format!("-map.{kind}={id}:0")),
        );
        arguments
    }
}

fn check_name(name: &str) -> Result<()> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let why = if name.len() > NAME_BYTES_MAX {
        format!("drive name too long (max {NAME_BYTES_MAX})")
    } else if !name.bytes().all(is_plain) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        "drive name must contain only letters, numbers, hyphens and underscores".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::InvalidDrive { why })
}

/// The path to mount on, absolute whatever was asked for. The error is a sentence.
pub(super) fn mount_path(asked: &str) -> Result<PathBuf, String> {
    let path = if asked.starts_with('/') { asked.to_owned() } else { format!("/{asked}") };
    if path.len() > PATH_BYTES_MAX {
        return Err(format!("mount path too long (max {PATH_BYTES_MAX})"));
    }
    if path.split('/').any(|part| part == "..") {
        return Err("mount path must not contain '..'".to_owned());
    }
    if path.contains('\0') {
        return Err("mount path must not contain a NUL byte".to_owned());
    }
    // Its parts, without empty ones and dots.
    Ok(Path::new(&path).components().collect())
}

fn folder(asked: &str) -> Result<String> {
    let invalid =
        |why: &str| Error::InvalidDrive { why: format!("Invalid drive path: Drive path must {why}") };
    match asked {
        "" => Ok("/".to_owned()),
        path if !path.starts_with('/') => Err(invalid("start with /")),
        // It would lead into another drive.
        path if path.split('/').any(|part| part == "..") => Err(invalid("not contain '..'")),
        path if path.contains('\0') => Err(invalid("not contain a NUL byte")),
        path if path.len() > PATH_BYTES_MAX => Err(invalid("not be longer than 512 bytes")),
        path => Ok(format!("/{}", path.trim_matches('/'))),
    }
}

/// The host of the filer: what the platform names, else the first name server that is an address.
pub(super) fn filer(named: Option<String>, resolv_conf: &str) -> Option<String> {
    let named = named.map(|host| host.trim().to_owned()).filter(|host| !host.is_empty());
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        address.parse::<IpAddr>().ok()
    };
    named.or_else(|| {
        resolv_conf.lines().find_map(server).map(|address| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str, mount_path: &str) -> DriveRequest {
        DriveRequest { name: name.to_owned(), mount_path: mount_path.to_owned(), ..DriveRequest::default() }
    }

    #[track_caller]
    fn check(asked: DriveRequest, expect: &str) {
        let text = format!("{asked:?}");
        let found = Drive::check(asked, &|_| None, None).map(|drive| drive.mount_path.display().to_string());
        assert_eq!(found.unwrap_or_else(|error| error.to_string()), expect, "{text}");
    }

    #[test]
    fn requests_are_checked_in_order() {
        check(request("d1_-x", "mnt//x/./"), "/mnt/x");
        let long = "x".repeat(129);
        check(request(&long, ".."), "drive name too long (max 128)");
        for bad in ["a b", "-a", "ä", "_a", "a/b"] {
            check(
                request(bad, ".."),
                "drive name must contain only letters, numbers, hyphens and underscores",
            );
        }
        check(request("a", &"/x".repeat(300)), "mount path too long (max 512)");
        check(request("a", "/mnt/../x"), "mount path must not contain '..'");
        check(request("a", "/mnt/a..b"), "/mnt/a..b");
        let below = |path: &str| DriveRequest {
            drive_path: path.to_owned(),
            uid_map: "x".to_owned(),
            ..request("a", "/x")
        };
        check(below("rel"), "Invalid drive path: Drive path must start with /");
        check(below("/a/../../drv-b"), "Invalid drive path: Drive path must not contain '..'");
        check(
            below("/a"),
            "Failed to mount drive: invalid uidMap: invalid uidMap \"x\": must be a non-negative integer",
        );
        for bad in ["-1", "+1", "1.5", "4294967296", " 1"] {
            let asked = DriveRequest { gid_map: bad.to_owned(), ..request("a", "/x") };
            assert!(Drive::check(asked, &|_| None, None).unwrap_err().to_string().contains("invalid gidMap"));
        }
    }

    #[test]
    fn the_program_gets_what_the_known_server_gives_it() {
        let variable = |name: &str| match name {
            "BLFS_UID_MAP" => Some("1000".to_owned()),
            "BL_ENV" => Some("dev".to_owned()),
            _ => None,
        };
        let words = |asked, filer: &str| {
            let drive = Drive::check(asked, &variable, None).unwrap();
            drive.arguments(filer, "wsabc", &variable).join(" ")
        };
        assert_eq!(
            words(request("d1", "/tmp/wirework/mnt/d1"), "10.255.255.53"),
            "mount -filer=10.255.255.53:49200.49201 -asyncDio=true -cacheSymlink=true \
             -auth.tokenFile=/var/run/secrets/blaxel.dev/identity/token -filer.path=/buckets/drv-d1-wsabc/ \
             -dir=/tmp/wirework/mnt/d1 -volumeServerAccess=filerProxy -dirAutoCreate=true -writebackCache=true \
             -crossMountCacheCoherence=false -map.uid=1000:0"
        );
        let asked = DriveRequest {
            drive_path: "/sub/dir/".to_owned(),
            is_read_only: true,
            uid_map: "5".to_owned(),
            gid_map: "6".to_owned(),
            ..request("d2", "tmp/d2/")
        };
        let line = words(asked, "f");
        assert!(line.contains("-filer.path=/buckets/drv-d2-wsabc/sub/dir -dir=/tmp/d2 "), "{line}");
        assert!(
            line.ends_with("-crossMountCacheCoherence=false -readOnly=true -map.uid=5:0 -map.gid=6:0"),
            "{line}"
        );
        let all = |_: &str| Some("true".to_owned());
        let drive = Drive::check(request("a", "/x"), &|_| None, Some((1, 2))).unwrap();
        let line = drive.arguments("f", "w", &all).join(" ");
        assert!(line.contains("blaxel.ai/"), "{line}");
        assert!(line.ends_with("-writebackCache=false -crossMountCacheCoherence=true -readDirectIO=true -evictPageCacheOnClose=true -map.uid=1:0 -map.gid=2:0"), "{line}");
    }

    #[test]
    fn the_filer_is_named_or_the_first_name_server() {
        let conf =
            "# nameserver 1.1.1.1\nsearch x\nnameserver none\nnameserver 10.0.0.1 # x\nnameserver 10.0.0.2\n";
        assert_eq!(filer(None, conf).as_deref(), Some("10.0.0.1"));
        assert_eq!(filer(Some("  ".to_owned()), conf).as_deref(), Some("10.0.0.1"));
        assert_eq!(filer(Some(" host ".to_owned()), conf).as_deref(), Some("host"));
        assert_eq!(filer(None, "nameserver fd00::1").as_deref(), Some("[fd00::1]"));
        assert_eq!(filer(None, "nameserver\n"), None);
    }
}
