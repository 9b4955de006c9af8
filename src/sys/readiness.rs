//! `KernelFiles`: files of the kernel that say when their content has changed (`cgroup.events`, `memory.events`,
//! `pids.events`), and event counters, as one descriptor that becomes readable.
//!
//! Such a file is always "readable"; its change is an exceptional condition (`EPOLLPRI`), until it is read again. So they
//! stand in an epoll set of their own, and that set can be waited for like any other descriptor.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

/// The set.
#[derive(Debug)]
pub(crate) struct KernelFiles {
    epoll: OwnedFd,
    files: Vec<File>,
    counters: Vec<OwnedFd>,
}

impl KernelFiles {
    /// An empty set.
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, files: Vec::new(), counters: Vec::new() })
    }

    /// Adds a file. Changes count from now on.
    pub(crate) fn add_file(&mut self, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        read_again(&file)?;
        epoll::add(&self.epoll, &file, EventData::new_u64(0), EventFlags::PRI)?;
        self.files.push(file);
        Ok(())
    }

    /// Adds an event counter and gives it for whoever is to count.
    pub(crate) fn add_counter(&mut self) -> io::Result<BorrowedFd<'_>> {
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&self.epoll, &counter, EventData::new_u64(0), EventFlags::IN)?;
        self.counters.push(counter);
        let newest = self.counters.last().expect("one was pushed");
        Ok(newest.as_fd())
    }

    /// Forgets what has changed so far.
    pub(crate) fn clear(&self) {
        for file in &self.files {
            // A group that is gone has nothing more to say.
            read_again(file).ok();
        }
        for counter in &self.counters {
            rustix::io::read(counter, &mut [0_u8; 8]).ok();
        }
    }
}

impl AsFd for KernelFiles {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn read_again(mut file: &File) -> io::Result<()> {
    file.rewind()?;
    file.read_to_end(&mut Vec::new())?;
    Ok(())
}
