//! The signals that tell the daemon to go away, and the signal state that commands inherit.
//!
//! They are handled, not blocked: a command inherits the mask of the thread that starts it and would never hear the
//! SIGTERM that it is stopped with, while a handler is gone with the `exec`. What was ignored when the daemon was started is handled, too,
//! for the same reason.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::Signal;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

pub(crate) use signal_hook::consts::{SIGCHLD as CHLD, SIGHUP as HUP, SIGINT as INT, SIGTERM as TERM};

/// What `Signals::wait` gives when another worker has taken over.
pub(crate) const RETIRED: &str = "retired";

/// SIGTERM and SIGINT, waited for by one thread.
#[derive(Debug)]
pub(crate) struct Signals {
    pending: signal_hook::iterator::Signals,
    orders: Option<Orders>,
}

/// What a keeper has passed on. A signal to a whole group reaches the keeper and its worker, and must count once: while there
/// is a keeper, only what it passes on counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    inner: Arc<OrdersInner>,
}

#[derive(Debug, Default)]
struct OrdersInner {
    given: AtomicUsize,
    is_retired: AtomicBool,
    keeper_is_gone: AtomicBool,
}

impl Orders {
    /// The keeper has got a signal.
    pub(crate) fn give(&self) {
        self.inner.given.fetch_add(1, Ordering::SeqCst);
        // Wakes the thread that waits.
        rustix::process::kill_process(rustix::process::getpid(), Signal::TERM).ok();
    }

    /// Another worker has taken over.
    pub(crate) fn retire(&self) {
        self.inner.is_retired.store(true, Ordering::SeqCst);
        rustix::process::kill_process(rustix::process::getpid(), Signal::TERM).ok();
    }

    /// From now on signals are for this process.
    pub(crate) fn keeper_is_gone(&self) {
        self.inner.keeper_is_gone.store(true, Ordering::SeqCst);
    }

    /// The next word that was passed on: first that another worker has taken over, then each order to go away.
    fn take(&self) -> Option<&'static str> {
        if self.inner.is_retired.swap(false, Ordering::SeqCst) {
            return Some(RETIRED);
        }
        let less = |given: usize| given.checked_sub(1);
        let given = self.inner.given.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        given.is_ok().then_some("SIGTERM")
    }

    fn obeys_signals(&self) -> bool {
        self.inner.keeper_is_gone.load(Ordering::SeqCst)
    }
}

impl Signals {
    /// Takes the signals over, and clears what the daemon was started with as blocked or ignored, before any thread is started.
    pub(crate) fn take_over(orders: Option<Orders>) -> io::Result<Self> {
        clear_mask()?;
        handle_ignored()?;
        let pending = match &orders {
            None => signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?,
            // A terminal that is closed is the keeper's business too.
            Some(_) => signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP])?,
        };
        Ok(Self { pending, orders })
    }

    /// Waits for one of them and gives its name; or, once, for the word that another worker has taken over.
    pub(crate) fn wait(&mut self) -> &'static str {
        loop {
            // Looked at before each wait: two words that come at once are one signal.
            if let Some(word) = self.orders.as_ref().and_then(Orders::take) {
                return word;
            }
            let name = match self.pending.forever().next() {
                Some(SIGINT) => "SIGINT",
                Some(SIGHUP) => "SIGHUP",
                _ => "SIGTERM",
            };
            if self.orders.as_ref().is_none_or(Orders::obeys_signals) {
                return name;
            }
        }
    }
}

/// SIGCHLD, waited for by one thread. Several that come at once are one.
#[derive(Debug)]
pub(crate) struct ChildSignals {
    pending: signal_hook::iterator::Signals,
}

impl ChildSignals {
    /// Takes SIGCHLD over.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { pending: signal_hook::iterator::Signals::new([SIGCHLD])? })
    }

    /// Waits for the end of a child.
    pub(crate) fn wait(&mut self) {
        self.pending.wait().for_each(drop);
    }
}

/// Signals as a descriptor that is readable when one has come. They are blocked: nothing else sees them.
#[derive(Debug)]
pub(crate) struct SignalFd {
    fd: OwnedFd,
}

impl SignalFd {
    /// Blocks these signals for the calling thread, which must be the only one, and gives their descriptor.
    #[expect(unsafe_code, reason = "rustix has no signalfd")]
    pub(crate) fn new(signals: &[i32]) -> io::Result<Self> {
        let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset makes the set whole before it is read; the descriptor that comes back is nobody else's.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), *signal);
            }
            if libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            match libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(Self { fd: OwnedFd::from_raw_fd(fd) }),
            }
        }
    }

    /// Takes the next signal that has come.
    pub(crate) fn take(&self) -> Option<i32> {
        let mut info = [0; size_of::<libc::signalfd_siginfo>()];
        let read = rustix::io::read(&self.fd, &mut info).ok()?;
        // `ssi_signo`, the first field.
        let number = info.first_chunk().filter(|_| read == info.len())?;
        i32::try_from(u32::from_ne_bytes(*number)).ok()
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[expect(unsafe_code, reason = "rustix has no signal masks in its safe interface")]
fn clear_mask() -> io::Result<()> {
    let mut empty = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset makes the set whole before it is read; nothing else is pointed to.
    let result = unsafe {
        libc::sigemptyset(empty.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, empty.as_ptr(), std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}

/// Gives each signal that the daemon was started with as ignored a handler that does nothing. A shell ignores some for what it runs in the
/// background, and so does `nohup`. That is the same for the daemon, and no business of the commands': they would inherit it, and a shell
/// cannot even undo it.
#[expect(
    unsafe_code,
    reason = "rustix has no dispositions, and signal-hook leaves to the caller what a handler does"
)]
fn handle_ignored() -> io::Result<()> {
    // The standard signals. SIGPIPE is ignored by every Rust program itself, and reset in what it starts.
    for signal in (1..=libc::SIGSYS).filter(|signal| *signal != libc::SIGPIPE) {
        if signal_hook::consts::FORBIDDEN.contains(&signal) {
            continue;
        }
        let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: without an action to set, the call only fills in the present one, which is read when it says that it has.
        let is_ignored = unsafe {
            libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
                && action.assume_init().sa_sigaction == libc::SIG_IGN
        };
        if is_ignored {
            // SAFETY: nothing can be done there that a handler may not do.
            unsafe { signal_hook::low_level::register(signal, || {}) }?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Set for the process that has the signals for itself.
    const ALONE: &str = "BOXD_TEST_SIGNALS_ALONE";

    #[test]
    fn what_the_daemon_was_told_to_ignore_is_no_commands_business() {
        if std::env::var_os(ALONE).is_none() {
            let name = "sys::signals::tests::what_the_daemon_was_told_to_ignore_is_no_commands_business";
            let mut run = Command::new("sh");
            run.args(["-c", "trap '' QUIT USR1; exec \"$0\" --exact \"$1\""]);
            let run = run.arg(std::env::current_exe().unwrap()).arg(name).env(ALONE, "1").output().unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
            return;
        }
        let ignored = || {
            let status = Command::new("cat").arg("/proc/self/status").output().unwrap().stdout;
            let status = String::from_utf8(status).unwrap();
            let (_, mask) = status.split_once("SigIgn:").unwrap();
            u64::from_str_radix(mask.lines().next().unwrap().trim(), 16).unwrap()
        };
        let both = 1 << (libc::SIGQUIT - 1) | 1 << (libc::SIGUSR1 - 1);
        assert_eq!(ignored() & both, both);
        let _signals = Signals::take_over(None).unwrap();
        assert_eq!(ignored() & both, 0);
        // The daemon itself still takes no notice of it.
        rustix::process::kill_process(rustix::process::getpid(), Signal::QUIT).unwrap();
    }

    #[test]
    fn words_that_come_at_once_are_all_heard() {
        let orders = Orders::default();
        orders.inner.given.fetch_add(2, Ordering::SeqCst);
        orders.inner.is_retired.store(true, Ordering::SeqCst);
        assert_eq!(
            [orders.take(), orders.take(), orders.take()],
            [Some(RETIRED), Some("SIGTERM"), Some("SIGTERM")]
        );
        assert_eq!(orders.take(), None);
        assert!(!orders.obeys_signals());
        orders.keeper_is_gone();
        assert!(orders.obeys_signals());
    }
}
