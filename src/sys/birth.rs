//! Starting a command inside its control groups, or as another user: it is both before its first instruction, and so is all that it
//! starts.
//!
//! `posix_spawn` has no step for that, and writing to `cgroup.procs` after a spawn lets children escape and costs
//! milliseconds: the kernel waits for a grace period before it moves a whole process (measured: 17 µs when it was done a
//! moment ago, 13 ms when not). Neither happens here:
//!
//! - version 2: `clone3` with `CLONE_INTO_CGROUP`; the child is born there;
//! - version 1: the child, which has one thread, writes `0` to `tasks`. The kernel takes no global lock for a thread that
//!   moves itself (measured: 15 to 22 µs, never above 0.15 ms).
//!
//! The child shares the daemon's memory, and the calling thread stands still, until the program is executed (`CLONE_VM |
//! CLONE_VFORK`, as `posix_spawn` does it). So it may only make system calls, on a stack of its own, with all signals blocked.
//! Where there is no `clone3`, `clone` does the same, and the child writes `0` to the `cgroup.procs` of version 2 itself: that
//! costs the grace period, and nothing escapes either.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use super::credentials::Ids;

/// The stack of the child until it is another program: it calls nothing deep.
const STACK_BYTES: usize = 64 * 1024;

/// The alignment of a stack on every architecture.
const STACK_ALIGNMENT: usize = 16;

/// Of `linux/sched.h`; libc's constant is too narrow.
#[cfg(target_arch = "x86_64")]
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The exit code of a child that could not become the program; its parent knows more.
const EXIT_FAILED: c_int = 127;

/// The ways into the groups of one process.
#[derive(Debug, Default)]
pub(crate) struct Entrances {
    /// The folder of the version 2 group.
    pub(crate) unified: Option<OwnedFd>,
    /// Its `cgroup.procs`, open for writing: where there is no `clone3`.
    pub(crate) unified_procs: Option<OwnedFd>,
    /// `tasks` of the version 1 groups, open for writing.
    pub(crate) tasks: Vec<OwnedFd>,
}

/// A program and the place where it is to run.
#[derive(Debug)]
pub(crate) struct Birth<'a> {
    /// The path of the program.
    pub(crate) program: &'a CStr,
    /// Its arguments, its own name first.
    pub(crate) args: &'a [CString],
    /// `NAME=value`.
    pub(crate) env: &'a [CString],
    /// Where it runs.
    pub(crate) folder: &'a CStr,
    /// Standard input, output and error.
    pub(crate) stdio: [BorrowedFd<'a>; 3],
    /// The groups it is born into.
    pub(crate) entrances: &'a Entrances,
    /// Whose it is; `None` is the daemon's own user.
    pub(crate) user: Option<&'a Ids>,
    /// Standard input is a terminal, which is to be the controlling one of a session that the program leads.
    pub(crate) leads_session: bool,
}

/// How far a start came that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Step {
    /// No child was made.
    Clone = 0,
    /// It could not enter its groups.
    Enter = 1,
    /// It could not be set up, or made somebody else's.
    Setup = 2,
    /// It could not go to its folder.
    Folder = 3,
    /// The program could not be executed.
    Execute = 4,
}

/// What the child needs, made whole before it is there, and what it says when it fails.
#[repr(C)]
struct Plan {
    joins: *const c_int,
    joins_len: usize,
    stdio: [c_int; 3],
    folder: *const c_char,
    program: *const c_char,
    args: *const *const c_char,
    env: *const *const c_char,
    /// Null for the daemon's own user.
    groups: *const u32,
    groups_len: usize,
    uid: u32,
    gid: u32,
    leads_session: bool,
    failed_step: c_int,
    failed_errno: c_int,
}

/// Starts a program in a process group of its own, or a session, with no signal blocked, and gives its pid. Its exit is for the caller to
/// reap. Blocks until the program is executed.
#[expect(unsafe_code, reason = "no library starts a program inside a control group")]
pub(crate) fn spawn(birth: &Birth<'_>) -> Result<u32, (Step, io::Error)> {
    let args = pointers(birth.args);
    let env = pointers(birth.env);
    let mut joins: Vec<c_int> = birth.entrances.tasks.iter().map(AsRawFd::as_raw_fd).collect();
    let group = birth.entrances.unified.as_ref().filter(|_| has_clone3());
    if group.is_none() {
        joins.extend(birth.entrances.unified_procs.as_ref().map(AsRawFd::as_raw_fd));
    }
    let mut plan = Plan {
        joins: joins.as_ptr(),
        joins_len: joins.len(),
        stdio: birth.stdio.map(|fd| fd.as_raw_fd()),
        folder: birth.folder.as_ptr(),
        program: birth.program.as_ptr(),
        args: args.as_ptr(),
        env: env.as_ptr(),
        groups: birth.user.map_or(ptr::null(), |user| user.groups.as_ptr()),
        groups_len: birth.user.map_or(0, |user| user.groups.len()),
        uid: birth.user.map_or(0, |user| user.uid),
        gid: birth.user.map_or(0, |user| user.gid),
        leads_session: birth.leads_session,
        failed_step: 0,
        failed_errno: 0,
    };
    let mut stack = vec![0_u8; STACK_BYTES];
    // SAFETY: the plan and all it points to, and the stack, live until the child has executed its program or is gone, because
    // this thread stands still until then (CLONE_VFORK). All signals are blocked meanwhile, so no handler of ours runs in
    // the child; the mask is put back by the thread it was taken from.
    let cloned = unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        let mut before = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let cloned = clone(&raw mut plan, &mut stack, group);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
        cloned
    };
    let pid = cloned.map_err(|error| (Step::Clone, error))?;
    // SAFETY: the child wrote it before it ended; the read is volatile because the compiler saw no write.
    let (step, errno) = unsafe {
        (ptr::read_volatile(&raw const plan.failed_step), ptr::read_volatile(&raw const plan.failed_errno))
    };
    let step = match step {
        0 => return Ok(pid.unsigned_abs()),
        1 => Step::Enter,
        2 => Step::Setup,
        3 => Step::Folder,
        _ => Step::Execute,
    };
    super::pidfd::kill_leader_and_wait(pid.unsigned_abs());
    super::pidfd::reap_child(pid.unsigned_abs());
    Err((step, io::Error::from_raw_os_error(errno)))
}

/// Whether a child can be born inside a version 2 group: Linux 5.7, and nobody forbids the call.
pub(crate) fn has_clone3() -> bool {
    static HAS: std::sync::LazyLock<bool> = std::sync::LazyLock::new(asked_for_clone3);
    *HAS
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "there is no wrapper of clone3")]
fn asked_for_clone3() -> bool {
    // SAFETY: all zeros is how unused fields are said.
    let mut args = unsafe { std::mem::zeroed::<libc::clone_args>() };
    args.flags = CLONE_INTO_CGROUP;
    args.cgroup = u64::MAX;
    // SAFETY: the arguments are whole, and no kernel makes a child of them: the number is none of a descriptor.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    // A kernel before 5.7 does not know the last field and says E2BIG; a filter says ENOSYS or EPERM.
    result == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL)
}

#[cfg(not(target_arch = "x86_64"))]
fn asked_for_clone3() -> bool {
    // A child with a stack of its own needs a few lines of assembly for each architecture; `clone` has them in libc.
    false
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

#[expect(unsafe_code, reason = "there is no wrapper of clone3, and clone's takes a bare pointer")]
unsafe fn clone(plan: *mut Plan, stack: &mut [u8], group: Option<&OwnedFd>) -> io::Result<libc::pid_t> {
    let skipped = stack.as_ptr().align_offset(STACK_ALIGNMENT);
    let len = (stack.len() - skipped) / STACK_ALIGNMENT * STACK_ALIGNMENT;
    let base = stack[skipped..].as_mut_ptr();
    #[cfg(target_arch = "x86_64")]
    if let Some(group) = group {
        // SAFETY: as for this function.
        return unsafe { clone3(plan, base, len, group) };
    }
    let _ = group;
    // SAFETY: the stack is aligned and grows down from its end; `live` never returns; the rest is as the caller promises.
    let pid = unsafe {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        libc::clone(live, base.add(len).cast(), flags, plan.cast())
    };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "there is no wrapper of clone3")]
unsafe fn clone3(plan: *mut Plan, base: *mut u8, len: usize, group: &OwnedFd) -> io::Result<libc::pid_t> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK;
    // SAFETY: all zeros is how unused fields are said.
    let mut args = unsafe { std::mem::zeroed::<libc::clone_args>() };
    args.flags = u64::from(flags.unsigned_abs()) | CLONE_INTO_CGROUP;
    args.exit_signal = u64::from(libc::SIGCHLD.unsigned_abs());
    args.stack = base as u64;
    args.stack_size = len as u64;
    args.cgroup = u64::from(group.as_raw_fd().unsigned_abs());
    const NUMBER: i64 = libc::SYS_clone3;
    let result: i64;
    // SAFETY: in the parent this is a system call like any other. The child starts behind it on the empty, aligned stack of
    // `args`, so nothing of this frame is touched; it calls `live`, which never returns.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") NUMBER => result,
            in("rdi") &raw mut args,
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") plan,
            in("r13") live as extern "C" fn(*mut c_void) -> c_int,
            out("rcx") _,
            out("r11") _,
        );
    }
    match i32::try_from(result) {
        Ok(pid) if pid > 0 => Ok(pid),
        _ => Err(io::Error::from_raw_os_error(i32::try_from(-result).unwrap_or(libc::EINVAL))),
    }
}

/// The child's whole life before it is another program. System calls only: the memory is the daemon's.
#[expect(unsafe_code, reason = "these calls are what posix_spawn makes of them")]
extern "C" fn live(plan: *mut c_void) -> c_int {
    let plan = plan.cast::<Plan>();
    // SAFETY: the plan is whole and nobody else touches it; every pointer in it is valid for as long as this runs.
    unsafe {
        for n in 0..(*plan).joins_len {
            if libc::write(*(*plan).joins.add(n), c"0".as_ptr().cast(), 1) != 1 {
                fail(plan, Step::Enter);
            }
        }
        // A handler of the daemon must never run here, and the program is not to inherit what the daemon ignores.
        for signal in 1..=libc::SIGRTMAX() {
            let mut action = std::mem::zeroed::<libc::sigaction>();
            if libc::sigaction(signal, ptr::null(), &raw mut action) == 0
                && action.sa_sigaction != libc::SIG_DFL
                && (action.sa_sigaction != libc::SIG_IGN || signal == libc::SIGPIPE)
            {
                action = std::mem::zeroed();
                libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
        }
        if (if (*plan).leads_session { libc::setsid() } else { libc::setpgid(0, 0) }) < 0 {
            fail(plan, Step::Setup);
        }
        // The daemon's own descriptors 0 to 2 are open, so none of these is one of them.
        for (to, from) in (0..).zip((*plan).stdio) {
            if libc::dup2(from, to) < 0 {
                fail(plan, Step::Setup);
            }
        }
        if (*plan).leads_session && libc::ioctl(0, libc::TIOCSCTTY, 0) != 0 {
            fail(plan, Step::Setup);
        }
        // The bare calls: libc's are for all threads of a process, and this is one task that shares its memory with others.
        if !(*plan).groups.is_null() {
            let (uid, gid) = ((*plan).uid, (*plan).gid);
            if libc::syscall(libc::SYS_setgroups, (*plan).groups_len, (*plan).groups) != 0
                || libc::syscall(libc::SYS_setresgid, gid, gid, gid) != 0
                || libc::syscall(libc::SYS_setresuid, uid, uid, uid) != 0
            {
                fail(plan, Step::Setup);
            }
        }
        // As that user: what the user may not enter is no folder to run in.
        if libc::chdir((*plan).folder) != 0 {
            fail(plan, Step::Folder);
        }
        let none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        libc::execve((*plan).program, (*plan).args, (*plan).env);
        fail(plan, Step::Execute)
    }
}

#[expect(unsafe_code, reason = "errno and _exit are libc's")]
unsafe fn fail(plan: *mut Plan, step: Step) -> ! {
    // SAFETY: the parent stands still and reads this only when the child is gone.
    unsafe {
        (*plan).failed_errno = *libc::__errno_location();
        (*plan).failed_step = step as c_int;
        libc::_exit(EXIT_FAILED)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::pidfd::{ExitStatus, PidFd};

    fn start(program: &str, script: &str, folder: &str) -> Result<u32, (Step, Option<i32>)> {
        let text = |text: &str| CString::new(text).unwrap();
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let (program, folder) = (text(program), text(folder));
        let birth = Birth {
            program: &program,
            args: &[text("sh"), text("-c"), text(script)],
            env: &[text("CODE=7")],
            folder: &folder,
            stdio: [null.as_fd(), null.as_fd(), null.as_fd()],
            entrances: &Entrances::default(),
            user: None,
            leads_session: false,
        };
        spawn(&birth).map_err(|(step, error)| (step, error.raw_os_error()))
    }

    /// The way without `clone3`; the other one is for groups, which not every host lets a test make.
    #[test]
    fn a_program_runs_or_the_step_that_failed_is_told() {
        let pid = start("/bin/sh", r#"[ "$PWD" = /usr ] && exit $CODE"#, "/usr").unwrap();
        let child = PidFd::open(pid).unwrap();
        child.wait_exit().unwrap();
        assert_eq!(child.peek_exit().unwrap().map(|(status, _)| status), Some(ExitStatus::Code(7)));
        child.reap().unwrap();
        assert_eq!(start("/bin/sh", "", "/nonexistent"), Err((Step::Folder, Some(libc::ENOENT))));
        assert_eq!(start("/nonexistent", "", "/"), Err((Step::Execute, Some(libc::ENOENT))));
        assert_eq!(start("/usr", "", "/"), Err((Step::Execute, Some(libc::EACCES))));
    }
}
