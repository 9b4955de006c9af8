//! Certificates that a platform adds to those of the host (`SANDBOX_EXTRA_CA_CERTS`): one file of both, and the variables by which
//! programs find it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Variables;
use super::reading::contents;
use crate::error::{Error, Result};

/// Where the merged file is, when nothing is set.
const MERGED_PATH: &str = "/etc/ssl/certs/sandbox-ca-bundle.crt";

/// Where hosts have their certificates: Debian and Alpine, Fedora, SUSE, Alpine again.
const HOST_PATHS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Bytes of one file of certificates; hosts have some hundred kilobytes.
const CERTIFICATES_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Variables that name all certificates that a program trusts.
const ALL: [&str; 3] = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

/// The variable that names those that Node trusts besides its own.
const EXTRA: &str = "NODE_EXTRA_CA_CERTS";

/// Merges the files, if extra certificates are wanted, and gives the variables. What cannot be done is logged and changes nothing.
pub(super) fn merge(variables: &Variables) -> Vec<(&'static str, OsString)> {
    let path = |name: &str| {
        let path = variables.get(&OsString::from(name)).filter(|path| !path.is_empty())?;
        // Commands run in other folders.
        std::path::absolute(path).ok()
    };
    let Some(extra) = path("SANDBOX_EXTRA_CA_CERTS") else { return Vec::new() };
    let merged = path("SANDBOX_MERGED_CA_PATH").unwrap_or_else(|| MERGED_PATH.into());
    match merge_files(&extra, &merged, path(ALL[0])) {
        Ok(()) => {
            let all = ALL.map(|name| (name, merged.clone().into_os_string()));
            all.into_iter().chain([(EXTRA, extra.into_os_string())]).collect()
        }
        Err(error) => {
            tracing::error!("the certificates of SANDBOX_EXTRA_CA_CERTS are not used: {error}");
            Vec::new()
        }
    }
}

fn merge_files(extra: &Path, merged: &Path, of_host: Option<PathBuf>) -> Result<()> {
    let refused = |source| Error::File { action: "write", path: merged.to_owned(), source };
    // A FIFO would be waited for, and a device would be gone.
    if fs::metadata(merged).is_ok_and(|there| !there.is_file()) {
        return Err(refused(io::Error::other("it is no regular file")));
    }
    if is_same(extra, merged) {
        // It would grow with each merging.
        return Err(refused(io::Error::other("it is the file of the certificates that are added")));
    }
    let added = contents(extra, CERTIFICATES_BYTES_MAX)?;
    let candidates = of_host.into_iter().chain(HOST_PATHS.map(PathBuf::from));
    // What an earlier daemon has merged is no source: certificates would never go again.
    let present = candidates.filter(|path| !is_same(path, merged)).find(|path| path.is_file());
    let mut bytes =
        present.map(|path| contents(&path, CERTIFICATES_BYTES_MAX)).transpose()?.unwrap_or_default();
    if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
    bytes.extend(added);
    if contents(merged, 2 * CERTIFICATES_BYTES_MAX + 1).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    replace(merged, &bytes).map_err(refused)
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    one == other || matches!((file(one), file(other)), (Ok(one), Ok(other)) if one == other)
}

/// Writes a file beside it and puts it into its place, so that a program that starts meanwhile finds the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(name);
    fs::remove_file(&beside).ok();
    let written = (|| {
        let mut file = fs::File::options().write(true).create_new(true).mode(0o644).open(&beside)?;
        file.write_all(bytes)?;
        // Whatever the umask is: commands of another user read it.
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        fs::remove_file(&beside).ok();
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_become_one_however_often() {
        let folder = std::env::temp_dir().join(format!("boxd-ca-{:016x}", fastrand::u64(..)));
        fs::create_dir_all(&folder).unwrap();
        let file = |name: &str| folder.join(name);
        fs::write(file("host"), "host").unwrap();
        fs::write(file("extra"), "extra\n").unwrap();
        let mut variables = Variables::new();
        variables.insert("SANDBOX_EXTRA_CA_CERTS".into(), file("extra").into());
        variables.insert("SANDBOX_MERGED_CA_PATH".into(), file("merged").into());
        variables.insert("SSL_CERT_FILE".into(), file("host").into());
        let given = merge(&variables);
        assert_eq!(fs::read_to_string(file("merged")).unwrap(), "host\nextra\n");
        assert_eq!(given[0], ("SSL_CERT_FILE", file("merged").into()));
        assert_eq!(given[3], ("NODE_EXTRA_CA_CERTS", file("extra").into()));
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        let before = inode(&file("merged"));
        assert_eq!(merge(&variables), given);
        assert_eq!(inode(&file("merged")), before, "what is right already is left alone");

        fs::write(file("extra"), "newer\n").unwrap();
        merge(&variables);
        assert_eq!(fs::read_to_string(file("merged")).unwrap(), "host\nnewer\n");
        // An environment that is inherited from an earlier daemon names the merged file.
        variables.insert("SSL_CERT_FILE".into(), file("merged").into());
        merge(&variables);
        assert_eq!(fs::read_to_string(file("merged")).unwrap().matches("newer").count(), 1);

        for bad in ["absent", "."] {
            variables.insert("SANDBOX_EXTRA_CA_CERTS".into(), file(bad).into());
            assert_eq!(merge(&variables), []);
        }
        variables.insert("SANDBOX_EXTRA_CA_CERTS".into(), file("extra").into());
        variables.insert("SANDBOX_MERGED_CA_PATH".into(), file("absent/merged").into());
        assert_eq!(merge(&variables), []);
        // A file that must not be read or replaced, and the file itself by another name.
        std::os::unix::fs::symlink("extra", file("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, file("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        for bad in ["fifo", "link", "extra"] {
            variables.insert("SANDBOX_MERGED_CA_PATH".into(), file(bad).into());
            assert_eq!(merge(&variables), [], "{bad}");
        }
        assert_eq!(fs::read_to_string(file("extra")).unwrap(), "newer\n");
        fs::remove_dir_all(folder).unwrap();
    }
}
