//! Starting a command inside its control groups, or as the workload user. But for those it is what the fast way makes: the same
//! arguments, environment, folder, process group, signal mask and signal actions.

use std::ffi::{CString, NulError};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use rustix::fs::{Gid, Uid};

use super::{Ends, Line, MARK, failure};
use crate::environment::{self, Variables};
use crate::error::{Error, Result};
use crate::process::limits::ControlGroup;
use crate::process::spec::Origin;
use crate::sys::birth::{self, Birth, Entrances, Step};
use crate::sys::pipe;
use crate::user::Identity;

/// Starts it and gives its pid.
pub(super) fn start(line: &Line<'_>, ends: Ends, group: Option<&ControlGroup>) -> Result<u32> {
    let Line { spec, shell, .. } = line;
    let failed = |source| failure(spec, shell, source);
    let not_entered = |source| Error::Spawn {
        action: "cannot enter the control group of",
        path: PathBuf::from(&shell.program),
        source,
    };
    let entrances = match group {
        Some(group) => group.entrances().map_err(not_entered)?,
        None => Entrances::default(),
    };
    let user = line.user.map(|user| &user.ids);
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
        user,
        leads_session: false,
    };
    if let Some(user) = user
        && spec.origin == Origin::Client
    {
        // A command that opens /dev/stdout opens the pipe anew, by the permissions of its user.
        let (uid, gid) = (Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)));
        for end in &birth.stdio[1..] {
            rustix::fs::fchown(end, uid, gid).map_err(|errno| failed(errno.into()))?;
        }
        if line.spec.stdin {
            rustix::fs::fchown(birth.stdio[0], uid, gid).map_err(|errno| failed(errno.into()))?;
        }
    }
    birth::spawn(&birth).map_err(|(step, source)| match step {
        Step::Clone | Step::Enter => not_entered(source),
        // Whether the daemon itself could go there says nothing of another user.
        Step::Folder if source.kind() != io::ErrorKind::NotFound => {
            Error::Spawn { action: "cannot run in", path: spec.working_dir.clone(), source }
        }
        Step::Setup | Step::Folder | Step::Execute => failed(source),
    })
}

/// The environment that a command inherits: those variables, without what is nobody else's, and with whose it is.
pub(crate) fn inherited(variables: &Variables, user: Option<&Identity>) -> Variables {
    let mut env = variables.clone();
    if let Some(user) = user {
        env.insert("HOME".into(), user.home.clone().into());
        env.insert("USER".into(), user.name.clone().into());
        env.insert("LOGNAME".into(), user.name.clone().into());
    }
    for name in environment::SECRET.iter().chain([&MARK]) {
        env.remove(std::ffi::OsStr::new(name));
    }
    env
}

/// An environment as the kernel takes it.
pub(crate) fn texts(env: Variables) -> Result<Vec<CString>, NulError> {
    let texts = env.into_iter().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        CString::new(name.into_vec())
    });
    texts.collect()
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
        let Line { spec, shell, id, argument, user, given } = line;
        let mut env = inherited(&given.all, *user);
        env.extend(spec.env.iter().map(|(name, value)| (name.into(), value.into())));
        env.insert(MARK.into(), id.to_string().into());
        let args = [CString::new(shell.name.as_bytes())]
            .into_iter()
            .chain(shell.args.iter().map(|arg| CString::new(arg.as_str())))
            .chain([CString::new(*argument)]);
        Ok(Self {
            program: CString::new(shell.program.as_os_str().as_bytes())?,
            args: args.collect::<Result<_, _>>()?,
            env: texts(env)?,
            folder: CString::new(spec.working_dir.as_os_str().as_bytes())?,
        })
    }
}
