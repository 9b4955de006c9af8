//! Keeps the fast way of starting commands in a static binary.
//!
//! The standard library starts a command in a folder by `posix_spawn`, which is a `vfork`, only where the C library has
//! `posix_spawn_file_actions_addchdir_np`. It asks for that by a weak reference, which pulls nothing out of a static C library: the
//! function would not be there, and every start would fork the whole daemon. This strong reference makes the linker take it.

use std::ffi::{c_char, c_int};

/// The type of the function.
type AddChdir = unsafe extern "C" fn(*mut libc::posix_spawn_file_actions_t, *const c_char) -> c_int;

#[used]
static ADD_CHDIR: AddChdir = libc::posix_spawn_file_actions_addchdir_np;
