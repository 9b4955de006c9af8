//! Another program in the place of this one.

use std::ffi::{CStr, CString, c_char};
use std::io;

/// Executes a program in this process. Comes back only with the reason why it could not.
///
/// Descriptors that are not marked close-on-exec, children, the process group and blocked signals stay.
#[expect(unsafe_code, reason = "std replaces a process only together with its signals and descriptors")]
pub(crate) fn execve(program: &CStr, arguments: &[CString], variables: &[CString]) -> io::Error {
    let pointers = |texts: &[CString]| -> Vec<*const c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, variables) = (pointers(arguments), pointers(variables));
    // SAFETY: both lists are ended by a null pointer, and the texts live until the call comes back, if it does.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), variables.as_ptr()) };
    io::Error::last_os_error()
}
