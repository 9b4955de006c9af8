//! Pseudo-terminals: a pair of ends, and the size that programs are told.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Gid, OFlags, Uid};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, Winsize, tcgetattr, tcgetpgrp, tcsetattr, tcsetwinsize,
};

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) cols: u16,
    pub(crate) rows: u16,
}

/// The two ends of a new pseudo-terminal: the master, which never blocks, and the slave, which becomes nobody's controlling terminal
/// by itself. The slave is opened through the master and not by its path, so it does not matter what is mounted at `/dev/pts`.
pub(crate) fn open(size: Size) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    set_size(&master, size)?;
    // So that a backspace takes away a character and not a byte, where the kernel edits the line.
    let mut modes = tcgetattr(&slave)?;
    modes.input_modes |= InputModes::IUTF8;
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    rustix::fs::fcntl_setfl(&master, rustix::fs::fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
    Ok((master, slave))
}

/// Tells the programs of a terminal its size; they get SIGWINCH when it changes.
pub(crate) fn set_size(master: impl AsFd, size: Size) -> io::Result<()> {
    let size = Winsize { ws_col: size.cols, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(tcsetwinsize(master, size)?)
}

/// Makes a terminal a user's.
pub(crate) fn give_to(slave: impl AsFd, uid: u32, gid: u32) -> io::Result<()> {
    Ok(rustix::fs::fchown(slave, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
}

/// Whether the leader of a group reads what is typed now, and shows it: its group is in the foreground, and lines are not read without an
/// echo, as passwords are. A shell that edits the line itself reads no lines.
pub(crate) fn is_read_openly_by(master: impl AsFd, leader: u32) -> bool {
    let foreground = tcgetpgrp(&master).map(|group| group.as_raw_nonzero().get());
    let is_hidden =
        |modes: LocalModes| modes.contains(LocalModes::ICANON) && !modes.contains(LocalModes::ECHO);
    foreground.is_ok_and(|group| u32::try_from(group) == Ok(leader))
        && tcgetattr(master).is_ok_and(|modes| !is_hidden(modes.local_modes))
}
