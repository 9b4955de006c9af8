//! A TUN device (Documentation/networking/tuntap.rst): a network interface whose packets are read and written here. It goes when its
//! descriptor is closed.

use std::ffi::c_ulong;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};

/// Bytes of an interface's name, less the zero (`IFNAMSIZ`).
pub(crate) const NAME_BYTES_MAX: usize = 15;

/// `TUNSETIFF` of `linux/if_tun.h`: `_IOW('T', 202, int)`.
const SET_INTERFACE: c_ulong = 0x4004_54ca;

/// `IFF_TUN`, and `IFF_NO_PI`: nothing but the packets.
const IFF_TUN: i16 = 0x0001;
const IFF_NO_PI: i16 = 0x1000;

/// `struct ifreq` of linux/if.h, as far as this request reads it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; NAME_BYTES_MAX + 1],
    flags: i16,
    rest: [u8; 22],
}

/// A TUN device.
#[derive(Debug)]
pub(crate) struct Tun {
    descriptor: OwnedFd,
}

impl Tun {
    /// Makes one of this name, which nobody else has. It takes no time: nothing waits here, and nothing does when packets are read.
    pub(crate) fn create(name: &str) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let descriptor = openat(CWD, "/dev/net/tun", flags, Mode::empty())
            .map_err(|errno| named("open /dev/net/tun", &errno.into()))?;
        let mut request =
            InterfaceRequest { name: [0; NAME_BYTES_MAX + 1], flags: IFF_TUN | IFF_NO_PI, rest: [0; 22] };
        let room = request.name.get_mut(..name.len()).filter(|room| room.len() <= NAME_BYTES_MAX);
        let room = room.ok_or_else(|| io::Error::other("interface name too long"))?;
        room.copy_from_slice(name.as_bytes());
        // SAFETY: the request is as large as the kernel's structure, and lives until the call returns.
        #[expect(unsafe_code, reason = "no safe wrapper of this request is in the crates we have")]
        let result = unsafe { libc::ioctl(descriptor.as_raw_fd(), SET_INTERFACE as _, &raw mut request) };
        if result < 0 {
            return Err(named("ioctl TUNSETIFF", &io::Error::last_os_error()));
        }
        Ok(Self { descriptor })
    }

    /// Reads a packet; `WouldBlock` when there is none.
    pub(crate) fn read(&self, packet: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.descriptor, packet)?)
    }

    /// Writes a packet.
    pub(crate) fn write(&self, packet: &[u8]) -> io::Result<()> {
        rustix::io::write(&self.descriptor, packet)?;
        Ok(())
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

fn named(action: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{action}: {}", crate::error::words(error)))
}
