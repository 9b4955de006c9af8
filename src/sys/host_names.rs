//! Keeps the look-up of host names inside a static binary.
//!
//! `/etc/nsswitch.conf` may name modules that the C library loads as shared libraries. A static one would load those of the image
//! that it happens to run in, which were made for another C library, and may not survive it. The two that every host has, the
//! hosts file and DNS, are part of the C library since 2.34.

use std::ffi::{CStr, c_char, c_int};

#[expect(unsafe_code, reason = "a function of glibc that no crate has")]
unsafe extern "C" {
    fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
}

const DATABASE: &CStr = c"hosts";
const SERVICES: &CStr = c"files dns";

/// Looks host names up in `/etc/hosts` and then by DNS, whatever `/etc/nsswitch.conf` says. To be called before the first look-up.
#[expect(unsafe_code, reason = "a function of glibc that no crate has")]
pub(crate) fn stay_inside() {
    // SAFETY: both texts end with NUL and live for ever; the function copies what it keeps, under a lock of its own.
    let refused = unsafe { __nss_configure_lookup(DATABASE.as_ptr(), SERVICES.as_ptr()) };
    // It can only be refused for texts that it does not know.
    debug_assert_eq!(refused, 0);
}
