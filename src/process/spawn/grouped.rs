//! Starting a command inside its control groups. But for the groups it is what the fast way makes: the same arguments,
//! environment, folder, process group, signal mask and signal actions.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::{Ends, Line, MARK, SECRET, failure};
use crate::error::{Error, Result};
use crate::process::limits::ControlGroup;
use crate::sys::birth::{self, Birth, Step};
use crate::sys::pipe;

/// Starts it and gives its pid.
pub(super) fn start(line: &Line<'_>, ends: Ends, group: &ControlGroup) -> Result<u32> {
    let Line { spec, shell, .. } = line;
    let failed = |source| failure(spec, shell, source);
    let not_entered = |source| Error::Spawn {
        action: "cannot enter the control group of",
        path: PathBuf::from(&shell.program),
        source,
    };
    let entrances = group.entrances().map_err(not_entered)?;
    let stdin = match ends.stdin {
        Some(stdin) => stdin,
        None => pipe::no_input().map_err(failed)?,
    };
    let texts = Texts::new(line).map_err(failed)?;
    let birth = Birth {
        program: &texts.program,
        args: &texts.args,
        env: &texts.env,
        folder: &texts.folder,
        stdio: [stdin.as_fd(), ends.stdout.as_fd(), ends.stderr.as_fd()],
        entrances: &entrances,
    };
    birth::spawn(&birth).map_err(|(step, source)| match step {
        Step::Clone | Step::Enter => not_entered(source),
        Step::Setup | Step::Folder | Step::Execute => failed(source),
    })
}

/// The texts that the kernel takes. None of them holds a NUL: that was checked.
struct Texts {
    program: CString,
    args: Vec<CString>,
    env: Vec<CString>,
    folder: CString,
}

impl Texts {
    fn new(line: &Line<'_>) -> io::Result<Self> {
        let Line { spec, shell, id, argument } = line;
        let mut env: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        env.extend(spec.env.iter().map(|(name, value)| (name.into(), value.into())));
        env.insert(MARK.into(), id.to_string().into());
        for name in SECRET {
            env.remove(std::ffi::OsStr::new(name));
        }
        let env = env.into_iter().map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            CString::new(name.into_vec())
        });
        let args = [CString::new(shell.name.as_bytes())]
            .into_iter()
            .chain(shell.args.iter().map(|arg| CString::new(arg.as_str())))
            .chain([CString::new(*argument)]);
        Ok(Self {
            program: CString::new(shell.program.as_os_str().as_bytes())?,
            args: args.collect::<Result<_, _>>()?,
            env: env.collect::<Result<_, _>>()?,
            folder: CString::new(spec.working_dir.as_os_str().as_bytes())?,
        })
    }
}
